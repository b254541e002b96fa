"""Optimal extraction (Horne 1986, PASP 98, 609) of one object or several that overlap: a linear fit a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.extraction.band import Band

CLIP = 5.0
ROUNDS = 4
LEAST = 0.15
SMOOTHING = (8.0, 4.0, 2.0, 0.0)


@dataclass(frozen=True)
class ColumnFit:
    """Spectra of the objects in a band.

    Attributes
    ----------
    flux, variance
        Electrons a column and their variance, sky error included, shape (objects, nx).
    noise
        Variance of each pixel with the objects' modelled photons, shape (rows, nx).
    good
        Pixels that the fit used, shape (rows, nx).
    hits
        Pixels clipped as cosmic rays, shape (rows, nx).
    """

    flux: NDArray[np.float64]
    variance: NDArray[np.float64]
    noise: NDArray[np.float64]
    good: NDArray[np.bool_]
    hits: NDArray[np.bool_]


def extract_columns(band: Band, profiles: NDArray[np.float64], calm: NDArray[np.bool_] | None = None) -> ColumnFit:
    """Fit the spectra of all objects of a band, with the variance from the model and cosmic rays clipped.

    Parameters
    ----------
    band
        From `bands_of`.
    profiles
        Shape (objects, rows, nx).
    calm
        Pixels that do not stand out of their neighbours along the spectrum, shape (rows, nx): where the profile does
        not fit a column, the fit begins anew with these. Without it nothing is clipped.
    """
    flux, variance, noise = settle(band, profiles, band.good)
    if calm is None:
        return ColumnFit(flux, variance, noise, band.good, np.zeros_like(band.good))
    tolerance = profile_tolerance(band.data, np.sum(np.nan_to_num(flux)[:, None] * profiles, axis=0), noise, calm)
    suspect = outliers(band, profiles, flux, noise, tolerance).any(axis=0)
    good = np.where(suspect, calm & band.good, band.good)
    for _ in range(ROUNDS):
        flux, variance, noise = settle(band, profiles, good)
        hits = outliers(band, profiles, flux, noise, tolerance) & suspect
        # Where most of the light would go, it is the profile that does not fit (an extended line), not a cosmic ray.
        kept = np.sum(profiles * (band.good & ~hits), axis=1) / np.maximum(np.sum(profiles * band.good, axis=1), 1e-6)
        hits &= kept.min(axis=0) > LEAST
        if np.array_equal(good, band.good & ~hits):
            break
        good = band.good & ~hits
    flux, variance, noise = settle(band, profiles, good)
    return ColumnFit(flux, variance, noise, good, band.good & ~good)


def settle(
    band: Band, profiles: NDArray[np.float64], good: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return flux and variance (objects, nx), and the noise of the pixels (rows, nx) with the photons of that flux."""
    noise = band.variance
    for _ in range(2):
        flux, variance = solve_columns(band, profiles, noise, good)
        noise = model_noise(band, profiles, flux, variance)
    return *solve_columns(band, profiles, noise, good), noise


def outliers(
    band: Band,
    profiles: NDArray[np.float64],
    flux: NDArray[np.float64],
    noise: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.bool_]:
    """Return usable pixels off the model by more than `CLIP` sigma, the profile's own relative error allowed for."""
    model = np.sum(np.nan_to_num(flux)[:, None, :] * profiles, axis=0)
    limit = CLIP * np.sqrt(noise + (tolerance * np.maximum(model, 0)) ** 2)
    return np.asarray(band.good & (np.abs(band.data - model) > limit))


def solve_columns(
    band: Band, profiles: NDArray[np.float64], noise: NDArray[np.float64], good: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return flux and variance (objects, nx) of the weighted least-squares fit of `profiles` to each column.

    The error of the sky model is common to the pixels of a column and adds up along the slit.
    """
    weighted = profiles * np.where(good, 1 / noise, 0)
    normal = np.einsum("iyx,jyx->xij", weighted, profiles)
    right = np.einsum("iyx,yx->xi", weighted, band.data)
    known = np.einsum("xii->xi", normal) > 1e-12
    size = len(profiles)
    # An object without a single good pixel takes no part: its row becomes that of the unit matrix.
    normal = normal * (known[:, :, None] & known[:, None, :]) + np.eye(size) * ~known[:, :, None]
    covariance = np.linalg.pinv(normal, hermitian=True) if size > 1 else 1 / normal
    flux = np.einsum("xij,xj->ix", covariance, np.where(known, right, 0))
    common = np.einsum("xij,xj->ix", covariance, np.einsum("iyx,yx->xi", weighted, band.sky_error))
    variance = np.einsum("xii->ix", covariance) + common**2
    return np.where(known.T, flux, np.nan), np.where(known.T, variance, np.nan)


def model_noise(
    band: Band, profiles: NDArray[np.float64], flux: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variance of each pixel with the photon noise of the modelled objects."""
    light = np.sum(smooth_spectrum(flux, variance)[:, None, :] * profiles, axis=0)
    result: NDArray[np.float64] = band.variance + band.scale * np.maximum(light, 0)
    return result


def smooth_spectrum(flux: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return spectra (objects, nx), smooth where noise dominates and as measured where features are significant.

    A spectrum that entered its own noise with its fluctuations would make low values look surer than high ones. The
    mean is over a Gaussian of 8 pixels; narrower ones take its place where they differ by more than 3 sigma.
    """
    known = np.isfinite(variance) & (variance > 0)
    sigma = np.sqrt(np.where(known, variance, 0))
    smooth = _gaussian_mean(flux, known, SMOOTHING[0])
    for width in SMOOTHING[1:]:
        finer = _gaussian_mean(flux, known, width)
        noise = sigma / np.sqrt(max(2 * np.sqrt(np.pi) * width, 1))
        smooth = np.where(known & (np.abs(finer - smooth) > 3 * noise), finer, smooth)
    return np.maximum(smooth, 0)


def _gaussian_mean(flux: NDArray[np.float64], known: NDArray[np.bool_], width: float) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter1d

    values = np.where(known, flux, 0)
    if width == 0:
        return values
    share = gaussian_filter1d(known.astype(np.float64), width, axis=1)
    return np.asarray(gaussian_filter1d(values, width, axis=1) / np.maximum(share, 1e-6))


def profile_tolerance(
    data: NDArray[np.float64], model: NDArray[np.float64], noise: NDArray[np.float64], good: NDArray[np.bool_]
) -> float:
    """Return the relative error of the profile in bright pixels, so that no core is taken for a cosmic ray."""
    bright = good & (model > 10 * np.sqrt(noise))
    if bright.sum() < 20:
        return 0.02
    ratio = (data[bright] - model[bright]) / model[bright]
    excess = np.median(np.abs(ratio)) ** 2 * 1.4826**2 - float(np.median(noise[bright] / model[bright] ** 2))
    return float(max(0.02, 2 * np.sqrt(max(excess, 0))))


def sum_aperture(
    band: Band, fit: ColumnFit, profiles: NDArray[np.float64], member: int, width: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return flux and variance (nx,) of the light within `width` pixels about one trace, on the scale of all its light.

    The light of other objects is taken off with their models; what lies outside the aperture or on masked pixels is
    made up for with the profile.
    """
    inside = np.clip(width / 2 + 0.5 - np.abs(band.u[member]), 0, 1) * fit.good
    own = profiles[member]
    others = np.sum(np.nan_to_num(fit.flux)[:, None, :] * profiles, axis=0) - np.nan_to_num(fit.flux[member]) * own
    fraction = np.sum(inside * own, axis=0)
    safe = np.where(fraction > 0.02, fraction, np.nan)
    flux = np.sum(inside * (band.data - others), axis=0) / safe
    common = np.sum(inside * band.sky_error, axis=0)
    variance = (np.sum(inside**2 * fit.noise, axis=0) + common**2) / safe**2
    return flux, variance
