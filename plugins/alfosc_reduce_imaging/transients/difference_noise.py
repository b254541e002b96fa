"""What interpolation and a kernel do to noise: its variance, and what neighbouring pixels share of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.correlated_noise import LAGS, correlation_cards, spline_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PHASES = 64
"""Places of the interpolation that are looked at."""
NEAR = slice(6, 17)
"""Of the 24 weights of a spline: those further off count for less than a thousandth."""


class Spread(NamedTuple):
    """What becomes of noise of variance 1 in independent pixels.

    Attributes
    ----------
    square
        Kernel that takes their variances to those of the result, shape (n, n).
    covariance
        Of a pixel of the result with those up to `LAGS` away, shape (2 LAGS + 1, 2 LAGS + 1).
    total
        Variance of the sum over a large area, a pixel of it.
    """

    square: Floats
    covariance: Floats
    total: float


def spread_of(kernel: Floats, phases: Floats | None) -> Spread:
    """Return what a kernel does to noise, after a cubic spline if there was one.

    Parameters
    ----------
    kernel
        Shape (taps, taps), odd.
    phases
        Fractions of a pixel at which the spline was asked, shape (2, n); None if there was none.
    """
    from scipy.signal import fftconvolve

    if phases is None:
        return Spread(kernel**2, _autocovariance(kernel), float(kernel.sum() ** 2))
    chosen = phases[:, np.isfinite(phases).all(axis=0)]
    chosen = chosen[:, :: max(1, chosen.shape[1] // PHASES)]
    weights = [spline_weights(part)[:, NEAR] for part in chosen]
    kernels = [fftconvolve(kernel, np.outer(a, b)) for a, b in zip(*weights, strict=True)]
    square = np.mean([one**2 for one in kernels], axis=0)
    covariance = np.mean([_autocovariance(one) for one in kernels], axis=0)
    return Spread(square, covariance, float(kernel.sum() ** 2))


def _autocovariance(kernel: Floats) -> Floats:
    from scipy.signal import fftconvolve

    whole = np.asarray(fftconvolve(kernel, kernel[::-1, ::-1]))
    middle = whole.shape[0] // 2
    reach = min(LAGS, middle)
    found = np.zeros((2 * LAGS + 1, 2 * LAGS + 1))
    part, near = slice(LAGS - reach, LAGS + reach + 1), slice(middle - reach, middle + reach + 1)
    found[part, part] = whole[near, near]
    return found


def noise_cards(variances: Sequence[float], spreads: Sequence[Spread], factors: Sequence[float]) -> tuple[float, float]:
    """Return NOISECOR and NOISELEN of the difference of two images.

    Parameters
    ----------
    variances
        Typical ones, before any spread.
    spreads
        What was done to each.
    factors
        ``NOISECOR`` that each brings along.
    """
    parts = list(zip(variances, spreads, factors, strict=True))
    covariance = np.asarray(sum(variance * spread.covariance for variance, spread, _ in parts))
    excess = sum(variance * spread.total * (factor**2 - 1) for variance, spread, factor in parts)
    largest, length = correlation_cards(covariance)
    return float(np.sqrt(largest**2 + excess / max(covariance[LAGS, LAGS], 1e-30))), length
