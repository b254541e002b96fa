"""Neighbouring pixels of a resampled image share noise: what that does to the error of a sum over many of them.

An image that was resampled has less noise a pixel than the frames had, but what one pixel lost its neighbours share.
The variance plane of a combined image tells the true scatter of single pixels; the error of a sum over an area is
larger than the root of the summed variances, by a factor that starts at 1 for one pixel and grows towards `NOISECOR`:

    factor^2 = 1 + (NOISECOR^2 - 1) h,    h = (s - 1) / (s - 1 + NOISELEN),    s = sqrt(area in pixels)

This has the right limit for large areas, where what is missing is in proportion to the rim of the area over the area.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

LAGS = 7
"""Pixels in each direction over which the correlation of neighbours is followed."""
TYPICAL_LENGTH = 1.0
"""``NOISELEN`` of an image that has none."""
_RADII = np.array([1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15])
_TAPS = 12


def correlated_error(error: ArrayLike, area: ArrayLike, header: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the error of sums over pixels of an image that may have been resampled.

    Parameters
    ----------
    error
        Root of the summed variances of the pixels.
    area
        In pixels, same shape or a scalar.
    header
        Of the image, with ``NOISECOR`` and ``NOISELEN``; without them the error is right as it is.

    Returns
    -------
    array
        At least `error`.
    """
    return np.asarray(error, dtype=np.float64) * noise_factor(area, header)


def noise_factor(area: ArrayLike, header: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return by what the error of a sum over `area` pixels exceeds the root of the summed variances (1 or more)."""
    largest = max(1.0, float(header.get("NOISECOR", 1.0)))
    length = max(0.0, float(header.get("NOISELEN", TYPICAL_LENGTH)))
    return np.sqrt(1 + (largest**2 - 1) * _share(np.asarray(area, dtype=np.float64), length))


def _share(area: NDArray[np.float64], length: float | NDArray[np.float64]) -> NDArray[np.float64]:
    beyond = np.sqrt(np.maximum(area, 1.0)) - 1
    return np.asarray(beyond / np.maximum(beyond + length, 1e-12))


def correlation_cards(covariance: NDArray[np.float64]) -> tuple[float, float]:
    """Return ``NOISECOR`` and ``NOISELEN`` of noise.

    Parameters
    ----------
    covariance
        Of a pixel with those around it, shape (2 LAGS + 1, 2 LAGS + 1), the pixel itself in the middle.

    Returns
    -------
    noisecor, noiselen : float
        1 and `TYPICAL_LENGTH` where neighbours do not matter.
    """
    rho = covariance / covariance[LAGS, LAGS]
    excess = float(rho.sum() - 1)
    if excess < 1e-3:
        return 1.0, TYPICAL_LENGTH
    true = np.array([np.sum(rho * _common(radius)) - 1 for radius in _RADII])
    lengths = np.geomspace(0.05, 20, 400)
    shares = _share(np.pi * _RADII[None] ** 2, lengths[:, None])
    misses = np.sum((excess * shares - true) ** 2, axis=1)
    return float(np.sqrt(1 + excess)), float(lengths[np.argmin(misses)])


def _common(radius: float) -> NDArray[np.float64]:
    """Return which part of a disc is also in the disc displaced by each lag."""
    lag = np.arange(-LAGS, LAGS + 1)
    half = np.minimum(np.hypot(lag[:, None], lag[None, :]) / (2 * radius), 1.0)
    return np.asarray((2 / np.pi) * (np.arccos(half) - half * np.sqrt(1 - half**2)))


def spline_weights(phase: ArrayLike) -> NDArray[np.float64]:
    """Return the weights of pixels -11 ... 12 in a value that a cubic spline takes `phase` (0 to 1) beyond pixel 0.

    Parameters
    ----------
    phase
        Shape (n,).

    Returns
    -------
    array
        Shape (n, 24); each row sums to 1.
    """
    f = np.asarray(phase, dtype=np.float64).reshape(-1, 1)
    basis = np.hstack([(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]) / 6
    pole = np.sqrt(3) - 2
    k = np.arange(-_TAPS - 4, _TAPS + 5)
    inverse = -6 * pole / (1 - pole**2) * pole ** np.abs(k)
    weights = np.zeros((len(f), 2 * _TAPS))
    for j in range(4):  # B-spline at pixel j - 1 times the coefficients that pixel's data make
        source = np.arange(-_TAPS + 1, _TAPS + 1) - (j - 1)
        weights += basis[:, j : j + 1] * inverse[source + _TAPS + 4]
    return weights


def box_weights(phase: ArrayLike) -> NDArray[np.float64]:
    """Return the weights of `spline_weights` for a value that shares out areas: two pixels in part."""
    f = np.asarray(phase, dtype=np.float64).reshape(-1)
    weights = np.zeros((len(f), 2 * _TAPS))
    weights[:, _TAPS - 1], weights[:, _TAPS] = 1 - f, f
    return weights


def autocovariance(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance of values `LAGS` pixels or less apart along an axis, made with these weights from noise.

    Parameters
    ----------
    weights
        Shape (n, taps).

    Returns
    -------
    array
        Shape (n, 2 LAGS + 1), for noise of variance 1.
    """
    taps = weights.shape[1]
    found = [np.sum(weights[:, lag:] * weights[:, : taps - lag], axis=1) for lag in range(LAGS + 1)]
    return np.stack([*found[:0:-1], *found], axis=1)
