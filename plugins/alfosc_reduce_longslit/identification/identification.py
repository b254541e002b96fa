"""Which line is which: the pattern of an arc matched to a line list, without a person and without guessing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.identification.polish import brightness_misfit, partners
from alfosc_reduce_longslit.identification.score import chance_of_partners, odds_of_places, odds_of_strengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = 1000.0
"""Detector pixels in one unit of the expected dispersion relation's variable."""
CELL = 2.0
"""Width of a cell of the coarse comparison, in detector pixels."""
APART = 8.0
"""Trial scales that nowhere differ by more detector pixels count as one."""
CHUNK = 600
"""Trial scales compared at once; bounds the memory."""


@dataclass(frozen=True)
class Expectation:
    """What is known of the wavelength scale before the arc is seen.

    Wavelength = c0 + c1 u + c2 u^2 + ..., u = position / 1000, position in unbinned detector pixels from a
    reference, wavelength rising.

    Attributes
    ----------
    coefficients
        c0, c1, ... in Angstrom.
    shift
        The largest error of the reference position, in detector pixels.
    stretch
        The largest relative error of c1.
    bend
        The largest errors of c2 u^2 and c3 u^3 at u = 1, in detector pixels.
    measured
        False where the scale is nominal and may lie beyond these limits.
    """

    coefficients: NDArray[np.float64]
    shift: float = 160.0
    stretch: float = 0.025
    bend: tuple[float, float] = (15.0, 12.0)
    measured: bool = True

    def wavelength(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected wavelength in Angstrom at positions in detector pixels."""
        return np.asarray(np.polynomial.polynomial.polyval(position / UNIT, self.coefficients), np.float64)


@dataclass(frozen=True)
class Identification:
    """Lines of an arc with their wavelengths.

    Attributes
    ----------
    found, known
        Indices of the identified lines among those found and those in the list, shape (n,).
    coefficients
        Wavelength as a power series of position / 1000.
    score
        Natural logarithm of the odds of this match against chance.
    margin
        By how much `score` exceeds that of the best solution that contradicts it.
    rms
        Of the identified lines about the power series, in detector pixels.
    completeness
        Share of the light in found lines that is identified.
    """

    found: NDArray[np.intp]
    known: NDArray[np.intp]
    coefficients: NDArray[np.float64]
    score: float
    margin: float
    rms: float
    completeness: float


@dataclass(frozen=True)
class Pattern:
    """Lines found in an arc (positions in detector pixels from the reference) and known lines, with weights."""

    position: NDArray[np.float64]
    height: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    strength: NDArray[np.float64]
    ion: NDArray[np.str_]
    resolution: float
    """Full width of a line in detector pixels."""
    limits: tuple[float, float]
    """First and last position of the arc."""


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
    trials = _trials(pattern, expectation)
    solutions = [_grown(pattern, expectation, trial) for trial in trials]
    solutions.sort(key=lambda solution: -solution.score)
    best = solutions[0]
    rivals = [s.score for s in solutions[1:] if _contradicts(s, best, pattern)]
    margin = best.score - max(rivals, default=0.0)
    return _polished(pattern, replace(best, margin=margin))


def _polished(pattern: Pattern, best: Identification) -> Identification:
    """Match once more, by brightness too, and follow the scale to its ends with a more flexible series."""
    found, known, coefficients = best.found, best.known, best.coefficients
    tight = max(0.35 * pattern.resolution, 1.0)
    for factor, degree in ((3.0, 3), (3.0, 4), (2.0, 5), (1.5, 6), (1.0, 6), (1.0, 6)):
        misfit = brightness_misfit(pattern.height, pattern.strength, pattern.ion, found, known)
        pairs = partners(_distances(pattern, coefficients), misfit, factor * tight)
        if len(pairs[0]) < max(0.6 * len(best.found), 6):
            return best
        found, known = pairs
        coefficients = _fit(pattern, best.coefficients, found, known, degree)
    residual = _distances(pattern, coefficients)[found, known]
    rms = float(np.sqrt(np.mean(np.square(residual))))
    return replace(best, found=found, known=known, coefficients=coefficients, rms=rms)


def _trials(pattern: Pattern, expectation: Expectation, count: int = 40) -> list[NDArray[np.float64]]:
    """Return coefficients of the trial scales that correlate best with the arc, best first."""
    scales = _scales(expectation)
    cells = int(np.ceil((pattern.limits[1] - pattern.limits[0] + 2 * expectation.shift) / CELL)) + 8
    origin = pattern.limits[0] - expectation.shift - 4 * CELL
    arc = _comb(pattern.position[None, :], _weights(pattern.height), origin, cells)
    reach = int(expectation.shift / CELL)
    best: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for part in np.array_split(scales, len(scales) // CHUNK + 1):
        combs = _comb(_positions(part, pattern), _weights(pattern.strength), origin, cells)
        best.append(_highest(part, *_correlate(arc[0], combs, reach), count * 60))
    trials, heights = (np.concatenate(columns) for columns in zip(*best, strict=True))
    return _apart(trials[np.argsort(-heights, kind="stable")][: count * 60], pattern, count)


def _scales(expectation: Expectation) -> NDArray[np.float64]:
    """Return the coefficients of all trial scales, shape (n, k)."""
    base = np.zeros(max(4, len(expectation.coefficients)))
    base[: len(expectation.coefficients)] = expectation.coefficients
    step = 3.0 / UNIT
    stretch = _steps(expectation.stretch, step)
    second = _steps(expectation.bend[0] / UNIT, step * 1.5)
    third = _steps(expectation.bend[1] / UNIT, step * 2.5)
    grid = np.stack(np.meshgrid(stretch, second, third, indexing="ij"), axis=-1).reshape(-1, 3)
    scales = np.tile(base, (len(grid), 1))
    scales[:, 1] += grid[:, 0] * base[1]
    scales[:, 2] += grid[:, 1] * base[1]
    scales[:, 3] += grid[:, 2] * base[1]
    return scales


def _steps(limit: float, step: float) -> NDArray[np.float64]:
    count = int(np.ceil(limit / step))
    return np.linspace(-limit, limit, 2 * count + 1) if count else np.zeros(1)


def _positions(scales: NDArray[np.float64], pattern: Pattern) -> NDArray[np.float64]:
    """Return where each scale puts the known lines, shape (n scales, n lines); NaN where it does not."""
    grid = np.linspace(pattern.limits[0] - 400, pattern.limits[1] + 400, 257)
    waves = np.polynomial.polynomial.polyval(grid / UNIT, scales.T)
    return np.stack([_inverse(grid, wave, pattern.wavelength) for wave in waves])


def _inverse(grid: NDArray[np.float64], wave: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert the rising stretch of `wave` around the middle of `grid`."""
    falling = np.flatnonzero(np.diff(wave) <= 0)
    middle = len(grid) // 2
    first = int(falling[falling < middle].max(initial=-1)) + 1
    last = int(falling[falling >= middle].min(initial=len(grid) - 1)) + 1
    part = slice(first, max(last, first + 2))
    return np.interp(wanted, wave[part], grid[part], left=np.nan, right=np.nan)


def _weights(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compress strengths: they differ between lamps and exposures, and strong lines saturate."""
    relative = np.clip(strength / np.max(strength, initial=1e-30), 1e-4, None)
    result: NDArray[np.float64] = relative**0.35
    return result


def _comb(
    positions: NDArray[np.float64], weights: NDArray[np.float64], origin: float, cells: int
) -> NDArray[np.float64]:
    """Return weights summed in cells along the detector, one row for each row of positions."""
    cell = np.floor((positions - origin) / CELL)
    good = np.isfinite(cell) & (cell >= 0) & (cell < cells)
    row = np.broadcast_to(np.arange(len(positions))[:, None], positions.shape)
    index = (row * cells + np.where(good, cell, 0).astype(np.intp))[good]
    values = np.broadcast_to(weights, positions.shape)[good]
    summed = np.bincount(index, values, minlength=len(positions) * cells).reshape(len(positions), cells)
    return np.asarray(summed, np.float64)


def _correlate(
    arc: NDArray[np.float64], combs: NDArray[np.float64], reach: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return lags in cells and the correlation of the arc with every comb at every lag, shape (n, lags)."""
    from scipy.fft import irfft, next_fast_len, rfft

    cells = len(arc)
    size = next_fast_len(cells + reach + 8, real=True)
    blur = np.exp(-0.5 * np.square(np.fft.rfftfreq(size) * 2 * np.pi * 1.0))
    signal = (
        np.conj(rfft(combs - combs.mean(axis=1, keepdims=True), size, axis=1)) * rfft(arc - arc.mean(), size) * blur
    )
    norm = np.sqrt(np.sum(np.square(combs), axis=1, keepdims=True)) + 1e-12
    correlation = irfft(signal, size, axis=1) / norm
    lags = np.arange(-reach, reach + 1)
    return lags, correlation[:, lags]


def _highest(
    scales: NDArray[np.float64], lags: NDArray[np.intp], correlation: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shifted scales with the highest correlations, shape (count, k), and these."""
    flat = correlation.ravel()
    order = np.argpartition(flat, -min(count, flat.size))[-count:]
    row, column = np.unravel_index(order, correlation.shape)
    return shifted(scales[row], np.asarray(lags[column] * CELL, np.float64)), flat[order]


def _apart(trials: NDArray[np.float64], pattern: Pattern, count: int) -> list[NDArray[np.float64]]:
    """Return the first trials that differ from those before them somewhere on the detector."""
    ends = np.linspace(*pattern.limits, 5)
    image = np.polynomial.polynomial.polyval(ends / UNIT, trials.T) / trials[:, 1:2] * UNIT
    chosen: list[int] = []
    for index in range(len(trials)):
        if all(np.max(np.abs(image[index] - image[other])) > APART for other in chosen):
            chosen.append(index)
        if len(chosen) == count:
            break
    return [trials[index] for index in chosen]


def shifted(scales: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return power series of wavelength for lines moved by `shift` detector pixels to the red end, shape (n, k)."""
    result = np.zeros_like(scales)
    moved = -np.asarray(shift)[:, None] / UNIT
    for power in range(scales.shape[1]):
        for lower in range(power + 1):
            result[:, lower] += comb(power, lower) * scales[:, power] * moved[:, 0] ** (power - lower)
    return result


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
    judged = _judged(pattern, coefficients, tight)
    stricter = [_judged(pattern, coefficients, share * tight).score for share in (0.6, 0.35)]
    return replace(judged, score=max(judged.score, *stricter))


def match(
    pattern: Pattern, coefficients: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs (found, known) that are each other's best partner within `tolerance` detector pixels.

    The best partner of a line found is the strongest known one within the tolerance; of a known line the nearest.
    """
    distance = _distances(pattern, coefficients)
    inside = distance <= tolerance
    value = np.where(inside, _weights(pattern.strength)[None, :] * (1 - 0.7 * distance / tolerance), 0)
    partner = value.argmax(axis=1)
    mine = np.where(value.max(axis=1) > 0, np.arange(len(distance)), -1)
    back = np.where(inside, distance, np.inf).argmin(axis=0)
    good = (mine >= 0) & (back[partner] == np.arange(len(distance)))
    return np.flatnonzero(good), partner[good]


def dispersion(coefficients: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Angstrom a detector pixel at positions."""
    slope = np.polynomial.polynomial.polyder(coefficients)
    return np.asarray(np.polynomial.polynomial.polyval(position / UNIT, slope) / UNIT, np.float64)


def _fit(
    pattern: Pattern, trial: NDArray[np.float64], found: NDArray[np.intp], known: NDArray[np.intp], degree: int
) -> NDArray[np.float64]:
    """Fit the power series to pairs, robustly, holding the higher terms near the trial where the lines do not say."""
    u = pattern.position[found] / UNIT
    start = np.zeros(degree + 1)
    start[: len(trial)] = trial[: degree + 1]
    scale = start[1] / UNIT
    design = np.vander(u, degree + 1, increasing=True) / scale
    missing = (pattern.wavelength[known] - np.polynomial.polynomial.polyval(u, start)) / scale
    allowed = np.array([30.0, 20.0, 20.0, 15.0] + [6.0] * 10)[: degree + 1] * scale
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
    pattern: Pattern,
    coefficients: NDArray[np.float64],
    tolerance: float,
) -> Identification:
    """Score a solution by the odds of its matches within `tolerance` detector pixels against chance."""
    found, known = match(pattern, coefficients, tolerance)
    distance = _distances(pattern, coefficients)
    chance = chance_of_partners(distance, pattern.strength, found, known, tolerance)
    score = odds_of_places(chance)
    score += odds_of_strengths(pattern.height[found], pattern.strength[known], pattern.ion[known])
    residual = distance[found, known]
    light = pattern.height / pattern.height.sum()
    rms = float(np.sqrt(np.mean(np.square(residual)))) if len(found) else np.inf
    return Identification(found, known, coefficients, float(score), 0.0, rms, float(light[found].sum()))


def _distances(pattern: Pattern, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of found lines from known ones in detector pixels, NaN where the scale falls."""
    wave = np.polynomial.polynomial.polyval(pattern.position / UNIT, coefficients)
    scale = dispersion(coefficients, pattern.position)
    result: NDArray[np.float64] = (
        np.abs(pattern.wavelength[None, :] - wave[:, None]) / np.where(scale > 0, scale, np.nan)[:, None]
    )
    return result


def _contradicts(one: Identification, other: Identification, pattern: Pattern) -> bool:
    """Say whether two solutions disagree by more than a line's width over most of the lines."""
    a = np.polynomial.polynomial.polyval(pattern.position / UNIT, one.coefficients)
    b = np.polynomial.polynomial.polyval(pattern.position / UNIT, other.coefficients)
    apart = np.abs(a - b) / np.abs(dispersion(other.coefficients, pattern.position))
    return bool(np.median(apart) > pattern.resolution)
