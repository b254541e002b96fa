"""The sky of one frame: spline, object mask, clipping and noise, refined together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.sky_noise import exchange_photons, photon_scale
from alfosc_reduce_longslit.sky_rows import blank_rows
from alfosc_reduce_longslit.sky_spline import SkyBasis, evaluate, expected_freedom, fit_spline, make_basis

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPS = (np.inf, 10.0, 5.0, 4.5)


@dataclass(frozen=True)
class SkyModel:
    """A fitted sky.

    Attributes
    ----------
    sky
        Electrons, shape (ny, nx).
    sky_variance
        Of the model, shape (ny, nx).
    variance
        Of the data with the photon noise of the modelled sky alone, shape (ny, nx).
    scale
        Variance an electron stands for (`photon_scale`), shape (ny, nx).
    blank
        Rows that held nothing but sky, shape (ny,).
    used
        Pixels that the last fit used, shape (ny, nx).
    """

    sky: NDArray[np.float64]
    sky_variance: NDArray[np.float64]
    variance: NDArray[np.float64]
    scale: NDArray[np.float64]
    blank: NDArray[np.bool_]
    used: NDArray[np.bool_]


def model_sky(
    data: NDArray[np.float64],
    variance: NDArray[np.float64],
    usable: NDArray[np.bool_],
    wavelength: NDArray[np.float64],
    *,
    read_noise: float,
    degree: int = 2,
) -> SkyModel:
    """Fit the sky of a frame.

    Parameters
    ----------
    data, variance
        Electrons and their variance with the photon noise of the data themselves, shape (ny, nx).
    usable
        Pixels that may be used.
    wavelength
        Of every pixel, rising along the last axis.
    read_noise
        Electrons.
    degree
        Of the polynomial along the slit in each wavelength element.
    """
    basis = make_basis(wavelength, degree)
    scale = photon_scale(variance, data, read_noise)
    sky = _first_guess(data, usable)
    noise = exchange_photons(variance, data, sky, scale)
    blank = blank_rows((data - sky) / np.sqrt(noise), usable)
    used = usable
    error = np.sqrt(np.median(noise, axis=0) / len(data))
    freedom = 3 * expected_freedom(basis, np.median(sky, axis=0), error)
    for clip in CLIPS:
        used = usable & blank[:, None] & (np.abs(data - sky) <= clip * np.sqrt(noise))
        sky = evaluate(basis, fit_spline(basis, data, np.where(used, 1 / noise, 0), freedom))
        noise = exchange_photons(variance, data, sky, scale)
        blank = blank_rows((data - sky) / np.sqrt(noise), usable)
        if clip != CLIPS[-1]:
            freedom = expected_freedom(basis, sky[len(sky) // 2], error)
    model_variance = sky_variance(basis, np.where(used, 1 / noise, 0), freedom)
    return SkyModel(sky, model_variance, noise, scale, blank, used)


def sky_variance(basis: SkyBasis, weight: NDArray[np.float64], freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variance of the sky model.

    Its shape is that of a polynomial along the slit fitted to each column alone. How much the spline ties neighbouring
    columns together is measured by fitting pure noise of known size, always the same.
    """
    from scipy.ndimage import uniform_filter1d

    slit = basis.slit
    normal = np.einsum("yx,yi,yj->xij", weight, slit, slit, optimize=True)
    normal += (1e-6 * np.median(normal[:, 0, 0]) + 1e-30) * np.eye(slit.shape[1])
    alone: NDArray[np.float64] = np.einsum("xij,yi,yj->yx", np.linalg.inv(normal), slit, slit, optimize=True)
    noise = np.random.default_rng(0).standard_normal(weight.shape) / np.sqrt(np.where(weight > 0, weight, np.inf))
    fitted = evaluate(basis, fit_spline(basis, noise, weight, freedom))
    share = uniform_filter1d(np.mean(fitted**2 / alone, axis=0), 31, mode="nearest")
    return np.asarray(alone * np.clip(share, 0.1, 3), dtype=np.float64)


def _first_guess(data: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the median of each column; nothing is known yet of tilt and objects."""
    import bottleneck

    median = np.asarray(bottleneck.nanmedian(np.where(usable, data, np.nan), axis=0))
    known = np.isfinite(median)
    columns = np.arange(len(median))
    filled = np.interp(columns, columns[known], median[known])
    return np.broadcast_to(filled, data.shape)
