"""The bright stars of an image, whose light may look like sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_imaging.photometry.columns import numbers
from alfosc_reduce_imaging.sources.flags import SourceFlag
from alfosc_reduce_imaging.transients.vetoes import Bright

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.transients.counterparts import Counterparts

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

RATIO = 10.0
"""Times the flux of the faintest source that makes a star bright."""
BLEEDING = 1.3
"""How much further than what was seen of it a star may bleed."""
LONG = 1.5
"""A saturated star that is longer by this than it is wide bleeds."""


def bright_stars(
    sources: Table, flux: Floats, known: Booleans, counterparts: Counterparts, star_flux: Floats | None, seeing: float
) -> Bright:
    """Return the sources that are much brighter than the faintest, the saturated ones at what the catalogue says.

    Parameters
    ----------
    sources
        The table; bounding boxes tell how far a star's light was followed.
    flux
        Of each source, shape (n,).
    known
        Which of them any catalogue has.
    counterparts
        In the first catalogue.
    star_flux
        Flux that its objects should have in the image, or None.
    seeing
        Full width at half maximum in pixels.
    """
    bits = numbers(sources, "source_flags", missing=0.0).astype(int)
    pixels = numbers(sources, "flags", missing=0.0).astype(int)
    saturated = ((bits & SourceFlag.SATURATED) != 0) | ((pixels & int(Flag.SATURATED)) != 0)
    expected = np.maximum(flux, np.nan_to_num(numbers(sources, "flux_auto")))
    if star_flux is not None and len(star_flux):
        predicted = np.nan_to_num(star_flux[np.maximum(counterparts.row, 0)])
        expected = np.where(counterparts.known, np.maximum(expected, predicted), expected)
    positive = flux[flux > 0]
    faint = float(positive.min()) if len(positive) else 0.0
    chosen = (known | saturated) & (saturated | (expected > RATIO * faint))
    wide, tall = (np.nan_to_num(numbers(sources, f"{a}max") - numbers(sources, f"{a}min")) for a in ("x", "y"))
    return Bright(
        x=numbers(sources, "x")[chosen],
        y=numbers(sources, "y")[chosen],
        flux=expected[chosen],
        bleed_x=np.where(saturated & (wide > LONG * tall), BLEEDING * wide / 2 + seeing, 0.0)[chosen],
        bleed_y=np.where(saturated & (tall > LONG * wide), BLEEDING * tall / 2 + seeing, 0.0)[chosen],
    )
