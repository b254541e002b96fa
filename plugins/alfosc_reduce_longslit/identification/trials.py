"""Trial scales: the line comb of the lamps on a grid of stretch and bend, compared at once with that of the arc."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.identification.pattern import UNIT, Expectation, Pattern, rising_part, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL = 2.0
"""Width of a cell of the coarse comparison, in detector pixels."""
APART = 8.0
"""Trial scales that nowhere differ by more detector pixels count as one."""
CHUNK = 600
"""Trial scales compared at once; bounds the memory."""


def best_trials(pattern: Pattern, expectation: Expectation, count: int = 40) -> list[NDArray[np.float64]]:
    """Return coefficients of the trial scales that correlate best with the arc, best first."""
    scales = _scales(expectation)
    cells = int(np.ceil((pattern.limits[1] - pattern.limits[0] + 2 * expectation.shift) / CELL)) + 8
    origin = pattern.limits[0] - expectation.shift - 4 * CELL
    arc = _comb(pattern.position[None, :], weights(pattern.height), origin, cells)
    reach = int(expectation.shift / CELL)
    best: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for part in np.array_split(scales, len(scales) // CHUNK + 1):
        combs = _comb(_positions(part, pattern), weights(pattern.strength), origin, cells)
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
    part = rising_part(wave)
    return np.interp(wanted, wave[part], grid[part], left=np.nan, right=np.nan)


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
