"""Optimal extraction (Horne 1986, PASP 98, 609) of one object or several that overlap: a linear fit a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.extraction_band import Band

CLIP = 5.0
ROUNDS = 8
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


def extract_columns(band: Band, profiles: NDArray[np.float64], clip: bool = True) -> ColumnFit:
    """Fit the spectra of all objects of a band, with the variance from the model and cosmic rays clipped.

    Parameters
    ----------
    band
        From `bands_of`.
    profiles
        Shape (objects, rows, nx).
    clip
        Whether to look for cosmic rays.
    """
    good, hits = band.good, np.zeros_like(band.good)
    noise = band.variance
    tolerance: float | None = None
    flux, variance = solve_columns(band, profiles, noise, good)
    for step in range(ROUNDS):
        noise = model_noise(band, profiles, flux, variance)
        flux, variance = solve_columns(band, profiles, noise, good)
        if not clip or step == 0:
            continue
        model = np.sum(flux[:, None, :] * profiles, axis=0)
        tolerance = profile_tolerance(band.data, model, noise, good) if tolerance is None else tolerance
        new = worst_pixels(band.data - model, noise, tolerance * np.maximum(model, 0), good)
        if not new.any():
            break
        hits, good = hits | new, good & ~new
    flux, variance = solve_columns(band, profiles, noise, good)
    return ColumnFit(flux, variance, noise, good, hits)


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


def worst_pixels(
    residual: NDArray[np.float64],
    noise: NDArray[np.float64],
    systematic: NDArray[np.float64],
    good: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the pixel of each column that deviates most, where it deviates by more than `CLIP` sigma."""
    deviation = np.where(good, np.abs(residual) / np.sqrt(noise + systematic**2), 0)
    worst = np.argmax(deviation, axis=0)
    result = np.zeros(residual.shape, bool)
    columns = np.arange(residual.shape[1])
    result[worst, columns] = deviation[worst, columns] > CLIP
    return result


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
