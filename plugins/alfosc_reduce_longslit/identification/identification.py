"""Which line is which: the pattern of an arc matched to a line list, without a person and without guessing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.identification.pattern import (
    UNIT,
    Expectation,
    Identification,
    Pattern,
    dispersion,
    weights,
)
from alfosc_reduce_longslit.identification.polish import brightness_misfit, partners
from alfosc_reduce_longslit.identification.score import gas_of, odds_of_scale
from alfosc_reduce_longslit.identification.trials import best_trials

if TYPE_CHECKING:
    from numpy.typing import NDArray


FREEDOM = 3.0
"""How much farther the scale may go from its first form in the end than while it grows."""
NEEDED = 3.0
"""A gas is taken to shine if the odds (logarithm) of the scale are better by this with its lines."""


def identify(pattern: Pattern, expectation: Expectation) -> Identification:
    """Match found lines to known ones within what is expected of the wavelength scale.

    All trial scales on a grid of stretch and bend are compared at once with the arc by cross-correlation of the two
    line combs; the best of them grow into solutions line by line, each scored by its odds against chance.

    Parameters
    ----------
    pattern
        The lines.
    expectation
        The scale and how far it may be off.

    Returns
    -------
    Identification
        The best solution, whether good enough or not: see `Identification.score` and `Identification.margin`.
    """
    trials = best_trials(pattern, expectation)
    solutions = [_grown(pattern, expectation, trial) for trial in trials]
    solutions.sort(key=lambda solution: -solution.score)
    best = solutions[0]
    rivals = [s.score for s in solutions[1:] if _contradicts(s, best, pattern)]
    margin = best.score - max([0.0, *rivals])
    return _polished(pattern, expectation, replace(best, margin=margin))


def _polished(pattern: Pattern, expectation: Expectation, best: Identification) -> Identification:
    """Match once more, by brightness too, and follow the scale to its ends with a more flexible series."""
    found, known, coefficients = best.found, best.known, best.coefficients
    dark = ~shining(pattern, expectation, best)
    tight = max(0.35 * pattern.resolution, 1.0)
    for factor, degree in ((3.0, 3), (3.0, 4), (2.0, 5), (1.5, 6), (1.0, 6), (1.0, 6)):
        misfit = brightness_misfit(pattern.height, pattern.strength, pattern.ion, found, known)
        misfit[:, dark] = np.inf
        pairs = partners(pattern.distances(coefficients), misfit, factor * tight)
        if len(pairs[0]) < max(0.6 * len(best.found), 6):
            return best
        found, known = pairs
        coefficients = _fit(pattern, best.coefficients, found, known, degree, FREEDOM)
    residual = pattern.distances(coefficients)[found, known]
    rms = float(np.sqrt(np.mean(np.square(residual))))
    return replace(best, found=found, known=known, coefficients=coefficients, rms=rms)


def _grown(pattern: Pattern, expectation: Expectation, trial: NDArray[np.float64]) -> Identification:
    """Grow a trial scale into a solution: match, fit, tighten."""
    coefficients, degree = trial, len(trial) - 1
    tight = max(0.35 * pattern.resolution, 1.0)
    found = known = np.zeros(0, np.intp)
    for factor, extra in ((6, 0), (5, 0), (4, 0), (3, 0), (2.2, 1), (1.6, 1), (1.3, 2), (1.0, 2), (1.0, 2)):
        found, known = match(pattern, coefficients, factor * tight)
        if len(found) < 6:
            break
        coefficients = _fit(pattern, trial, found, known, max(degree, 3) + extra)
    return _judged(pattern, expectation, coefficients, tight)


def shining(pattern: Pattern, expectation: Expectation, best: Identification) -> NDArray[np.bool_]:
    """Return which known lines are of a gas that a solution needs, shape (n known,)."""
    gas = gas_of(pattern.ion)
    result = np.ones(len(gas), bool)
    for name in np.unique(gas):
        keep = gas != name
        rest, pairs = pattern.with_known(keep), keep[best.known]
        known = (np.cumsum(keep) - 1)[best.known[pairs]]
        without = odds_of_scale(rest, expectation, best.coefficients, best.found[pairs], known)
        result[~keep] = without < best.score - NEEDED
    return result


def match(
    pattern: Pattern, coefficients: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs (found, known) that are each other's best partner within `tolerance` detector pixels.

    The best partner of a line found is the strongest known one within the tolerance; of a known line the nearest.
    """
    distance = pattern.distances(coefficients)
    inside = distance <= tolerance
    value = np.where(inside, weights(pattern.strength)[None, :] * (1 - 0.7 * distance / tolerance), 0)
    partner = value.argmax(axis=1)
    mine = np.where(value.max(axis=1) > 0, np.arange(len(distance)), -1)
    back = np.where(inside, distance, np.inf).argmin(axis=0)
    good = (mine >= 0) & (back[partner] == np.arange(len(distance)))
    return np.flatnonzero(good), partner[good]


def _fit(
    pattern: Pattern,
    trial: NDArray[np.float64],
    found: NDArray[np.intp],
    known: NDArray[np.intp],
    degree: int,
    freedom: float = 1.0,
) -> NDArray[np.float64]:
    """Fit the power series to pairs, robustly, holding the higher terms near the trial where the lines do not say."""
    u = pattern.position[found] / UNIT
    start = np.zeros(degree + 1)
    start[: len(trial)] = trial[: degree + 1]
    scale = start[1] / UNIT
    design = np.vander(u, degree + 1, increasing=True) / scale
    missing = (pattern.wavelength[known] - np.polynomial.polynomial.polyval(u, start)) / scale
    allowed = freedom * np.array([12.0, 10.0, 10.0, 10.0] + [5.0] * 10)[: degree + 1] * scale
    weight = np.ones(len(u))
    change = np.zeros(degree + 1)
    for _ in range(4):
        a = np.vstack([design * weight[:, None], np.diag(1.0 / allowed)])
        change = np.linalg.lstsq(a, np.concatenate([missing * weight, np.zeros(degree + 1)]), rcond=None)[0]
        residual = missing - design @ change
        spread = max(1.4826 * float(np.median(np.abs(residual))), 0.2)
        weight = 1 / (1 + np.square(residual / (2.5 * spread)))
    return start + change


def _judged(
    pattern: Pattern, expectation: Expectation, coefficients: NDArray[np.float64], tolerance: float
) -> Identification:
    """Score a solution whose lines are matched within `tolerance` detector pixels."""
    found, known = match(pattern, coefficients, tolerance)
    score = odds_of_scale(pattern, expectation, coefficients, found, known)
    residual = pattern.distances(coefficients)[found, known]
    light = pattern.height / pattern.height.sum()
    rms = float(np.sqrt(np.mean(np.square(residual)))) if len(found) else np.inf
    return Identification(found, known, coefficients, score, 0.0, rms, float(light[found].sum()))


def _contradicts(one: Identification, other: Identification, pattern: Pattern) -> bool:
    """Say whether two solutions disagree by more than a line's width over most of the lines."""
    a = np.polynomial.polynomial.polyval(pattern.position / UNIT, one.coefficients)
    b = np.polynomial.polynomial.polyval(pattern.position / UNIT, other.coefficients)
    apart = np.abs(a - b) / np.abs(dispersion(other.coefficients, pattern.position))
    return bool(np.median(apart) > pattern.resolution)
