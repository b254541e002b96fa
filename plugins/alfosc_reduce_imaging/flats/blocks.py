"""Images in blocks of a few pixels: small enough to think about, and blind to single pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

_FEWEST = 0.25
"""A block with a smaller share of usable pixels says nothing."""


def in_blocks(values: NDArray[np.floating], good: NDArray[np.bool_] | None, size: int) -> NDArray[np.float32]:
    """Return the mean of the good pixels in blocks of `size` x `size`.

    Parameters
    ----------
    values
        Shape (ny, nx).
    good
        False where a pixel must not be used; None if all are good.
    size
        Pixels a side; the last row and column of blocks may be smaller.

    Returns
    -------
    array
        NaN where less than a quarter of a block is good.
    """
    shape = tuple(-(-length // size) for length in values.shape)
    total, number = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for i in range(size):
        for j in range(size):
            part = values[i::size, j::size]
            place = slice(part.shape[0]), slice(part.shape[1])
            if good is None:
                total[place] += part
                number[place] += 1
            else:
                kept = good[i::size, j::size]
                total[place] += np.where(kept, part, np.float32(0))
                number[place] += kept
    enough = number >= _FEWEST * size**2
    return np.divide(total, number, out=np.full(shape, np.nan, np.float32), where=enough)


def per_pixel(blocks: NDArray[T], size: int, shape: tuple[int, ...]) -> NDArray[T]:
    """Return the value of its block for every pixel of an image of `shape`."""
    wide = np.repeat(blocks, size, axis=1)[:, : shape[1]]
    return np.repeat(wide, size, axis=0)[: shape[0]]


def block_size(shape: tuple[int, ...], largest: int = 4) -> int:
    """Return the side of blocks for an image: `largest`, less for one so small that few would be left."""
    return max(1, min(largest, min(shape) // 50))
