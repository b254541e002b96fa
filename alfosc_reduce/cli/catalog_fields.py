"""For which fields, and from which catalogues, ``alfosc-reduce catalog fetch`` is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from alfosc_reduce.catalog import Catalog
from alfosc_reduce.catalog_choice import CatalogChoice
from alfosc_reduce.errors import ConfigurationError, ReductionError
from alfosc_reduce.field import Field, field_of, position
from alfosc_reduce.parameters import Angle

if TYPE_CHECKING:
    from astropy.units import Quantity

    from alfosc_reduce.frames import Frame, Night
    from alfosc_reduce.recipe_file import RecipeFile

_ALONE = "10 arcmin"


@dataclass(frozen=True)
class NamedField:
    """A field to fetch, and what a person calls it."""

    name: str
    field: Field


def asked(
    source: Sequence[str],
    names: Sequence[str],
    positions: Sequence[str],
    radius: str | None,
    margin: str,
    instrument: str,
) -> tuple[list[NamedField], list[Catalog], list[str]]:
    """Return the fields and catalogues that the options of the command name, and remarks on what was left out.

    Raises
    ------
    ConfigurationError
        If no field or no catalogue is named, or an option cannot be understood.
    """
    size = _parsed(Angle, radius, "--radius") if radius else None
    alone = _parsed(Angle, radius or _ALONE, "--radius")
    fields = [NamedField(text, Field(position(text, "--at"), alone)) for text in positions]
    catalogs: list[Catalog] = [_parsed(CatalogChoice, name, "--catalog") for name in names]
    remarks: list[str] = []
    if source:
        night, recipes = _night(source, instrument)
        found, remarks = _fields(night, _parsed(Angle, margin, "--margin"), size)
        fields += found
        catalogs = catalogs or _of_recipes(recipes)
    if not fields:
        raise ConfigurationError(
            "\n".join(["there is no field of an image; name raw frames, a recipe, or --at", *remarks])
        )
    if not catalogs:
        raise ConfigurationError(f"name a catalogue with --catalog{_installed()}")
    return fields, catalogs, remarks


def _installed() -> str:
    from alfosc_reduce.registry import CATALOGS, plugins

    return f"; installed are: {', '.join(plugins(CATALOGS)) or 'none'}"


def _parsed(kind: Any, text: str, option: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        raise ConfigurationError(f"{option}: {error.errors()[0]['msg']}") from None


def _night(source: Sequence[str], instrument: str) -> tuple[Night, list[RecipeFile]]:
    """Return the frames of a recipe or of raw files, and the recipes in which catalogues may be named."""
    from alfosc_reduce.frames import find_files, observe
    from alfosc_reduce.recipe_file import read_recipe
    from alfosc_reduce.reduction import frames_of, instruments_for

    recipes = [name for name in source if name.endswith(".toml")]
    if recipes:
        if len(source) > 1:
            raise ConfigurationError("name one recipe, or raw frames")
        file = read_recipe(Path(recipes[0]))
        return frames_of(file)[0], [file]
    night = observe(find_files(source, Path.cwd()), instruments_for(instrument))
    shipped = {path for name in _instruments(night.frames) for path in _shipped(name)}
    return night, [read_recipe(path) for path in sorted(shipped)]


def _instruments(frames: Iterable[Frame]) -> set[str]:
    return {frame.instrument for frame in frames if frame.info.kind == "image"}


def _shipped(instrument: str) -> list[Path]:
    from alfosc_reduce.registry import get_instrument

    return list(get_instrument(instrument).recipes().values())


def _of_recipes(files: Iterable[RecipeFile]) -> list[Catalog]:
    """Return all catalogues that steps of some recipes name, each once."""
    from alfosc_reduce.wiring import wire

    found: list[Catalog] = []
    for file in files:
        for wired in wire(file.recipe, file.place, file.folder).steps:
            for value in wired.step.__dict__.values():
                members = value if isinstance(value, tuple) else (value,)
                found += [m for m in members if isinstance(m, Catalog) and m not in found]
    return found


def _fields(night: Night, margin: Quantity, radius: Quantity | None) -> tuple[list[NamedField], list[str]]:
    """Return the fields of all images of a night, those of dithered frames as one, and what could not be placed."""
    from alfosc_reduce.registry import get_instrument

    fields: list[NamedField] = []
    remarks = [f"{rejected.path.name}: left out: {rejected.reason}" for rejected in night.rejected]
    for frame in (frame for frame in night.frames if frame.info.kind == "image"):
        try:
            field = field_of(get_instrument(frame.instrument).read(frame.path))
        except ReductionError as error:
            remarks.append(f"{frame.path.name}: left out: {error}")
            continue
        size = field.radius + margin if radius is None else radius
        fields = _joined(fields, NamedField(frame.info.object or frame.name, replace(field, radius=size)))
    return fields, remarks


def _joined(fields: list[NamedField], new: NamedField) -> list[NamedField]:
    """Return fields with a new one, one of them made larger if the new one lies mostly in it."""
    for index, known in enumerate(fields):
        apart = known.field.centre.separation(new.field.centre)
        if apart < 0.5 * known.field.radius:
            radius = max(known.field.radius, apart + new.field.radius)
            return [*fields[:index], replace(known, field=replace(known.field, radius=radius)), *fields[index + 1 :]]
    return [*fields, new]
