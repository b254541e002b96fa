"""The noise of an image between the sources, beside what its variances say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.imaging.comparison import clipped_scatter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BOX = 9
"""Side in pixels of the boxes whose sums are looked at."""


@dataclass(frozen=True)
class NoiseVerdict:
    """Scatter over expected error, 1 if the variances are right.

    Attributes
    ----------
    pixel
        Of single pixels.
    box
        Of sums over 9 x 9 pixels; the expected error takes in how neighbours are correlated.
    boxes
        How many pairs of boxes were looked at.
    """

    pixel: float
    box: float
    boxes: int


def judge_noise(
    data: NDArray[np.floating],
    variance: NDArray[np.floating],
    good: NDArray[np.bool_],
    x: ArrayLike,
    y: ArrayLike,
    *,
    reach: float = 25.0,
    correlation: float = 1.0,
) -> NoiseVerdict:
    """Compare the scatter of blank sky with the variances.

    A box is compared with the one two widths to its right, so that a slow background cancels.

    Parameters
    ----------
    data, variance, good
        Of the image, of one shape.
    x, y
        Pixels, from 0, of all sources.
    reach
        Pixels around each source that are left out.
    correlation
        By how much the error of a sum exceeds that of independent pixels.
    """
    blank = good & ~_near(data.shape, np.asarray(x, float), np.asarray(y, float), reach)
    sums, errors, whole = (_boxes(part) for part in (np.where(blank, data, 0), np.where(blank, variance, 0), blank))
    pair = (whole[:, :-2] == BOX**2) & (whole[:, 2:] == BOX**2)
    off = (sums[:, :-2] - sums[:, 2:])[pair] / np.sqrt((errors[:, :-2] + errors[:, 2:])[pair])
    apart = blank[:, :-18] & blank[:, 18:]
    single = (data[:, :-18] - data[:, 18:])[apart] / np.sqrt((variance[:, :-18] + variance[:, 18:])[apart])
    return NoiseVerdict(clipped_scatter(single), clipped_scatter(off) / correlation, int(pair.sum()))


def _near(shape: tuple[int, ...], x: NDArray[np.float64], y: NDArray[np.float64], reach: float) -> NDArray[np.bool_]:
    """Return which pixels are within reach of a source."""
    near = np.zeros(shape, bool)
    size = int(np.ceil(reach))
    disc = np.hypot(*np.mgrid[-size : size + 1, -size : size + 1]) <= reach
    for column, row in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        y1, y2, x1, x2 = row - size, row + size + 1, column - size, column + size + 1
        if y2 <= 0 or x2 <= 0 or y1 >= shape[0] or x1 >= shape[1]:
            continue
        part = disc[max(-y1, 0) : shape[0] - y1, max(-x1, 0) : shape[1] - x1]
        near[max(y1, 0) : y2, max(x1, 0) : x2] |= part
    return near


def _boxes(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the sums over boxes that tile an image."""
    ny, nx = (size // BOX for size in values.shape)
    tiles = values[: ny * BOX, : nx * BOX].reshape(ny, BOX, nx, BOX)
    summed: NDArray[np.float64] = tiles.sum(axis=(1, 3), dtype=np.float64)
    return summed
