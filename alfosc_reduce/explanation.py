"""The provenance inside a product, told as a story."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

EXTENSION = "PROVENANCE"
_COLUMNS = ("key", "step", "owner", "version", "parameters", "inputs", "files")


@dataclass(frozen=True)
class Ancestor:
    """One row of the provenance table: a product and what made it.

    Attributes
    ----------
    key
        The product's name in the store.
    step, owner, version
        The step that made it, and the distribution the step came from.
    parameters
        Of the step, by name.
    inputs
        Key, or list of keys, of the products it was given, by input name.
    files
        Raw files it was read from.
    """

    key: str
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
    text = {name: str(row[name]).strip() for name in _COLUMNS}
    return Ancestor(
        text["key"],
        text["step"],
        text["owner"],
        text["version"],
        json.loads(text["parameters"] or "{}"),
        json.loads(text["inputs"] or "{}"),
        _file_names(json.loads(text["files"] or "[]")),
    )


def _file_names(files: Any) -> list[str]:
    """Return one text a raw file, whether listed plainly or by name with hash."""
    if isinstance(files, dict):
        return [f"{name} ({value})" if value else str(name) for name, value in files.items()]
    return [str(name) for name in files]


def story(path: str | Path) -> str:
    """Return how a product was made, in numbered sentences; raises `DataError` if it does not say."""
    from pathlib import Path as _Path

    found = ancestors_of(path)
    numbers = {ancestor.key: i for i, ancestor in enumerate(found, start=1)}
    lines = [f"{_Path(path).name} was made in {len(found)} step{'s' if len(found) > 1 else ''}:"]
    for number, ancestor in enumerate(found, start=1):
        lines += ["", f"{number}. {_sentence(ancestor)}", *_details(ancestor, numbers)]
    lines += ["", f"The last one is this file, {found[-1].key}."]
    return "\n".join(lines)


def _sentence(ancestor: Ancestor) -> str:
    if not ancestor.step:
        return "Read raw data."
    made_by = f"{ancestor.owner} {ancestor.version}".strip()
    return f"{ancestor.step}{f' ({made_by})' if made_by else ''}"


def _details(ancestor: Ancestor, numbers: Mapping[str, int]) -> list[str]:
    lines = [f"   {name}: {_reference(keys, numbers)}" for name, keys in ancestor.inputs.items()]
    if ancestor.files:
        lines.append(f"   raw frames: {', '.join(ancestor.files)}")
    if ancestor.parameters:
        settings = ", ".join(f"{name} = {json.dumps(value)}" for name, value in ancestor.parameters.items())
        lines.append(f"   with {settings}")
    return lines


def _reference(keys: Any, numbers: Mapping[str, int]) -> str:
    """Say which of the numbered products was used; several outputs of one step are told apart as ``key.output``."""
    if isinstance(keys, list):
        return ", ".join(_reference(key, numbers) for key in keys) or "none"
    key, _, output = str(keys).partition(".")
    number = numbers.get(str(keys)) or numbers.get(key)
    if number is None:
        return str(keys)
    return f"the {output} of {number}" if output and str(keys) not in numbers else f"from {number}"
