"""A smooth wavelength map through line positions: Legendre series whose degree the lines themselves choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SYSTEMATIC = 0.02
"""Error of a line's place, in pixels, that no amount of light removes (line list, blends, profile)."""
_REJECT = 4.0
_POINT_REJECT = 6.0
_FEWEST_SHARE = 0.6
_FEWEST_LINES = 5
_PENALTY, _NEXT_PENALTY = 0.4, 0.5
_LOOSENINGS, _BORNE = (1.0, 3.0, 10.0, 30.0), 1.02


@dataclass(frozen=True)
class Degree:
    """Degrees of the Legendre series: along x, along the slit, and along x of the terms that vary along the slit."""

    x: int
    y: int
    tilt: int

    def terms(self) -> NDArray[np.intp]:
        """Return the exponents (i, j) in use, shape (n, 2)."""
        pairs = [(i, j) for j in range(self.y + 1) for i in range((self.x if j == 0 else min(self.tilt, self.x)) + 1)]
        return np.array(pairs, np.intp)


@dataclass(frozen=True)
class Points:
    """Measured line positions, one row a line and one column a strip.

    Attributes
    ----------
    x, error
        Pixels, shape (n lines, n strips); the error is infinite where there is none.
    y
        Rows of the strips, shape (n strips,).
    wavelength
        Of the lines, shape (n lines,).
    systematic
        Error common to all positions of a line, in pixels, shape (n lines,).
    """

    x: NDArray[np.float64]
    error: NDArray[np.float64]
    y: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    systematic: NDArray[np.float64]

    def of_lines(self, keep: NDArray[np.bool_]) -> Points:
        """Return the points of some lines."""
        return replace(
            self,
            x=self.x[keep],
            error=self.error[keep],
            wavelength=self.wavelength[keep],
            systematic=self.systematic[keep],
        )


@dataclass(frozen=True)
class Anchors:
    """What is roughly known of the scale beyond the last lines; shapes (n,).

    Attributes
    ----------
    x, y
        Pixels.
    wavelength, error
        There, in Angstrom.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    error: NDArray[np.float64]

    def loosened(self, factor: float) -> Anchors:
        """Return them with larger errors."""
        return replace(self, error=self.error * factor)

    def normal(self, shape: tuple[int, int], degree: Degree) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return their normal matrix and right side."""
        design = terms_at(self.x, self.y, shape, degree) / self.error[:, None]
        return design.T @ design, design.T @ (self.wavelength / self.error)


@dataclass(frozen=True)
class WavelengthFit:
    """The fitted series and how well it holds.

    Attributes
    ----------
    coefficients
        Legendre coefficients in Angstrom, shape (degree x + 1, degree y + 1).
    covariance
        Of the coefficients in use, in the order of ``degree.terms()``.
    degree
        Chosen degrees.
    residual
        Of every position in pixels, shape (n lines, n strips).
    used
        Positions that took part, same shape.
    left_out
        Mean residual of each line, in pixels, in the fit without it, shape (n lines,).
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    degree: Degree
    residual: NDArray[np.float64]
    used: NDArray[np.bool_]
    left_out: NDArray[np.float64]

    def wavelength(self, x: NDArray[np.float64], y: float, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the wavelength at pixels `x` of row `y` of a frame of `shape`."""
        terms = self.degree.terms()
        values = self.coefficients[terms[:, 0], terms[:, 1]]
        result: NDArray[np.float64] = terms_at(x, np.array(y), shape, self.degree) @ values
        return result

    def error(self, x: NDArray[np.float64], y: float, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the standard error of the wavelength in Angstrom at pixels `x` of row `y`.

        The covariance holds errors of `SYSTEMATIC` a line; it is scaled to what left-out lines show.
        """
        basis = terms_at(x, np.array(y), shape, self.degree)
        scale = max(self.leave_one_out / SYSTEMATIC, 0.5)
        result: NDArray[np.float64] = scale * np.sqrt(np.einsum("xt,tu,xu->x", basis, self.covariance, basis))
        return result

    @property
    def lines_used(self) -> NDArray[np.bool_]:
        """True for lines that took part."""
        return np.asarray(self.used.any(axis=1), bool)

    @property
    def rms(self) -> float:
        """Of the residuals of the positions that took part, in pixels."""
        return float(np.sqrt(np.mean(np.square(self.residual[self.used]))))

    @property
    def leave_one_out(self) -> float:
        """Root mean square of the residuals of lines predicted without themselves, in pixels."""
        return float(np.sqrt(np.mean(np.square(self.left_out[self.lines_used]))))


@dataclass(frozen=True)
class Problem:
    """Points with the domain of the series, the local dispersion (Angstrom a pixel) at each, and what lies beyond."""

    points: Points
    shape: tuple[int, int]
    dispersion: NDArray[np.float64]
    anchors: Anchors

    def design(self, degree: Degree) -> NDArray[np.float64]:
        """Return the terms of the series at every point in pixels, shape (n lines, n strips, n terms)."""
        basis = terms_at(self.points.x, self.points.y, self.shape, degree)
        return basis / self.dispersion[..., None]

    def thinned(self, step: int) -> Problem:
        """Return the problem with every `step`-th strip only."""
        points = replace(
            self.points, x=self.points.x[:, ::step], error=self.points.error[:, ::step], y=self.points.y[::step]
        )
        return replace(self, points=points, dispersion=self.dispersion[:, ::step])

    def target(self) -> NDArray[np.float64]:
        """Return the lines' wavelengths in pixels of local dispersion."""
        return self.points.wavelength[:, None] / self.dispersion

    def weight(self) -> NDArray[np.float64]:
        """Return the weights: each line counts by its own noise, averaged over the slit, and its systematic error."""
        count = np.maximum(np.isfinite(self.points.error).sum(axis=1, keepdims=True), 1)
        systematic = np.square(self.points.systematic) + SYSTEMATIC**2
        variance = np.square(self.points.error) + count * systematic[:, None]
        return np.asarray(1 / variance, np.float64)


def terms_at(
    x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, int], degree: Degree
) -> NDArray[np.float64]:
    """Return the Legendre terms in use at pixels (x, y), shape (..., n terms)."""
    from numpy.polynomial.legendre import legvander

    ny, nx = shape
    along = legvander(2 * x / (nx - 1) - 1, degree.x)
    across = legvander(np.broadcast_to(2 * y / max(ny - 1, 1) - 1, x.shape), degree.y)
    terms = degree.terms()
    result: NDArray[np.float64] = along[..., terms[:, 0]] * across[..., terms[:, 1]]
    return result


def fit_wavelengths(
    points: Points, shape: tuple[int, int], start: NDArray[np.float64], anchors: Anchors
) -> WavelengthFit:
    """Fit a wavelength map, leaving out lines that contradict the rest, with the degree that predicts lines best.

    Parameters
    ----------
    points
        Line positions.
    shape
        (ny, nx) of the frame.
    start
        Local dispersion at each line in Angstrom a pixel, shape (n lines,).
    anchors
        Keep the series from running away where there are no lines.
    """
    problem = Problem(points, shape, np.broadcast_to(start[:, None], points.x.shape), anchors.loosened(np.inf))
    used = np.isfinite(points.error)
    used &= (used.mean(axis=1) >= _FEWEST_SHARE)[:, None]
    lines = int(used.any(axis=1).sum())
    if lines < _FEWEST_LINES:
        raise DataError(
            f"wavelengths: only {lines} of {len(used)} identified lines can be measured along the slit (at least "
            f"{_FEWEST_LINES} are needed); are the lines saturated, or far from the shape of the slit (out of focus, "
            "resampled)?"
        )
    degree = choose_degree(problem, used)
    used = _between_foretold(problem, _without_outliers(problem, used, degree), degree)
    return _held(problem, used, degree, anchors)


def _held(problem: Problem, used: NDArray[np.bool_], degree: Degree, anchors: Anchors) -> WavelengthFit:
    """Return the fit with anchors as strong as the lines bear without scattering more about it."""
    free = _solved(problem, used, degree)
    for factor in _LOOSENINGS:
        held = _solved(replace(problem, anchors=anchors.loosened(factor)), used, degree)
        if held.rms < _BORNE * free.rms:
            return held
    return free


def _first_degree(used: NDArray[np.bool_]) -> Degree:
    lines = int(used.any(axis=1).sum())
    return Degree(int(np.clip(lines // 3, 2, 5)), 2 if used.shape[1] > 3 else min(used.shape[1] - 1, 1), 2)


def choose_degree(problem: Problem, usable: NDArray[np.bool_]) -> Degree:
    """Return the degrees with which lines are predicted best by all the others (leave-one-line-out).

    Outliers are left out for each degree anew and count with a fixed penalty, so that a line at the end that only a
    higher degree can follow is not taken for one.
    """
    thin = problem.thinned(usable.shape[1] // 6 + 1)
    few = usable[:, :: usable.shape[1] // 6 + 1]
    lines, first = int(usable.any(axis=1).sum()), _first_degree(usable)
    best = min(
        (replace(first, x=x) for x in range(min(2, max(lines - 2, 1)), min(9, max(lines // 3, 2)) + 1)),
        key=lambda degree: _prediction_error(thin, few, degree),
    )
    kept = _without_outliers(problem, usable, best)
    along = [(y, tilt) for y in range(min(4, usable.shape[1])) for tilt in (range(1, 4) if y else (0,))]
    return min(
        (replace(best, y=y, tilt=tilt) for y, tilt in along),
        key=lambda degree: _scatter(problem, kept, degree) * (1 + 0.001 * len(degree.terms())),
    )


def _prediction_error(problem: Problem, usable: NDArray[np.bool_], degree: Degree) -> float:
    """Root mean square over lines of what the others leave of each, at most `_PENALTY` for any, in pixels."""
    residual = _left_out(problem, _without_outliers(problem, usable, degree), degree)
    mean = _line_means(residual, usable)[usable.any(axis=1)]
    return float(np.sqrt(np.mean(np.minimum(np.square(mean), _PENALTY**2))))


def _scatter(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> float:
    """Root mean square of the residuals of positions predicted without their line."""
    return float(np.sqrt(np.mean(np.minimum(np.square(_left_out(problem, used, degree)[used]), 0.5**2))))


def _line_means(values: NDArray[np.float64], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    total = np.where(used, values, 0).sum(axis=1)
    result: NDArray[np.float64] = total / np.maximum(used.sum(axis=1), 1)
    return result


def _normal(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> tuple[NDArray[np.float64], ...]:
    """Return the design, the normal matrix and right side of each line, and those of all lines and anchors."""
    design = problem.design(degree)
    weight = np.where(used, problem.weight(), 0)
    weighted = design * weight[..., None]
    matrix = np.swapaxes(weighted, 1, 2) @ design
    right = np.einsum("lst,ls->lt", weighted, np.where(used, problem.target(), 0))
    beyond, aim = problem.anchors.normal(problem.shape, degree)
    return design, matrix, right, matrix.sum(axis=0) + beyond, right.sum(axis=0) + aim


def _left_out(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> NDArray[np.float64]:
    """Residual of every position in the fit without its line, in pixels."""
    design, matrix, right, total, goal = _normal(problem, used, degree)
    size = np.sqrt(np.maximum(np.diag(total), 1e-30))
    rest = (total - matrix) / size[:, None] / size + 1e-11 * np.eye(len(size))
    coefficients = np.linalg.solve(rest, ((goal - right) / size)[..., None])[..., 0] / size
    result: NDArray[np.float64] = problem.target() - np.einsum("lst,lt->ls", design, coefficients)
    return result


def _without_outliers(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> NDArray[np.bool_]:
    """Drop the worst-predicted line again and again until none stands out, then single bad positions."""
    used = used.copy()
    fewest = max(len(degree.terms()) // 2, int(0.5 * used.any(axis=1).sum()))
    while used.any(axis=1).sum() > fewest:
        lines = used.any(axis=1)
        mean = _studentised(problem, used, degree)
        error = np.sqrt(np.square(SYSTEMATIC) + np.square(problem.points.systematic) + _mean_variance(problem, used))
        spread = 1.4826 * np.median((mean / error)[lines])
        score = np.where(lines, mean / error, 0) / max(spread, 1.0)
        if score.max() < _REJECT:
            break
        used[score.argmax()] = False
    residual = _left_out(problem, used, degree)
    scale = np.maximum(problem.points.error, 1.4826 * np.median(np.abs(residual[used])))
    return np.asarray(used & (np.abs(residual) < _POINT_REJECT * scale), bool)


def _between_foretold(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> NDArray[np.bool_]:
    """Leave out first and last lines that the others foretell badly.

    Such a line alone decides how the series runs to it, and nothing tells whether it is the line it is taken for. The
    degree was chosen with it, and may be the one that meets it by chance: the next must foretell it as well.
    """
    used, next_one = used.copy(), replace(degree, x=degree.x + 1)
    while used.any(axis=1).sum() > max(_FEWEST_LINES, degree.x + 1):
        lines = np.flatnonzero(used.any(axis=1))
        ends = lines[np.argsort(problem.points.wavelength[lines])][[0, -1]]
        missed = np.max(
            [
                np.abs(_line_means(_left_out(problem, used, one), used)[ends]) / allowed
                for one, allowed in ((degree, _PENALTY), (next_one, _NEXT_PENALTY))
            ],
            axis=0,
        )
        if missed.max() < 1:
            break
        used[ends[missed.argmax()]] = False
    return used


def _studentised(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> NDArray[np.float64]:
    """Size of each line's mean residual in pixels, freed of how much the line draws the fit.

    The geometric mean of the residuals with and without the line: the latter alone would condemn lines at the ends.
    """
    design, _, _, total, goal = _normal(problem, used, degree)
    size = np.sqrt(np.maximum(np.diag(total), 1e-30))
    values = np.linalg.solve(total / size[:, None] / size + 1e-11 * np.eye(len(size)), goal / size) / size
    inside = _line_means(problem.target() - design @ values, used)
    outside = _line_means(_left_out(problem, used, degree), used)
    return np.sqrt(np.abs(inside * outside))


def _mean_variance(problem: Problem, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = np.maximum(used.sum(axis=1), 1)
    total: NDArray[np.float64] = np.where(used, np.square(problem.points.error), 0).sum(axis=1) / count**2
    return total


def _solved(problem: Problem, used: NDArray[np.bool_], degree: Degree) -> WavelengthFit:
    design, _, _, total, goal = _normal(problem, used, degree)
    size = np.sqrt(np.diag(total))
    inverse = np.linalg.inv(total / size[:, None] / size) / size[:, None] / size
    values = inverse @ goal
    coefficients = np.zeros((degree.x + 1, degree.y + 1))
    terms = degree.terms()
    coefficients[terms[:, 0], terms[:, 1]] = values
    residual = problem.target() - design @ values
    left_out = _line_means(_left_out(problem, used, degree), used)
    return WavelengthFit(coefficients, inverse, degree, residual, used, left_out)
