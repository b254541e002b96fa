"""Cosmic rays on images: found among the few pixels that stand out of the sky, by what no star looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_ccd.sharpness import REACH, Bound, Offset, bounds_of, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CELL = 64
"""Pixels a side of a cell: the sky is linear between the medians of cells."""
MARGIN = 0.9
"""The narrowest light is by this factor narrower than stars typically are: seeing changes over the field, and the core
of a Moffat profile is sharper than that of a Gaussian of its width."""
_BRIGHT = 50.0
_MODEL_ERROR = 0.03
_SHARP, _LEAST_SHARP, _TOUCHING = 1.0, 0.6, 0.7
"""Excess over the bounds that is asked for, in units of the significance that a pixel has above the sky in any case.

Where stars are so narrow that noise hides how sharp a faint pixel is, it is less, down to the second number. The third
is for pixels that touch a hit."""
_BLANK = 1.5
_ROUNDS = 3


@dataclass(frozen=True)
class Excess:
    """Light above the sky, padded by two unknown pixels on each side.

    Attributes
    ----------
    values
        Shape (ny + 4, nx + 4); NaN where not known.
    sigma
        Noise of the sky at each pixel, same shape; infinite where not known.
    gain
        Variance of the light itself over the light.
    """

    values: NDArray[np.float32]
    sigma: NDArray[np.float32]
    gain: float

    def at(self, places: NDArray[np.intp], offset: Offset = (0, 0)) -> NDArray[np.float32]:
        """Return the values at flat indices shifted by rows and columns."""
        return np.asarray(self.values.ravel()[places + offset[0] * self.values.shape[1] + offset[1]])


def image_hits(
    data: NDArray[np.floating],
    bad: NDArray[np.bool_],
    *,
    gain: float = 1.0,
    narrowest: float = 1.2,
    threshold: float = 4.8,
    growth: float = 3.0,
) -> tuple[NDArray[np.bool_], float]:
    """Return where cosmic rays hit an image, and the width of its stars (FWHM, pixels).

    Parameters
    ----------
    data
        Shape (ny, nx), with the sky.
    bad
        True where a pixel cannot be judged.
    gain
        Variance of light over light: 1 for electrons.
    narrowest
        Least width (FWHM, pixels) that stars can have; theirs is measured, but where stars are few and hits are many,
        hits may be taken for stars.
    threshold
        In standard deviations of the sky.
    growth
        Pixels that touch a hit and are this significant belong to it, if they are too sharp for light as well.
    """
    excess = above_sky(data, bad, gain)
    places = np.flatnonzero(excess.values > np.float32(growth) * excess.sigma)
    width = max(_measured_width(excess, places) or narrowest, narrowest)
    bounds = bounds_of(MARGIN * width)
    hit = np.zeros(excess.values.size, bool)
    strong = places[excess.at(places) > threshold * excess.sigma.ravel()[places]]
    sharp, touching = asked(bounds)
    hit[strong[sharpness(excess, strong, bounds) > sharp * threshold]] = True
    for _ in range(_ROUNDS):
        beside = places[~hit[places] & _beside(hit, places, excess.values.shape[1])]
        cleaned = _cleaned(excess, np.flatnonzero(hit), bounds)
        new = beside[sharpness(cleaned, beside, bounds) > touching * growth]
        if new.size == 0:
            break
        hit[new] = True
    inner = hit.reshape(excess.values.shape)[REACH:-REACH, REACH:-REACH]
    return inner & ~bad, width


def asked(bounds: tuple[Bound, ...]) -> tuple[float, float]:
    """Return by how much pixels must exceed the bounds, over the significance above the sky, alone and at a hit."""
    noise = min((bound.noise for bound in bounds), default=1.0)
    return max(_LEAST_SHARP, min(_SHARP, 1.25 / noise)), min(_TOUCHING, 1 / noise)


def sharpness(excess: Excess, places: NDArray[np.intp], bounds: tuple[Bound, ...]) -> NDArray[np.float32]:
    """Return by how many standard deviations pixels exceed what light through the optics can be, at most of all bounds.

    Bounds with an unknown neighbour do not count.

    Parameters
    ----------
    excess
        Of the image.
    places
        Flat indices of the pixels.
    bounds
        For the narrowest light.
    """
    own, sigma = excess.at(places), excess.sigma.ravel()[places]
    best = np.full(places.shape, -np.inf, np.float32)
    for bound, most in zip(bounds, allowed(excess, places, bounds), strict=True):
        light = np.maximum(most, 0)
        variance = (bound.noise * sigma) ** 2 + np.float32(excess.gain * (1 + bound.weight)) * light
        variance += np.square(np.float32(_MODEL_ERROR) * light)
        best = np.fmax(best, (own - most) / np.sqrt(variance))
    return best


def allowed(excess: Excess, places: NDArray[np.intp], bounds: tuple[Bound, ...]) -> Iterator[NDArray[np.float32]]:
    """Yield for each bound how bright light through the optics can be at flat indices; NaN beside unknown pixels."""
    known = {offset: excess.at(places, offset) for offset in {o for bound in bounds for o in bound.offsets}}
    for bound in bounds:
        yield np.float32(bound.weight) * np.sum([known[offset] for offset in bound.offsets], axis=0)


def above_sky(data: NDArray[np.floating], bad: NDArray[np.bool_], gain: float = 1.0) -> Excess:
    """Return the light above the sky, which is linear between medians of cells, and the noise of the sky."""
    level, scatter = _cells(data, bad)
    across = [_interpolation(count, size) for count, size in zip(level.shape, data.shape, strict=True)]
    shape = tuple(size + 2 * REACH for size in data.shape)
    values, sigma = np.full(shape, np.nan, np.float32), np.full(shape, np.inf, np.float32)
    inner = (slice(REACH, -REACH), slice(REACH, -REACH))
    np.subtract(data, across[0] @ level @ across[1].T, out=values[inner], casting="same_kind")
    np.matmul(across[0] @ scatter, across[1].T, out=sigma[inner])
    values[inner][bad] = np.nan
    return Excess(values, sigma, gain)


def _cells(data: NDArray[np.floating], bad: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return median and noise of cells; the noise from differences of neighbours along x."""
    from bottleneck import nanmedian

    counts = [max(1, round(size / CELL)) for size in data.shape]
    edges = [np.linspace(0, size, count + 1).astype(int) for size, count in zip(data.shape, counts, strict=True)]
    level, scatter = np.full(counts, np.nan, np.float32), np.full(counts, np.nan, np.float32)
    for i in range(counts[0]):
        rows = slice(edges[0][i], edges[0][i + 1], 2)
        band = np.where(bad[rows], np.float32(np.nan), data[rows]).astype(np.float32)
        for j in range(counts[1]):
            cell = band[:, edges[1][j] : edges[1][j + 1]]
            level[i, j] = nanmedian(cell)
            scatter[i, j] = nanmedian(np.abs(np.diff(cell, axis=1))) * np.float32(1.4826 / 2**0.5)
    return _filled(level), np.maximum(_filled(scatter), np.float32(1e-6))


def _filled(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return cells with those that are NaN taken from the nearest that is not; 0 if there is none."""
    from scipy.ndimage import distance_transform_edt

    missing = ~np.isfinite(cells)
    if missing.all():
        return np.zeros_like(cells)
    if not missing.any():
        return cells
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(cells[tuple(nearest)], np.float32)


def _interpolation(count: int, size: int) -> NDArray[np.float32]:
    """Return the matrix, shape (size, count), that interpolates linearly between the centres of cells."""
    edges = np.linspace(0, size, count + 1).astype(int)
    centres = (edges[:-1] + edges[1:] - 1) / 2
    pixels = np.arange(size)
    return np.stack([np.interp(pixels, centres, row) for row in np.eye(count)], axis=1).astype(np.float32)


def _measured_width(excess: Excess, places: NDArray[np.intp]) -> float | None:
    """Return the width of stars from bright local maxima of which all neighbours are known."""
    bright = places[excess.at(places) > np.float32(_BRIGHT) * excess.sigma.ravel()[places]]
    own = excess.at(bright)
    around = {(y, x): excess.at(bright, (y, x)) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)}
    peak = np.all([own >= value for value in around.values()], axis=0)
    share = {offset: value[peak] / own[peak] for offset, value in around.items()}
    pairs = [share[offset] + share[(-offset[0], -offset[1])] for offset in ((0, 1), (1, 0), (1, 1), (1, -1))]
    return width_of(pairs[0] + pairs[1], pairs)


def _beside(hit: NDArray[np.bool_], places: NDArray[np.intp], width: int) -> NDArray[np.bool_]:
    """Return which places touch a hit."""
    near = np.zeros(places.shape, bool)
    for step in (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1):
        near |= hit[places + step]
    return near


def _cleaned(excess: Excess, hits: NDArray[np.intp], bounds: tuple[Bound, ...]) -> Excess:
    """Return the image with hits as bright as light there can be at most, so that a star below a hit stays whole.

    Where the median of the pixels around that are not hit is that of the sky, there is no more than that.
    """
    from bottleneck import nanmedian

    values = excess.values.copy()
    flat = values.ravel()
    most = excess.at(hits)
    for light in allowed(excess, hits, bounds):
        most = np.fmin(most, light)
    flat[hits] = np.nan
    steps = [y * values.shape[1] + x for y in range(-2, 3) for x in range(-2, 3)]
    median = nanmedian(np.stack([flat[np.clip(hits + step, 0, flat.size - 1)] for step in steps]), axis=0)
    blank = median < _BLANK * excess.sigma.ravel()[hits]
    flat[hits] = np.where(blank, np.fmin(median, most), most)
    return Excess(values, excess.sigma, excess.gain)
