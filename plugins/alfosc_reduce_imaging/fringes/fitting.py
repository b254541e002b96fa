"""Fringes common to exposures: one pattern, and how strong it is in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLIP = 4.0
_CHECKER = 8
_ROUNDS = 4
_SAMPLE = 50_000


@dataclass(frozen=True)
class Amplitude:
    """How strong a pattern is in an exposure.

    Attributes
    ----------
    value, error
        Fitted to all of the field, in the unit of the exposure a unit of the pattern.
    residual
        What is left of the pattern in one half of the field when the fit to the other half is taken off, root mean
        square of both ways.
    """

    value: float
    error: float
    residual: float


def fit_amplitude(
    light: NDArray[np.floating], pattern: NDArray[np.floating], noise: NDArray[np.floating] | float = 0.0
) -> Amplitude:
    """Fit a pattern to the light of an exposure.

    Parameters
    ----------
    light
        Above the sky, in blocks, NaN where not known or where there are objects.
    pattern
        In the same blocks; NaN where not known.
    noise
        Variance of the pattern: noise in it would make the amplitude too small.

    Returns
    -------
    Amplitude
        All zero if nothing is known.
    """
    ny, nx = light.shape
    v, u = np.ogrid[:ny, :nx]
    checker = (v // _CHECKER + u // _CHECKER) % 2 == 0
    value, error = _robust(light, pattern, noise, np.ones(light.shape, bool))
    halves = [_robust(light, pattern, noise, half)[0] for half in (checker, ~checker)]
    return Amplitude(value, error, abs(halves[0] - halves[1]))


def common_pattern(lights: Sequence[NDArray[np.floating]], scales: Sequence[float]) -> NDArray[np.float32]:
    """Return the pattern P that fits all exposures best as scale times P; NaN where none knows.

    Parameters
    ----------
    lights
        Above the sky, NaN where not known.
    scales
        Of each exposure. Noise is taken to be the same in units of the square root of the scale, as photons make it.
    """
    total = np.zeros(lights[0].shape)
    power = np.zeros(lights[0].shape)
    for light, scale in zip(lights, scales, strict=True):
        known = np.isfinite(light)
        total += np.where(known, light, 0)
        power += scale * known
    pattern = np.divide(total, power, out=np.full(total.shape, np.nan), where=power > 0)
    return np.asarray(pattern, np.float32)


def coherence(one: NDArray[np.floating], other: NDArray[np.floating]) -> tuple[float, float]:
    """Return how much two independent measurements of a pattern have in common, and the error of that without pattern.

    Each block is multiplied with the next one of the other measurement along both axes. What the noise of a common
    flat leaves in single pixels does not count then, nor does noise that the measurements do not share.

    Returns
    -------
    covariance, error : float
        In units of the pattern squared.
    """
    products = []
    for a, b in ((one, other), (other, one)):
        products += [a[:, :-1] * b[:, 1:], a[:-1] * b[1:]]
    flat = np.concatenate([product[np.isfinite(product)] for product in products])
    if flat.size < 100:
        return 0.0, float("inf")
    limit = np.percentile(np.abs(flat), 99.5)
    kept = flat[np.abs(flat) <= limit]
    # Neighbouring products share blocks: an effective number of independent ones.
    return float(kept.mean()), float(np.std(kept) / np.sqrt(kept.size / 4))


def _scatter(values: NDArray[np.float64]) -> float:
    sample = values[:: max(1, values.size // _SAMPLE)]
    return 1.4826 * float(np.median(np.abs(sample - np.median(sample))))


def _robust(
    light: NDArray[np.floating], pattern: NDArray[np.floating], noise: NDArray[np.floating] | float,
    part: NDArray[np.bool_],
) -> tuple[float, float]:  # fmt: skip
    """Return the amplitude and its error from one part of the field, outliers clipped."""
    known = np.isfinite(light) & np.isfinite(pattern) & part
    values, shape = light[known].astype(np.float64), pattern[known].astype(np.float64)
    dilution = np.broadcast_to(noise, light.shape)[known]
    keep, value, error = np.ones(values.size, bool), 0.0, 0.0
    for _ in range(_ROUNDS):
        power = float(shape[keep] @ shape[keep] - dilution[keep].sum())
        if np.count_nonzero(keep) < 3 or not power > 0:
            return 0.0, 0.0
        value = float(shape[keep] @ values[keep]) / power
        away = values - value * shape
        sigma = _scatter(away[keep])
        keep = np.abs(away) <= CLIP * sigma if sigma > 0 else keep
        error = float(sigma / np.sqrt(power))
    return value, error
