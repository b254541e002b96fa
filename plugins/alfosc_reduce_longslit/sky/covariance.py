"""How well a fitted sky is known: the variance of the spline at every pixel, from the normal equations of the fit.

The inverse of a banded matrix is full, but a spline at one place needs no more of it than the band, and that follows
block by block (Takahashi, Fagan & Chen 1973): once forward as for a solution, once backward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.sky.spline import ORDER, SkyBasis, cubic_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP = 16
"""Rows between those for which the variance is worked out; it changes slowly along the slit."""
REACH = ORDER - 1
"""Splines beyond its own with which one shares pixels."""


def variance_of_fit(basis: SkyBasis, bands: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the variance of the fitted sky at every pixel, shape (ny, nx).

    Parameters
    ----------
    basis
        Of the fit.
    bands
        The lower bands of its normal equations, prior included, as `SplineFit` holds them.
    """
    covariance = covariance_of(bands, basis.slit.shape[1])
    ny = len(basis.position)
    rows = np.unique(np.append(np.arange(0, ny, STEP), ny - 1))
    coarse = np.stack([_variance_of_row(basis, covariance, row) for row in rows])
    if len(rows) == 1:
        return np.asarray(coarse, np.float32)
    place = np.arange(ny)
    left = np.clip(np.searchsorted(rows, place, side="right") - 1, 0, len(rows) - 2)
    share = ((place - rows[left]) / (rows[left + 1] - rows[left])).astype(np.float32)[:, None]
    result = coarse[left]
    result += share * (coarse[left + 1] - result)
    return np.asarray(result, np.float32)


def covariance_of(bands: NDArray[np.float64], terms: int) -> NDArray[np.float64]:
    """Return the covariances of the coefficients of splines that share pixels, shape (lag, splines, terms, terms).

    Element [lag, i] is the covariance of the terms of spline i (rows) with those of spline i + lag (columns).
    """
    count = bands.shape[1] // terms
    blocks = -(-count // REACH)
    diagonal, below = _blocks(bands, REACH * terms, blocks)
    inner, outer = _selected_inverse(diagonal, below)
    found = np.zeros((ORDER, blocks * REACH, terms, terms))
    for a in range(REACH):
        for b in range(2 * REACH):
            if 0 <= b - a < ORDER:
                part = inner if b < REACH else outer
                column = (b % REACH) * terms
                found[b - a, a::REACH] = part[:, a * terms : (a + 1) * terms, column : column + terms]
    return found[:, :count]


def _blocks(bands: NDArray[np.float64], size: int, blocks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a banded matrix as blocks on the diagonal and below it, filled up with the unit matrix."""
    width, count = bands.shape
    whole = np.zeros((width, blocks * size))
    whole[:, :count] = bands
    whole[0, count:] = 1
    diagonal, below = np.zeros((blocks, size, size)), np.zeros((blocks, size, size))
    for lag in range(width):
        for column in range(size):
            values, row = whole[lag, column::size], column + lag
            if row < size:
                diagonal[:, row, column] = diagonal[:, column, row] = values
            elif row < 2 * size:
                below[:, row - size, column] = values
    return diagonal, below


def _selected_inverse(
    diagonal: NDArray[np.float64], below: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the blocks of the inverse of a block-tridiagonal matrix on the diagonal and right of it.

    ``below[b]`` couples block b + 1 (rows) to block b (columns).
    """
    pivots, gains = np.empty_like(diagonal), np.zeros_like(diagonal)
    pivot = diagonal[0]
    for b in range(len(diagonal)):
        pivots[b] = np.linalg.inv(pivot)
        if b + 1 < len(diagonal):
            gains[b] = pivots[b] @ below[b].T
            pivot = diagonal[b + 1] - below[b] @ gains[b]
    inner, outer = pivots.copy(), np.zeros_like(diagonal)
    for b in range(len(diagonal) - 2, -1, -1):
        outer[b] = -gains[b] @ inner[b + 1]
        inner[b] -= outer[b] @ gains[b].T
    return inner, outer


def _variance_of_row(basis: SkyBasis, covariance: NDArray[np.float64], row: int) -> NDArray[np.float32]:
    slit, position = basis.slit[row], basis.position[row]
    pairs = np.einsum("i,lsij,j->ls", slit, covariance, slit)
    first = np.floor(position).astype(np.intp)
    weights = cubic_weights(position - np.floor(position))
    total = np.zeros(len(position))
    for a in range(ORDER):
        for lag in range(ORDER - a):
            total += (1 + (lag > 0)) * weights[a] * weights[a + lag] * pairs[lag, first + a]
    return np.asarray(np.maximum(total, 0), np.float32)
