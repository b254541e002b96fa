"""Pixels and columns that respond unlike their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from alfosc_reduce_ccd.threads import two_at_a_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.5, 1.3
"""A pixel outside of these, relative to its surroundings, is not mended by a flat."""
COLUMN = 0.1
"""A column off by more than this, over a block of rows, is not either."""
_BOX, _BLOCK = 25, 64


def odd_pixels(flat: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return true for pixels, and for parts of columns, that respond unlike the 25 pixels around them in their row.

    Parameters
    ----------
    flat
        Relative light, shape (ny, nx); NaN where not known.
    """
    ny, nx = flat.shape
    odd = np.zeros((ny, nx), bool)
    if nx < _BOX:
        return odd

    def fill(start: int) -> None:
        rows = slice(start, min(start + _BLOCK, ny))
        ratio = flat[rows] / around(flat[rows])
        known = np.isfinite(ratio)
        odd[rows] = known & ((ratio < LOWEST) | (ratio > HIGHEST))
        odd[rows] |= odd_columns(np.where(known, ratio, np.nan))[None, :]

    two_at_a_time(fill, range(0, ny, _BLOCK))
    return odd


def odd_columns(ratio: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return true for the columns whose median over some rows is more than a tenth, and significantly, off 1.

    Parameters
    ----------
    ratio
        Response over that of the surroundings, shape (rows, nx).
    """
    from bottleneck import nanmedian

    level = nanmedian(ratio, axis=0)
    away = np.abs(np.where(np.isfinite(level), level, 1) - 1)
    return np.asarray(away > max(COLUMN, 8 * 1.4826 * float(np.median(away))), bool)


def around(flat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the median of the 25 pixels around each along x, the frame mirrored at its edges."""
    from bottleneck import move_median

    half = _BOX // 2
    padded = np.pad(flat, ((0, 0), (half, half)), "reflect")
    median = move_median(padded, _BOX, axis=1, min_count=_BOX // 3)[:, 2 * half :]
    return np.where(median > 0, median, np.nan).astype(np.float32)
