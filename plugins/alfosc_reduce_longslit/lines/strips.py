"""An arc frame made ready to measure: its central spectrum, and strips along the slit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, usable, variance_of
from alfosc_reduce_longslit.lines.positions import Strips

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

MOST_STRIPS = 20
"""Along the slit; each line is measured once a strip."""
LEAST_HEIGHT = 8
"""Rows of a strip: enough light, and far less than the lines bend."""
SPOILT = 2
"""Pixels of the detector beside saturated ones that are not used."""


def lit_rows(arc: CCDData) -> tuple[int, int]:
    """Return first and last + 1 of the rows that the lamp lights.

    Raises
    ------
    DataError
        If there is no light.
    """
    data = np.where(usable(arc) | _saturated(arc), np.asarray(arc.data, np.float64), 0.0)
    if data.size == 0:
        raise DataError(f"arc {name_of(arc)}: there are no pixels in it; leave this frame out")
    columns = np.percentile(data, 99, axis=1)
    level = float(np.percentile(columns, 75))
    if not level > 0 or float(np.ptp(data)) == 0:
        raise DataError(
            f"arc {name_of(arc)}: there is no light in it (the brightest pixel holds {float(np.max(data)):g}); "
            "leave this frame out"
        )
    lit = np.flatnonzero(columns > 0.2 * level)
    return int(lit[0]), int(lit[-1]) + 1


def central_spectrum(arc: CCDData, rows: tuple[int, int]) -> NDArray[np.float64]:
    """Return the median of the rows around the middle of the lit ones, shape (nx,), saturated pixels included."""
    middle = (rows[0] + rows[1]) // 2
    half = max((rows[1] - rows[0]) // 40, 2)
    part = slice(max(middle - half, 0), middle + half + 1)
    data = np.asarray(arc.data[part], np.float64)
    good = (usable(arc) | _saturated(arc))[part]
    lonely = ~good.any(axis=0)
    data[:, lonely] = 0
    good[:, lonely] = True
    result: NDArray[np.float64] = np.nanmedian(np.where(good, data, np.nan), axis=0)
    return result


def cut_strips(arc: CCDData, rows: tuple[int, int], count: int = MOST_STRIPS) -> Strips:
    """Average the rows of an arc into strips; a pixel is good where most rows of its strip are.

    A saturated pixel in any row spoils the pixel of the strip and those beside it: they hold the edges of a line whose
    light is not known.
    """
    height = min(max((rows[1] - rows[0]) // count, LEAST_HEIGHT), rows[1] - rows[0])
    count = (rows[1] - rows[0]) // height
    part = slice(rows[0], rows[0] + count * height)
    shape = (count, height, arc.shape[1])
    good = usable(arc)[part].reshape(shape)
    data = np.where(good, np.asarray(arc.data, np.float64)[part].reshape(shape), 0)
    noise = np.where(good, _variance(arc)[part].reshape(shape), 0)
    number = good.sum(axis=1)
    safe = np.maximum(number, 1)
    saturated = np.asarray(_saturated(arc)[part].reshape(shape).any(axis=1), bool)
    beside = int(np.ceil(SPOILT / abs(float(arc.meta.get("DISPSTEP", 1.0)))))
    spoilt = (number < 0.6 * height) | _widened(saturated, beside)
    variance = np.where(number > 0, noise.sum(axis=1) / safe**2, 1.0)
    y = rows[0] + height * np.arange(count) + (height - 1) / 2
    return Strips(data.sum(axis=1) / safe, np.maximum(variance, 1e-12), ~spoilt, np.asarray(y, np.float64))


def _widened(saturated: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return also the pixels along x so near to saturated ones."""
    result = saturated.copy()
    for away in range(1, reach + 1):
        result[:, away:] |= saturated[:, :-away]
        result[:, :-away] |= saturated[:, away:]
    return result


def _variance(arc: CCDData) -> NDArray[np.float64]:
    """Variance of the pixels; for an image without one the light itself and a floor from its faint half."""
    variance = variance_of(arc)
    if np.isfinite(variance).any():
        return np.where(np.isfinite(variance) & (variance > 0), variance, np.nanmedian(variance))
    data = np.asarray(arc.data, np.float64)
    floor = 1.4826 * np.median(np.abs(data - np.median(data)))
    return np.asarray(np.maximum(data, 0) + max(float(floor), 1.0) ** 2, np.float64)


def _saturated(arc: CCDData) -> NDArray[np.bool_]:
    return np.asarray((flags_of(arc) & int(Flag.SATURATED)) != 0, bool)


def name_of(arc: CCDData) -> str:
    """Return what a person calls the frame."""
    return str(arc.meta.get("FILENAME") or arc.meta.get("OBJECT") or "frame")
