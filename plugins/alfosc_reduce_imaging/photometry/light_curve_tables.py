"""The same stars in the tables of many frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.sources.flags import UNSAFE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

_FEW = 50
_SNR = 20.0


@dataclass(frozen=True, eq=False)
class Series:
    """Fluxes of stars over frames.

    Attributes
    ----------
    flux, error
        A second; NaN where a star was not found or may not be used; shape (frames, stars).
    zero_point
        Of each frame, magnitudes; NaN for frames without; shape (frames,).
    ra, dec
        Of the stars, degrees (or pixels x, y without a WCS).
    """

    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    zero_point: NDArray[np.float64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]


def place_columns(tables: Sequence[QTable]) -> tuple[str, str]:
    """Return by which columns stars are matched: the sky where all tables know it, else pixels."""
    if all({"ra", "dec"} <= set(table.colnames) for table in tables):
        return "ra", "dec"
    return "x", "y"


def places_of(table: QTable, columns: tuple[str, str]) -> NDArray[np.float64]:
    """Return positions as unit vectors (of ra and dec) or plain pixels, shape (n, 3 or 2)."""
    first, second = (np.asarray(table[name].value, np.float64) for name in columns)
    if columns[0] == "x":
        return np.column_stack([first, second])
    return vectors(first, second)


def vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors of degrees, shape (n, 3)."""
    a, d = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])


def series_of(
    tables: Sequence[QTable], places: NDArray[np.float64], columns: tuple[str, str], reach: float, flux: str
) -> Series:
    """Return the fluxes of the stars at `places` in all tables.

    Parameters
    ----------
    tables
        Of sources, or of forced photometry.
    places
        Of the stars, as `places_of` gives them.
    columns
        By which stars are matched.
    reach
        How far a star may be off, in the units of `places`.
    flux
        Column of the flux.
    """
    from scipy.spatial import KDTree

    shape = (len(tables), len(places))
    out = np.full((2, *shape), np.nan)
    zero_point = np.full(len(tables), np.nan)
    for i, table in enumerate(tables):
        if flux not in table.colnames:
            raise DataError(f"{name_of(table)}: the table has no column {flux}; it has {', '.join(table.colnames)}")
        zero_point[i] = float(table.meta.get("MAGZP", np.nan))
        if len(table) == 0:
            continue
        own = places_of(table, columns)
        known = np.flatnonzero(np.isfinite(own).all(1))
        distance, index = KDTree(own[known]).query(places, distance_upper_bound=reach)
        found = np.isfinite(distance)
        rows = known[index[found]]
        seconds = seconds_of_table(table, flux)
        values = np.stack([table[name].value[rows] / seconds for name in (flux, f"{flux}_error")])
        values[:, np.asarray(table["source_flags"])[rows] & int(UNSAFE) != 0] = np.nan
        out[:, i, found] = values
    return Series(out[0], out[1], zero_point, *_labels(places, columns))


def seconds_of_table(table: QTable, flux: str) -> float:
    """Return by what the fluxes of a table are divided to have them a second."""
    from alfosc_reduce_imaging.photometry.calibration import seconds_of

    return seconds_of(table[flux].unit, table.meta, name_of(table))


def name_of(table: QTable) -> str:
    """Return the frame of a table."""
    return str(table.meta.get("FRAME") or table.meta.get("OBJECT") or "a table")


def comparison_places(
    tables: Sequence[QTable], columns: tuple[str, str], target: NDArray[np.float64], apart: float, flux: str
) -> NDArray[np.float64]:
    """Return the places of good comparison stars: clean, bright stars of the richest table, not the target.

    Parameters
    ----------
    tables
        Of all frames.
    columns
        By which stars are matched.
    target
        Its place, shape (2,) or (3,).
    apart
        How near the target none may be, in the units of places.
    flux
        Column of the flux.
    """
    richest = tables[int(np.argmax([len(table) for table in tables]))]
    places = places_of(richest, columns)
    value, error = (np.asarray(richest[name].value, np.float64) for name in (flux, f"{flux}_error"))
    good = (np.asarray(richest["source_flags"]) & int(UNSAFE)) == 0
    good &= np.isfinite(places).all(1) & (np.linalg.norm(places - target, axis=1) > apart)
    good &= np.isfinite(value) & (value > _SNR * error)
    if "class_star" in richest.colnames:
        good &= np.nan_to_num(richest["class_star"], nan=1.0) > 0.1
    number = np.flatnonzero(good)
    return places[number[np.argsort(-value[number], kind="stable")][:_FEW]]


def _labels(places: NDArray[np.float64], columns: tuple[str, str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if columns[0] == "x":
        return places[:, 0], places[:, 1]
    return np.degrees(np.arctan2(places[:, 1], places[:, 0])) % 360, np.degrees(np.arcsin(places[:, 2]))
