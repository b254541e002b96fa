"""The map through pairs of stars: a shift, a similarity, an affine or a bent map, whichever the stars ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.registration.geometry import PixelMap, fit_quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

AFFINE = 15
"""Pairs from which on an affine map is considered."""
QUADRATIC = 30
"""Pairs from which on one is that bends as well."""
SIMILARITY = 3
"""Pairs from which on a rotation and a scale are."""
_CLIP = 4.0
_ROUNDS = 4
_PARAMETERS = {"shift": 2, "similarity": 4, "affine": 6, "quadratic": 12}


class Fit(NamedTuple):
    """A map through pairs of points.

    Attributes
    ----------
    place
        The map.
    kind
        ``shift``, ``similarity``, ``affine`` or ``quadratic``.
    kept
        True for the pairs that agree with it, shape (n,).
    residuals
        Target - map(point), shape (n, 2).
    errors
        Of the differences, with what the stars scatter beyond the errors given, shape (n,).
    """

    place: PixelMap
    kind: str
    kept: NDArray[np.bool_]
    residuals: NDArray[np.float64]
    errors: NDArray[np.float64]

    @property
    def rms(self) -> float:
        """Weighted root mean square distance of the pairs that agree, in one coordinate."""
        weights = self.kept / self.errors**2
        return float(np.sqrt(0.5 * np.sum(weights[:, None] * self.residuals**2) / max(weights.sum(), 1e-30)))

    @property
    def error(self) -> float:
        """Error of the map in one coordinate, typical of where the stars are."""
        return float(np.sqrt(0.5 * _PARAMETERS[self.kind] / max(float(np.sum(self.kept / self.errors**2)), 1e-30)))


def fit_map(points: NDArray[np.float64], targets: NDArray[np.float64], errors: NDArray[np.float64]) -> Fit:
    """Fit the simplest map that describes the pairs, outliers left out.

    The kinds of map are compared by the Bayesian information criterion, so that noise in a handful of stars does not
    turn or stretch a frame.

    Parameters
    ----------
    points, targets
        Shape (n, 2), n > 0.
    errors
        Of the difference in one coordinate, shape (n,); their ratios matter.
    """
    fewest = {"shift": 1, "similarity": SIMILARITY, "affine": AFFINE, "quadratic": QUADRATIC}
    kinds = [kind for kind in _PARAMETERS if len(points) >= fewest[kind]]
    fullest = _clipped(points, targets, errors, kinds[-1])
    errors = np.hypot(errors, _beyond(fullest))
    fits = {kind: _solve(points, targets, errors, fullest.kept, kind) for kind in kinds}
    number = 2 * int(fullest.kept.sum())

    def cost(kind: str) -> float:
        chi2 = float(np.sum((fits[kind].residuals / errors[:, None])[fullest.kept] ** 2))
        return chi2 + _PARAMETERS[kind] * float(np.log(max(number, 3)))

    return _clipped(points, targets, errors, min(kinds, key=cost))


def _beyond(fit: Fit) -> float:
    """Return by how much pairs scatter beyond their errors: with it, each weighs as much as it is worth."""
    squares = np.sum(fit.residuals[fit.kept] ** 2, axis=1)
    variances = fit.errors[fit.kept] ** 2
    freedom = max(2 * len(squares) - _PARAMETERS[fit.kind], 1)
    low, high = 0.0, float(squares.max(initial=0.0)) + 1e-12
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.sum(squares / (variances + middle)) > freedom else (low, middle)
    return float(np.sqrt(low))


def _clipped(points: NDArray[np.float64], targets: NDArray[np.float64], errors: NDArray[np.float64], kind: str) -> Fit:
    kept = np.ones(len(points), bool)
    for _ in range(_ROUNDS):
        fit = _solve(points, targets, errors, kept, kind)
        pull = np.hypot(*fit.residuals.T) / errors
        # The median of a Rayleigh distribution is 1.177 sigma.
        limit = _CLIP * max(1.0, float(np.median(pull[kept])) / 1.177)
        again = pull <= limit
        if again.sum() < _PARAMETERS[kind] or (again == kept).all():
            break
        kept = again
    return _solve(points, targets, errors, kept, kind)


def _solve(
    points: NDArray[np.float64], targets: NDArray[np.float64], errors: NDArray[np.float64], kept: NDArray[np.bool_],
    kind: str,
) -> Fit:  # fmt: skip
    """Solve by weighted least squares about the middle of the points."""
    weights = np.where(kept, 1 / errors**2, 0)
    centre = np.average(points, axis=0, weights=weights)
    arm, goal = points - centre, np.average(targets - points, axis=0, weights=weights) + centre
    matrix: NDArray[np.float64] = np.eye(2)
    if kind == "similarity":
        matrix = _similarity(arm, targets - goal, weights)
    elif kind == "quadratic":
        place = fit_quadratic(points, targets, weights)
        return Fit(place, kind, kept, targets - place(points), errors)
    elif kind == "affine":
        root = np.sqrt(weights)[:, None]
        matrix = np.asarray(np.linalg.lstsq(arm * root, (targets - goal) * root, rcond=None)[0].T, np.float64)
    place = PixelMap(matrix, goal - matrix @ centre)
    return Fit(place, kind, kept, targets - place(points), errors)


def _similarity(
    arm: NDArray[np.float64], goal: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    a, b = arm[:, 0] + 1j * arm[:, 1], goal[:, 0] + 1j * goal[:, 1]
    turn = np.sum(weights * np.conj(a) * b) / max(float(np.sum(weights * np.abs(a) ** 2)), 1e-30)
    return np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
