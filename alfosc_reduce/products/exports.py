"""Tables in the formats that other programs take: ECSV, CSV, VOTable, and regions for DS9."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import ReductionError
from alfosc_reduce.products.foreign import TABLES
from alfosc_reduce.replacement import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import QTable, Table

REGIONS = ".reg"
FORMATS = {*TABLES, REGIONS}
"""Endings of the files that `export` writes."""

_RADIUS = 2.0
_LABELS = ("name", "number", "id")


def export(table: QTable, path: str | Path) -> Path:
    """Write a table in the format that the ending of the file names, whole or not at all.

    Parameters
    ----------
    table
        For regions (``.reg``) with columns ``ra`` and ``dec``, or ``x`` and ``y``; see `regions`.
    path
        Replaced if it exists.

    Raises
    ------
    ReductionError
        If the product is no table, has no positions to make regions of, or the file cannot be written.
    """
    path = Path(path)
    if not hasattr(table, "colnames"):
        raise ReductionError(f"{path}: only tables can be written as {path.suffix}, not {type(table).__name__}")
    try:
        with replacing(path) as temporary:
            if path.suffix == REGIONS:
                temporary.write_text("\n".join(regions(table)) + "\n", encoding="utf-8")
            else:
                _plain(table).write(temporary, format=TABLES[path.suffix.lower()], overwrite=True)
    except OSError as error:
        raise ReductionError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def regions(table: QTable) -> Iterator[str]:
    """Yield the lines of a DS9 region file: a circle for each row, and for each entry of ``meta["CIRCLES"]``.

    Parameters
    ----------
    table
        Columns ``ra`` and ``dec`` (degrees), failing that ``x`` and ``y`` (pixels from 0). A column ``name``,
        ``number`` or ``id`` is written beside the circle, a column ``color`` colours it. ``meta["CIRCLES"]`` may hold
        further circles as lists (right ascension, declination, radius in arc seconds, label).

    Raises
    ------
    ReductionError
        If there are no positions.
    """
    yield "# Region file format: DS9 version 4.1"
    yield "global color=green width=1"
    sky = {"ra", "dec"} <= set(table.colnames)
    if not sky and not {"x", "y"} <= set(table.colnames):
        raise ReductionError("a table without the columns ra and dec, or x and y, makes no regions")
    yield "icrs" if sky else "image"
    for row in range(len(table)):
        yield _circle(table, row, sky)
    for ra, dec, radius, label in table.meta.get("CIRCLES", []):
        yield f'circle({ra:.7f},{dec:.7f},{radius:.2f}") # text={{{label}}} color=yellow dash=1'


def _circle(table: QTable, row: int, sky: bool) -> str:
    names = ("ra", "dec") if sky else ("x", "y")
    first, second = (float(np.asarray(table[name])[row]) for name in names)
    place = f'{first:.7f},{second:.7f},{_RADIUS:g}"' if sky else f"{first + 1:.3f},{second + 1:.3f},8"
    label = next((f" text={{{table[name][row]}}}" for name in _LABELS if name in table.colnames), "")
    colour = f" color={table['color'][row]}" if "color" in table.colnames else ""
    return f"circle({place}) #{label}{colour}"


def _plain(table: QTable) -> Table:
    """Return the table with columns that have a unit instead of quantities, which text says in many more lines."""
    from astropy.table import Table

    plain = Table(table, copy=False)
    plain.meta.pop("comments", None)
    return plain
