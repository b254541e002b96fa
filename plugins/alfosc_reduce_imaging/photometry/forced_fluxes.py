"""Light at given positions, whether or not something is seen there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_imaging.sources.apertures import circular_fluxes
from alfosc_reduce_imaging.sources.flags import SourceFlag
from alfosc_reduce_imaging.sources.measurement import prepare
from alfosc_reduce_imaging.sources.psf_photometry import RADIUS, fit_psf, laid_out
from alfosc_reduce_imaging.stars.background import MAD_TO_SIGMA
from alfosc_reduce_imaging.stars.stamps import stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.sources.measurement import Prepared
    from alfosc_reduce_imaging.sources.psf_photometry import PsfFluxes
    from alfosc_reduce_imaging.stars.frame import Frame
    from alfosc_reduce_imaging.stars.psf import Psf

RING = (3.0, 5.0)
"""FWHM: inner and outer radius of the ring that tells the local background."""
_FEWEST = 30
_CLIP = 3.0
_SAME, _NEAR = 1.0, 6.0
"""FWHM: a detection this near is the object itself; others up to the second distance are fitted with it."""
_THRESHOLD, _SMALLEST_AREA = 5.0, 5


@dataclass(frozen=True, eq=False)
class Forced:
    """What is measured at positions; arrays of shape (n,).

    Attributes
    ----------
    x, y
        Where it was measured, pixels.
    circle, circle_error
        Light within a circle of `radius` pixels.
    share
        What the circle holds of the light of a star; NaN without stars.
    psf, psf_error, chi2
        Total light from the fit of the point spread function.
    background
        Of the ring around, above the background of the image.
    flags, source_flags
        Of the pixels in the circle, and what may be wrong.
    radius, fwhm
        Pixels.
    photon
        Variance a unit of light.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    circle: NDArray[np.float64]
    circle_error: NDArray[np.float64]
    share: NDArray[np.float64]
    psf: NDArray[np.float64]
    psf_error: NDArray[np.float64]
    chi2: NDArray[np.float64]
    background: NDArray[np.float64]
    flags: NDArray[np.int16]
    source_flags: NDArray[np.int32]
    radius: float
    fwhm: float
    photon: float


def force(
    frame: Frame, x: NDArray[np.float64], y: NDArray[np.float64], radius: float | None, *, centre: bool,
    correlation: tuple[float, float] | None, given: Psf | None = None,
) -> Forced:  # fmt: skip
    """Measure the light at positions.

    Parameters
    ----------
    frame
        Light and noise of the image.
    x, y
        Positions, pixels; they may lie outside the image: all is NaN there.
    radius
        Of the aperture in pixels; None for the FWHM of the seeing.
    centre
        True to let the fit move the positions of what is bright enough.
    correlation
        ``NOISECOR`` and ``NOISELEN``, where known.
    given
        The point spread function, for an image that has no stars to tell it.
    """
    ready = prepare(frame, _THRESHOLD, _SMALLEST_AREA, correlation, given=given)
    reach = radius or ready.fwhm
    inside = (x > -0.5) & (y > -0.5) & (x < frame.level.shape[1] - 0.5) & (y < frame.level.shape[0] - 0.5)
    places = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    psf, psf_error, chi2, at, ready = fitted(frame, ready, *places, centre)
    local, local_error = ring_levels(frame, ready, at[0], at[1])
    circle, circle_error, share = _summed(ready, at, reach, local, local_error)
    power = light_of_constant(ready, at)
    # The ring holds some of the object's own light, which goes with the background.
    kept = 1 - power * own_light_in_ring(ready)
    psf, psf_error = (psf - local * power) / kept, np.hypot(psf_error, local_error * power) / kept
    bits, marks = _flags(frame, at, reach)
    marks[~inside] |= int(SourceFlag.EDGE)
    found = np.stack([circle, circle_error, share, psf, psf_error, chi2, local])
    found[:, ~inside] = np.nan
    at = np.where(inside, at, np.stack([x, y]))
    return Forced(
        at[0], at[1], found[0], found[1], found[2], found[3], found[4], found[5], found[6], bits, marks, reach,
        ready.fwhm, ready.noise.photon,
    )  # fmt: skip


def ring_levels(
    frame: Frame, ready: Prepared, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the clipped mean of the light in a ring around each position, and its error; 0 where too little is free.

    Pixels of sources are left out, but not those of a source that the position itself lies in: of a galaxy, the ring
    tells the light below the object.
    """
    radius = int(np.ceil(RING[1] * ready.fwhm))
    whole = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    label = stamps_at(ready.found.labels, *whole, radius, 0)
    own = label[:, radius, radius][:, None, None]
    span = np.arange(-radius, radius + 1)
    distance = np.hypot(span, span[:, None]) / ready.fwhm
    free = stamps_at(frame.light.good, *whole, radius, False) & ((label == 0) | (label == own))
    free &= (distance > RING[0]) & (distance < RING[1])
    light = np.where(free, stamps_at(ready.scene.light, *whole, radius, 0), np.nan).reshape(len(x), -1)
    sky = np.sqrt(stamps_at(ready.noise.sky, *whole, radius, 1)[:, radius, radius])
    return _clipped_means(light, sky.astype(np.float64), ready)


def _clipped_means(
    light: NDArray[np.float64], noise: NDArray[np.float64], ready: Prepared
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return clipped means along the last axis, NaN left out, and their errors."""
    known = np.isfinite(light)
    enough = np.count_nonzero(known, axis=1) >= _FEWEST
    light = np.where(enough[:, None], light, 0)
    middle = np.nanmedian(light, axis=1)
    scale = np.fmax(MAD_TO_SIGMA * np.nanmedian(np.abs(light - middle[:, None]), axis=1), 0.1 * noise)
    kept = known & (np.abs(np.nan_to_num(light) - middle[:, None]) < _CLIP * scale[:, None])
    number = np.maximum(np.count_nonzero(kept, axis=1), 1)
    mean = np.where(kept, np.nan_to_num(light), 0).sum(1) / number
    error = scale / np.sqrt(number) * ready.noise.factor(number.astype(np.float64))
    return np.where(enough, mean, 0.0), np.where(enough, error, noise / np.sqrt(_FEWEST))


def _summed(
    ready: Prepared,
    at: NDArray[np.float64],
    radius: float,
    local: NDArray[np.float64],
    local_error: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the light within circles less the local background, its error, and the share of a star's light."""
    scene = ready.scene
    label = stamps_at(scene.labels, np.rint(at[0]).astype(np.int64), np.rint(at[1]).astype(np.int64), 0, 0)[
        :, 0, 0
    ].astype(np.int64)
    radii = np.array([radius])
    sums = circular_fluxes(scene, at[0], at[1], np.where(label > 0, label, -1), radii)
    area = np.pi * radius**2
    share = ready.psf.enclosed(radii, at[0], at[1])[:, 0] if ready.psf is not None else np.full(at.shape[1], np.nan)
    flux = sums.flux[:, 0] - area * local
    share = share - area * own_light_in_ring(ready)
    return flux, np.hypot(sums.error[:, 0], area * local_error), share


def fitted(
    frame: Frame, ready: Prepared, x: NDArray[np.float64], y: NDArray[np.float64], centre: bool
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Prepared
]:  # fmt: skip
    """Return light, error and chi square from the fit, where it ended up, and the image without the neighbours.

    Detected neighbours are fitted together with the objects, and then subtracted as far as their wings go.
    """
    number, at = len(x), np.stack([x, y])
    if ready.psf is None or number == 0:
        nothing = np.full(number, np.nan)
        return nothing, nothing.copy(), nothing.copy(), at, ready
    near = neighbours(ready, x, y)
    all_x, all_y = np.concatenate([x, ready.found.x[near]]), np.concatenate([y, ready.found.y[near]])
    free = np.concatenate([np.full(number, centre), np.ones(len(near), bool)])
    fit = fit_psf(ready.scene.light, frame.light.good, ready.noise, ready.psf, all_x, all_y, free)
    at = np.stack([fit.x[:number], fit.y[:number]])
    clean = without(ready, fit, number)
    again = fit_psf(clean.scene.light, frame.light.good, ready.noise, ready.psf, at[0], at[1], np.zeros(number, bool))
    return again.flux, fit.error[:number], again.chi2, at, clean


def without(ready: Prepared, fit: PsfFluxes, first: int) -> Prepared:
    """Return the image less the sources of a fit from number `first` on, wings included."""
    if ready.psf is None or first == len(fit.flux):
        return ready
    x, y = fit.x[first:], fit.y[first:]
    whole = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    reach = int(np.ceil(_NEAR * ready.fwhm))
    stamps = ready.psf.stamps(x, y, reach, whole) * np.maximum(fit.flux[first:], 0)[:, None, None]
    light = ready.scene.light - laid_out(stamps, *whole, ready.scene.light.shape)
    return replace(ready, scene=replace(ready.scene, light=light))


def neighbours(ready: Prepared, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the detections that are near a position, but none of them the object itself."""
    from scipy.spatial import KDTree

    found = ready.found
    if len(found.x) == 0 or len(x) == 0:
        return np.zeros(0, np.int64)
    distance, _ = KDTree(np.column_stack([x, y])).query(np.column_stack([found.x, found.y]))
    return np.flatnonzero((distance > _SAME * ready.fwhm) & (distance < _NEAR * ready.fwhm))


def own_light_in_ring(ready: Prepared) -> float:
    """Return the light a pixel of the ring that a star of unit light puts there."""
    if ready.psf is None:
        return 0.0
    ny, nx = ready.psf.shape
    radii = np.array(RING) * ready.fwhm
    inner, outer = ready.psf.enclosed(radii, np.array([nx / 2]), np.array([ny / 2]))[0]
    return float((outer - inner) / (np.pi * (radii[1] ** 2 - radii[0] ** 2)))


def light_of_constant(ready: Prepared, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the flux that the fit of a point spread function finds in a constant of 1: its sum over its power."""
    if ready.psf is None:
        return np.full(at.shape[1], np.nan)
    radius = int(np.ceil(RADIUS * ready.fwhm))
    model = ready.psf.stamps(at[0], at[1], radius).astype(np.float64)
    span = np.arange(-radius, radius + 1)
    model *= np.hypot(span, span[:, None]) < RADIUS * ready.fwhm
    return np.asarray(model.sum((1, 2)) / np.square(model).sum((1, 2)))


def _flags(frame: Frame, at: NDArray[np.float64], radius: float) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    half = int(np.ceil(radius))
    span = np.arange(-half, half + 1)
    disc = np.hypot(span, span[:, None]) <= radius
    ix, iy = np.rint(at).astype(np.int64)
    bits = np.where(disc, stamps_at(frame.light.flags, ix, iy, half, int(Flag.OUTSIDE_DETECTOR)), 0)
    found = np.bitwise_or.reduce(bits, axis=(1, 2)).astype(np.int16)
    lost = (~stamps_at(frame.light.good, ix, iy, half, True) & disc).any((1, 2))
    marks = np.where(lost, int(SourceFlag.MASKED), 0).astype(np.int32)
    marks |= np.where(found & int(Flag.SATURATED), int(SourceFlag.SATURATED), 0).astype(np.int32)
    marks |= np.where(found & int(Flag.OUTSIDE_FIELD | Flag.OUTSIDE_DETECTOR), int(SourceFlag.EDGE), 0).astype(np.int32)
    return found, marks | np.where(found & int(Flag.COSMIC_RAY), int(SourceFlag.COSMIC_RAY), 0).astype(np.int32)
