"""The figure of a reference catalogue: its stars on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce.catalog import bands_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_LARGEST = 60.0
"""Area of the brightest star in square points."""


def field_map(table: QTable, corners: SkyCoord | None, *, band: str, title: str) -> Figure:
    """Return a map of a reference table, north up and east to the left; discs grow with brightness.

    Parameters
    ----------
    table
        A reference table.
    corners
        Of the image; None if not known.
    band
        That of the image; the discs show this one if the table has it, else the one that most sources have.
    title
        Above the map.
    """
    from astropy.coordinates import SkyCoord
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    centre = SkyCoord(table.meta["RA"], table.meta["DEC"], unit="deg")
    east, north = _offsets(centre, SkyCoord(table["ra"], table["dec"]))
    shown, areas, values = _areas(table, band)
    drawn = axes.scatter(east, north, s=areas, c=values, cmap="viridis", linewidths=0, alpha=0.85)
    if shown:
        figure.colorbar(drawn, ax=axes, label=f"{shown} (mag, {table.meta['MAGSYS'].get(shown, '')})")
    if corners is not None:
        x, y = _offsets(centre, corners)
        axes.fill(x, y, fill=False, edgecolor="tab:red", linewidth=1.2, label="image")
        axes.legend(loc="upper right")
    limit = 1.03 * table.meta["RADIUS"] * 60
    axes.set(xlim=(limit, -limit), ylim=(-limit, limit), aspect="equal", title=title)
    axes.set_xlabel(f"east of {centre.to_string('hmsdms', precision=0)} (arcmin)")
    axes.set_ylabel("north (arcmin)")
    return figure


def _offsets(centre: SkyCoord, places: SkyCoord) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    east, north = centre.spherical_offsets_to(places)
    return np.asarray(east.to_value(u.arcmin)), np.asarray(north.to_value(u.arcmin))


def _areas(table: QTable, wanted: str) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    band, _ = faint_limit(table, wanted)
    if not band:
        return "", np.full(len(table), 8.0), np.zeros(len(table))
    values = np.asarray(table[f"mag_{band}"].value, float)
    bright, faint = np.nanpercentile(values, [1, 99])
    share = np.clip((faint - np.where(np.isfinite(values), values, faint)) / max(faint - bright, 1.0), 0, 1)
    return band, 3 + _LARGEST * share**2, values


def faint_limit(table: QTable, band: str) -> tuple[str, float | None]:
    """Return `band`, or else the one that most sources have, and the magnitude that 95 % of them are brighter than."""
    known = {name: np.isfinite(np.asarray(table[f"mag_{name}"])) for name in bands_of(table)}
    if not known or not len(table):
        return "", None
    best = band if band in known and known[band].any() else max(known, key=lambda name: int(known[name].sum()))
    values = np.asarray(table[f"mag_{best}"].value)[known[best]]
    return best, float(np.percentile(values, 95)) if values.size else None
