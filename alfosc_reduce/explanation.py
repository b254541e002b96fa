"""The provenance inside a product, told as a story."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import DataError
from alfosc_reduce.provenance import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXTENSION = "PROVENANCE"
_COLUMNS = ("key", "step", "owner", "version", "parameters", "inputs", "files")


@dataclass(frozen=True)
class Ancestor:
    """One row of the provenance table: a product and what made it.

    Attributes
    ----------
    key
        The product's key in the store.
    name
        The product's name for a person.
    step, owner, version
        The step that made it, and the distribution the step came from.
    parameters
        Of the step, by name.
    inputs
        Names (or keys) of the products it was given, by input name.
    files
        Names of the raw files it was made from.
    named
        Names of the files that its parameters name.
    """

    key: str
    name: str
    step: str
    owner: str
    version: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Any]
    files: Sequence[str]
    named: Sequence[str] = ()


def ancestors_of(path: str | Path) -> list[Ancestor]:
    """Return the provenance stored in a FITS file, oldest first, the product itself last.

    Raises
    ------
    DataError
        If the file cannot be read, carries no provenance, or a damaged one.
    """
    from astropy.io import fits
    from astropy.table import Table

    try:
        with fits.open(path) as hdus:
            if EXTENSION not in {hdu.name for hdu in hdus}:
                raise DataError(
                    f"{path}: tells nothing of how it was made (no {EXTENSION} extension); "
                    "only products that a run wrote do"
                )
            table = Table.read(hdus[EXTENSION])
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).partition(". If this is really")[0]  # What follows is for programmers.
        raise DataError(f"{path}: cannot be read as FITS ({reason})") from error
    return _rows(table, path)


def _rows(table: Any, path: str | Path) -> list[Ancestor]:
    missing = [name for name in _COLUMNS if name not in table.colnames]
    if missing or not len(table):
        raise DataError(f"{path}: its {EXTENSION} table is damaged (missing {', '.join(missing) or 'all rows'})")
    table.convert_bytestring_to_unicode()
    try:
        return [_row(row) for row in table]
    except ValueError as error:
        raise DataError(f"{path}: its {EXTENSION} table is damaged ({error})") from error


def _row(row: Any) -> Ancestor:
    text = {name: str(row[name]).strip() for name in row.colnames}
    inputs, files = json.loads(text["inputs"] or "{}"), json.loads(text["files"] or "[]")
    return Ancestor(
        text["key"],
        text.get("name") or text["key"],
        text["step"],
        text["owner"],
        text["version"],
        json.loads(text["parameters"] or "{}"),
        {port: members if isinstance(members, list) else [members] for port, members in inputs.items()},
        [_file_name(entry) for entry in files if not _is_named(entry)],
        [_file_name(entry) for entry in files if _is_named(entry)],
    )


def _is_named(entry: Any) -> bool:
    """Say whether a file was named in a parameter, and is no raw frame."""
    return isinstance(entry, dict) and entry.get("kind") == NAMED


def _file_name(entry: Any) -> str:
    """Return the name of a raw file, whether listed plainly or with a hash of its content."""
    return Path(str(entry["file"] if isinstance(entry, dict) else entry)).name


def story(path: str | Path) -> str:
    """Return how a product was made, a paragraph a step; raises `DataError` if it does not say.

    Products that one step made in the same way of different frames are told of together.
    """
    found = ancestors_of(path)
    chapters = _chapters(found)
    numbers = {word: i for i, chapter in enumerate(chapters, 1) for a in chapter for word in (a.key, a.name)}
    lines = [f"{Path(path).name} was made in {len(found)} task{'s' if len(found) > 1 else ''}:"]
    for number, chapter in enumerate(chapters, start=1):
        lines += ["", f"{number}. {_opening(chapter)}", *_details(chapter, chapters, numbers)]
    lines += ["", f"The last one is this file (key {found[-1].key})."]
    return "\n".join(lines)


def _chapters(found: Sequence[Ancestor]) -> list[list[Ancestor]]:
    """Return the ancestors grouped by step and parameters, the file itself last."""
    groups: dict[str, list[Ancestor]] = {}
    for ancestor in found:
        settings = json.dumps(ancestor.parameters, sort_keys=True)
        same = f"{_label(ancestor)} {ancestor.step} {ancestor.owner} {ancestor.version} {settings}"
        groups.setdefault(same, []).append(ancestor)
    return sorted(groups.values(), key=lambda chapter: found[-1] in chapter)


def _label(ancestor: Ancestor) -> str:
    return ancestor.name.partition("[")[0]


def _opening(chapter: Sequence[Ancestor]) -> str:
    first = chapter[0]
    what = first.name if len(chapter) == 1 else f"{_label(first)}, {len(chapter)} times"
    return f"{what}: {first.step} of {first.owner} {first.version}"


def _details(
    chapter: Sequence[Ancestor], chapters: Sequence[Sequence[Ancestor]], numbers: Mapping[str, int]
) -> list[str]:
    lines = []
    for port in chapter[0].inputs:
        members = list(dict.fromkeys(member for a in chapter for member in a.inputs.get(port, [])))
        if members:
            lines.append(f"   {port}: {_reference(members, chapters, numbers)}")
    for title, files in (("raw frames", [a.files for a in chapter]), ("read", [a.named for a in chapter])):
        if names := list(dict.fromkeys(name for part in files for name in part)):
            lines.append(f"   {title}: {', '.join(names)}")
    settings = ", ".join(f"{name} = {json.dumps(value)}" for name, value in chapter[0].parameters.items())
    return [*lines, f"   with {settings}"] if settings else lines


def _reference(members: Sequence[str], chapters: Sequence[Sequence[Ancestor]], numbers: Mapping[str, int]) -> str:
    """Say which products of which chapters were used; one that the table does not hold is told by its name."""
    by_chapter: dict[int, list[str]] = {}
    for member in members:
        by_chapter.setdefault(numbers.get(member, 0), []).append(member)
    told = []
    for number, names in by_chapter.items():
        if not number:
            told += names
        elif len(names) == 1:
            told.append(f"{names[0]} (number {number})")
        else:
            told.append(f"{len(names)} of {_label(chapters[number - 1][0])} (number {number})")
    return ", ".join(told)
