"""Smoothing of images along the dispersion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce import DataError, Step
from alfosc_reduce.images import flags_of, make_image, usable, variance_of
from alfosc_reduce.parameters import Pixels

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray


class StrangerSmooth(Step):
    """Smooth an image along the dispersion with a running weighted mean.

    Masked pixels take no part; where no pixel of the window is good, the result keeps its flags and is 0.
    """

    width: Pixels = 3 * u.pix
    """Full width of the window, an odd number of pixels."""

    def __call__(self, image: CCDData) -> CCDData:
        """Return the smoothed image, with the variance of the mean."""
        good = usable(image)
        if not good.any():
            raise DataError("stranger_smooth: the image has no usable pixel; leave this frame out")
        weights = np.where(good, 1.0, 0.0)
        width = int(self.width.value)
        count = running_sum(weights, width)
        safe = np.maximum(count, 1)
        known = image.uncertainty is not None
        variance = running_sum(np.where(good, variance_of(image), 0), width) / safe**2 if known else None
        return make_image(
            running_sum(image.data * weights, width) / safe,
            unit=str(image.unit),
            header=image.meta,
            variance=variance,
            flags=flags_of(image),
        )


def running_sum(values: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    """Return the sum in a window of `width` pixels (odd) around each pixel of the last axis, zero beyond the ends."""
    half = width // 2
    padded = np.pad(np.asarray(values, np.float64), [(0, 0), (half + 1, half)])
    total = np.cumsum(padded, axis=-1)
    result: NDArray[np.float64] = total[:, width:] - total[:, :-width]
    return result
