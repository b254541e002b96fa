"""What a step says of itself, as data and as text: for the command line, the reference pages and recipes."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from alfosc_reduce.docstrings import parameter_texts

if TYPE_CHECKING:
    from alfosc_reduce.catalog import Catalog
    from alfosc_reduce.registry import Plugin
    from alfosc_reduce.step import Step


@dataclass(frozen=True)
class ParameterHelp:
    """One parameter of a step, for a person.

    Attributes
    ----------
    name
        As in recipes.
    kind
        What may stand there, e.g. ``length in arcsec or pix``, ``"mean" or "median"``, ``number > 0``.
    default
        As one would write it in a recipe (TOML); None if it must be given.
    text
        Its docstring in one line.
    parts
        How many words make a value: 2 for ``4000 5000``, as a rule 1.
    """

    name: str
    kind: str
    default: str | None
    text: str
    parts: int = 1


class _Schema(GenerateJsonSchema):
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012


def parameters_of(step: type[Step] | type[Catalog]) -> tuple[ParameterHelp, ...]:
    """Return the parameters of a step or catalogue in the order of their declaration."""
    schema = step.model_json_schema(schema_generator=_Schema)
    defaults, texts = _defaults(step), parameter_texts(step)
    return tuple(
        ParameterHelp(
            name,
            kind_of(schema["properties"][name], schema.get("$defs", {})),
            toml_of(defaults[name]) if name in defaults else None,
            texts[name],
            parts_of(schema["properties"][name]),
        )
        for name in step.model_fields
    )


def _defaults(step: type[Step] | type[Catalog]) -> dict[str, Any]:
    given = {name: field.get_default(call_default_factory=True) for name, field in step.model_fields.items()
             if not field.is_required()}  # fmt: skip
    try:
        return dict(step().model_dump(mode="json"))
    except ValueError:
        return dict(step.model_construct(**given).model_dump(mode="json", include=set(given)))


def toml_of(value: Any) -> str:
    """Return a plain value as TOML; None, which TOML lacks, as the text ``none``."""
    if value is None:
        return '"none"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_of(item)}" for key, item in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_of(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def kind_of(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return in words what a JSON schema allows."""
    if "$ref" in schema:
        return kind_of(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(kind_of(choice, definitions) for choice in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "words" in schema:
        return str(schema["words"])
    if "units" in schema:
        return f"quantity in {' or '.join(schema['units'])}"
    if schema.get("type") == "array":
        return _array(schema, definitions)
    words = {"null": "none", "integer": "integer", "number": "number", "boolean": "true or false", "string": "text"}
    return words.get(schema.get("type", ""), "value") + _limits(schema)


def parts_of(schema: dict[str, Any]) -> int:
    """Return how many words make a value: the members of a list of fixed length, or what a type says in ``parts``."""
    choices = [parts_of(choice) for choice in schema.get("anyOf", [])]
    return int(max([schema.get("parts", 1), len(schema.get("prefixItems", [])), *choices]))


def _array(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    members = schema.get("prefixItems")
    if members:
        return "[" + ", ".join(kind_of(member, definitions) for member in members) + "]"
    return f"list of {kind_of(schema.get('items', {}), definitions)}"


def _limits(schema: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {schema[key]:g}" for key, sign in signs.items() if key in schema)


def documentation_of(step: type[Step] | type[Catalog]) -> str:
    """Return the docstring of a step or catalogue without indentation; empty for one without."""
    own = step.__dict__.get("__doc__")
    return inspect.cleandoc(own) if own else ""


def step_text(plugin: Plugin, step: type[Step]) -> str:
    """Return all about a step as plain text."""
    lines = [f"{plugin.name}   ({plugin.owner} {plugin.version})", "", documentation_of(step), ""]
    lines += ["Inputs", *(f"  {port}" for port in step.inputs()), ""]
    lines += ["Outputs", *(f"  {port}" for port in step.outputs()), ""]
    lines += ["Parameters", *(_parameter_text(p) for p in parameters_of(step))]
    if not step.model_fields:
        lines.append("  none")
    return "\n".join(lines)


def _parameter_text(parameter: ParameterHelp) -> str:
    default = "must be given" if parameter.default is None else f"default {parameter.default}"
    return f"  {parameter.name}: {parameter.kind}; {default}\n      {parameter.text}"
