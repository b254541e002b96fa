"""Robust statistics that several steps share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import ArrayLike, NDArray

    from alfosc_reduce.flags import Flag

MAD_TO_SIGMA = 1.482602218505602
_SAMPLE = 500_000


def robust_sigma(values: ArrayLike, *, clip: float = 5.0) -> float:
    """Return the standard deviation of the core of `values`, outliers left out.

    The scale starts as the median absolute deviation, and is then the standard deviation of what lies within `clip`
    of it: efficient (unlike the former) and exact for coarsely digitised data.

    Parameters
    ----------
    values
        Any shape; values that are not finite are ignored.
    clip
        In units of the current scale.

    Returns
    -------
    float
        NaN for fewer than two values.
    """
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    if array.size < 2:
        return float("nan")
    centre = np.median(array)
    deviation = np.abs(array - centre)
    scale = MAD_TO_SIGMA * np.median(deviation)
    if scale == 0:
        return float(np.std(array[deviation <= clip * np.std(array)]))
    for _ in range(2):
        scale = np.std(array[deviation <= clip * scale])
    return float(scale)


def clipped_mean(values: NDArray[np.floating], axis: int, *, clip: float = 4.0) -> NDArray[np.float64]:
    """Return the mean along `axis` of what lies within `clip` robust standard deviations of the median."""
    array = np.asarray(values, dtype=np.float64)
    deviation = array - np.median(array, axis=axis, keepdims=True)
    scale = MAD_TO_SIGMA * np.median(np.abs(deviation))
    keep = np.abs(deviation) <= clip * scale if scale > 0 else np.ones(array.shape, bool)
    return np.asarray((array * keep).sum(axis) / np.maximum(keep.sum(axis), 1))


def difference_noise(image: NDArray[np.floating], axis: int) -> float:
    """Return the noise of a pixel, from differences of neighbours along `axis`: structure along it does not count."""
    return robust_sigma(np.diff(np.asarray(image, np.float64), axis=axis)) / 2**0.5


def typical(image: NDArray[np.floating]) -> float:
    """Return the median of an image; of a large one, that of some half a million pixels in every so manieth row."""
    return float(np.median(image[:: max(1, image.size // _SAMPLE)]))


def number_flagged(image: CCDData, flag: Flag) -> int:
    """Return how many pixels of an image of ours carry a flag."""
    return int(np.count_nonzero((np.asarray(image.flags) & int(flag)) != 0))
