"""Masked pixels filled from their neighbours, so that interpolation carries nothing of them further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag, mask_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH = 2
_GROWTH = 2


def mended(values: NDArray[np.float32], flags: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return values with masked ones replaced by the mean of good ones up to two pixels away, near ones first.

    Saturated pixels keep their values: a hole in the core of a star would do more harm than a flat top. Where no good
    pixel is near, the median of all good ones is taken.

    Parameters
    ----------
    values
        Shape (ny, nx).
    flags
        Of the same shape.
    """
    bad = mask_of(flags & np.int16(~int(Flag.SATURATED)))
    if not bad.any():
        return values
    filled = values.copy()
    near = _near(~bad)
    lonely = bad & ~near
    if lonely.any():
        good = np.flatnonzero(~bad)[:: max(1, bad.size // 20000)]
        filled[lonely] = np.float32(np.median(values.ravel()[good])) if len(good) else np.float32(0)
    y, x = np.nonzero(bad & near)
    filled[y, x] = _means(values, bad, y, x)
    return filled


def _near(good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return true up to two pixels along either axis from what is good."""
    from scipy.ndimage import maximum_filter1d

    wide = good.view(np.uint8)
    for axis in (0, 1):
        wide = maximum_filter1d(wide, 2 * _REACH + 1, axis=axis, mode="constant")
    return wide.view(np.bool_)


def _means(
    values: NDArray[np.float32], bad: NDArray[np.bool_], y: NDArray[np.intp], x: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the mean of the good values around some pixels, near ones first."""
    known = np.pad(np.where(bad, np.float32(0), values), _REACH)
    there = np.pad((~bad).astype(np.float32), _REACH)
    total, weight = np.zeros(len(y), np.float32), np.zeros(len(y), np.float32)
    first = y * known.shape[1] + x
    for dy in range(2 * _REACH + 1):
        for dx in range(2 * _REACH + 1):
            share = np.float32(np.exp(-0.5 * ((dy - _REACH) ** 2 + (dx - _REACH) ** 2)))
            place = first + (dy * known.shape[1] + dx)
            total += share * known.ravel()[place]
            weight += share * there.ravel()[place]
    return np.asarray(total / weight)


def widened(flags: NDArray[np.int16], flag: int) -> NDArray[np.int16]:
    """Return flags with `flag` set also two pixels around where it is: as far as a spline ripples at a steep edge."""
    from scipy.ndimage import maximum_filter1d

    marked = (flags & flag) != 0
    if not marked.any():
        return flags
    wide = marked.view(np.uint8)
    for axis in (0, 1):
        wide = maximum_filter1d(wide, 2 * _GROWTH + 1, axis=axis, mode="constant")
    return np.where(wide.view(np.bool_), flags | np.int16(flag), flags)
