"""The common pixels of a combination: those of the reference frame, as many as are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.registration.geometry import PixelMap, corners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.combination.exposures import Exposure

Area = Literal["union", "intersection"]

LARGEST = 30000
"""Pixels of a side beyond which something must be wrong."""


class Outline(NamedTuple):
    """Where a frame of size (nx, ny) lies: reference pixel from frame pixel."""

    place: PixelMap
    size: tuple[int, int]


class Grid(NamedTuple):
    """Pixels of the reference frame: its pixel (x0, y0) is the first of `nx` by `ny`."""

    x0: int
    y0: int
    nx: int
    ny: int

    def to_frame(self, outline: Exposure | Outline) -> PixelMap:
        """Return where the grid's pixels (x, y) lie on a frame."""
        return outline.place.inverse_over(outline.size).from_pixel(self.x0, self.y0)


def common_grid(exposures: Sequence[Exposure | Outline], area: Area) -> Grid:
    """Return the grid that holds all frames, or the largest upright one that all frames fill.

    Raises
    ------
    DataError
        If the frames have nothing in common, or lie absurdly far apart.
    """
    places = [exposure.place(corners(*exposure.size)) for exposure in exposures]
    if area == "union":
        low = np.floor(np.min([place.min(axis=0) for place in places], axis=0) + 1e-3)
        high = np.ceil(np.max([place.max(axis=0) for place in places], axis=0) - 1e-3)
    else:
        inner = [np.sort(place, axis=0) for place in places]
        low = np.ceil(np.max([one[1] for one in inner], axis=0) - 1e-3)
        high = np.floor(np.min([one[2] for one in inner], axis=0) + 1e-3)
    nx, ny = (int(n) for n in high - low + 1)
    if min(nx, ny) < 1:
        raise DataError("combination: the frames have no area in common; combine them with area = 'union'")
    if max(nx, ny) > LARGEST:
        raise DataError(f"combination: the frames span {nx} x {ny} pixels; use area = 'intersection', or fewer frames")
    return Grid(int(low[0]), int(low[1]), nx, ny)


def coverage(exposures: Sequence[Exposure | Outline], grid: Grid, step: int) -> NDArray[np.int16]:
    """Return how many frames reach every `step`-th pixel of the grid."""
    y, x = np.meshgrid(np.arange(0, grid.ny, step), np.arange(0, grid.nx, step), indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel()])
    number = np.zeros(x.size, np.int16)
    for exposure in exposures:
        there = grid.to_frame(exposure)(points)
        number += ((there >= 0) & (there <= np.array(exposure.size) - 1)).all(axis=1)
    return number.reshape(x.shape)
