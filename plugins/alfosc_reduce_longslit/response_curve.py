"""A smooth curve through points of the response: a spline, its stiffness chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAXIMUM_PIECES = 12
_REJECT = 4.5


@dataclass(frozen=True)
class Curve:
    """A cubic spline with its covariance.

    Attributes
    ----------
    knots
        All knots, with the repeated ends.
    coefficients, covariance
        Of the B-splines, shapes (m,) and (m, m).
    residual
        Of each point, shape (n,).
    predicted_residual
        Of each point from the curve without it, shape (n,).
    used
        Which points were kept, shape (n,).
    scatter
        Robust scatter of the points beyond their own errors.
    """

    knots: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    residual: NDArray[np.float64]
    predicted_residual: NDArray[np.float64]
    used: NDArray[np.bool_]
    scatter: float

    @property
    def pieces(self) -> int:
        """Number of pieces of the spline."""
        return len(self.knots) - 7

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the curve at `x` inside its range, shape (n,)."""
        value: NDArray[np.float64] = _design(self.knots, x) @ self.coefficients
        return value

    def error(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard error of the curve at `x`, shape (n,)."""
        design = _design(self.knots, x)
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design)))


def fit_curve(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    error: NDArray[np.float64],
    used: NDArray[np.bool_],
    span: tuple[float, float],
) -> Curve:
    """Fit points with a cubic spline.

    Parameters
    ----------
    x, y, error
        The points and their known errors, shape (n,).
    used
        Which of them to fit; outliers (4.5 robust sigma from the curve without them) are removed one at a time.
    span
        The range of the spline.

    Returns
    -------
    Curve
        With the number of pieces that predicts left-out points best; of two that do so equally well within one standard
        error, the smoother one. Its error includes the scatter of the points beyond their own errors.
    """
    used = used.copy()
    scatter = 0.003
    while True:
        weight = np.where(used, 1 / (error**2 + scatter**2), 0)
        curve = _best(x, y, weight, used, span)
        score = np.abs(curve.predicted_residual) / np.sqrt(error**2 + scatter**2)
        scatter = _scatter_beyond(curve.residual[used], error[used])
        score = np.abs(curve.predicted_residual) / np.sqrt(error**2 + scatter**2)
        worst = int(np.argmax(np.where(used, score, 0)))
        if score[worst] <= _REJECT or used.sum() <= 8:
            break
        used[worst] = False
    weight = np.where(used, 1 / (error**2 + scatter**2), 0)
    return _fit(x, y, weight, used, curve.knots, scatter)


def _best(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    used: NDArray[np.bool_],
    span: tuple[float, float],
) -> Curve:
    most = max(1, min(_MAXIMUM_PIECES, int(used.sum()) // 3 - 3))
    curves = [_fit(x, y, weight, used, _knots(x[used], n, span), 0.0) for n in range(1, most + 1)]
    squares = np.array([(weight * curve.predicted_residual**2)[used] for curve in curves])
    means = squares.mean(axis=1)
    best = int(np.argmin(means))
    # The difference from the best is judged point by point: both predict the same points.
    for i in range(best):
        difference = squares[i] - squares[best]
        if difference.mean() <= difference.std() / np.sqrt(len(difference)):
            return curves[i]
    return curves[best]


def _knots(x: NDArray[np.float64], pieces: int, span: tuple[float, float]) -> NDArray[np.float64]:
    """Place knots halfway between equal steps of wavelength and equal numbers of points."""
    parts = np.arange(1, pieces) / pieces
    inner = (np.quantile(x, parts) + span[0] + parts * (span[1] - span[0])) / 2
    return np.concatenate([np.repeat(span[0], 4), inner, np.repeat(span[1], 4)])


def _design(knots: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.interpolate import BSpline

    inside = np.clip(x, knots[0], knots[-1])
    result: NDArray[np.float64] = BSpline.design_matrix(inside, knots, 3).toarray()
    return result


def _fit(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    used: NDArray[np.bool_],
    knots: NDArray[np.float64],
    scatter: float,
) -> Curve:
    design = _design(knots, x)
    covariance = np.asarray(np.linalg.pinv(design.T @ (weight[:, None] * design), hermitian=True), np.float64)
    coefficients = covariance @ (design.T @ (weight * y))
    leverage = weight * np.einsum("ij,jk,ik->i", design, covariance, design)
    residual = y - design @ coefficients
    predicted = residual / np.clip(1 - leverage, 1e-3, None)
    return Curve(knots, coefficients, covariance, residual, predicted, used, scatter)


def _scatter_beyond(residual: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    robust = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    return float(np.sqrt(max(robust**2 - float(np.median(error)) ** 2, 1e-3**2)))
