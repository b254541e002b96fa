"""The sky of one exposure without its objects, made ready to measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import usable, variance_of
from alfosc_reduce_longslit.lines.positions import Strips
from alfosc_reduce_longslit.lines.profile import LineProfile
from alfosc_reduce_longslit.lines.strips import name_of
from alfosc_reduce_longslit.slit.blank_rows import blank_rows

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution

STRIPS = 12
"""Along the slit: in each the lines are taken for straight."""
LEAST_ROWS = 4
STRAY = 6.0
"""Pixels further than this many times their noise, and a third of the light, from their column are left out."""


def cut_sky(image: CCDData) -> Strips:
    """Average the rows without objects into strips along the slit.

    Parameters
    ----------
    image
        Electrons, with its sky and its variance.

    Raises
    ------
    DataError
        If no strip holds enough rows without an object.
    """
    data, variance = np.asarray(image.data, np.float64), variance_of(image)
    good = usable(image) & np.isfinite(variance) & (variance > 0)
    typical = _column_medians(np.where(good, data, np.nan))
    noise = np.sqrt(np.where(good, variance, 1.0))
    stray = np.abs(np.where(good, data, typical) - typical) > STRAY * noise + 0.33 * np.abs(typical)
    blank = blank_rows(np.where(good, data - typical, 0) / noise, good)
    sky = good & blank[:, None] & ~stray
    parts = [part[blank[part]] for part in np.array_split(np.arange(len(data)), STRIPS)]
    parts = [part for part in parts if len(part) >= LEAST_ROWS]
    parts = [part for part in parts if np.any(sky[part].sum(axis=0) > 0.5 * len(part))]
    if not parts:
        raise DataError(
            f"{name_of(image)}: no row along the slit shows the sky alone; the arc's wavelengths stay as they are"
        )
    count = np.array([sky[part].sum(axis=0) for part in parts])
    mean = np.array([np.where(sky[part], data[part], 0).sum(axis=0) for part in parts]) / np.maximum(count, 1)
    total = np.array([np.where(sky[part], variance[part], 0).sum(axis=0) for part in parts])
    enough = count > 0.5 * np.array([len(part) for part in parts])[:, None]
    rows = np.array([part.mean() for part in parts])
    return Strips(mean, np.where(enough, total / np.maximum(count, 1) ** 2, 1.0), enough, rows)


def _column_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each column, interpolated where a column holds nothing."""
    import bottleneck

    median = np.asarray(bottleneck.nanmedian(values, axis=0), np.float64)
    known, columns = np.isfinite(median), np.arange(len(median))
    return np.interp(columns, columns[known], median[known]) if known.any() else np.zeros(len(median))


def profile_of(solution: WavelengthSolution) -> LineProfile:
    """Return the profile that the arc's lines showed; one of the same width where the solution does not say."""
    width, blur = solution.lines.meta.get("profile", (0.95 * solution.fwhm, 0.3))
    return LineProfile(float(width), float(blur))
