"""From the offsets of night-sky lines to a shift, or a shift and a slope, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.night_sky.windows import Offsets

WORST = 0.15
"""Offsets known worse than this, in pixels, are not used."""
ENOUGH = 0.03
"""A correction that is not known to this, in pixels, everywhere between its lines, is not made."""
FLOOR = 0.015
"""Least error of an offset in pixels, from the lines' strengths and the arc."""
REJECT = 3.5
STRAY = 4.0
"""Times the usual deviation, beside its own error, from which a window does not count for the scatter."""
SINGLE = ("OI",)
"""Systems of lines that stand alone: what bands scatter, because lines in them are listed wrongly, is not theirs."""
FEWEST = (2, 5)
"""Offsets needed for a shift, and for a shift and a slope."""
SPAN = 0.15
"""Least range of the lines for a slope, relative to their mean wavelength."""
UNIT = 1000.0
CONTRADICTION = 0.05
"""Scatter in pixels beyond their errors with which lines contradict each other, and say nothing, if it is real: faint
lines scatter by more without meaning it."""
PROVEN = 1.0
"""By how many standard deviations of their chi squared residuals must exceed their errors to prove a scatter."""
GAIN = 9.0
"""By how much a further term must lower the sum of squared pulls of lines that it did not know: three standard errors.

With two, one exposure in thirty whose lines lay where the arc put them was moved, by up to 0.09 pixels."""
MEANT = 3.0
"""A shift larger than so many of its errors that is not applied (one system of lines only) is not called agreement."""
TILTED = (3.0, 0.01)
"""A tilt is taken that is larger than so many of its errors, and known to so many pixels."""


@dataclass(frozen=True)
class Drift:
    """By how much lines lie to the red of where the arc puts them, in pixels, against wavelength.

    Attributes
    ----------
    coefficients
        Shift in pixels at `reference`, then its change in pixels in 1000 Angstrom, if it has one; empty if nothing can
        be said.
    covariance
        Of the coefficients.
    reference
        Angstrom.
    scatter
        Error of a single offset beyond its own, in pixels.
    used
        Which offsets took part, shape (n,).
    left_out
        Offsets less those expected without the whole system they belong to, in pixels, shape (n,).
    agrees
        True if the lines were good enough and lie where the arc puts them, so that nothing is to be done.
    tilt, tilt_error
        How much further to the red the last row lies than the middle of the slit, in pixels, and its standard error.
    slit
        The middle row, and how many rows further the last one is.
    contradiction
        Least scatter, as `scatter`, that the residuals prove.
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    reference: float
    scatter: float
    used: NDArray[np.bool_]
    left_out: NDArray[np.float64]
    agrees: bool = False
    tilt: float = 0.0
    tilt_error: float = 0.0
    slit: tuple[float, float] = (0.0, 1.0)
    contradiction: float = 0.0

    @property
    def kind(self) -> str:
        """What was found: 'none', 'tilt', 'shift' or 'shift and slope'."""
        return ("tilt" if self.tilt else "none", "shift", "shift and slope")[len(self.coefficients)]

    def across(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how many pixels more rows lie to the red than the middle of the slit."""
        return self.tilt * (row - self.slit[0]) / self.slit[1]

    def __call__(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the offset in pixels at wavelengths; 0 if nothing was found."""
        return np.asarray(self._basis(wavelength) @ self.coefficients, np.float64)

    def error(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard error of the offset in pixels."""
        basis = self._basis(wavelength)
        result: NDArray[np.float64] = np.sqrt(np.einsum("...i,ij,...j->...", basis, self.covariance, basis))
        return result

    def _basis(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        return _basis(np.asarray(wavelength, np.float64), self.reference, len(self.coefficients))


def fit_drift(offsets: Offsets, known: NDArray[np.float64]) -> Drift:
    """Fit shift and slope where the lines support them, else the shift, else nothing.

    What is applied must be known well enough from the first to the last line, and must foretell whole systems of lines
    that did not take part clearly better than anything simpler does. Lines that contradict each other say nothing.

    Parameters
    ----------
    offsets
        Measured.
    known
        Error of the arc's wavelengths at each of them, in pixels.
    """
    error = np.sqrt(np.square(offsets.error) + np.square(known) + FLOOR**2)
    usable = np.isfinite(error) & (error < WORST)
    wave = offsets.wavelength
    reference = float(np.average(wave[usable], weights=1 / error[usable] ** 2)) if usable.any() else 0.0
    fits = [_fitted(offsets, error, usable, reference, terms) for terms in (1, 2)]
    sure = [fit for fit in fits if fit is not None and _is_sure(fit, wave[usable])]
    unused = np.zeros(len(wave), bool)
    agrees = any(abs(fit.coefficients[0]) < MEANT * np.sqrt(fit.covariance[0, 0]) for fit in sure)
    best = Drift(np.zeros(0), np.zeros((0, 0)), reference, 0.0, unused, offsets.offset, agrees=agrees)
    for drift in sure:
        if _surprise(drift, error) < _surprise(best, error) - GAIN:
            best = drift
    return _with_tilt(best, offsets, usable) if sure else best


def _with_tilt(drift: Drift, offsets: Offsets, usable: NDArray[np.bool_]) -> Drift:
    """Return a drift with the tilt of the lines against those of the arc, if they agree on one."""
    if len(offsets.tilt) != len(usable) or usable.sum() < FEWEST[1]:
        return drift
    error = np.hypot(offsets.tilt_error, FLOOR)
    usable = usable & (error < WORST)
    every = np.ones(len(usable), bool)
    solved, covariance, _, _ = _robust(every[:, None].astype(np.float64), offsets.tilt, error, usable, every)
    tilt, own = float(solved[0]), float(np.sqrt(covariance[0, 0]))
    if abs(tilt) < TILTED[0] * own or own > TILTED[1]:
        return drift
    return replace(drift, tilt=tilt, tilt_error=own, slit=offsets.slit)


def _is_sure(fit: Drift, wave: NDArray[np.float64]) -> bool:
    known = np.all(fit.error(np.array([wave.min(), wave.max()])) < ENOUGH)
    return bool(known) and fit.contradiction <= CONTRADICTION


def _surprise(drift: Drift, error: NDArray[np.float64]) -> float:
    """Sum of squares of what is left of offsets foretold without their system, in units of their own errors."""
    usable = np.isfinite(error) & (error < WORST)
    return float(np.sum(np.minimum(np.square(drift.left_out / error)[usable], 25.0)))


def _fitted(
    offsets: Offsets, error: NDArray[np.float64], usable: NDArray[np.bool_], reference: float, terms: int
) -> Drift | None:
    """Return the fit with so many terms, or None where there are too few lines for it."""
    wave = offsets.wavelength
    if usable.sum() < FEWEST[terms - 1] or (terms > 1 and np.ptp(wave[usable]) < SPAN * reference):
        return None
    design = _basis(wave, reference, terms)
    band = ~np.isin(offsets.name, SINGLE)
    solved, covariance, scatter, used = _robust(design, offsets.offset, error, usable, band)
    total = np.hypot(error, scatter * band)
    left_out = np.zeros(len(wave))
    for name in np.unique(offsets.name):
        mine = offsets.name == name
        without, _ = _solved(design, offsets.offset, total, used & ~mine)
        left_out[mine] = offsets.offset[mine] - design[mine] @ without
    mine = used & band
    least = _scatter((offsets.offset - design @ solved)[mine], error[mine], terms, PROVEN)
    return Drift(solved, covariance, reference, scatter, used, left_out, contradiction=least)


def _basis(wave: NDArray[np.float64], reference: float, terms: int) -> NDArray[np.float64]:
    powers = np.arange(terms)
    return np.asarray(((wave[..., None] - reference) / UNIT) ** powers, np.float64)


def _robust(
    design: NDArray[np.float64],
    values: NDArray[np.float64],
    error: NDArray[np.float64],
    usable: NDArray[np.bool_],
    scattered: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, NDArray[np.bool_]]:
    """Fit with the scatter that the residuals ask for, leaving out offsets that no scatter explains."""
    used, scatter = usable.copy(), 0.0
    for _ in range(8):
        solved, _ = _solved(design, values, np.hypot(error, scatter * scattered), used)
        residual = values - design @ solved
        # One window that went astray must not look like a scatter of all.
        near = used & scattered & (np.abs(residual) < STRAY * 1.4826 * np.median(np.abs(residual[used])) + error)
        scatter = _scatter(residual[near], error[near], design.shape[1])
        used = usable & (np.abs(residual) < REJECT * np.hypot(error, scatter * scattered))
        if used.sum() < max(design.shape[1] + 1, 0.7 * usable.sum()):
            used = usable.copy()
    solved, covariance = _solved(design, values, np.hypot(error, scatter * scattered), used)
    return solved, covariance, scatter, used


def _scatter(residual: NDArray[np.float64], error: NDArray[np.float64], terms: int, doubt: float = 0.0) -> float:
    """Return the additional scatter with which residuals are as large as they should be, in pixels.

    With `doubt`, as large as they may be by so many standard deviations of chi squared.
    """
    freedom = max(len(residual) - terms, 1)
    limit = freedom + doubt * np.sqrt(2 * freedom)
    trial = np.linspace(0, 0.3, 301)
    chi = np.sum(np.square(residual) / (np.square(error) + np.square(trial)[:, None]), axis=1)
    return float(trial[np.argmax(chi <= limit)]) if np.any(chi <= limit) else float(trial[-1])


def _solved(
    design: NDArray[np.float64], values: NDArray[np.float64], error: NDArray[np.float64], used: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weighted = design[used] / error[used][:, None]
    covariance = np.asarray(np.linalg.pinv(weighted.T @ weighted), np.float64)
    return covariance @ (weighted.T @ (values[used] / error[used])), covariance
