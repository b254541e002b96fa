"""What light through the optics cannot look like: pixels too bright for their neighbours.

Every image of the sky is a sum of point spread functions with weights that are not negative. For a point source, a
pixel cannot exceed k times the sum of two opposite neighbours, where k follows from the width of the point spread
function, wherever in the pixel the source lies; so it cannot for any sum of sources, be it a star's core, a crowd of
stars or a galaxy. A cosmic ray exceeds it across its track.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Offset = tuple[int, int]

PAIRS: tuple[Offset, ...] = (
    (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (1, 2), (2, 1), (1, -2), (2, -1), (2, 2), (2, -2),
)  # fmt: skip
"""Rows and columns from a pixel to one of two opposite neighbours; the other is on the other side."""
REACH = 2
_LARGEST = 2.5
"""Neighbours so far out of the light that a pixel may be this many times brighter say nothing."""
_TO_SIGMA = 1 / 2.3548


@dataclass(frozen=True)
class Bound:
    """A pixel of light through the optics is no brighter than the weighted sum of these neighbours.

    Attributes
    ----------
    offsets
        Rows and columns from the pixel to its neighbours.
    weight
        Of each neighbour.
    """

    offsets: tuple[Offset, ...]
    weight: float

    @property
    def noise(self) -> float:
        """Standard deviation of pixel less weighted neighbours, for neighbours without light, in units of a pixel's."""
        return float(np.sqrt(1 + len(self.offsets) * self.weight**2))


def bounds_of(fwhm: float) -> tuple[Bound, ...]:
    """Return the bounds for a point spread function.

    Parameters
    ----------
    fwhm
        Full width at half maximum in pixels of the narrowest light possible.
    """
    # Rounded down: the bounds of a wider star do not hold for this one.
    return _bounds(int(100 * min(max(fwhm, 1.0), 6.0)) / 100)


@cache
def _bounds(fwhm: float) -> tuple[Bound, ...]:
    sets: list[tuple[Offset, ...]] = [((y, x), (-y, -x)) for y, x in PAIRS]
    cross: tuple[Offset, ...] = ((0, 1), (0, -1), (1, 0), (-1, 0))
    sets += [cross, (*cross, (1, 1), (-1, -1), (1, -1), (-1, 1))]
    found = [Bound(offsets, _largest_ratio(fwhm, offsets)) for offsets in sets]
    return tuple(bound for bound in found if bound.weight <= _LARGEST)


def _largest_ratio(fwhm: float, offsets: Sequence[Offset]) -> float:
    """Return the largest ratio of a pixel to the sum of the neighbours, over all places of a source."""
    place = np.linspace(-1.5, 1.5, 31)
    sums = sum(np.outer(_share(y - place, fwhm), _share(x - place, fwhm)) for y, x in offsets)
    own = np.outer(_share(-place, fwhm), _share(-place, fwhm))
    return float(np.max(own / sums))


def _share(distance: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return the light in a pixel at a distance from a source along one axis: a Gaussian over the pixel."""
    from scipy.special import ndtr

    sigma = fwhm * _TO_SIGMA
    return np.asarray(ndtr((distance + 0.5) / sigma) - ndtr((distance - 0.5) / sigma))


@cache
def _blob_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return widths, and the usual sum of four neighbours over the pixel at the peak of a star."""
    widths = np.linspace(1.0, 6.0, 51)
    phase = np.linspace(-0.5, 0.5, 21)
    sums = []
    for fwhm in widths:
        left, own, right = (_share(x - phase, fwhm) for x in (-1, 0, 1))
        one = (left + right) / own
        sums.append(usual((one[:, None] + one[None, :]).ravel()))
    return widths, np.array(sums)


def usual(values: NDArray[np.floating]) -> float:
    """Return the median of the shortest interval with a third of the values (three at least).

    Stars of a frame are alike; what else looks like a star is of all kinds.
    """
    ordered = np.sort(values)
    number = max(3, -(-len(ordered) // 3))
    lengths = ordered[number - 1 :] - ordered[: len(ordered) - number + 1]
    start = int(np.argmin(lengths))
    return float(np.median(ordered[start : start + number]))


def width_of(neighbours: NDArray[np.floating], pairs: Sequence[NDArray[np.floating]]) -> float | None:
    """Return the width of stars from bright local maxima, or None if there are too few stars.

    Parameters
    ----------
    neighbours
        Sum of the four neighbours over the pixel itself, one value a maximum.
    pairs
        Sums of opposite neighbours over the pixel itself; light through the optics has some in all directions.

    Returns
    -------
    float or None
        Full width at half maximum, pixels.
    """
    stars = np.min(pairs, axis=0) > 0.1
    if np.count_nonzero(stars) < 5:
        return None
    widths, sums = _blob_table()
    return float(np.interp(usual(neighbours[stars]), sums, widths))
