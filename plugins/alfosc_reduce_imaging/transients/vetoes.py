"""Why a source without a counterpart is no new source of light in the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_imaging.photometry.columns import numbers
from alfosc_reduce_imaging.sources.flags import SourceFlag
from alfosc_reduce_imaging.sources.psf_photometry import RADIUS
from alfosc_reduce_imaging.transients.point_flux import Profile, best_flux

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

SHARP = 0.65
"""A source narrower than this times the seeing is a cosmic ray or a bad pixel."""
SHARPER = 0.45
"""The same on a difference image, whose few sources give widths a poor scale."""
WIDE = 1.6
"""One wider than this times the seeing is a galaxy, a trail, or several sources; so is one wider than the seeing, if
the error of its width allows no star."""
STELLAR = 0.05
"""Least ``class_star``: a width 2.4 sigma from a star's."""
ROUND, NOISY = 0.15, 6.5
"""Largest ellipticity beyond that of the stars, and what is added to it over the signal to noise: what is longer is a
trail, a spike or a galaxy."""
POINTLIKE = 3.0
"""Sigma of its chi square up to which the point spread function describes a source: a point, however long its moments
are."""
STAR_SHARE = 0.5
"""A source fainter than this share of a bright star's light at its place is part of that light."""
BETA = 2.5
"""Of the Moffat function whose wings stand for those of a star, and their spikes: shallower than most."""
SPIKE, BRIGHTER = 0.75, 20.0
"""Half width (seeing) of the columns and rows through a bright star on which its spikes are that much brighter."""


@dataclass(frozen=True)
class Bright:
    """Bright stars: place (pixels), flux, and how far they bleed along x and y (pixels, 0 if not), shape (n,) each."""

    x: Floats
    y: Floats
    flux: Floats
    bleed_x: Floats
    bleed_y: Floats


def vetoes(
    sources: Table, seeing: float, shape: tuple[int, int], profile: Profile | None = None
) -> dict[str, Booleans]:
    """Return for each reason which sources it strikes out, shape (n,) each.

    Parameters
    ----------
    sources
        From `measure_sources`.
    seeing
        Full width at half maximum in pixels.
    shape
        Of the image.
    profile
        Of a difference image, whose few stars do not tell what is as wide as a star.
    """
    bits = numbers(sources, "source_flags", missing=0.0).astype(int)
    pixels = numbers(sources, "flags", missing=0.0).astype(int)
    width = numbers(sources, "fwhm")
    stellar = numbers(sources, "class_star" if profile is None else "", missing=1.0)
    x, y = numbers(sources, "x"), numbers(sources, "y")
    margin, narrow = 2 * seeing, (SHARP if profile is None else SHARPER) * seeing
    inside = (x > margin) & (x < shape[1] - 1 - margin) & (y > margin) & (y < shape[0] - 1 - margin)
    return {
        "edge": ((bits & SourceFlag.EDGE) != 0) | ~inside,
        "saturated": ((bits & SourceFlag.SATURATED) != 0) | ((pixels & int(Flag.SATURATED)) != 0),
        "masked": (bits & SourceFlag.MASKED) != 0,
        "cosmic ray": (width < narrow) | ((bits & (SourceFlag.COSMIC_RAY | SourceFlag.SHARP)) != 0),
        "shape": _is_misshapen(sources, seeing, profile),
        "extended": (width > WIDE * seeing) | (~(width < seeing) & (stellar < STELLAR)),
        "no point source": ((bits & SourceFlag.BAD_FIT) != 0) & (profile is None),
    }


def _is_misshapen(sources: Table, seeing: float, profile: Profile | None) -> Booleans:
    """Say which sources are too long for a star, and why noise is no excuse.

    Where the point spread function describes a source, noise alone has made its moments long; where it does not, noise
    is believed to have done half as much.
    """
    if profile is not None:
        return _is_long(sources, profile, NOISY)
    chi2 = numbers(sources, "chi2_psf")
    limit = 1 + POINTLIKE * np.sqrt(2 / (np.pi * (RADIUS * seeing) ** 2))
    long, suspect = (_is_long(sources, profile, noisy) for noisy in (NOISY, NOISY / 2))
    return np.asarray((long & ~(chi2 < limit)) | (suspect & (chi2 > limit)))


def _is_long(sources: Table, profile: Profile | None, noisy: float) -> Booleans:
    """Say which sources are longer than stars are, noise allowed for: `noisy` over the signal to noise."""
    usual = sources.meta.get("ELLIPTIC", 0.0)
    usual = float(usual) if isinstance(usual, (int, float)) and np.isfinite(usual) else 0.0
    flux, noise = best_flux(sources, profile)
    longest = usual + ROUND + noisy / np.maximum(flux / noise, 0.2)
    return np.asarray(numbers(sources, "ellipticity", missing=0.0) > longest)


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
    faintest = float(np.min(flux[flux > 0], initial=np.inf))
    tree = cKDTree(np.stack([x, y], axis=1))
    for i in range(len(bright.x)):
        reach = alpha * (bright.flux[i] * density * aperture / max(faintest * 2 / BRIGHTER, 1e-9)) ** (0.5 / BETA)
        near = np.array(tree.query_ball_point((bright.x[i], bright.y[i]), min(reach, 60 * seeing)), dtype=int)
        dx, dy = x[near] - bright.x[i], y[near] - bright.y[i]
        light = bright.flux[i] * density * aperture * (1 + (dx**2 + dy**2) / alpha**2) ** -BETA
        light *= np.where(np.minimum(np.abs(dx), np.abs(dy)) < SPIKE * seeing, BRIGHTER, 1.0)
        struck[near] |= (flux[near] < STAR_SHARE * light) & (np.hypot(dx, dy) > 0.5 * seeing)
        dx, dy = np.abs(x - bright.x[i]), np.abs(y - bright.y[i])
        bled = ((dx < seeing) & (dy < bright.bleed_y[i])) | ((dy < seeing) & (dx < bright.bleed_x[i]))
        struck |= bled & (np.hypot(dx, dy) > 0.5 * seeing)
    return struck
