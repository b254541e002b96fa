"""The sky of one frame: spline, object mask, clipping and noise, refined together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.sky.covariance import variance_of_fit
from alfosc_reduce_longslit.sky.noise import exchange_photons, photon_scale
from alfosc_reduce_longslit.sky.spline import evaluate, expected_freedom, fit_spline, make_basis
from alfosc_reduce_longslit.slit.blank_rows import blank_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPS = (np.inf, 10.0, 5.0, 4.5)
ENOUGH = 500
"""Rows that fix the sky well enough to tell outliers and objects; the last fit uses all there are."""
EXTRAPOLATION = 0.5
"""How uncertain, in units of a pixel's noise, a sky may be that is carried from chosen rows along the slit."""


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

    sky: NDArray[np.floating]
    sky_variance: NDArray[np.floating]
    variance: NDArray[np.floating]
    scale: NDArray[np.floating]
    blank: NDArray[np.bool_]
    used: NDArray[np.bool_]


def model_sky(
    data: NDArray[np.floating],
    variance: NDArray[np.floating],
    usable: NDArray[np.bool_],
    wavelength: NDArray[np.float64],
    *,
    read_noise: float,
    degree: int = 2,
    rows: NDArray[np.bool_] | None = None,
    own_noise: bool = True,
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
    rows
        The rows to take the sky from, shape (ny,); by default those that show no object.
    own_noise
        Whether `variance` holds the photon noise of the data themselves, to be exchanged for that of the model.
    """
    basis = make_basis(wavelength, degree)
    data, variance = np.asarray(data, np.float32), np.asarray(variance, np.float32)
    scale = photon_scale(variance, data, read_noise) if own_noise else np.zeros_like(variance)
    sky = _first_guess(data, usable if rows is None else usable & rows[:, None])
    noise = exchange_photons(variance, data, sky, scale)
    blank = _sky_rows(data - sky, noise, usable, rows)
    error = np.sqrt(np.median(noise, axis=0) / len(data))
    freedom = 3 * expected_freedom(basis, np.median(sky, axis=0), error)
    for clip in CLIPS:
        used = usable & blank[:, None] & (np.abs(data - sky) <= clip * np.sqrt(noise))
        step = 1 if clip == CLIPS[-1] else max(1, len(data) // ENOUGH)
        weight = np.where(used[::step], 1 / noise[::step], np.float32(0))
        fit = fit_spline(basis.thinned(step), data[::step], weight, freedom)
        sky = evaluate(basis, fit.coefficients)
        noise = exchange_photons(variance, data, sky, scale)
        blank = _sky_rows(data - sky, noise, usable, rows)
        if clip != CLIPS[-1]:
            freedom = expected_freedom(basis, sky[len(sky) // 2], error)
    return SkyModel(sky, variance_of_fit(basis, fit.bands), noise, scale, blank, used)


def _sky_rows(
    residual: NDArray[np.floating],
    noise: NDArray[np.floating],
    usable: NDArray[np.bool_],
    rows: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    return blank_rows(residual / np.sqrt(noise), usable) if rows is None else rows


def supported_degree(rows: NDArray[np.bool_], degree: int) -> int:
    """Return the largest degree up to `degree` whose polynomial the true `rows` fix on the whole slit.

    Fitted to those rows, each with the same noise, it must be known everywhere to `EXTRAPOLATION` of that noise.
    """
    from numpy.polynomial.legendre import legvander

    place = np.linspace(-1, 1, len(rows))
    for terms in range(degree, 0, -1):
        basis = legvander(place, terms)
        inverse = np.linalg.pinv(basis[rows].T @ basis[rows])
        if np.einsum("yi,ij,yj->y", basis, inverse, basis).max() < EXTRAPOLATION**2:
            return terms
    return 0


def _first_guess(data: NDArray[np.floating], usable: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return the median of each column; nothing is known yet of tilt and objects."""
    import bottleneck

    median = np.asarray(bottleneck.nanmedian(np.where(usable, data, np.nan), axis=0))
    known = np.isfinite(median)
    columns = np.arange(len(median))
    filled = np.interp(columns, columns[known], median[known]).astype(data.dtype)
    return np.broadcast_to(filled, data.shape)
