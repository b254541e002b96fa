"""Reading recipes: TOML, what they extend, and overrides, with every mistake reported at once."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alfosc_reduce.errors import ConfigurationError, suggest
from alfosc_reduce.recipe import InputFiles, Limit, Recipe, Source, StepEntry
from alfosc_reduce.wiring import wire

_ALLOWED = {
    "Recipe": list(Recipe.model_fields),
    "InputFiles": list(InputFiles.model_fields),
    "StepEntry": list(StepEntry.model_fields),
    "Limit": list(Limit.model_fields),
    "Source": [field.alias or name for name, field in Source.model_fields.items()],
}


_KEY = r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.-]|[ \t](?!=))+)\s*="""


@dataclass(frozen=True)
class RecipeFile:
    """A recipe, and where each of its keys stands.

    Attributes
    ----------
    recipe
        Merged and validated.
    layers
        The files it was merged from, the recipe's own first, with their contents.
    """

    recipe: Recipe
    layers: list[tuple[Path, dict[str, Any]]]

    @property
    def folder(self) -> Path:
        """The folder of the recipe, to which its files are relative."""
        return self.layers[0][0].parent

    @property
    def own_limits(self) -> dict[str, Any]:
        """The limits that the recipe itself writes, of those a shipped one has."""
        own: dict[str, Any] = self.layers[0][1].get("limits", {})
        return own

    def place(self, *location: str) -> str:
        """Say in which file and line a key stands."""
        return place_of(location, self.layers)


def read_recipe(path: Path, overrides: Iterable[str] = ()) -> RecipeFile:
    """Return the recipe in a file, merged over what it extends and under `overrides`.

    Parameters
    ----------
    path
        A TOML file.
    overrides
        ``steps.X.params.Y=value`` as on the command line.

    Raises
    ------
    ConfigurationError
        With a sentence for each mistake, if the recipe is not of the right form. Whether the steps and parameters of
        one of the right form exist is checked by `alfosc_reduce.wiring.wire`.
    """
    layers = layers_of(path)
    data: dict[str, Any] = {}
    for _, layer in reversed(layers):
        data = merged(data, layer)
    for override in overrides:
        data = merged(data, parse_override(override))
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        problems = [_sentence(e, layers) for e in error.errors()]
        raise ConfigurationError([*problems, *_further_mistakes(data, error, layers)]) from None
    instrument = recipe.instrument or next((n for _, d in layers for n in [_instrument(d)] if n), "")
    return RecipeFile(recipe.model_copy(update={"instrument": instrument}), layers)


def without(data: Mapping[str, Any], locations: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return a copy of nested tables without what stands at some locations, or as far towards them as there is."""
    result = copy.deepcopy(dict(data))
    for location in locations:
        table: Any = result
        for here, following in zip(location, (*location[1:], None), strict=True):
            if not isinstance(table, dict) or here not in table:
                break
            if not (isinstance(table[here], dict) and following in table[here]):
                del table[here]
                break
            table = table[here]
    return result


def _further_mistakes(
    data: Mapping[str, Any], error: ValidationError, layers: list[tuple[Path, dict[str, Any]]]
) -> list[str]:
    """Return what is wrong in tables of sound form, so that all mistakes can be mended at once."""
    locations = [e["loc"] for e in error.errors()]
    told = tuple(f"[{'.'.join(map(str, location[:2]))}]" for location in locations)
    with suppress(ValidationError):
        try:
            file = RecipeFile(Recipe(), layers)
            wire(Recipe.model_validate(without(data, locations)), file.place, file.folder)
        except ConfigurationError as found:
            return [sentence for sentence in found.problems if not any(table in sentence for table in told)]
    return []


def layers_of(path: Path, seen: tuple[Path, ...] = ()) -> list[tuple[Path, dict[str, Any]]]:
    """Return a recipe and all that it extends, the recipe itself first."""
    path = path.absolute()
    if path.resolve() in seen:
        raise ConfigurationError(f"{path}: extends itself by way of {', '.join(str(p) for p in seen)}")
    data = _toml(path)
    extends = data.get("extends")
    if not isinstance(extends, str) or not extends:
        return [(path, data)]
    further = _extended(extends, path)
    if not further.exists():
        raise ConfigurationError(f"{path}: extends = {extends!r}: there is no file {further}")
    return [(path, data), *layers_of(further, (*seen, path.resolve()))]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such recipe; make one with 'alfosc-reduce init'") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None


def _extended(extends: str, path: Path) -> Path:
    from alfosc_reduce.registry import get_instrument

    instrument, colon, name = extends.partition(":")
    if not colon:
        return path.parent / extends
    try:
        recipes = get_instrument(instrument).recipes()
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: extends = {extends!r}: {error}") from None
    if name not in recipes:
        raise ConfigurationError(
            f"{path}: extends = {extends!r}: {instrument} has no such recipe; {suggest(name, recipes)}"
        )
    return recipes[name]


def _instrument(data: Mapping[str, Any]) -> str:
    before, colon, _ = str(data.get("extends", "")).partition(":")
    return before if colon else ""


def merged(base: Mapping[str, Any], over: Mapping[str, Any], depth: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return `over` laid over `base`: tables merge, the rest (also the source of an input, a limit) is replaced."""
    result = dict(base)
    for key, value in over.items():
        whole = depth[::2] == ("steps", "inputs") or (len(depth) == 2 and depth[0] == "limits")
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping) and not whole:
            result[key] = merged(result[key], value, (*depth, key))
        else:
            result[key] = value
    return result


def parse_override(text: str) -> dict[str, Any]:
    """Return ``steps.sky.params.degree=3`` as nested tables; a value that is no TOML is taken as text."""
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigurationError(f"--set {text!r}: write it as steps.NAME.params.PARAMETER=VALUE")
    try:
        nested: Any = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        nested = value.strip()
    for part in reversed(parts):
        nested = {part: nested}
    return dict(nested)


def _sentence(error: Any, layers: list[tuple[Path, dict[str, Any]]]) -> str:
    location = tuple(str(part) for part in error["loc"])
    where = place_of(location, layers)
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no key {location[-1]!r} here; {suggest(location[-1], _allowed_at(location[:-1]))}"
    return f"{where}: {error['msg'].lower()}, found {error['input']!r}"


def _allowed_at(table: tuple[str, ...]) -> list[str]:
    match table:
        case ():
            return _ALLOWED["Recipe"]
        case ("input",):
            return _ALLOWED["InputFiles"]
        case ("steps", _):
            return _ALLOWED["StepEntry"]
        case ("limits", _, _):
            return _ALLOWED["Limit"]
    return _ALLOWED["Source"]


def place_of(location: tuple[str, ...], layers: list[tuple[Path, dict[str, Any]]]) -> str:
    """Return ``recipe.toml:12 [steps.sky] params.degree``: the file and line where a key stands, if it can be found."""
    depth = 2 if location[:1] in (("steps",), ("limits",)) else len(location) - 1
    table, key = ".".join(location[:depth]), ".".join(location[depth:])
    name = " ".join(part for part in (f"[{table}]" if table else "", key) if part)
    for length in range(len(location), 0, -1):
        for path, data in layers:
            if _holds(data, location[:length]):
                line = line_of(path.read_text(encoding="utf-8"), location[:length])
                return f"{path.name}:{line} {name}" if line else f"{path.name} {name}"
    return name


def _holds(data: Any, location: tuple[str, ...]) -> bool:
    for part in location:
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True


def line_of(text: str, location: tuple[str, ...]) -> int | None:
    """Return the number of the line on which a key stands in TOML text; None if it is not found."""
    table: tuple[str, ...] = ()
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line):
            table = _parts(header.group(1))
            here = table
        elif key := re.match(_KEY, line):
            here = table + _parts(key.group(1))
        else:
            continue
        if here == location:
            return number
        if here == location[: len(here)]:
            found = number
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', dotted))
