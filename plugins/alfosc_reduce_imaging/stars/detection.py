"""Stars of one frame, fast: enough to register it, to point it, and to tell its seeing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import UNUSABLE, Flag
from alfosc_reduce_imaging.stars.background import background
from alfosc_reduce_imaging.stars.light import Light, binned_light
from alfosc_reduce_imaging.stars.moments import Moments, adaptive_moments
from alfosc_reduce_imaging.stars.peaks import FWHM_TO_SIGMA, Peaks, binned, find_peaks
from alfosc_reduce_imaging.stars.seeing import Seeing, measure_seeing
from alfosc_reduce_imaging.stars.stamps import disc_weights, mirrored, stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_FWHM, _NARROWEST, _WIDEST = 4.5, 2.0, 60.0
_ROUNDS = 4
_CLOSE = 1.35
"""The filter need not fit better than this factor."""
_FINE = 9.0
"""Pixels: wider stars are measured on a binned image."""
_APERTURE = 1.5
"""Radius of the aperture in FWHM."""
_STAMP = 2.2
_LARGEST = 1000
_SAME = 0.5
"""Detections whose centres end up closer than this, in FWHM, are one."""
_NEAR, _DIM = 2.5, 0.1
"""A neighbour within so many FWHM, with more than this share of the light, spoils the shape of a star."""


@dataclass(frozen=True, eq=False)
class Stars:
    """Stars of a frame, the most significant first; arrays of shape (n,).

    Attributes
    ----------
    x, y, x_error, y_error
        Centres in pixels, that of the first pixel is 0.
    flux, flux_error
        In a circle of radius `aperture` pixels, above the background.
    xx, xy, yy
        Covariance of the matching Gaussian, square pixels.
    peak
        Highest pixel above the background.
    significance
        Sigma of the detection.
    flags
        All flags within the half-width of a star.
    is_star
        True for the stars that tell the seeing.
    seeing
        Of the frame, pixels.
    aperture
        Radius in pixels.
    sky, sky_noise
        Median level and scatter of the background.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_error: NDArray[np.float64]
    y_error: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_error: NDArray[np.float64]
    xx: NDArray[np.float64]
    xy: NDArray[np.float64]
    yy: NDArray[np.float64]
    peak: NDArray[np.float64]
    significance: NDArray[np.float64]
    flags: NDArray[np.int16]
    is_star: NDArray[np.bool_]
    seeing: Seeing
    aperture: float
    sky: float = 0.0
    sky_noise: float = 0.0

    def __len__(self) -> int:
        return len(self.x)


def find_stars(
    data: NDArray[np.floating],
    variance: NDArray[np.floating] | None,
    good: NDArray[np.bool_],
    *,
    flags: NDArray[np.integer] | None = None,
    threshold: float = 5.0,
) -> Stars:
    """Find stars and measure positions, fluxes and shapes.

    Parameters
    ----------
    data
        Shape (ny, nx), with its sky.
    variance
        Same shape; None to take the scatter of the background.
    good
        False where a pixel must not be used.
    flags
        Integer flags; saturated pixels are seen as bright, though they are not measured.
    threshold
        Sigma of a detection.

    Returns
    -------
    Stars
        At most 1000; perhaps none.
    """
    level, rms = background(data, good)
    bits = np.zeros(data.shape, np.int16) if flags is None else np.asarray(flags, np.int16)
    plane = np.square(rms) if variance is None else np.where(good, variance, np.square(rms)).astype(np.float32)
    light = Light(np.asarray(data - level, np.float32), plane, bits, good, rms)
    return with_sky(at_own_width(light, threshold), level, rms)


def with_sky(stars: Stars, level: NDArray[np.float32], rms: NDArray[np.float32]) -> Stars:
    """Return stars that know median level and scatter of the background."""
    return replace(stars, sky=float(np.median(level[::8, ::8])), sky_noise=float(np.median(rms[::8, ::8])))


def at_own_width(light: Light, threshold: float) -> Stars:
    """Find the stars of a frame whose seeing is not known; where none fits, wider ones (trailed, out of focus)."""
    fwhm = _FIRST_FWHM
    first = found = measured(light, fwhm, threshold)
    for _ in range(_ROUNDS):
        if len(found) == 0:
            break
        wanted = min(max(found.seeing.fwhm, _NARROWEST), _WIDEST) if found.seeing.number else 2 * fwhm
        if max(wanted / fwhm, fwhm / wanted) < _CLOSE:
            break
        fwhm = wanted
        found = measured(light, fwhm, threshold)
    # Two chance alignments of cosmic rays may look like wide stars, three of them of one width do not.
    return found if found.seeing.number >= 3 or found.aperture == first.aperture else first


def measured(light: Light, fwhm: float, threshold: float) -> Stars:
    """Find and measure the stars of about a width.

    Parameters
    ----------
    light
        Of the frame.
    fwhm
        Expected full width at half maximum, pixels; stars much wider than finely sampled are measured on binned pixels.
    threshold
        Sigma of a detection.
    """
    factor = int(fwhm / 5) if fwhm > _FINE else 1
    if factor > 1:
        return scaled(measured(binned_light(light, factor), fwhm / factor, threshold), factor)
    peaks = peaks_of(light, fwhm, threshold)
    radius = math.ceil(_STAMP * fwhm)
    cut = [stamps_at(plane, peaks.x, peaks.y, radius, 0) for plane in (light.data, light.variance)]
    seen = stamps_at(light.seen, peaks.x, peaks.y, radius, False)
    stamps = mirrored(cut[0], seen)
    moments = adaptive_moments(stamps, cut[1], fwhm / FWHM_TO_SIGMA)
    return _assembled(light, peaks, stamps, cut[1], moments, fwhm)


def peaks_of(light: Light, fwhm: float, threshold: float) -> Peaks:
    """Return the maxima of the smoothed light; wide stars are looked for on binned pixels, which is faster."""
    factor = 2 if fwhm >= 2 * _NARROWEST else 1
    ratio = np.divide(light.data, light.rms, out=np.zeros_like(light.rms), where=light.seen & (light.rms > 0))
    peaks = find_peaks(binned(ratio, factor), fwhm / factor, threshold, 2 * _LARGEST)
    if factor == 1 or len(peaks.x) == 0:
        return peaks
    x, y = peaks.x * factor, peaks.y * factor
    # The highest of the binned pixels starts the stamp as close as can be.
    block = stamps_at(np.where(light.seen, light.data, 0), x, y, 1, 0)[:, 1:, 1:].reshape(len(x), -1)
    best = np.argmax(block, axis=1)
    return Peaks(x + best % 2, y + best // 2, peaks.significance)


def _assembled(
    light: Light, peaks: Peaks, stamps: NDArray[np.floating], variance: NDArray[np.floating], moments: Moments,
    fwhm: float,
) -> Stars:  # fmt: skip
    """Return the stars of settled shape, each once, with fluxes and the seeing."""
    kept = np.flatnonzero(moments.settled)
    x, y = peaks.x[kept] + moments.dx[kept], peaks.y[kept] + moments.dy[kept]
    kept = kept[first_of_each(x, y, _SAME * fwhm)][:_LARGEST]
    own, stamps, variance = moments[kept], stamps[kept], variance[kept]
    x, y, significance = peaks.x[kept] + own.dx, peaks.y[kept] + own.dy, peaks.significance[kept]
    radius = _APERTURE * fwhm
    weight = _discs(own, stamps.shape[-1], radius)
    bits, clear = _flags_near(light, peaks.x[kept], peaks.y[kept], _discs(own, stamps.shape[-1], 0.5 * fwhm), weight)
    usable = clear & (bits & int(UNUSABLE | Flag.NONLINEAR) == 0) & ~crowded(x, y, significance, fwhm)
    is_star, seeing = measure_seeing(stamps, variance, own, usable, significance)
    return Stars(
        x, y, own.dx_error, own.dy_error,
        flux=np.einsum("nyx,nyx->n", weight, stamps).astype(np.float64),
        flux_error=np.sqrt(np.einsum("nyx,nyx,nyx->n", weight, weight, variance).astype(np.float64)),
        xx=own.xx, xy=own.xy, yy=own.yy,
        peak=stamps.max((1, 2), initial=0).astype(np.float64),
        significance=significance, flags=bits, is_star=is_star, seeing=seeing, aperture=radius,
    )  # fmt: skip


def _discs(moments: Moments, side: int, radius: float) -> NDArray[np.float32]:
    """Return circular apertures around the centres of stars, shape (n, side, side)."""
    offset = np.arange(side) - side // 2
    return disc_weights(offset - moments.dx[:, None, None], offset[:, None] - moments.dy[:, None, None], radius)


def _flags_near(
    light: Light, x: NDArray[np.int64], y: NDArray[np.int64], core: NDArray[np.float32], wide: NDArray[np.float32]
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Return the flags in the core of each star, and whether all of its aperture is on usable pixels."""
    radius = core.shape[-1] // 2
    bits = np.where(core > 0, stamps_at(light.flags, x, y, radius, 0), 0)
    clear = (stamps_at(light.good, x, y, radius, False) | (wide == 0)).all((1, 2))
    return np.bitwise_or.reduce(bits, axis=(1, 2)).astype(np.int16), clear


def first_of_each(x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> NDArray[np.int64]:
    """Return the indices of those that have no earlier one within `radius`."""
    from scipy.spatial import KDTree

    if len(x) == 0:
        return np.zeros(0, np.int64)
    pairs = KDTree(np.column_stack([x, y])).query_pairs(radius, output_type="ndarray")
    alive = np.ones(len(x), bool)
    for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        alive[second] &= not alive[first]
    return np.flatnonzero(alive)


def crowded(
    x: NDArray[np.float64], y: NDArray[np.float64], significance: NDArray[np.float64], fwhm: float
) -> NDArray[np.bool_]:
    """Return true for stars with a neighbour that spoils their shape."""
    from scipy.spatial import KDTree

    spoilt = np.zeros(len(x), bool)
    if len(x) < 2:
        return spoilt
    first, second = KDTree(np.column_stack([x, y])).query_pairs(_NEAR * fwhm, output_type="ndarray").T
    np.logical_or.at(spoilt, first, significance[second] > _DIM * significance[first])
    np.logical_or.at(spoilt, second, significance[first] > _DIM * significance[second])
    return spoilt


def scaled(stars: Stars, factor: int) -> Stars:
    """Return stars that were measured on pixels binned by `factor`, in those of the image."""
    return replace(
        stars,
        x=stars.x * factor + (factor - 1) / 2, y=stars.y * factor + (factor - 1) / 2,
        x_error=stars.x_error * factor, y_error=stars.y_error * factor,
        xx=stars.xx * factor**2, xy=stars.xy * factor**2, yy=stars.yy * factor**2,
        peak=stars.peak / factor**2, aperture=stars.aperture * factor,
        seeing=replace(stars.seeing, fwhm=stars.seeing.fwhm * factor, size=stars.seeing.size * factor),
    )  # fmt: skip
