"""The weighted mean of exposures on one grid: smooth weights, one scale each, outliers rejected, right errors.

The arrays have one exposure a row, shape (n exposures, ...); the last axis is the wavelength.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW = 101
_BLOCK = 50
_REJECT = 5.0


class Combined(NamedTuple):
    """The mean of exposures.

    Attributes
    ----------
    flux, variance
        Of the mean, shape (...,); 0 where no exposure can be used.
    used, rejected
        Which values went into it, and which were outliers, shape (n exposures, ...).
    scales
        What each exposure was multiplied with at each wavelength, shape (n exposures, nx).
    """

    flux: NDArray[np.float64]
    variance: NDArray[np.float64]
    used: NDArray[np.bool_]
    rejected: NDArray[np.bool_]
    scales: NDArray[np.float64]


def combine(
    flux: NDArray[np.float64],
    variance: NDArray[np.float64],
    good: NDArray[np.bool_],
    scales: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> Combined:
    """Average exposures.

    Parameters
    ----------
    flux, variance, good
        Values, their variances, and where they may be used, shape (n, ...).
    scales
        What to multiply each exposure with at each wavelength, shape (n, nx).
    weights
        Shape (n, ...); see `smooth_weights`. They apply to the scaled values.

    Returns
    -------
    Combined
        Its variance is that of the weighted mean of these values: sum of squared weights times variances.
    """
    factor = scales.reshape(len(scales), *[1] * (flux.ndim - 2), -1)
    flux, variance = flux * factor, variance * factor**2
    rejected = outliers(flux, variance, good)
    used = good & ~rejected
    weight = np.where(used, weights, 0)
    total = weight.sum(axis=0)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    mean = np.sum(share * np.where(used, flux, 0), axis=0)
    error = np.sum(share**2 * np.where(used, variance, 0), axis=0)
    return Combined(mean, error, used, rejected, scales)


def smooth_weights(
    variance: NDArray[np.float64], good: NDArray[np.bool_], scales: NDArray[np.float64], window: int = _WINDOW
) -> NDArray[np.float64]:
    """Return inverse variances smoothed by a running median along the wavelength, shape (n, nx).

    A pixel's own variance contains its own photons: where noise made it low it would count for more, and the mean would
    come out too low. The median over `window` pixels knows nothing of a single pixel.
    """
    smooth = np.empty_like(variance)
    for row, (values, usable) in enumerate(zip(variance, good, strict=True)):
        smooth[row] = running_median(values, usable, window)
    return np.asarray(1 / np.maximum(smooth * scales**2, np.finfo(float).tiny))


def running_median(values: NDArray[np.float64], good: NDArray[np.bool_], window: int) -> NDArray[np.float64]:
    """Return the running median of the good `values`, shape (n,); the median of all where a window has none."""
    from scipy.ndimage import median_filter

    if not good.any():
        return np.ones_like(values)
    positions = np.flatnonzero(good)
    # Filtering the good pixels alone keeps gaps out of the medians.
    filtered = median_filter(values[positions], size=min(window, len(positions)), mode="nearest")
    return np.asarray(np.interp(np.arange(len(values)), positions, filtered), np.float64)


def robust_scale(
    flux: NDArray[np.float64],
    reference: NDArray[np.float64],
    variance: NDArray[np.float64],
    reference_variance: NDArray[np.float64],
    good: NDArray[np.bool_],
) -> tuple[float, float]:
    """Return what `flux` must be multiplied with to agree with `reference`, and the standard error of that.

    The ratio of two sums with the same smooth weights is not biased by noise as a fit would be; outliers of the
    difference (4 sigma) are left out of both sums.
    """
    weight = 1 / running_median(variance + reference_variance, good, _WINDOW)
    keep = good.copy()
    scale, error = 1.0, np.inf
    for _ in range(5):
        below = float(np.sum(weight[keep] * flux[keep]))
        scale = float(np.sum(weight[keep] * reference[keep])) / below if below else 1.0
        noise = reference_variance + scale**2 * variance
        error = float(np.sqrt(np.sum(weight[keep] ** 2 * noise[keep]))) / abs(below) if below else np.inf
        difference = np.abs(reference - scale * flux) / np.sqrt(np.maximum(noise, np.finfo(float).tiny))
        new = good & (difference < 4)
        if np.array_equal(new, keep) or new.sum() < 10:
            break
        keep = new
    return scale, error


def outliers(flux: NDArray[np.float64], variance: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which values of scaled exposures cannot belong to the rest, shape (n, ...).

    Of three or more, those beyond five sigma from the median. Of two, where they differ by more than five sigma, the
    one further from the neighbourhood of both along the wavelength. Where the exposures disagree by more than their
    errors over a stretch of wavelengths, sigma is what they disagree by: an imperfect flat is no outlier.
    """
    count = good.sum(axis=0)
    if len(flux) < 2:
        return np.zeros(flux.shape, bool)
    middle, noise = _middle(np.where(good, flux, np.nan), variance, good)
    with np.errstate(invalid="ignore"):
        pull = np.where(good, np.abs(flux - middle), np.nan) / np.sqrt(variance + noise)
        beyond = good & (pull > _REJECT * _widening(pull))
    rejected = beyond & (count >= 3)
    low, high = np.min(np.where(good, flux, np.inf), axis=0), np.max(np.where(good, flux, -np.inf), axis=0)
    both = count == 2
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = np.where(both, high - low, np.nan) / np.sqrt(np.sum(np.where(good, variance, 0), axis=0))
        pair = both & (pull > _REJECT * _widening(pull))
    if pair.any():
        rejected |= _further(flux, good, pair)
    # Where everything disagrees with everything nothing is known to be wrong.
    return np.asarray(rejected & (rejected.sum(axis=0) < np.maximum(count, 1)))


def _widening(pull: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the robust scatter of absolute pulls in blocks of wavelength, at least one, same shape."""
    blocks = max(1, pull.shape[-1] // _BLOCK)
    wider = np.ones_like(pull)
    for columns in np.array_split(np.arange(pull.shape[-1]), blocks):
        part = pull[..., columns]
        # NaN sorts to the end: the middle of the finite values is found without a slow nanmedian.
        number = np.isfinite(part).sum(axis=-1, keepdims=True)
        middle = np.take_along_axis(np.sort(part, axis=-1), np.maximum(number - 1, 0) // 2, axis=-1)
        wider[..., columns] = np.where(number > _BLOCK // 4, np.fmax(1.0, 1.4826 * middle), 1.0)
    return wider


def _middle(
    values: NDArray[np.float64], variance: NDArray[np.float64], good: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median of the good values (NaN where none) and the variance of that."""
    count = np.maximum(good.sum(axis=0), 1)
    ordered = np.sort(values, axis=0)
    low = np.take_along_axis(ordered, ((count - 1) // 2)[None], axis=0)[0]
    high = np.take_along_axis(ordered, (count // 2)[None], axis=0)[0]
    mean = np.sum(np.where(good, variance, 0), axis=0) / count
    efficiency = np.where(count > 2, np.pi / 2, 1.0)
    return (low + high) / 2, mean * efficiency / count


def _further(flux: NDArray[np.float64], good: NDArray[np.bool_], pair: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return, where `pair`, which of two values is the further from the neighbours of both."""
    from scipy.ndimage import median_filter

    total = np.sum(np.where(good, flux, 0), axis=0) / np.maximum(good.sum(axis=0), 1)
    size = (1,) * (total.ndim - 1) + (11,)
    lowest = np.min(np.where(good, flux, np.inf), axis=0)
    around = median_filter(np.where(pair, lowest, total), size=size, mode="nearest")
    distance = np.where(good, np.abs(flux - around), -1)
    return np.asarray(pair & (distance == distance.max(axis=0)))


def consistency(flux: NDArray[np.float64], variance: NDArray[np.float64], used: NDArray[np.bool_]) -> float | None:
    """Return the reduced chi squared of scaled exposures about their mean; None if fewer than two overlap."""
    weight = np.where(used, 1 / np.maximum(variance, np.finfo(float).tiny), 0)
    several = used.sum(axis=0) >= 2
    if not several.any():
        return None
    mean = np.sum(weight * flux, axis=0)[several] / weight.sum(axis=0)[several]
    squares = np.sum(weight[:, several] * (flux[:, several] - mean) ** 2)
    return float(squares / np.sum(used.sum(axis=0)[several] - 1))


def pulls(flux: NDArray[np.float64], variance: NDArray[np.float64], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the difference of the first two scaled exposures over its error, NaN where either is not used."""
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = (flux[0] - flux[1]) / np.sqrt(variance[0] + variance[1])
    return np.where(used[0] & used[1], pull, np.nan)


def robust_std(values: NDArray[np.float64]) -> float | None:
    """Return 1.4826 times the median absolute deviation of the finite values; None if there are fewer than three."""
    finite = values[np.isfinite(values)]
    if finite.size < 3:
        return None
    return 1.4826 * float(np.median(np.abs(finite - np.median(finite))))
