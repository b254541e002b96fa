"""Layers on one grid made into one image: weighted mean, median, or mean without outliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from alfosc_reduce_ccd.threads import two_at_a_time

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_imaging.combination.noise import Method, median_variance
from alfosc_reduce_imaging.combination.rejection import Rejection
from alfosc_reduce_imaging.combination.resampling import MARGIN, Resampling, layer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.combination.exposures import Exposure
    from alfosc_reduce_imaging.combination.grid import Grid

STRIP_BYTES = 30_000_000
"""Working memory of a strip; and for every frame, that the rims of strips do not become most of the work:"""
FRAME_BYTES = 2_300_000
_COPIES = 22  # bytes a pixel and frame: value, variance, flags, and what combining them takes
_LOWEST = 24
_ANY = int(Flag.SATURATED | Flag.NONLINEAR | Flag.NO_FLAT | Flag.NEGATIVE_WRAPPED)
"""Flags that the combination has where any frame has them; others only where no frame is without."""


@dataclass(frozen=True, eq=False)
class Stack:
    """A combination.

    Attributes
    ----------
    data, variance, flags
        Shape (ny, nx).
    used, rejected
        Values that went in, and values rejected as outliers.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.int16]
    used: int
    rejected: int


def stacked(exposures: Sequence[Exposure], grid: Grid, *, method: Method, clip: float, resampling: Resampling) -> Stack:
    """Combine frames on a grid, strip by strip.

    Parameters
    ----------
    exposures
        At least one.
    grid
        The pixels of the result.
    method
        ``mean`` (weighted by the inverse variance of blank pixels), ``median`` (unweighted), or ``clipped``: the mean
        of what does not stand out from the median.
    clip
        Sigma beyond which a value is rejected.
    resampling
        See `layer_of`.
    """
    shape = (grid.ny, grid.nx)
    whole = Stack(np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.int16), 0, 0)
    rejection = Rejection.of(exposures, clip) if method == "clipped" and len(exposures) > 1 else None
    weights = np.array([one.noise_weight for one in exposures], np.float32)
    weights /= weights.max()

    def fill(rows: slice) -> tuple[int, int]:
        values, variances, flags, out = _strip(exposures, grid, rows, resampling, rejection)
        keep = ~mask_of(flags) & ~out
        counts = int(np.count_nonzero(keep)), int(np.count_nonzero(out))
        keep = _at_least_something(keep, flags)
        combine = _median if method == "median" else _mean
        whole.data[rows], whole.variance[rows] = combine(values, variances, keep, weights)
        whole.flags[rows] = _flags(flags, keep)
        return counts

    counts = two_at_a_time(fill, _strips(grid, len(exposures)))
    used, rejected = (sum(number) for number in zip(*counts, strict=True))
    return Stack(whole.data, whole.variance, whole.flags, used, rejected)


def _strip(
    exposures: Sequence[Exposure], grid: Grid, rows: slice, resampling: Resampling, rejection: Rejection | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.bool_]]:
    """Return values, variances, flags and outliers of rows of the grid, shape (frames, rows, nx) each."""
    if rejection is None:
        layers = _layers(exposures, grid, rows, resampling)
        return *layers, np.zeros(layers[0].shape, bool)
    wide = slice(max(rows.start - rejection.rim, 0), min(rows.stop + rejection.rim, grid.ny))
    values, variances, flags = _layers(exposures, grid, wide, resampling)
    out = rejection.outliers(values, variances, ~mask_of(flags))
    inner = slice(rows.start - wide.start, rows.stop - wide.start)
    return values[:, inner], variances[:, inner], flags[:, inner], out[:, inner]


def _strips(grid: Grid, frames: int) -> Iterator[slice]:
    height = max(_LOWEST, 2 * MARGIN, (STRIP_BYTES + frames * FRAME_BYTES) // (_COPIES * frames * grid.nx))
    for start in range(0, grid.ny, height):
        yield slice(start, min(start + height, grid.ny))


def _layers(
    exposures: Sequence[Exposure], grid: Grid, rows: slice, resampling: Resampling
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
    """Return rows of the grid as all frames show them, shape (frames, rows, nx) each."""
    shape = (len(exposures), rows.stop - rows.start, grid.nx)
    values, variances, flags = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.int16)
    for i, exposure in enumerate(exposures):
        values[i], variances[i], flags[i] = layer_of(exposure, grid, rows, resampling)
        exposure.let_go()
    return values, variances, flags


def _at_least_something(keep: NDArray[np.bool_], flags: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return what to keep; where nothing is left, what has light at all: a saturated core is better than a hole."""
    none = ~keep.any(axis=0)
    if not none.any():
        return keep
    dark = int(Flag.OUTSIDE_DETECTOR | Flag.OUTSIDE_FIELD | Flag.NOT_FINITE)
    return np.asarray(keep | (none & ((flags & dark) == 0)))


def _flags(flags: NDArray[np.int16], keep: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return the flags of the combination."""
    inside = (flags & int(Flag.OUTSIDE_DETECTOR)) == 0
    some = np.bitwise_or.reduce(np.where(inside, flags, 0), axis=0)
    clean = keep & ~mask_of(flags)
    found = np.where(clean.any(axis=0), some & _ANY, some)
    found[~inside.any(axis=0)] = int(Flag.OUTSIDE_DETECTOR)
    return np.asarray(found, np.int16)


def _mean(
    values: NDArray[np.float32], variances: NDArray[np.float32], keep: NDArray[np.bool_], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    total, data, variance = (np.zeros(values.shape[1:], np.float32) for _ in range(3))
    for value, spread, kept, weight in zip(values, variances, keep, weights, strict=True):
        share = kept * weight
        total += share
        data += share * value
        share *= share
        share *= spread
        variance += share
    safe = np.where(total > 0, total, np.float32(1))
    data /= safe
    variance /= safe * safe
    return data, variance


def _median(
    values: NDArray[np.float32], variances: NDArray[np.float32], keep: NDArray[np.bool_], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from bottleneck import nanmedian

    known = np.where(keep, values, np.float32(np.nan))
    number = keep.sum(axis=0)
    some = number > 0
    data = np.zeros(values.shape[1:], np.float32)
    data[some] = nanmedian(known, axis=0)[some] if some.all() else nanmedian(known[:, some], axis=0)
    variances = np.where(keep, variances, np.float32(0))
    inverse = np.divide(1, np.sqrt(variances), out=np.zeros_like(variances), where=variances > 0)
    return data, median_variance(variances.sum(axis=0), inverse.sum(axis=0), number)
