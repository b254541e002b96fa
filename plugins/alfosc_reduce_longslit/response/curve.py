"""A smooth curve through points of the response: a spline, its stiffness chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAXIMUM_PIECES = 12
_REJECT = 4.5
_BESIDE_END = 10
_MENDED = 0.25
_MOST_FALSE = 8

# A whole standard error, the usual rule, makes curves too stiff: 0.34 % from the truth of simulated nights, not 0.31 %.
_PATIENCE = 0.5


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
        Of each point from the curve without it and its group, shape (n,); NaN for the outermost used points, which
        the curve without them does not reach.
    score
        `predicted_residual` (of the outermost points too) in units that make it comparable with the error of the
        point itself, shape (n,).
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
    score: NDArray[np.float64]
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
    group: NDArray[np.integer] | None = None,
) -> Curve:
    """Fit points with a cubic spline.

    Parameters
    ----------
    x, y, error
        The points and their known errors, shape (n,).
    used
        Which of them to fit; outliers (4.5 robust sigma from the curve without them) are removed one at a time.
        The outermost are removed where that mends the curve beside them, such as at the edge of a filter.
    span
        The range of the spline.
    group
        Points of one number are left out together when the curve predicts them: the same bin of the same star's table
        in several frames, whose error they share. By default each point is alone.

    Returns
    -------
    Curve
        With the number of pieces that predicts left-out points best; of two that do so equally well within half a
        standard error, the smoother one. Its error includes the scatter of the points beyond their own errors.
    """
    group = np.arange(len(x)) if group is None else group
    used = _without_false_ends(x, y, error, used, span, group)
    scatter = 0.003
    while True:
        weight = _weights(error, scatter, used, group)
        curve = _best(x, y, weight, used, span, group)
        scatter = _scatter_beyond(curve.residual[used], error[used])
        score = np.abs(curve.score) / np.hypot(error, scatter)
        # The outermost points hold the ends of the curve; only `_without_false_ends` can speak against them.
        judged = used & np.isfinite(curve.predicted_residual)
        worst = int(np.argmax(np.where(judged, score, 0)))
        if score[worst] <= _REJECT or used.sum() <= 8:
            break
        used[worst] = False
    weight = _weights(error, scatter, used, group)
    return _fit(x, y, weight, used, curve.knots, scatter, group)


def _without_false_ends(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    error: NDArray[np.float64],
    used: NDArray[np.bool_],
    span: tuple[float, float],
    group: NDArray[np.integer],
) -> NDArray[np.bool_]:
    """Return the points without outermost ones that no spline follows: they pull the curve off their neighbours.

    They go if the curve without them predicts the ten bins next to them twice as well.
    """

    def fault(kept: NDArray[np.bool_], judged: NDArray[np.bool_]) -> float:
        curve = _best(x, y, _weights(error, 0.003, kept, group), kept, span, group)
        return float(np.mean(curve.predicted_residual[judged] ** 2 / (error[judged] ** 2 + 0.003**2)))

    numbers, first = np.unique(group[used], return_index=True)
    bins = numbers[np.argsort(x[used][first])]
    most = min(_MOST_FALSE, len(bins) // 2 - _BESIDE_END)
    for order in (bins, bins[::-1]):
        near = used & np.isin(group, order[most + 1 : most + 1 + _BESIDE_END])
        choices = [used & ~np.isin(group, order[:number]) for number in range(most + 1)]
        faults = [fault(kept, near) for kept in choices]
        best = 0
        for number in range(1, len(faults)):
            best = number if faults[number] < _MENDED * faults[best] else best
        used = choices[best] if choices else used
    return used.copy()


def _weights(
    error: NDArray[np.float64], scatter: float, used: NDArray[np.bool_], group: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the weights of points; those of a group share one scatter, which does not average down."""
    members = np.bincount(group, weights=used, minlength=int(group.max(initial=0)) + 1)[group]
    return np.asarray(np.where(used, 1 / (error**2 + np.maximum(members, 1) * scatter**2), 0), np.float64)


def _best(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    used: NDArray[np.bool_],
    span: tuple[float, float],
    group: NDArray[np.integer],
) -> Curve:
    most = max(1, min(_MAXIMUM_PIECES, int(used.sum()) // 3 - 3))
    curves = [_fit(x, y, weight, used, _knots(x[used], n, span), 0.0, group) for n in range(1, most + 1)]
    inner = used & np.isfinite(curves[0].predicted_residual)
    numbers, place = np.unique(group[inner], return_inverse=True)
    squares = np.array(
        [np.bincount(place, (weight * curve.predicted_residual**2)[inner], len(numbers)) for curve in curves]
    )
    means = squares.mean(axis=1)
    best = int(np.argmin(means))
    # The difference from the best is judged group by group: both predict the same points.
    for i in range(best):
        difference = squares[i] - squares[best]
        if difference.mean() <= _PATIENCE * difference.std() / np.sqrt(len(difference)):
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
    group: NDArray[np.integer],
) -> Curve:
    design = _design(knots, x)
    covariance = np.asarray(np.linalg.pinv(design.T @ (weight[:, None] * design), hermitian=True), np.float64)
    coefficients = covariance @ (design.T @ (weight * y))
    residual = y - design @ coefficients
    predicted, inflation = _predicted(residual, design @ covariance @ (design * weight[:, None]).T, group)
    score = predicted / np.sqrt(inflation)
    outermost = [group[used][np.argmin(x[used])], group[used][np.argmax(x[used])]]
    predicted[np.isin(group, outermost) | (x < x[used].min()) | (x > x[used].max())] = np.nan
    return Curve(knots, coefficients, covariance, residual, predicted, score, used, scatter)


def _predicted(
    residual: NDArray[np.float64], hat: NDArray[np.float64], group: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the residuals of each group of points from the fit without that group, and their variance, shape (n,).

    Exact for a linear fit: (1 - H)^-1 of the group's block of the hat matrix times its residuals; the variance is in
    units of the point's own.
    """
    predicted, inflation = np.empty_like(residual), np.ones_like(residual)
    order = np.argsort(group, kind="stable")
    _, starts, sizes = np.unique(group[order], return_index=True, return_counts=True)
    for size in np.unique(sizes):
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        inverse = np.linalg.pinv(np.eye(size) - hat[members[:, :, None], members[:, None, :]], rcond=1e-6)
        predicted[members] = np.einsum("gij,gj->gi", inverse, residual[members])
        inflation[members] = np.maximum(np.einsum("gii->gi", inverse), 1)
    return predicted, inflation


def _scatter_beyond(residual: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    robust = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    return float(np.sqrt(max(robust**2 - float(np.median(error)) ** 2, 1e-3**2)))
