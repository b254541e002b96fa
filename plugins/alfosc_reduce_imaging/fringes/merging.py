"""The pattern of fringes pixel by pixel, as smooth as its noise asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_imaging.flats.blocks import per_pixel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.fringes.exposures import Exposure

T = TypeVar("T", bound=np.generic)

SMOOTHINGS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
_CROP, _ROWS = 176, 128
Area = tuple[slice, slice]


@dataclass(frozen=True)
class Pattern:
    """A pattern of fringes.

    Attributes
    ----------
    data, variance
        Dimensionless, shape of an image; 0 where not known.
    flags
        ``OUTSIDE_FIELD`` as in all exposures; ``NO_FLAT`` where none knows the pattern.
    smoothing
        Pixels: sigma of the Gaussian with which it is smoothed.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.int16]
    smoothing: float


def merged_pattern(exposures: Sequence[Exposure], scales: Sequence[float]) -> Pattern:
    """Return the pattern at full resolution.

    Parameters
    ----------
    exposures
        With objects masked.
    scales
        Amplitude of the fringes in each.
    """
    shape = exposures[0].plane.shape
    smoothing = best_smoothing(exposures, scales)
    data, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for start in range(0, shape[0], _ROWS):
        rows = slice(start, min(start + _ROWS, shape[0]))
        data[rows], variance[rows] = pattern_in(exposures, scales, (rows, slice(0, shape[1])))
    data, variance = smoothed(data, variance, smoothing)
    known = np.isfinite(data)
    centre = float(np.mean(data[known])) if known.any() else 0.0
    flags = np.where(known, 0, Flag.NO_FLAT).astype(np.int16)
    flags[_outside(exposures)] = Flag.OUTSIDE_FIELD
    known &= flags == 0
    return Pattern(
        np.where(known, data - np.float32(centre), np.float32(0)), np.where(known, variance, np.float32(0)), flags,
        smoothing,
    )  # fmt: skip


def pattern_in(
    exposures: Sequence[Exposure], scales: Sequence[float], area: Area
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pattern and variance in a part of the field, NaN where no exposure knows."""
    shape = tuple(part.stop - part.start for part in area)
    total, power, noise = (np.zeros(shape, np.float32) for _ in range(3))
    for exposure, scale in zip(exposures, scales, strict=True):
        values, variance, good = _part(exposure, area)
        total += np.where(good, values, np.float32(0))
        noise += np.where(good, variance, np.float32(0))
        power += np.float32(scale) * good
    blank = np.full(shape, np.nan, np.float32)
    pattern = np.divide(total, power, out=blank.copy(), where=power > 0)
    return pattern, np.divide(noise, power**2, out=blank, where=power > 0)


def best_smoothing(exposures: Sequence[Exposure], scales: Sequence[float]) -> float:
    """Return with which Gaussian the pattern of one half of the exposures tells best that of the other half.

    That is tried in nine places, as fringes may be broad in the middle of a detector and fine at its edges.
    """
    misfits = np.zeros(len(SMOOTHINGS))
    for area in _places(exposures[0].plane.shape):
        one, other = (
            pattern_in(exposures[half], scales[half], area) for half in (slice(0, None, 2), slice(1, None, 2))
        )
        misfits += [_misfit(one, other, sigma) + _misfit(other, one, sigma) for sigma in SMOOTHINGS]
    return SMOOTHINGS[int(np.argmin(misfits))]


def _places(shape: tuple[int, ...]) -> Iterator[Area]:
    """Yield nine parts of a field, evenly spread; of a small one, all of it."""
    if min(shape) < 4 * _CROP:
        yield slice(0, shape[0]), slice(0, shape[1])
        return
    for y in np.linspace(0, shape[0] - _CROP, 3).astype(int):
        for x in np.linspace(0, shape[1] - _CROP, 3).astype(int):
            yield slice(int(y), int(y) + _CROP), slice(int(x), int(x) + _CROP)


def smoothed(
    data: NDArray[np.float32], variance: NDArray[np.float32], sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a pattern smoothed with a Gaussian, gaps bridged, and the variance of each of its pixels."""
    from scipy.ndimage import gaussian_filter

    if sigma == 0:
        return data, variance
    known = np.isfinite(data)
    weight = gaussian_filter(known.astype(np.float32), sigma, mode="constant", truncate=3)
    mean = gaussian_filter(np.where(known, data, np.float32(0)), sigma, mode="constant", truncate=3)
    # The square of a Gaussian is a narrower one.
    power = gaussian_filter(np.where(known, variance, np.float32(0)), sigma / 2**0.5, mode="constant", truncate=3)
    power /= np.float32(4 * np.pi * sigma**2)
    near = weight > 0.1
    blank = np.full(data.shape, np.nan, np.float32)
    return (np.divide(mean, weight, out=blank.copy(), where=near),
            np.divide(power, weight**2, out=blank, where=near))  # fmt: skip


def _misfit(one: tuple[NDArray[np.float32], ...], other: tuple[NDArray[np.float32], ...], sigma: float) -> float:
    away = smoothed(one[0], one[1], sigma)[0] - other[0]
    away = away[np.isfinite(away)]
    if away.size == 0:
        return 0.0
    limit = 5 * 1.4826 * float(np.median(np.abs(away)))
    return float(np.sum(np.minimum(np.abs(away), limit) ** 2))


def _part(exposure: Exposure, area: Area) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the light above the sky in a part of the field, its variance, and what may be used."""
    plane = exposure.plane
    values = np.asarray(plane.data[area], np.float32) - _pixels(exposure.sky, exposure.size, area)
    good = ~_pixels(exposure.objects, exposure.size, area) & np.isfinite(values)
    if plane.flags is not None:
        good &= ~mask_of(plane.flags[area])
    if plane.variance is None:
        return values, np.full(values.shape, np.float32(plane.noise**2)), good
    return values, np.asarray(plane.variance[area], np.float32), good


def _pixels(blocks: NDArray[T], size: int, area: Area) -> NDArray[T]:
    """Return blocks pixel by pixel in a part of the field."""
    starts = [part.start // size for part in area]
    within = tuple(slice(s, -(-part.stop // size)) for s, part in zip(starts, area, strict=True))
    inner = [slice(p.start - s * size, p.stop - s * size) for s, p in zip(starts, area, strict=True)]
    return per_pixel(blocks[within], size, (inner[0].stop, inner[1].stop))[inner[0], inner[1]]


def _outside(exposures: Sequence[Exposure]) -> NDArray[np.bool_]:
    outside = np.ones(exposures[0].plane.shape, bool)
    for exposure in exposures:
        flags = exposure.plane.flags
        outside &= False if flags is None else (np.asarray(flags) & int(Flag.OUTSIDE_FIELD)) != 0
    return outside
