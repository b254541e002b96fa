"""Resampling that shares out the area of pixels, by `reproject`: what was in a pixel goes where it overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.registration.geometry import PixelMap

_TILE = 100
_PIXEL = 1e-6
"""Degrees that a pixel is given: so small that the sphere is flat."""


def share_out(values: NDArray[np.float32], place: PixelMap, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the mean of `values` over the area of each new pixel.

    Parameters
    ----------
    values
        Shape (ny, nx).
    place
        Old pixel (x, y) from new pixel. A bent map is taken as straight over tiles of 100 pixels.
    shape
        Of the result; it is 0 where no old pixel lies.
    """
    found = np.empty(shape, np.float32)
    tile = _TILE if place.bend.any() else max(shape)
    for y in range(0, shape[0], tile):
        for x in range(0, shape[1], tile):
            ny, nx = min(tile, shape[0] - y), min(tile, shape[1] - x)
            middle = ((nx - 1) / 2, (ny - 1) / 2)
            about = place.from_pixel(x + middle[0], y + middle[1]).straight
            found[y : y + ny, x : x + nx] = _shared(values, about.from_pixel(-middle[0], -middle[1]), (ny, nx))
    return found


def _shared(values: NDArray[np.float32], place: PixelMap, shape: tuple[int, int]) -> NDArray[np.float32]:
    from reproject import reproject_exact

    back = place.inverse()
    part, offset = _around(values, place, shape)
    old = _plane(back.matrix, back(np.array([offset]))[0])
    found, covered = reproject_exact((part.astype(np.float64), old), _plane(np.eye(2), np.zeros(2)), shape_out=shape)
    return np.where(covered > 0, found, 0).astype(np.float32)


def _around(
    values: NDArray[np.float32], place: PixelMap, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the part of `values` that a tile needs, and the pixel (x, y) where it begins."""
    ends = place([(x, y) for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)])
    limit = np.array(values.shape[::-1]) - 1
    low = np.clip(np.floor(ends.min(axis=0)).astype(int) - 2, 0, limit)
    high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 2, low, limit)
    return values[low[1] : high[1] + 1, low[0] : high[0] + 1], low.astype(np.float64)


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
