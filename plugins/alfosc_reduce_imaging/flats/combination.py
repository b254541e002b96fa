"""Flats made one: every pixel's mean over the frames in which no star stands on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from alfosc_reduce_ccd.combination import MEDIAN_VARIANCE
from alfosc_reduce_ccd.sorting import sorted_planes
from alfosc_reduce_ccd.threads import two_at_a_time

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_imaging.flats.blocks import per_pixel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.flats.frames import LitFrame

ROWS = 64
"""Rows at a time: few enough to stay in the processor's cache, enough to tell a column that disagrees with itself."""


@dataclass(frozen=True)
class MeanFlat:
    """Flats combined; arrays of the shape of a frame.

    Attributes
    ----------
    data, variance
        Relative light, about 1 in the middle; NaN where no frame has any.
    flags
        What all frames carry; ``NO_FLAT`` where stars or outliers leave none; ``BAD_PIXEL`` where frames do not agree.
    rejected_fraction
        Values rejected as outliers, over all.
    scatter
        Robust scatter of the frames about their mean in units of the expected.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.int16]
    rejected_fraction: float
    scatter: float


@dataclass(frozen=True)
class Strip:
    """Some rows of all frames: relative light, its variance, what may be used, shape (frames, rows, columns)."""

    values: NDArray[np.float32]
    variances: NDArray[np.float32]
    good: NDArray[np.bool_]


def combine_lit(frames: Sequence[LitFrame], clip: float) -> MeanFlat:
    """Combine frames into a mean weighted by their light.

    Parameters
    ----------
    frames
        Of one shape.
    clip
        Values further than this many standard deviations from the pixel's (lower) median are left out.
    """
    shape = frames[0].plane.shape
    data, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    flags = np.empty(shape, np.int16)
    weights = np.array([weight_of(frame) for frame in frames], np.float32)
    weights /= weights.max()

    def fill(start: int) -> tuple[int, int, float]:
        rows = slice(start, min(start + ROWS, shape[0]))
        strip = strip_of(frames, rows)
        keep = kept(strip, clip)
        data[rows], variance[rows] = weighted_mean(strip, keep, weights)
        flags[rows] = _common_flags(frames, rows) | strip_flags(strip, keep, data[rows], weights)
        if start % (8 * ROWS) == 0:
            for frame in frames:
                frame.plane.let_go()
        scatter = _scatter(strip, keep, data[rows], variance[rows])
        return int(np.count_nonzero(keep)), int(np.count_nonzero(strip.good)), scatter

    found = two_at_a_time(fill, range(0, shape[0], ROWS))
    used, usable, scatters = (np.array(column) for column in zip(*found, strict=True))
    scatter = float(np.nanmedian(scatters)) if np.isfinite(scatters).any() else float("nan")
    return MeanFlat(data, variance, flags, float(1 - used.sum() / max(usable.sum(), 1)), scatter)


def weight_of(frame: LitFrame) -> float:
    """Return one over the variance of the relative light of a typical pixel."""
    middle = slice(frame.plane.shape[0] // 3, None, max(1, frame.plane.shape[0] // 50))
    variance = _variance_of(frame, middle)
    known = variance[np.isfinite(variance) & (variance > 0)]
    return frame.level**2 / float(np.median(known)) if known.size else 0.0


def strip_of(frames: Sequence[LitFrame], rows: slice) -> Strip:
    """Return some rows of all frames, evenly lit and scaled to each other."""
    shape = (len(frames), rows.stop - rows.start, frames[0].plane.shape[1])
    values, variances = np.empty(shape, np.float32), np.empty(shape, np.float32)
    good = np.empty(shape, bool)
    for i, frame in enumerate(frames):
        scale = 1 / frame.surface_at(rows)
        np.multiply(frame.plane.data[rows], scale, out=values[i], casting="same_kind")
        np.multiply(_variance_of(frame, rows), scale**2, out=variances[i], casting="same_kind")
        blocks = frame.stars[rows.start // frame.size : -(-rows.stop // frame.size)]
        offset = rows.start % frame.size
        stars = per_pixel(blocks, frame.size, (offset + shape[1], shape[2]))[offset:]
        np.logical_not(stars, out=good[i])
        if frame.plane.flags is not None:
            good[i] &= ~mask_of(frame.plane.flags[rows])
    good &= np.isfinite(values)
    good &= variances > 0
    return Strip(values, variances, good)


def kept(strip: Strip, clip: float) -> NDArray[np.bool_]:
    """Return what lies within `clip` expected standard deviations of its pixel's lower median.

    The lower median of an even number of values is one that a cosmic ray has not reached.
    """
    number = np.count_nonzero(strip.good, axis=0)
    planes = sorted_planes(np.where(strip.good, strip.values, np.float32(np.inf)))
    index = np.maximum(number - 1, 0) // 2
    centre = planes[0]
    for i in range(1, (len(planes) - 1) // 2 + 1):
        centre = np.where(index == i, planes[i], centre)
    many = np.maximum(number, 1).astype(np.float32)
    of_centre = np.where(strip.good, strip.variances, 0).sum(0) * np.float32(MEDIAN_VARIANCE) / many**2
    deviation = np.where(strip.good, strip.values - np.where(number > 0, centre, 0), 0)
    return np.asarray(strip.good & (deviation**2 <= np.float32(clip**2) * (strip.variances + of_centre)), bool)


def weighted_mean(
    strip: Strip, keep: NDArray[np.bool_], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of what is kept and its variance, NaN where nothing is."""
    weight = keep * weights[:, None, None]
    total = weight.sum(0)
    known = total > 0
    safe = np.where(keep, strip.values, 0)
    blank = np.full(total.shape, np.nan, np.float32)
    mean = np.divide((safe * weight).sum(0), total, out=blank.copy(), where=known)
    power = (weight**2 * np.where(keep, strip.variances, 0)).sum(0)
    return mean, np.divide(power, total**2, out=blank, where=known)


def strip_flags(
    strip: Strip, keep: NDArray[np.bool_], mean: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.int16]:
    """Return ``NO_FLAT`` where no value is kept, ``BAD_PIXEL`` where a pixel or a column does not repeat itself.

    A pixel of which more than a third (and two at least) of the values are outliers jumps. A column whose light in a
    frame differs by more than half a per cent from its mean, and significantly, loses or gains charge as the level
    changes: no flat mends it.
    """
    usable, used = np.count_nonzero(strip.good, axis=0), np.count_nonzero(keep, axis=0)
    jumping = (usable - used) > np.maximum(1, usable / 3)
    bad = jumping | unlike_columns(strip, keep, mean)[None, :]
    flags = np.where(used == 0, Flag.NO_FLAT, 0) | np.where(bad, Flag.BAD_PIXEL, 0)
    return flags.astype(np.int16)


def unlike_columns(strip: Strip, keep: NDArray[np.bool_], mean: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return true for the columns of a strip that change unlike their neighbours, shape (nx,)."""
    from bottleneck import move_median

    nx = mean.shape[1]
    if len(keep) < 2 or nx < 15:
        return np.zeros(nx, bool)
    away = np.where(keep, strip.values - np.nan_to_num(mean), 0)
    number = keep.sum(1)
    light = np.where(keep, np.nan_to_num(mean), 0).sum(1)
    excess = np.divide(away.sum(1), light, out=np.zeros(light.shape, np.float32), where=light > 0)
    noise = np.divide(np.sqrt(np.where(keep, strip.variances, 0).sum(1)), light, out=np.full_like(excess, np.inf),
                      where=(light > 0) & (number > 8))  # fmt: skip
    padded = np.pad(excess, ((0, 0), (7, 7)), "reflect")
    excess = excess - move_median(padded, 15, axis=1)[:, 14:]
    return np.asarray((np.abs(excess) > np.maximum(0.005, 8 * noise)).any(0), bool)


def _scatter(strip: Strip, keep: NDArray[np.bool_], mean: NDArray[np.float32], variance: NDArray[np.float32]) -> float:
    """Return the robust scatter of the first frames about the mean over what is expected, one row in 16."""
    if len(keep) < 2:
        return float("nan")
    rows = slice(None, None, 16)
    away = strip.values[:, rows] - mean[rows]
    expected = strip.variances[:, rows] - variance[rows]
    inside = keep[:, rows] & (keep[:, rows].sum(0) > 1) & (expected > 0)
    pull = away[inside] / np.sqrt(expected[inside])
    return 1.4826 * float(np.median(np.abs(pull))) if pull.size else float("nan")


def _variance_of(frame: LitFrame, rows: slice) -> NDArray[np.float32]:
    """Return the variance of some rows; without one, that of light with the noise measured."""
    if frame.plane.variance is not None:
        return np.asarray(frame.plane.variance[rows], np.float32)
    light = np.asarray(frame.plane.data[rows], np.float32) / np.float32(frame.level)
    return np.asarray(np.maximum(light, 0.01) * np.float32(frame.noise**2), np.float32)


def _common_flags(frames: Sequence[LitFrame], rows: slice) -> NDArray[np.int16]:
    shape = (rows.stop - rows.start, frames[0].plane.shape[1])
    found = np.full(shape, -1, np.int16)
    for frame in frames:
        found &= np.int16(0) if frame.plane.flags is None else np.asarray(frame.plane.flags[rows], np.int16)
    return found
