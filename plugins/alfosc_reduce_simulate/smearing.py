"""Light along the dispersion, exactly: cumulative counts of a spectrum seen through the slit, and what pixels catch.

A spectrum is held as counts in fine cells along the dispersion. A line is the slit's image, a box, blurred by the
optics; its share of every cell is known in closed form. A pixel then catches the difference of the cumulative counts at
its borders: nothing is sampled at pixel centres, and nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

STEP = 0.125
"""Width of a fine cell in unbinned pixels."""


@dataclass(frozen=True)
class LineSpread:
    """The monochromatic image of the slit: a box blurred by a Gaussian.

    Attributes
    ----------
    width
        Full width of the box in unbinned pixels.
    blur
        Standard deviation of the Gaussian in unbinned pixels.
    """

    width: float
    blur: float = 0.35

    def cumulative(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the share of a line's light below `x` (unbinned pixels from its centre)."""
        x = np.asarray(x, dtype=np.float64)
        upper, lower = self._ramp(x + self.width / 2), self._ramp(x - self.width / 2)
        return np.asarray((upper - lower) / self.width, dtype=np.float64)

    @property
    def reach(self) -> float:
        """Return how far from its centre a line has light, in unbinned pixels."""
        return self.width / 2 + 6 * self.blur

    def _ramp(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.special import ndtr

        s = z / self.blur
        ramp: NDArray[np.float64] = z * ndtr(s) + self.blur * np.exp(-0.5 * s**2) / np.sqrt(2 * np.pi)
        return ramp


@dataclass(frozen=True)
class Grid:
    """Fine cells along the dispersion, in unbinned pixels."""

    first: float
    size: int

    @property
    def nodes(self) -> NDArray[np.float64]:
        """Return the borders of the cells, shape (size + 1,)."""
        return self.first + STEP * np.arange(self.size + 1, dtype=np.float64)


def covering(first: float, last: float, margin: float) -> Grid:
    """Return the grid from `first` to `last` with a `margin` on either side, all in unbinned pixels."""
    return Grid(first - margin, int(np.ceil((last - first + 2 * margin) / STEP)))


def smear(cells: NDArray[np.float64], spread: LineSpread) -> NDArray[np.float64]:
    """Convolve counts in cells with the image of the slit; counts are conserved but for what leaves the ends."""
    half = int(np.ceil(spread.reach / STEP)) + 1
    kernel = np.diff(spread.cumulative(STEP * (np.arange(-half, half + 2) - 0.5)))
    padded = np.pad(cells, half, mode="edge")
    return np.convolve(padded, kernel, mode="valid")


def line_cells(
    grid: Grid, positions: NDArray[np.float64], counts: NDArray[np.float64], spread: LineSpread
) -> NDArray[np.float64]:
    """Return the counts that lines put into each cell, exactly.

    Parameters
    ----------
    grid
        The cells.
    positions, counts
        Of the lines, shape (n,); unbinned pixels and electrons.
    spread
        The image of the slit.
    """
    span = int(np.ceil(2 * spread.reach / STEP)) + 2
    start = np.floor((positions - spread.reach - grid.first) / STEP).astype(int)
    index = start[:, None] + np.arange(span + 1)
    shares = np.diff(spread.cumulative(grid.first + STEP * index - positions[:, None]), axis=1)
    inside = (index[:, :-1] >= 0) & (index[:, :-1] < grid.size)
    cells = np.zeros(grid.size)
    np.add.at(cells, index[:, :-1][inside], (shares * counts[:, None])[inside])
    return cells


def catch(cells: NDArray[np.float64], grid: Grid, borders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what pixels catch between their borders.

    Parameters
    ----------
    cells
        Counts in the cells of `grid`.
    grid
        The cells.
    borders
        Where the borders of the pixels lie on the grid, shape (..., n + 1), rising along the last axis.

    Returns
    -------
    NDArray[np.float64]
        Counts, shape (..., n); their sum is what lies between the outermost borders.
    """
    total = np.concatenate([[0.0], np.cumsum(cells)])
    place = np.clip((borders - grid.first) / STEP, 0, grid.size - 1e-9)
    whole = place.astype(np.intp)
    caught: NDArray[np.float64] = np.diff(total[whole] + (place - whole) * cells[whole], axis=-1)
    return caught
