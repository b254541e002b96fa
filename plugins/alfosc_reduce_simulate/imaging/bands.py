"""Photometric bands: which filter, and how much light comes through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alfosc_reduce.errors import DataError, suggest

BANDS = ("u", "g", "r", "i", "z", "U", "B", "V", "R", "I")
"""The bands in which every source has a magnitude: SDSS (AB) and Bessell (Vega)."""


@dataclass(frozen=True)
class Band:
    """A band and its filter.

    ``magnitude = zero_point - extinction * airmass - 2.5 log10(electrons a second) + colour_term * (blue - red)``.

    Attributes
    ----------
    name, system
        Of `BANDS`, and ``AB`` or ``Vega``.
    filter, number, wheel
        As in headers: name, number, and stem of the keywords of the wheel.
    zero_point
        Magnitude of one electron a second above the atmosphere.
    extinction
        Magnitudes an air mass.
    colour_term, blue, red
        The slope, and the bands of its colour.
    sky
        Magnitude a square arc second of a dark sky.
    fringes
        Amplitude of the fringes as a share of the sky.
    """

    name: str
    system: str
    filter: str
    number: int
    wheel: str
    zero_point: float
    extinction: float
    colour_term: float
    blue: str
    red: str
    sky: float
    fringes: float


@cache
def _bands() -> dict[str, Band]:
    from astropy.table import Table

    table = Table.read(Path(__file__).parents[1] / "data" / "bands.ecsv", format="ascii.ecsv")
    table.rename_column("band", "name")
    rows: list[dict[str, Any]] = [dict(zip(table.colnames, row.as_void().tolist(), strict=True)) for row in table]
    return {row["name"]: Band(**row) for row in rows}


def band(name: str) -> Band:
    """Return a band by its name; raises `DataError` for an unknown one."""
    if name not in _bands():
        raise DataError(f"simulate: no band {name!r}: {suggest(name, BANDS)}")
    return _bands()[name]
