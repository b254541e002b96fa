"""The lines of an arc and of its lamps as patterns, what is expected of the scale between them, and a match."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = 1000.0
"""Detector pixels in one unit of the expected dispersion relation's variable."""


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

    def dispersion(self, wavelength: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
        """Return the expected dispersion in Angstrom a detector pixel at wavelengths between two positions."""
        grid = np.linspace(*limits, 257)
        wave = self.wavelength(grid)
        part = rising_part(wave)
        return np.interp(wavelength, wave[part], dispersion(self.coefficients, grid[part]))


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

    def with_known(self, keep: NDArray[np.bool_]) -> Pattern:
        """Return the pattern with some of the known lines only."""
        return replace(self, wavelength=self.wavelength[keep], strength=self.strength[keep], ion=self.ion[keep])

    def distances(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far found lines are from known ones in detector pixels, shape (n found, n known).

        NaN where the scale falls.
        """
        wave = np.polynomial.polynomial.polyval(self.position / UNIT, coefficients)
        scale = dispersion(coefficients, self.position)
        result: NDArray[np.float64] = (
            np.abs(self.wavelength[None, :] - wave[:, None]) / np.where(scale > 0, scale, np.nan)[:, None]
        )
        return result


def dispersion(coefficients: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Angstrom a detector pixel at positions."""
    slope = np.polynomial.polynomial.polyder(coefficients)
    return np.asarray(np.polynomial.polynomial.polyval(position / UNIT, slope) / UNIT, np.float64)


def weights(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compress strengths: they differ between lamps and exposures, and strong lines saturate."""
    relative = np.clip(strength / np.max(strength, initial=1e-30), 1e-4, None)
    result: NDArray[np.float64] = relative**0.35
    return result


def rising_part(wave: NDArray[np.float64]) -> slice:
    """Return the rising stretch of `wave` around its middle."""
    falling = np.flatnonzero(np.diff(wave) <= 0)
    middle = len(wave) // 2
    first = int(falling[falling < middle].max(initial=-1)) + 1
    last = int(falling[falling >= middle].min(initial=len(wave) - 1)) + 1
    return slice(first, max(last, first + 2))
