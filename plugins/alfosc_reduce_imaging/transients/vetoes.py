"""Why a source without a counterpart is no new source of light in the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_imaging.photometry.columns import numbers
from alfosc_reduce_imaging.sources.flags import SourceFlag

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

SHARP = 0.65
"""A source narrower than this times the seeing is a cosmic ray or a bad pixel."""
WIDE, WIDER = 1.15, 1.6
"""One wider than the first times the seeing, if its error allows no star, is a galaxy, a trail, or several sources; one
wider than the second is in any case."""
STELLAR = 0.01
"""Least ``class_star``: a width three sigma from a star's."""
ROUND = 0.5
"""Largest ellipticity: what is longer is a trail, a spike or a galaxy."""
STAR_SHARE = 0.5
"""A source fainter than this share of a bright star's light at its place is part of that light."""
BETA = 2.5
"""Of the Moffat function whose wings stand for those of a star, and their spikes: shallower than most."""
SPIKE = 3.0
"""Half width in seeing of the columns and rows on which a saturated star bleeds."""


@dataclass(frozen=True)
class Bright:
    """Bright stars: place (pixels), flux, whether saturated, and how far they bleed (pixels), shape (n,) each."""

    x: Floats
    y: Floats
    flux: Floats
    saturated: Booleans
    reach: Floats


def vetoes(sources: Table, seeing: float, shape: tuple[int, int]) -> dict[str, Booleans]:
    """Return for each reason which sources it strikes out, shape (n,) each.

    Parameters
    ----------
    sources
        From `measure_sources`.
    seeing
        Full width at half maximum in pixels.
    shape
        Of the image.
    """
    bits = numbers(sources, "source_flags", missing=0.0).astype(int)
    pixels = numbers(sources, "flags", missing=0.0).astype(int)
    width = numbers(sources, "fwhm")
    stellar = numbers(sources, "class_star", missing=1.0)
    x, y = numbers(sources, "x"), numbers(sources, "y")
    margin = 2 * seeing
    inside = (x > margin) & (x < shape[1] - 1 - margin) & (y > margin) & (y < shape[0] - 1 - margin)
    return {
        "edge": ((bits & SourceFlag.EDGE) != 0) | ~inside,
        "saturated": ((bits & SourceFlag.SATURATED) != 0) | ((pixels & int(Flag.SATURATED)) != 0),
        "masked": (bits & SourceFlag.MASKED) != 0,
        "cosmic ray": (width < SHARP * seeing) | ((bits & (SourceFlag.COSMIC_RAY | SourceFlag.SHARP)) != 0),
        "shape": (numbers(sources, "ellipticity", missing=0.0) > ROUND),
        "extended": (width > WIDER * seeing) | ((width > WIDE * seeing) & (stellar < STELLAR)),
        "no point source": (bits & SourceFlag.BAD_FIT) != 0,
    }


def in_starlight(x: Floats, y: Floats, flux: Floats, bright: Bright, seeing: float) -> Booleans:
    """Say which sources may be structure in the light of a brighter star: its halo, spikes or bleeding.

    Parameters
    ----------
    x, y, flux
        Of the sources, shape (n,).
    bright
        The stars, in the same units.
    seeing
        Full width at half maximum in pixels.
    """
    from scipy.spatial import cKDTree

    struck = np.zeros(len(x), bool)
    if not len(bright.x) or not len(x):
        return struck
    alpha = seeing / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    density = (BETA - 1) / (np.pi * alpha**2)
    aperture = np.pi * (seeing / 2) ** 2
    tree = cKDTree(np.stack([x, y], axis=1))
    for i in range(len(bright.x)):
        reach = alpha * (bright.flux[i] * density * aperture / max(float(np.min(flux)) * 2, 1e-9)) ** (0.5 / BETA)
        near = np.array(tree.query_ball_point((bright.x[i], bright.y[i]), min(reach, 60 * seeing)), dtype=int)
        distance = np.hypot(x[near] - bright.x[i], y[near] - bright.y[i])
        light = bright.flux[i] * density * aperture * (1 + (distance / alpha) ** 2) ** -BETA
        struck[near] |= (flux[near] < STAR_SHARE * light) & (distance > 0.5 * seeing)
        if bright.saturated[i]:
            struck |= _on_spike(x - bright.x[i], y - bright.y[i], float(bright.reach[i]), seeing)
    return struck


def _on_spike(dx: Floats, dy: Floats, reach: float, seeing: float) -> Booleans:
    narrow = SPIKE * seeing / 2
    along = ((np.abs(dx) < narrow) & (np.abs(dy) < reach)) | ((np.abs(dy) < narrow) & (np.abs(dx) < reach))
    return along & (np.hypot(dx, dy) > 0.5 * seeing)
