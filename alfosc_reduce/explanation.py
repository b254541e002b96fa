"""The provenance inside a product, told as a story."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import DataError

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
    """

    key: str
    name: str
    step: str
    owner: str
    version: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Any]
    files: Sequence[str]


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
        raise DataError(f"{path}: cannot be read as FITS ({error})") from error
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
    inputs = json.loads(text["inputs"] or "{}")
    return Ancestor(
        text["key"],
        text.get("name") or text["key"],
        text["step"],
        text["owner"],
        text["version"],
        json.loads(text["parameters"] or "{}"),
        {port: members if isinstance(members, list) else [members] for port, members in inputs.items()},
        [_file_name(entry) for entry in json.loads(text["files"] or "[]")],
    )


def _file_name(entry: Any) -> str:
    """Return the name of a raw file, whether listed plainly or with a hash of its content."""
    return Path(str(entry["file"] if isinstance(entry, dict) else entry)).name


def story(path: str | Path) -> str:
    """Return how a product was made, in numbered sentences; raises `DataError` if it does not say."""
    found = ancestors_of(path)
    numbers = {word: i for i, a in enumerate(found, start=1) for word in (a.key, a.name)}
    lines = [f"{Path(path).name} was made in {len(found)} step{'s' if len(found) > 1 else ''}:"]
    for number, ancestor in enumerate(found, start=1):
        lines += ["", f"{number}. {ancestor.name}: {_maker(ancestor)}", *_details(ancestor, numbers)]
    lines += ["", f"The last one is this file (key {found[-1].key})."]
    return "\n".join(lines)


def _maker(ancestor: Ancestor) -> str:
    return f"{ancestor.step} of {ancestor.owner} {ancestor.version}"


def _details(ancestor: Ancestor, numbers: Mapping[str, int]) -> list[str]:
    lines = [f"   {port}: {_reference(members, numbers)}" for port, members in ancestor.inputs.items() if members]
    if ancestor.files:
        lines.append(f"   raw frames: {', '.join(ancestor.files)}")
    if ancestor.parameters:
        settings = ", ".join(f"{name} = {json.dumps(value)}" for name, value in ancestor.parameters.items())
        lines.append(f"   with {settings}")
    return lines


def _reference(members: Sequence[str], numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{member} (number {numbers[member]})" if member in numbers else member for member in members)
