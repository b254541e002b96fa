"""Sums along all straight lines through a small image, by halves of halves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LEVELS = 3
"""Whole lines, halves and quarters of them are looked at."""


@dataclass(frozen=True)
class LineSums:
    """Sums along lines that climb by less than a cell a step, over strips of the image.

    Attributes
    ----------
    first
        First step of the strip.
    steps
        Steps of the strip; the image may end before them.
    sums
        Shape (`steps`, offsets): element (d, i) is the sum along the line from `low` + i at the first step to
        `low` + i + d at the last.
    low
        Place that belongs to the first offset, negative.
    """

    first: int
    steps: int
    sums: NDArray[np.float32]
    low: int


def line_sums(values: NDArray[np.float32]) -> Iterator[LineSums]:
    """Yield the sums along rising lines, over quarters, halves and the whole of an image.

    Sums of two short lines make those of a line twice as long (Brady 1998, SIAM J. Comput. 27, 107), so that all lines
    cost hardly more than all rows; short ones come for nothing (Nir, Zackay & Ofek 2018, AJ 156, 229).

    Parameters
    ----------
    values
        Shape (steps, places); 0 where nothing is known.
    """
    count, places = values.shape
    levels = max(1, int(np.ceil(np.log2(count))))
    size = 2**levels
    strips = np.zeros((size, 1, size + places), np.float32)
    strips[:count, 0, size:] = values
    for level in range(levels):
        strips = _doubled(strips)
        if level >= levels - LEVELS:
            steps = 2 ** (level + 1)
            for index in range(len(strips)):
                if index * steps < count:
                    yield LineSums(index * steps, steps, strips[index, :, size - steps :], -steps)


def _doubled(strips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sums over pairs of strips, shape (half as many strips, twice as many climbs, offsets)."""
    first, second = strips[0::2], strips[1::2]
    count, climbs, width = first.shape
    found = np.empty((count, 2 * climbs, width), np.float32)
    for climb in range(2 * climbs):
        half, shift = climb // 2, (climb + 1) // 2
        np.add(first[:, half, : width - shift], second[:, half, shift:], out=found[:, climb, : width - shift])
        found[:, climb, width - shift :] = first[:, half, width - shift :]
    return found


@lru_cache(maxsize=32)
def lengths(first: int, steps: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return how many cells of an image each line of a strip meets, shape of `LineSums.sums`; not to be changed.

    Parameters
    ----------
    first, steps
        Of the strip.
    shape
        Steps and places of the image.
    """
    inside = min(steps, shape[0] - first)
    rise = np.maximum(np.arange(steps, dtype=np.float32)[:, None] / max(steps - 1, 1), np.float32(1e-6))
    start = np.arange(-steps, shape[1], dtype=np.float32)[None, :]
    enters = np.clip(-start / rise, 0, inside)
    leaves = np.clip((shape[1] - start) / rise, 0, inside)
    return np.maximum(leaves - enters, 0)
