"""The part of a frame that lies on the slit: what sky and objects are sought in, in 32 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce.images import rows_on_slit, usable, variance_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray


class SlitPart(NamedTuple):
    """Some rows of a frame.

    Attributes
    ----------
    rows
        Which they are.
    data, variance
        Electrons, and their variance; 0 and 1 where not usable. Shape (rows, nx).
    good
        Pixels that may be used, shape (rows, nx).
    """

    rows: slice
    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    good: NDArray[np.bool_]

    def whole(self, values: NDArray[np.floating], ny: int) -> NDArray[np.float32]:
        """Return a frame of `ny` rows that holds `values` in these rows, and 0 in the others."""
        if len(values) == ny:
            return np.asarray(values, np.float32)
        frame = np.zeros((ny, values.shape[1]), np.float32)
        frame[self.rows] = values
        return frame


def part_on_slit(image: CCDData) -> SlitPart:
    """Return what of a frame lies on the slit; it must have a variance."""
    return part_of(image, rows_on_slit(image))


def part_of(image: CCDData, rows: slice) -> SlitPart:
    """Return some rows of a frame; it must have a variance."""
    noise = plain_variance(image)[rows]
    good = usable(image)[rows] & np.isfinite(noise)
    data = np.where(good, np.asarray(image.data)[rows], 0).astype(np.float32, copy=False)
    return SlitPart(rows, data, np.where(good, noise, 1).astype(np.float32, copy=False), good)


def plain_variance(image: CCDData) -> NDArray[np.floating]:
    """Return the variance of an image without a copy where it is stored as such; infinite if there is none."""
    if image.uncertainty is not None and image.uncertainty.uncertainty_type == "var":
        return np.asarray(image.uncertainty.array)
    return variance_of(image)
