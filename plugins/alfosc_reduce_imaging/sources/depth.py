"""How faint a source the image shows: the scatter of apertures put where nothing is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.background import MAD_TO_SIGMA
from alfosc_reduce_imaging.stars.stamps import disc_weights, stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

_APERTURES = 600
_FEWEST = 12


@dataclass(frozen=True, eq=False)
class EmptyApertures:
    """The noise of the image as apertures see it.

    Attributes
    ----------
    radii
        Pixels, shape (apertures,).
    scatter
        Standard deviation of the light in circles on empty sky; NaN where there is too little of it.
    expected
        The same from the variance of independent pixels.
    number
        Of circles.
    """

    radii: NDArray[np.float64]
    scatter: NDArray[np.float64]
    expected: NDArray[np.float64]
    number: int


def empty_apertures(
    light: NDArray[np.float32], sky: NDArray[np.float32], taken: NDArray[np.bool_], radii: NDArray[np.float64]
) -> EmptyApertures:
    """Measure circles on empty sky, on a grid that is the same every time.

    Parameters
    ----------
    light
        Above the background, shape (ny, nx).
    sky
        Variance of the background; same shape.
    taken
        True for pixels of sources and such as may not be used.
    radii
        Of the circles, pixels.
    """
    half = int(np.ceil(radii.max())) + 1
    x, y = empty_places(taken, half)
    if len(x) < _FEWEST:
        nothing = np.full(len(radii), np.nan)
        return EmptyApertures(radii, nothing, nothing.copy(), len(x))
    cut, noise = (stamps_at(plane, x, y, half, 0) for plane in (light, sky))
    offset = np.arange(-half, half + 1.0)
    discs = [disc_weights(offset, offset[:, None], radius) for radius in radii]
    fluxes = np.stack([np.tensordot(cut, disc, 2) for disc in discs])
    expected = np.sqrt([np.median(np.tensordot(noise, disc**2, 2)) for disc in discs])
    away = np.abs(fluxes - np.median(fluxes, axis=1, keepdims=True))
    return EmptyApertures(radii, MAD_TO_SIGMA * np.median(away, axis=1), expected, len(x))


def empty_places(taken: NDArray[np.bool_], half: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pixels around which a square of `half` pixels to each side is free; squares do not overlap."""
    ny, nx = taken.shape
    side = 2 * half + 1
    sums = np.zeros((ny + 1, nx + 1), np.int32)
    np.cumsum(np.cumsum(taken, axis=0, dtype=np.int32), axis=1, out=sums[1:, 1:])
    grid = np.meshgrid(np.arange(half, ny - half, side), np.arange(half, nx - half, side), indexing="ij")
    y, x = grid[0].ravel(), grid[1].ravel()
    top, right = y + half + 1, x + half + 1
    count = sums[top, right] - sums[top - side, right] - sums[top, right - side] + sums[top - side, right - side]
    free = np.flatnonzero(count == 0)
    free = free[:: max(1, len(free) // _APERTURES)]
    return x[free], y[free]
