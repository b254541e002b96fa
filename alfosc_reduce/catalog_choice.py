"""Reference catalogues as parameters of a step: written by name, looked up among the installed ones."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from alfosc_reduce.catalog import Catalog
from alfosc_reduce.errors import ConfigurationError, suggest
from alfosc_reduce.fingerprint import code_of
from alfosc_reduce.parameters import BY_CONTENT
from alfosc_reduce.registry import get_catalog


class FromRegistry:
    """Annotation of a catalogue given as text or table, looked up among the installed ones."""

    def parse(self, value: object, info: core_schema.ValidationInfo) -> Catalog:
        """Return the catalogue; raises a validation error with a sentence for each mistake."""
        if isinstance(value, Catalog):
            return value
        try:
            name, parameters = _written(value)
            cls = get_catalog(name)
            if parameters and "" in parameters:
                parameters = _with_main(cls, parameters)
            return cls.model_validate(parameters, context=info.context)
        except ConfigurationError as error:
            raise _refusal(str(error)) from None
        except ValidationError as error:
            raise _refusal("; ".join(_sentence(name, cls, e) for e in error.errors())) from None

    def write(self, catalog: Catalog, info: core_schema.SerializationInfo) -> Any:
        """Return the name, or where parameters are not at their default a table; for a fingerprint also its code."""
        if not isinstance(catalog, Catalog):
            return catalog  # a default that could not be validated, shown in the help
        given = catalog.model_dump(mode="json", exclude_defaults=True, context=info.context)
        if BY_CONTENT.items() <= (info.context or {}).items():
            return {"name": catalog.name, "code": code_of(type(catalog)), **given}
        return {"name": catalog.name, **given} if given else catalog.name

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `parse`, write with `write`."""
        return core_schema.with_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write, info_arg=True)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """Describe as one of the ways to write a catalogue."""
        return {"type": "string", "words": "catalogue"}


def _written(value: object) -> tuple[str, dict[str, Any]]:
    """Return name and parameters of a catalogue as written; the text after a colon stands under the empty name."""
    if isinstance(value, str) and value.strip().startswith("{"):
        value = _toml(value)
    if isinstance(value, str):
        name, colon, rest = value.strip().partition(":")
        return name, {"": rest.strip()} if colon else {}
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return value["name"], {key: item for key, item in value.items() if key != "name"}
    raise ConfigurationError(f'{value!r} is not a catalogue; write "gaia", "file:FILE", or {{ name = "file", ... }}')


def _with_main(cls: type[Catalog], parameters: dict[str, Any]) -> dict[str, Any]:
    if not cls.main:
        raise ConfigurationError(f"the catalogue {cls.name!r} takes nothing after a colon; found {parameters['']!r}")
    return {cls.main: parameters[""]}


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{text!r} is not a TOML table: {error}") from None


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("catalogue", "{sentence}", {"sentence": sentence})


def _sentence(name: str, cls: type[Catalog], error: Any) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"the catalogue {name!r} has no parameter {key!r}; {suggest(key, cls.model_fields)}"
    if error["type"] == "missing":
        return f"the catalogue {name!r} needs the parameter {key!r}"
    return f"the catalogue {name!r}: {f'{key}: ' if key else ''}{error['msg']}"


CatalogChoice = Annotated[Catalog, FromRegistry()]
"""A catalogue as a parameter: ``"gaia"``, ``"file:field.ecsv"``, ``{ name = "vizier", table = "II/246/out" }``."""


def _as_list(value: object) -> object:
    """Return what was written as a list: a single catalogue is a list of one, a TOML list may come as text."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            return _toml(value)
        except ConfigurationError as error:
            raise _refusal(str(error)) from None
    return [value] if isinstance(value, (str, dict, Catalog)) else value


CatalogChoices = Annotated[tuple[CatalogChoice, ...], BeforeValidator(_as_list)]
"""Several catalogues in order of preference, or one."""
