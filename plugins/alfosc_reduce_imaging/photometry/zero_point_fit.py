"""The zero point and the colour term from the differences between catalogue and instrumental magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

CLIP = 4.0
"""Sigma, the scatter included, beyond which a star is left out of the last fit."""
LEAST_STARS = 3
COLOUR_STARS = 15
"""Stars with a colour that a colour term takes at least."""
COLOUR_RANGE = 0.3
"""Range of colour (magnitudes, without a tenth of the stars at either end) that a colour term takes at least."""
COLOUR_ERROR = 0.05
"""Largest error of a colour term that is believed."""


@dataclass(frozen=True)
class ZeroPointFit:
    """Catalogue less instrumental magnitude = zero point + colour term x colour.

    Attributes
    ----------
    zero_point, error
        At colour 0 if there is a colour term, else for the mean colour of the stars.
    colour_term, colour_error
        None if the stars do not constrain it.
    typical_colour
        Median colour of the stars used, None if colours are not known.
    scatter
        Standard deviation of the stars beyond their errors, in magnitudes.
    used
        Stars in the last fit, shape (n,).
    residual
        Difference less fit, shape (n,); NaN where it cannot be computed.
    sigma
        Expected standard deviation of each residual, scatter included, shape (n,).
    remark
        Why there is no colour term; empty if there is one.
    """

    zero_point: float
    error: float
    colour_term: float | None
    colour_error: float | None
    typical_colour: float | None
    scatter: float
    used: Booleans
    residual: Floats
    sigma: Floats
    remark: str = ""


@dataclass(frozen=True)
class _Line:
    """A straight line through points: coefficients, covariance, scatter, points used, residuals, their sigma."""

    values: Floats
    covariance: Floats
    scatter: float
    used: Booleans
    residual: Floats
    sigma: Floats


def fit_zero_point(
    difference: Floats, error: Floats, colour: Floats | None = None, colour_error: Floats | None = None
) -> ZeroPointFit:
    """Fit zero point, colour term (where the stars constrain it) and intrinsic scatter, robustly.

    Parameters
    ----------
    difference
        Catalogue less instrumental magnitudes, shape (n,), at least `LEAST_STARS`.
    error
        Standard errors, without the scatter.
    colour, colour_error
        Colours of the stars (NaN where not known) and their errors; None to fit none.

    Returns
    -------
    ZeroPointFit
        A colour term is fitted if `COLOUR_STARS` have a colour, span `COLOUR_RANGE`, and leave it with an error of at
        most `COLOUR_ERROR`.
    """
    constant = _line(difference, error, np.ones((len(difference), 1)))
    if colour is None or not np.isfinite(colour).any():
        return _without_colour(constant, None, "the catalogue has no colours")
    typical = float(np.median(colour[np.isfinite(colour)]))
    known = np.isfinite(colour)
    span = _span(colour[known])
    if known.sum() < max(COLOUR_STARS, len(colour) / 2):
        return _without_colour(constant, typical, f"only {known.sum()} of {len(colour)} stars have a colour")
    if span < COLOUR_RANGE:
        return _without_colour(constant, typical, f"the colours of {known.sum()} stars span only {span:.2f} mag")
    spread = np.zeros(len(colour)) if colour_error is None else colour_error
    sloped = _with_slope(difference, error, colour, spread, known)
    slope_error = float(np.sqrt(sloped.covariance[1, 1]))
    if sloped.used.sum() < COLOUR_STARS:
        return _without_colour(constant, typical, f"only {sloped.used.sum()} stars agree on one")
    if slope_error > COLOUR_ERROR:
        return _without_colour(constant, typical, f"its error would be {slope_error:.2f}")
    return ZeroPointFit(
        zero_point=float(sloped.values[0]),
        error=float(np.sqrt(sloped.covariance[0, 0])),
        colour_term=float(sloped.values[1]),
        colour_error=slope_error,
        typical_colour=float(np.median(colour[sloped.used])),
        scatter=sloped.scatter,
        used=sloped.used,
        residual=sloped.residual,
        sigma=sloped.sigma,
    )


def straight_line(y: Floats, error: Floats, x: Floats) -> tuple[Floats, Floats, float]:
    """Return constant and slope of a straight line, their covariance, and the scatter of points beyond their errors.

    Parameters
    ----------
    y, error
        Points and their standard errors, shape (n,), n at least 3.
    x
        Of the same shape.
    """
    line = _line(y, error, np.stack([np.ones(len(x)), x], axis=1))
    return line.values, line.covariance, line.scatter


def _without_colour(line: _Line, typical: float | None, why: str) -> ZeroPointFit:
    return ZeroPointFit(
        zero_point=float(line.values[0]),
        error=float(np.sqrt(line.covariance[0, 0])),
        colour_term=None,
        colour_error=None,
        typical_colour=typical,
        scatter=line.scatter,
        used=line.used,
        residual=line.residual,
        sigma=line.sigma,
        remark=f"no colour term: {why}",
    )


def _span(colour: Floats) -> float:
    low, high = np.percentile(colour, [10, 90])
    return float(high - low)


def _with_slope(difference: Floats, error: Floats, colour: Floats, colour_error: Floats, known: Booleans) -> _Line:
    """Fit with a slope, the colours drawn towards their mean as far as their errors ask.

    Errors of colours flatten a slope. With the colours' own distribution (taken as normal) known from the data, the
    expected true colour of each star gives the slope without that bias (regression calibration, Carroll et al. 2006).
    """
    x, noise = colour[known], np.nan_to_num(colour_error[known])
    middle = np.median(x)
    width = max((1.4826 * np.median(np.abs(x - middle))) ** 2 - float(np.median(noise**2)), 1e-6)
    trust = np.where(noise**2 < width, width / (width + noise**2), 0.5)
    expected = middle + trust * (x - middle)
    design = np.stack([np.ones(len(x)), expected], axis=1)
    line = _line(difference[known], error[known], design)
    slope_noise = line.values[1] ** 2 * trust * noise**2
    line = _line(difference[known], np.sqrt(error[known] ** 2 + slope_noise), design)
    return _spread_out(line, known)


def _spread_out(line: _Line, known: Booleans) -> _Line:
    used, residual, sigma = np.zeros(len(known), bool), np.full(len(known), np.nan), np.full(len(known), np.nan)
    used[known], residual[known], sigma[known] = line.used, line.residual, line.sigma
    return _Line(line.values, line.covariance, line.scatter, used, residual, sigma)


def _line(y: Floats, error: Floats, design: Floats) -> _Line:
    """Fit a linear model robustly: biweight to find the outliers, then least squares with the scatter of the rest."""
    values = _biweight(y, error, design)
    residual = y - design @ values
    scatter = _robust_scatter(residual, error, design.shape[1])
    used = np.abs(residual) <= CLIP * np.hypot(error, scatter)
    for _ in range(20):
        scatter = _scatter(y[used], error[used], design[used])
        values, covariance = _least_squares(y[used], np.hypot(error[used], scatter), design[used])
        residual = y - design @ values
        kept = np.abs(residual) <= CLIP * np.hypot(error, max(scatter, 1e-4))
        if (kept == used).all() or kept.sum() <= design.shape[1]:
            break
        used = kept
    return _Line(values, covariance, scatter, used, residual, np.hypot(error, scatter))


def _least_squares(y: Floats, sigma: Floats, design: Floats) -> tuple[Floats, Floats]:
    weight = 1 / np.maximum(sigma, 1e-5) ** 2
    normal = design.T @ (weight[:, None] * design)
    covariance = np.asarray(np.linalg.pinv(normal), np.float64)
    return covariance @ (design.T @ (weight * y)), covariance


def _biweight(y: Floats, error: Floats, design: Floats) -> Floats:
    """Return the coefficients by iterated least squares with Tukey's weights, from a median start."""
    values = np.zeros(design.shape[1])
    values[0] = np.median(y)
    for _ in range(30):
        residual = y - design @ values
        sigma = np.maximum(np.hypot(error, _robust_scatter(residual, error, design.shape[1])), 1e-4)
        weight = np.clip(1 - (residual / (4.685 * sigma)) ** 2, 0, None)
        if np.count_nonzero(weight) <= design.shape[1]:
            break
        before = values
        values = _least_squares(y, sigma / np.maximum(weight, 1e-6), design)[0]
        if np.allclose(values, before, rtol=0, atol=1e-7):
            break
    return values


def _robust_scatter(residual: Floats, error: Floats, parameters: int) -> float:
    """Return the scatter that makes half of the residuals smaller than 0.6745 sigma; 0 if the errors do so alone.

    Residuals are smaller than what scatters, by the share that the fit with so many parameters takes of it.
    """
    residual = residual * np.sqrt(len(residual) / max(len(residual) - parameters, 1))
    low, high = 0.0, 3 * float(np.median(np.abs(residual))) + 1e-6
    if np.median(np.abs(residual) / np.maximum(error, 1e-6)) <= 0.6745:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if np.median(np.abs(residual) / np.hypot(error, middle)) > 0.6745 else (low, middle)
    return high


def _scatter(y: Floats, error: Floats, design: Floats) -> float:
    """Return the scatter at which chi squared equals the degrees of freedom (Mandel and Paule 1970), at least 0."""
    freedom = len(y) - int(design.shape[1])
    if freedom <= 0:
        return 0.0

    def excess(scatter: float) -> float:
        sigma = np.maximum(np.hypot(error, scatter), 1e-5)
        values, _ = _least_squares(y, sigma, design)
        return float(np.sum(((y - design @ values) / sigma) ** 2) - freedom)

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 10 * float(np.std(y)) + 1e-3
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high
