"""All about the sources of an image: found, separated, measured in apertures and with the point spread function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.sources.apertures import (
    ApertureFluxes,
    KronFluxes,
    Scene,
    circular_fluxes,
    kron_fluxes,
)
from alfosc_reduce_imaging.sources.depth import EmptyApertures, empty_apertures
from alfosc_reduce_imaging.sources.isophotes import Isophotes, isophotes
from alfosc_reduce_imaging.sources.patches import DIFFERENCE, missing_light
from alfosc_reduce_imaging.sources.psf_photometry import PsfFluxes, fit_psf
from alfosc_reduce_imaging.sources.second_look import is_needed, second_look
from alfosc_reduce_imaging.sources.segmentation import Segmentation, segment
from alfosc_reduce_imaging.stars.detection import Stars, at_own_width, with_sky
from alfosc_reduce_imaging.stars.moments import Moments, adaptive_moments
from alfosc_reduce_imaging.stars.noise import noise_of_pixels
from alfosc_reduce_imaging.stars.peaks import FWHM_TO_SIGMA, smoothed_noise
from alfosc_reduce_imaging.stars.psf_building import STAMP, StarStamps, build_psf
from alfosc_reduce_imaging.stars.psf_seeing import seeing_of
from alfosc_reduce_imaging.stars.stamps import stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.frame import Frame
    from alfosc_reduce_imaging.stars.noise import Noise
    from alfosc_reduce_imaging.stars.psf import Psf

RADII = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""FWHM: radii of the apertures."""
MAIN = 2
"""Which of them gives the total flux."""
_DEFAULT_FWHM = 4.5
_STARS = 80
_FREE = 7.0
_STAMP = 2.2
_LONE, _NEIGHBOURS = 12, 0.01
_SHALLOW = 1.5
"""Times the usual variance of the background; vignetting makes less."""
_SURPLUS = 3.0
"""Sigma by which empty apertures must scatter more than independent pixels do to be believed."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything measured on an image.

    Attributes
    ----------
    stars, psf
        Of the image; without stars there is no point spread function.
    segmentation, isophotes, moments, apertures, kron, psf_fluxes
        Of the sources, in one order; `psf_fluxes` is None without a point spread function.
    x, y
        Centres, pixels.
    enclosed
        Share of a star's light within each aperture, shape (n, apertures); NaN without stars.
    empty
        Apertures on empty sky.
    noise
        With the correlation of neighbouring pixels.
    fwhm
        By which apertures scale, pixels.
    radii
        Of the apertures, pixels.
    """

    stars: Stars
    psf: Psf | None
    segmentation: Segmentation
    isophotes: Isophotes
    moments: Moments
    apertures: ApertureFluxes
    kron: KronFluxes
    psf_fluxes: PsfFluxes | None
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    enclosed: NDArray[np.float64]
    empty: EmptyApertures
    noise: Noise
    fwhm: float
    radii: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What photometry of any kind needs to know of an image first; attributes as in `Measured`."""

    stars: Stars
    psf: Psf | None
    found: Segmentation
    scene: Scene
    empty: EmptyApertures
    fwhm: float
    radii: NDArray[np.float64]
    combined: bool = False
    """Whether the image is made of several exposures."""

    @property
    def noise(self) -> Noise:
        """Of the image, with the correlation of neighbouring pixels."""
        return self.scene.noise


def prepare(
    frame: Frame, threshold: float, fewest: int, correlation: tuple[float, float] | None, box: int = 64,
    given: Psf | None = None,
) -> Prepared:  # fmt: skip
    """Find the sources of an image, its point spread function, and its noise.

    Parameters
    ----------
    frame
        Light and noise of the image.
    threshold
        Sigma of a source on the image smoothed with the width of a star.
    fewest
        Pixels of a source.
    correlation
        ``NOISECOR`` and ``NOISELEN``, where known; else empty apertures tell.
    box
        Cells of the background, pixels.
    given
        The point spread function, for an image that has no stars to tell it.
    """
    stars = with_sky(at_own_width(frame.light, threshold), frame.level, frame.light.rms)
    if given is not None:
        stars = replace(stars, seeing=seeing_of(given))
        frame = frame._replace(noise=noise_of_pixels(frame.light.variance))
    fwhm = stars.seeing.fwhm if stars.seeing.number else _DEFAULT_FWHM
    radii = np.array(RADII) * fwhm
    found = segmentation_of(frame, fwhm, threshold, fewest)
    taken = (found.labels > 0) | ~frame.light.good
    empty = empty_apertures(frame.light.data, frame.noise.sky, taken, radii)
    noise = with_correlation(frame.noise, correlation, empty)
    scene = Scene(frame.light.data, frame.light.seen, found.labels, noise)
    if given is not None:
        return Prepared(stars, given, found, scene, empty, fwhm, radii)
    whole = np.rint(stars.x).astype(np.int64), np.rint(stars.y).astype(np.int64)
    shallow = stamps_at(is_shallow(noise.sky, frame.light.good), *whole, 0, True)[:, 0, 0]
    fit = replace(stars, is_star=stars.is_star & ~shallow)
    psf = build_psf(star_stamps(frame, fit, found, fwhm), fwhm, (frame.level.shape[0], frame.level.shape[1]))
    if psf is not None and is_needed(scene, fwhm):
        chosen = labels_of(fit, found, fwhm) - 1
        scene, psf = second_look(scene, frame.light.good, found, psf, chosen[chosen >= 0], box)
    return Prepared(stars, psf, found, scene, empty, fwhm, radii, combined=correlation is not None)


def is_shallow(sky: NDArray[np.float32], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where the variance of the background is much larger than elsewhere: fewer exposures went in."""
    usual = float(np.median(sky[::4, ::4][good[::4, ::4]])) if good[::4, ::4].any() else float(np.median(sky))
    return np.asarray(sky > _SHALLOW * usual)


def labels_of(stars: Stars, found: Segmentation, fwhm: float) -> NDArray[np.int64]:
    """Return the numbers of the sources that the stars of the point spread function are, 0 for none; each once."""
    chosen = lone_stars(stars, found, fwhm)
    x, y = np.rint(stars.x[chosen]).astype(np.int64), np.rint(stars.y[chosen]).astype(np.int64)
    return np.unique(stamps_at(found.labels, x, y, 0, 0)[:, 0, 0]).astype(np.int64)


def measure(
    frame: Frame, threshold: float, fewest: int, correlation: tuple[float, float] | None, box: int = 64,
    given: Psf | None = None,
) -> Measured:  # fmt: skip
    """Find and measure all sources; parameters as in `prepare`."""
    return photometry(frame, prepare(frame, threshold, fewest, correlation, box, given))


def segmentation_of(frame: Frame, fwhm: float, threshold: float, fewest: int) -> Segmentation:
    """Return the sources on the image smoothed with the width of a star."""
    from scipy.ndimage import gaussian_filter

    light, sky = frame.light, frame.noise.sky
    # In place, as far as it goes: with the planes of the frame these are most of what a night takes of memory.
    sigma = np.sqrt(np.where(sky > 0, sky, np.float32(1)))
    smooth = np.divide(light.data, sigma, out=np.zeros_like(light.data), where=light.seen & (sky > 0))
    gaussian_filter(smooth, fwhm / FWHM_TO_SIGMA, truncate=3, mode="constant", output=smooth)
    local = np.maximum(smooth, 0)
    local /= sigma
    del sigma
    local *= np.float32(frame.noise.photon)
    local += 1
    np.sqrt(local, out=local)
    smooth /= np.float32(smoothed_noise(smooth, fwhm))
    return segment(smooth, local, threshold, fewest)


def with_correlation(noise: Noise, known: tuple[float, float] | None, empty: EmptyApertures) -> Noise:
    """Return the noise with the correlation of neighbours: that of the header, else what empty apertures show."""
    if known is not None:
        return replace(noise, correlation=known[0], length=known[1])
    ratio = empty.scatter[MAIN] / empty.expected[MAIN] if empty.number and np.isfinite(empty.scatter[MAIN]) else 1.0
    sure = ratio - 1 > _SURPLUS * 1.17 / np.sqrt(2 * max(empty.number, 1))
    return replace(noise, correlation=float(ratio)) if sure else noise


def lone_stars(stars: Stars, found: Segmentation, fwhm: float) -> NDArray[np.int64]:
    """Return the stars that tell the point spread function, the most significant first, and the loneliest of them.

    Neighbours with one per cent of a star's light lift its wings. Only where fewer than a dozen stars are without such
    are others taken.
    """
    from scipy.spatial import KDTree

    chosen = np.flatnonzero(stars.is_star)
    if len(chosen) <= _LONE or len(found.x) == 0:
        return chosen[:_STARS]
    around = KDTree(np.column_stack([found.x, found.y]))
    places = np.column_stack([stars.x[chosen], stars.y[chosen]])
    near = around.query_ball_point(places, STAMP * fwhm)
    other = np.array([found.significance[one].sum() - found.significance[one].max(initial=0) for one in near])
    share = other / stars.significance[chosen]
    limit = max(_NEIGHBOURS, float(np.sort(share)[_LONE - 1]))
    return chosen[share <= limit][:_STARS]


def star_stamps(frame: Frame, stars: Stars, found: Segmentation, fwhm: float) -> StarStamps:
    """Return the stars that tell the point spread function, the most significant first, other sources masked."""
    chosen = lone_stars(stars, found, fwhm)
    x, y = stars.x[chosen], stars.y[chosen]
    whole = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    radius = int(np.ceil(STAMP * fwhm))
    label = stamps_at(found.labels, *whole, radius, 0)
    own = label[:, radius, radius][:, None, None]
    known = stamps_at(frame.light.good, *whole, radius, False) & ((label == 0) | (label == own))
    light, sky = (stamps_at(plane, *whole, radius, 1) for plane in (frame.light.data, frame.noise.sky))
    return StarStamps(light, sky, known, x, y, whole, frame.noise.photon)


def photometry(frame: Frame, ready: Prepared) -> Measured:
    """Measure the sources of a segmentation."""
    scene, found, psf = ready.scene, ready.found, ready.psf
    own = np.arange(1, len(found.x) + 1)
    shapes = isophotes(
        found.labels, np.where(scene.seen, scene.light, 0), scene.noise.sky, scene.noise.photon, len(own)
    )
    moments, x, y = centres(scene, found, shapes, ready.fwhm)
    apertures = circular_fluxes(scene, x, y, own, ready.radii)
    kron = kron_fluxes(scene, x, y, own, (shapes.xx, shapes.xy, shapes.yy))
    enclosed = np.full((len(x), len(ready.radii)), np.nan) if psf is None else psf.enclosed(ready.radii, x, y)
    free = found.significance > _FREE
    fluxes = None if psf is None else fit_psf(scene.light, frame.light.good, scene.noise, psf, x, y, free)
    measured = Measured(
        ready.stars, psf, found, shapes, moments, apertures, kron, fluxes, x, y, enclosed, ready.empty, scene.noise,
        ready.fwhm, ready.radii,
    )  # fmt: skip
    return with_missing_light(measured, frame, scene) if ready.combined else measured


def with_missing_light(measured: Measured, frame: Frame, scene: Scene) -> Measured:
    """Return the same with errors for the light that some exposures of a combined image miss."""
    place = measured.x, measured.y, measured.radii[MAIN]
    share = DIFFERENCE * missing_light(scene.light, frame.light.variance, scene.noise, *place)
    apertures, fit = measured.apertures, measured.psf_fluxes
    error = np.hypot(apertures.error, share[:, None] * apertures.flux)
    if fit is not None:
        fit = replace(fit, error=np.hypot(fit.error, share * fit.flux))
    return replace(measured, apertures=replace(apertures, error=error), psf_fluxes=fit)


def centres(
    scene: Scene, found: Segmentation, shapes: Isophotes, fwhm: float
) -> tuple[Moments, NDArray[np.float64], NDArray[np.float64]]:
    """Return the moments under a matched weight and the centres; where those did not settle, the isophotal ones."""
    own = np.arange(1, len(found.x) + 1)
    radius = int(np.ceil(_STAMP * fwhm))
    light, sky, _ = scene.cut(found.x, found.y, own, radius)
    variance = sky + scene.noise.photon * np.maximum(light, 0)
    moments = adaptive_moments(light, variance, fwhm / FWHM_TO_SIGMA)
    x = np.where(moments.settled, found.x + moments.dx, shapes.x)
    y = np.where(moments.settled, found.y + moments.dy, shapes.y)
    return moments, x, y
