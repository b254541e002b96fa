"""Frames combined strip by strip, outliers clipped pixel by pixel, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_ccd.planes import Planes
from alfosc_reduce_ccd.sorting import sorted_planes
from alfosc_reduce_ccd.statistics import MAD_TO_SIGMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

Method = Literal["mean", "median"]

STRIP_BYTES = 6_000_000
"""Working memory of a strip."""
MEDIAN_VARIANCE = np.pi / 2
"""The variance of a median of many normal values, in units of that of their mean."""
_COPIES = 20  # bytes a pixel and frame: values, their order, their deviations, variances, what is kept
_READ = 3_000_000
"""Bytes read of each frame on disk before their memory is given back."""
_FEWEST_FOR_MAD = 5


@dataclass(frozen=True)
class Combined:
    """What a combination yields; all arrays have the shape of a frame.

    Attributes
    ----------
    data
        The mean (or median) of what was kept.
    variance
        Of `data`, from the frames' own variances; where they have none, from the scatter of what was kept.
    scatter
        Sample variance of one value about `data`, among what was kept; 0 where only one value was.
    count
        How many frames were kept.
    rejected
        How many were rejected as outliers.
    flags
        Bits that all frames carry, and ``NONLINEAR`` where any does.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    scatter: NDArray[np.float32]
    count: NDArray[np.int16]
    rejected: NDArray[np.int16]
    flags: NDArray[np.int16]

    @property
    def rejected_fraction(self) -> float:
        """Rejected values over all values that could be used."""
        total = int(self.count.sum(dtype=np.int64) + self.rejected.sum(dtype=np.int64))
        return float(self.rejected.sum(dtype=np.int64) / max(total, 1))


def combine(
    planes: Sequence[Planes],
    *,
    clip: float = 5.0,
    method: Method = "mean",
    scales: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    noise: ArrayLike | None = None,
    offset: NDArray[np.float32] | None = None,
) -> Combined:
    """Combine frames pixel by pixel.

    A value is rejected if it lies further from the pixel's (lower) median than `clip` times the larger of its expected
    standard deviation and the robust scatter of the frames there. The lower median is that of an even number of
    values that cosmic rays do not reach; with five frames or more the scatter is the median absolute deviation.

    Parameters
    ----------
    planes
        The frames, all of one shape. Unusable pixels are left out, unless they are so in every frame.
    clip
        In standard deviations.
    method
        ``mean`` or ``median`` of what is kept.
    scales
        What each frame is divided by; 1 if not given.
    weights
        Of the frames in the mean; equal if not given.
    noise
        Standard deviation of a pixel of each frame, before scaling, for frames without a variance.
    offset
        What is subtracted from each frame before scaling, shape of a frame.

    Raises
    ------
    DataError
        If there are no frames, or their shapes differ.
    """
    if not planes or len({plane.shape for plane in planes}) != 1:
        raise DataError(f"combination: needs frames of one shape, found {sorted({p.shape for p in planes})}")
    n = len(planes)
    scale = np.ones(n, np.float32) if scales is None else np.asarray(scales, np.float32)
    weight = np.ones(n, np.float32) if weights is None else np.asarray(weights, np.float32)
    level = None if noise is None else np.asarray(noise, np.float32)
    result, done = _empty(planes[0].shape), 0
    for rows in strips(planes[0].shape, n):
        values, variances, flags = _strip(planes, rows, scale, level)
        if offset is not None:
            values -= offset[rows] / scale[:, None, None]
        part = combine_strip(values, variances, flags, clip=clip, method=method, weights=weight)
        for name, array in vars(part).items():
            getattr(result, name)[rows] = array
        done += values[0].nbytes
        if done > _READ:
            done = _let_go(planes)
    _let_go(planes)
    return result


def _let_go(planes: Sequence[Planes]) -> int:
    for plane in planes:
        plane.let_go()
    return 0


def strips(shape: tuple[int, ...], frames: int, memory: int = STRIP_BYTES) -> Iterator[slice]:
    """Yield slices of rows so that `frames` such strips fit into `memory` bytes while they are combined."""
    height = max(1, int(memory / (_COPIES * frames * shape[1])))
    for start in range(0, shape[0], height):
        yield slice(start, min(start + height, shape[0]))


def combine_strip(
    values: NDArray[np.float32],
    variances: NDArray[np.float32] | None,
    flags: NDArray[np.int16],
    *,
    clip: float,
    method: Method,
    weights: NDArray[np.float32],
) -> Combined:
    """Combine one strip held in memory; the arrays have shape (frames, rows, columns), see `combine`."""
    usable = _usable(values, flags)
    keep = _kept(values, variances, usable, clip)
    count = keep.sum(0, dtype=np.int16)
    weight = np.where(keep, weights[:, None, None], np.float32(0))
    total = weight.sum(0)
    safe = np.where(keep, values, 0)
    mean = np.divide((safe * weight).sum(0), total, where=total > 0, out=np.full(total.shape, np.nan, np.float32))
    data = _median(values, keep) if method == "median" else mean
    deviation = np.where(keep, values - data, 0)
    scatter = (deviation**2).sum(0) / np.maximum(count - 1, 1)
    each = scatter[None] if variances is None else variances
    variance = np.where(keep, weight**2 * each, 0).sum(0) / np.maximum(total, 1e-30) ** 2
    if method == "median":
        variance = variance * np.where(count > 2, MEDIAN_VARIANCE, 1).astype(np.float32)
    rejected = (usable & ~keep).sum(0, dtype=np.int16)
    return Combined(data, variance, scatter, count, rejected, _common_flags(flags))


def _kept(
    values: NDArray[np.float32], variances: NDArray[np.float32] | None, usable: NDArray[np.bool_], clip: float
) -> NDArray[np.bool_]:
    """Return what lies near enough to the pixels' lower medians."""
    number = usable.sum(0)
    centre = _lower_median(values, usable, number)
    deviation = np.abs(values - centre)
    limit = np.zeros_like(centre)
    if variances is not None:
        limit = np.sqrt(np.where(usable, variances, np.float32(np.inf)).min(0))
    if len(values) >= _FEWEST_FOR_MAD or variances is None:
        limit = np.maximum(limit, np.float32(MAD_TO_SIGMA) * _lower_median(deviation, usable, number))
    keep = usable & (deviation <= np.float32(clip) * limit)
    # Two or three values without a known noise say nothing of which one is wrong.
    return usable if variances is None and len(values) < 4 else keep


def _lower_median(
    values: NDArray[np.float32], usable: NDArray[np.bool_], number: NDArray[np.integer]
) -> NDArray[np.float32]:
    if (number == len(values)).all():
        return np.asarray(sorted_planes(values.copy())[(len(values) - 1) // 2])
    ordered = sorted_planes(np.where(usable, values, np.float32(np.inf)))
    return _chosen(ordered, np.maximum(number - 1, 0) // 2)


def _chosen(planes: Sequence[NDArray[np.floating]], index: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return for each pixel the plane of its index."""
    result = np.array(planes[0], np.float32)
    for i in range(1, int(index.max(initial=0)) + 1):
        np.copyto(result, planes[i], where=index == i)
    return result


def _median(values: NDArray[np.float32], keep: NDArray[np.bool_]) -> NDArray[np.float32]:
    number = keep.sum(0)
    ordered = sorted_planes(np.where(keep, values, np.float32(np.inf)))
    low = np.maximum(number - 1, 0) // 2
    pair = [_chosen(ordered, index) for index in (low, np.minimum(number // 2, len(values) - 1))]
    return np.where(number > 0, np.float32(0.5) * (pair[0] + pair[1]), np.float32(np.nan))


def _usable(values: NDArray[np.float32], flags: NDArray[np.int16]) -> NDArray[np.bool_]:
    finite = np.isfinite(values)
    usable = ~mask_of(flags) & finite
    none = ~usable.any(0)
    # A pixel that is bad in every frame keeps its value, and its flag.
    return np.where(none, finite, usable) if none.any() else usable


def _common_flags(flags: NDArray[np.int16]) -> NDArray[np.int16]:
    common: NDArray[np.int16] = np.bitwise_and.reduce(flags, axis=0)
    return np.asarray(common | (np.bitwise_or.reduce(flags, axis=0) & np.int16(Flag.NONLINEAR)), np.int16)


def _strip(
    planes: Sequence[Planes], rows: slice, scale: NDArray[np.float32], noise: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.int16]]:
    shape = (len(planes), rows.stop - rows.start, planes[0].shape[1])
    values, flags = np.empty(shape, np.float32), np.empty(shape, np.int16)
    known = all(plane.variance is not None for plane in planes)
    variances = np.empty(shape, np.float32) if known or noise is not None else None
    for i, plane in enumerate(planes):
        np.divide(plane.data[rows], scale[i], out=values[i], casting="same_kind")
        flags[i] = 0 if plane.flags is None else plane.flags[rows]
        if variances is not None and known and plane.variance is not None:
            variances[i] = plane.variance[rows] / scale[i] ** 2
        elif variances is not None and noise is not None:
            variances[i] = (noise[i] / scale[i]) ** 2
    return values, variances, flags


def _empty(shape: tuple[int, ...]) -> Combined:
    data, variance, scatter = (np.empty(shape, np.float32) for _ in range(3))
    count, rejected, flags = (np.empty(shape, np.int16) for _ in range(3))
    return Combined(data, variance, scatter, count, rejected, flags)
