"""Resampling that shares out the area of pixels, by `reproject`: what was in a pixel goes where it overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

_PIXEL = 1e-6
"""Degrees that a pixel is given: so small that the sphere is flat."""


def share_out(
    values: NDArray[np.float32], matrix: NDArray[np.float64], shift: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the mean of `values` over the area of each new pixel.

    Parameters
    ----------
    values
        Shape (ny, nx).
    matrix, shift
        Old (row, column) = matrix . new (row, column) + shift.
    shape
        Of the result; it is 0 where no old pixel lies.
    """
    from reproject import reproject_exact

    new = _plane(np.eye(2), np.zeros(2))
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    old = _plane(back[::-1, ::-1], (-back @ shift)[::-1])
    found, covered = reproject_exact((np.asarray(values, np.float64), old), new, shape_out=shape)
    return np.where(covered > 0, found, 0).astype(np.float32)


def _plane(matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> WCS:
    """Return a tiny tangent plane on which pixel (x, y) lies at matrix . (x, y) + offset."""
    from astropy.wcs import WCS

    plane = WCS(naxis=2)
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane.wcs.crval = [180.0, 0.0]
    plane.wcs.cd = matrix * _PIXEL
    plane.wcs.crpix = np.linalg.solve(matrix, -offset) + 1
    plane.wcs.set()
    return plane
