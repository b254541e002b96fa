"""The map through matched stars: weighted, robust, its degree no higher than the stars left out of it justify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.astrometry.polynomials import Fitted, Frame, combined_terms, least_squares, terms
from alfosc_reduce_imaging.astrometry.sky_map import SkyMap
from alfosc_reduce_imaging.astrometry.tangent_plane import angles_of, axes_at, deproject, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPES = ((1, "all", 3), (3, "radial", 12), (3, "off axis", 20), (3, "all", 32), (4, "all", 60), (5, "all", 110))
"""Degree and terms of the maps that are tried, simplest first, and the matched stars that each needs: more than two for
each of its terms."""
AFFINE = 6
"""Stars from which on scale and direction of the two axes are fitted apart."""
CLIP = 14.0
"""Squared distance over variance above which a star is left out: chance in a thousand."""
MEDIAN = 2 * np.log(2)
"""Median of the squared length of a vector whose two components are normal."""
BOUND = 16.0
"""What one star can cost at most when degrees are compared."""
ROUNDS = 12
FLOOR_ROUNDS = 15
TOUCHES = 1e-6
"""Arc seconds from the origin of the frame to where the plane touches the sky, at most."""


class Stars(NamedTuple):
    """Matched stars: pixels (n,), directions (n, 3), variance of a coordinate in square arc seconds (n,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    directions: NDArray[np.float64]
    variance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Fit:
    """A map and what it leaves.

    Attributes
    ----------
    sky_map
        The map.
    residuals
        Shape (n, 2): image less catalogue, arc seconds to the east and north.
    left_out
        The same of each star with a map that does without it.
    kept
        Which stars the map was fitted to.
    floor
        What was added to each coordinate's error in quadrature, arc seconds, to explain the residuals.
    covariance
        Of the coefficients, square arc seconds, (p, p).
    """

    sky_map: SkyMap
    residuals: NDArray[np.float64]
    left_out: NDArray[np.float64]
    kept: NDArray[np.bool_]
    floor: float
    covariance: NDArray[np.float64]

    def error(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard error of the map at pixels (n,), arc seconds in each coordinate."""
        design = terms(*self.sky_map.frame(x, y), self.sky_map.degree)
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design)))


def fit_map(stars: Stars, frame: Frame, near: tuple[float, float], degree: int | None = None) -> Fit:
    """Fit a map to matched stars.

    Parameters
    ----------
    stars
        At least 3.
    frame
        Which pixel is to lie where the plane touches the sky, and the unit of length.
    near
        Right ascension and declination of that pixel, roughly (degrees).
    degree
        Of the map; None for the lowest that no other beats by more than the chance of the draw in predicting stars
        it was not fitted to.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the stars do not determine the map.
    """
    if degree is not None:
        return fit_of_terms(stars, frame, near, combined_terms(degree), degree)
    allowed = [shape for shape in SHAPES if shape[0] == 1 or len(stars) >= shape[2]]
    fits = [fit_of_terms(stars, frame, near, combined_terms(d, kind), d) for d, kind, _ in allowed]
    return fits[preferred([fit.left_out for fit in fits], stars.variance + fits[-1].floor ** 2)]


def preferred(left_out: list[NDArray[np.float64]], variance: NDArray[np.float64]) -> int:
    """Return which of several fits to take.

    Parameters
    ----------
    left_out
        For each fit, simplest first, how far it misses the stars that it was not fitted to, shape (n, 2).
    variance
        Expected, shape (n,).

    Returns
    -------
    int
        The first that predicts no worse than the best by more than the standard error of their difference.
    """
    costs = [np.minimum(np.sum(missed**2, axis=1) / np.maximum(variance, 1e-12), BOUND) for missed in left_out]
    best = costs[int(np.argmin([cost.mean() for cost in costs]))]
    for i, cost in enumerate(costs):
        worse = cost - best
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return i
    return 0


def fit_of_terms(
    stars: Stars, frame: Frame, near: tuple[float, float], combined: NDArray[np.float64], degree: int
) -> Fit:
    """Fit a map of some terms of one degree; the plane is moved until it touches the sky at the origin of the frame."""
    every = terms(*frame(stars.x, stars.y), degree)
    design, place = every @ combined, near
    for _ in range(4):
        axes = axes_at(*place)
        fitted, kept, floor = _robust(design, project(stars.directions, axes), stars.variance)
        if np.abs(fitted.coefficients[0]).max() < TOUCHES:
            break
        ra, dec = angles_of(deproject(fitted.coefficients[:1], axes))
        place = float(ra[0]), float(dec[0])
    coefficients = combined @ fitted.coefficients
    coefficients[0] = 0.0
    sky_map = SkyMap(*place, frame, coefficients, degree)
    residuals = every @ coefficients - project(stars.directions, axes_at(*place))
    lever = np.where(kept, np.minimum(fitted.leverage, 0.999), 0.0)
    return Fit(
        sky_map, residuals, residuals / (1 - lever)[:, None], kept, floor, combined @ fitted.covariance @ combined.T
    )


def _robust(
    design: NDArray[np.float64], plane: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[Fitted, NDArray[np.bool_], float]:
    """Fit, find the floor that the residuals ask for, leave out what is beyond, until nothing changes."""
    kept, floor = np.ones(len(plane), bool), float(np.sqrt(np.median(variance)))
    fitted = _weighted(design, plane, kept, variance + floor**2)
    for i in range(ROUNDS):
        freedom = 1 - np.where(kept, np.minimum(fitted.leverage, 0.9), 0.0)
        missed = np.sum((design @ fitted.coefficients - plane) ** 2, axis=1) / freedom
        last, floor = floor, floor_of(missed[kept], variance[kept]) if i else robust_floor(missed, variance)
        again = missed <= CLIP * (variance + floor**2)
        if again.sum() < max(3, design.shape[1]):
            again = kept
        settled = np.array_equal(again, kept) and abs(floor - last) <= 0.02 * last + 1e-5
        kept = again
        fitted = _weighted(design, plane, kept, variance + floor**2)
        if settled:
            break
    return fitted, kept, floor


def _weighted(
    design: NDArray[np.float64], plane: NDArray[np.float64], kept: NDArray[np.bool_], variance: NDArray[np.float64]
) -> Fitted:
    """Fit the stars kept; a few determine no more than shift, scale and rotation."""
    weight = np.where(kept, 1.0 / np.maximum(variance, 1e-12), 0.0)
    if design.shape[1] == 3 and kept.sum() < AFFINE:
        return _similar(design, plane, weight)
    return least_squares(design, plane, weight)


def _similar(design: NDArray[np.float64], plane: NDArray[np.float64], weight: NDArray[np.float64]) -> Fitted:
    """Fit shift, scale and rotation, or that mirrored, whichever leaves less."""
    plain, mirrored = (_turned(design, plane, weight, sign) for sign in (1.0, -1.0))
    return min((plain, mirrored), key=lambda f: float(weight @ np.sum((design @ f.coefficients - plane) ** 2, axis=1)))


def _turned(
    design: NDArray[np.float64], plane: NDArray[np.float64], weight: NDArray[np.float64], sign: float
) -> Fitted:
    total = weight.sum()
    z, w = design[:, 1] + 1j * sign * design[:, 2], plane[:, 0] + 1j * plane[:, 1]
    z0, w0 = (weight @ z) / total, (weight @ w) / total
    spread = float(weight @ np.abs(z - z0) ** 2)
    if not spread > 0:
        raise np.linalg.LinAlgError("the stars stand in one place")
    turn = (weight @ (np.conj(z - z0) * (w - w0))) / spread
    shift = w0 - turn * z0
    coefficients = np.array([[shift.real, shift.imag], [turn.real, turn.imag], [-sign * turn.imag, sign * turn.real]])
    leverage = weight * (1 / total + np.abs(z - z0) ** 2 / spread)
    middle = np.array([z0.real, sign * z0.imag])
    covariance = np.zeros((3, 3))
    covariance[1:, 1:] = np.eye(2) / spread
    covariance[0, 1:] = covariance[1:, 0] = -middle / spread
    covariance[0, 0] = 1 / total + float(middle @ middle) / spread
    return Fitted(coefficients, covariance, leverage)


def robust_floor(missed: NDArray[np.float64], variance: NDArray[np.float64]) -> float:
    """Return the error that, added to each coordinate's in quadrature, explains the squared distances (n,).

    With it the median of squared distance over variance is that of a normal error; solved for, it is a median itself.
    """
    return float(np.sqrt(max(0.0, float(np.median(missed / MEDIAN - variance)))))


def floor_of(missed: NDArray[np.float64], variance: NDArray[np.float64]) -> float:
    """Return the same of stars without outliers: the likeliest, which the precise stars decide."""
    floor = max(float(np.median(missed)) / MEDIAN, 1e-12)
    for _ in range(FLOOR_ROUNDS):
        weight = 1 / np.maximum(variance + floor, 1e-12) ** 2
        floor = max(0.0, float(weight @ (missed / 2 - variance) / weight.sum()))
    return float(np.sqrt(floor))
