"""A smaller image in which faint lines can be looked for: cells of pixels, less the sky, in units of its scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.stars.background import background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIDE = 512
"""Largest side of the small image."""
LEAST = 4
"""Pixels to a side of a cell at least: a star should hardly fill more than one."""
SKY_CELLS = 16
"""Side of the squares in which its sky is measured."""
CLIP = 1.0
"""Scatter to which a cell counts at most: a long faint line says more than a bright star."""


class Decimated(NamedTuple):
    """A small image.

    Attributes
    ----------
    factor
        Pixels to a side of a cell.
    level
        Sky of each cell, in the unit of the image, shape (ny, nx).
    scatter
        Standard deviation of a cell.
    votes
        Excess over the sky in units of the scatter, clipped; 0 where nothing is known.
    """

    factor: int
    level: Floats
    scatter: Floats
    votes: Floats


def decimate(data: NDArray[np.floating], good: NDArray[np.bool_]) -> Decimated:
    """Return the small image of an image.

    Parameters
    ----------
    data
        Shape (ny, nx).
    good
        False where a pixel must not be used.
    """
    factor = max(LEAST, -(-max(data.shape) // SIDE))
    values, known = cell_means(data, good, factor)
    level, scatter = background(values, known, box=SKY_CELLS)
    far = known & (scatter > 0)
    votes = np.divide(values - level, scatter, out=np.zeros_like(values), where=far)
    return Decimated(factor, level, scatter, np.clip(votes, -CLIP, CLIP))


def cell_means(data: NDArray[np.floating], good: NDArray[np.bool_], factor: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the means of cells of pixels, and where at least half of a cell is known; what fills no cell is left out.

    Parameters
    ----------
    data, good
        Shape (ny, nx).
    factor
        Side of a cell.
    """
    ny, nx = (size // factor for size in data.shape)
    part = np.s_[: ny * factor, : nx * factor]
    cells = (ny, factor, nx, factor)
    values = np.where(good[part], data[part], 0).astype(np.float32, copy=False)
    number = good[part].reshape(cells).sum(axis=3, dtype=np.int16).sum(axis=1)
    total = values.reshape(cells).sum(axis=3).sum(axis=1)
    return total / np.maximum(number, 1).astype(np.float32), 2 * number >= factor**2
