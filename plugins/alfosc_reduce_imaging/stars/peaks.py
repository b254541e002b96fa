"""Where light stands out: local maxima of an image smoothed with the width of a star."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FWHM_TO_SIGMA = 2.354820045030949
_SPARSE = 400_000
_LOWER = (2.275, 15.866)
"""Per cent of a normal distribution below -2 and -1 sigma."""


class Peaks(NamedTuple):
    """Whole pixels of local maxima and their significance (sigma), the highest first."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    significance: NDArray[np.float64]


def find_peaks(ratio: NDArray[np.float32], fwhm: float, threshold: float, largest: int) -> Peaks:
    """Return local maxima of a smoothed image.

    Parameters
    ----------
    ratio
        Light above the background over its noise, 0 where not usable; shape (ny, nx).
    fwhm
        Of a star, pixels: of the Gaussian with which it is smoothed.
    threshold
        Sigma of the smoothed image, as measured on it, so that correlated noise counts.
    largest
        How many maxima are kept.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter

    smooth = gaussian_filter(ratio, fwhm / FWHM_TO_SIGMA, truncate=3, mode="constant")
    smooth /= np.float32(smoothed_noise(smooth, fwhm))
    side = 2 * max(1, round(0.4 * fwhm)) + 1
    y, x = np.nonzero((smooth > threshold) & (smooth == maximum_filter(smooth, side)))
    height = smooth[y, x]
    order = np.argsort(-height, kind="stable")[:largest]
    return Peaks(x[order], y[order], height[order].astype(np.float64))


def smoothed_noise(smooth: NDArray[np.float32], fwhm: float) -> float:
    """Return the standard deviation of a smoothed image of noise, from its lower tail: stars lift all that is above.

    The values that 16 and 2.3 per cent lie below are one standard deviation apart. It is not less than that of
    uncorrelated noise of variance 1: where nearly all is object, nothing else is known.
    """
    step = max(1, round((smooth.size / _SPARSE) ** 0.5))
    values = smooth[::step, ::step]
    values = values[values != 0]
    least = FWHM_TO_SIGMA / (2 * np.pi**0.5 * fwhm)
    if values.size < 2:
        return float(least)
    low, high = np.percentile(values, _LOWER)
    return max(float(least), float(high - low))


def binned(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return sums over squares of `factor` pixels a side; what is left over at the upper edges is dropped."""
    if factor == 1:
        return image
    ny, nx = (size // factor for size in image.shape)
    parts = (image[i : ny * factor : factor, j : nx * factor : factor] for i in range(factor) for j in range(factor))
    total = np.zeros((ny, nx), np.float32)
    for part in parts:
        total += part
    return total
