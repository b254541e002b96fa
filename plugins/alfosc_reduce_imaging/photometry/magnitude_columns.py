"""Magnitude columns of a table of sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce_imaging.photometry.bands import colour_of
from alfosc_reduce_imaging.photometry.calibration import Calibration, magnitudes
from alfosc_reduce_imaging.photometry.columns import numbers
from alfosc_reduce_imaging.photometry.zero_point_stars import match_stars
from alfosc_reduce_imaging.sources.columns import describe

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KINDS = ("aper", "auto", "psf")
OWN = {"colour", "colour_known"} | {f"mag_{kind}{end}" for kind in KINDS for end in ("", "_error")}


def own_colours(sources: QTable, reference: QTable | None, calibration: Calibration, year: float | None) -> Floats:
    """Return the colour of each source as far as the catalogue knows it, shape (n,); NaN elsewhere."""
    colours = np.full(len(sources), np.nan)
    if reference is None or calibration.colour_term is None or not calibration.colour:
        return colours
    found = colour_of(reference, calibration.colour)
    if found is not None:
        pairs = match_stars(sources, reference, year)
        colours[pairs.first] = found[0][pairs.second]
    return colours


def add_magnitudes(sources: QTable, seconds: float, calibration: Calibration, colours: Floats) -> QTable:
    """Return the sources with columns ``mag_aper``, ``mag_auto``, ``mag_psf`` and their statistical errors.

    Parameters
    ----------
    sources
        With the fluxes that are there of ``flux_aper``, ``flux_auto``, ``flux_psf``.
    seconds
        What they are divided by.
    calibration
        With a colour term the columns ``colour`` (that which was used) and ``colour_known`` are added, too.
    colours
        Of each source, NaN where not known: the typical colour is taken there.
    """
    table = sources.copy()
    zero_point = np.full(len(table), calibration.zero_point)
    if calibration.colour_term is not None:
        used = np.where(np.isfinite(colours), colours, calibration.typical_colour or 0.0)
        zero_point += calibration.colour_term * used
        table["colour"] = used * u.mag
        table["colour_known"] = np.isfinite(colours)
    for kind in KINDS:
        if f"flux_{kind}" in table.colnames:
            flux, error = numbers(table, f"flux_{kind}"), numbers(table, f"flux_{kind}_error")
            value, noise = magnitudes(flux / seconds, error / seconds, zero_point)
            table[f"mag_{kind}"] = value * u.mag
            table[f"mag_{kind}_error"] = noise * u.mag
    describe(table, [name for name in table.colnames if name in OWN])
    return table


def depth_of(sources: QTable, seconds: float, calibration: Calibration) -> float | None:
    """Return the limiting magnitude at 5 sigma, from the flux ``DEPTH5`` that `measure_sources` found; None without."""
    depth = sources.meta.get("DEPTH5")
    if not isinstance(depth, (int, float)) or not depth > 0:
        return None
    return float(calibration.typical_zero_point - 2.5 * np.log10(depth / seconds))
