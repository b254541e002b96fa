"""The night's extinction: the site's curve times one number, from standards at different air masses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_longslit.response.atmosphere import transmission
from alfosc_reduce_longslit.response.frames import LOST_LIGHT, best_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_longslit.response.points import Points

LEAST_SPAN = 0.3
"""Standards must span so many air masses for their extinction to be measured."""

_LARGEST_ERROR = 0.15
_TYPICAL_SCATTER = 0.01


class ExtinctionScale(NamedTuple):
    """What the site's extinction curve is multiplied with, its standard error, and how many frames told."""

    scale: float
    error: float
    frames: int


def extinction_scale(frames: Sequence[Points], instrument: Instrument) -> ExtinctionScale | None:
    """Fit one factor to the extinction curve.

    Parameters
    ----------
    frames
        Points of each standard frame, corrected for the curve as it is.
    instrument
        Knows the curve.

    Returns
    -------
    ExtinctionScale or None
        From how the colour of the response changes with air mass, each frame at its own level: grey losses do not
        matter. Frames that lost light at the slit do not count, as that has a colour too. None if fewer than two
        frames are left, they span less than `LEAST_SPAN`, or the factor is not known to 15 %.
    """
    best = frames[best_frame(frames)]
    pairs = [_difference(points, best, instrument) for points in frames if points is not best]
    kept = [(x, y) for x, y, level in pairs if len(x) > 5 and level > np.log(LOST_LIGHT)]
    masses = [points.airmass for points in frames]
    if not kept or max(masses) - min(masses) < LEAST_SPAN:
        return None
    x, y = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    weight = float(np.sum(x**2))
    if weight == 0:
        return None
    part = float(np.sum(x * y)) / weight
    scatter = max(1.4826 * float(np.median(np.abs(y - part * x))), _TYPICAL_SCATTER)
    error = scatter / np.sqrt(weight)
    return ExtinctionScale(1 + part, error, len(kept) + 1) if error < _LARGEST_ERROR else None


def with_extinction(points: Points, scale: float, instrument: Instrument) -> Points:
    """Return points corrected for `scale` times the extinction curve instead of the curve as it is."""
    more = transmission(points.wavelength, (scale - 1) * points.airmass, instrument)
    return replace(points, response=points.response / more)


def _difference(
    points: Points, best: Points, instrument: Instrument
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return how much a part more of extinction would change a frame against the best one, how much it differs, level.

    Both without their means over the bins that are used.
    """
    common = points.used & (points.wavelength >= best.wavelength[0]) & (points.wavelength <= best.wavelength[-1])
    place = points.wavelength[common]
    reference = np.interp(place, best.wavelength[best.used], np.log(best.response[best.used]))
    differs = np.log(points.response[common]) - reference
    if not len(place):
        return place, differs, -np.inf
    change = np.log(transmission(place, points.airmass - best.airmass, instrument))
    return change - change.mean(), differs - differs.mean(), float(np.median(differs))
