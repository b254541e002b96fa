"""Where a wavelength falls on the detector: a grism between two lenses, and lines that are tilted and curved.

Coordinates: `p` runs along the dispersion with rising wavelength and `s` along the slit, both in unbinned pixels from
the middle of the exposed detector. `r` is `p` carried along the curved line to the middle of the slit: one wavelength
has one `r`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from alfosc_reduce.instrument import Disperser

CAMERA = 9800.0
"""Focal length of the camera in pixels of 15 micrometres (147 mm)."""
TILT = -4.8e-4
"""Pixels along the dispersion a pixel along the slit; with `TWIST` the tilts of the real arcs."""
TWIST = 8.8e-7
"""Change of the tilt a pixel along the dispersion."""
CURVATURE = 1.4e-6
"""Pixels along the dispersion a squared pixel along the slit."""
DISTORTION = (2.5e-9, -9e-16)
"""Third and fifth power of the camera's distortion along the dispersion."""
SHORTEST = 1000.0
"""Angstrom; below, where coarse grisms have no light, wavelengths fall ever slower and stay positive."""
STEEPEST = 0.6
"""Sine of the steepest prism; what disperses more is a volume-phase holographic grating."""
SECOND_ORDER = 1.8977
"""Where second-order light appears, over its wavelength: He 3889.75 at 7381.5 Angstrom, as measured with grism 4."""


@dataclass(frozen=True)
class Dispersion:
    """The relation of one grism.

    The instrument's power series where it has one, with the higher terms of the grism equation; else that equation.

    Attributes
    ----------
    disperser
        What the instrument says of the grism.
    origin
        `r` of the pixel from which the instrument's power series counts.
    shift, stretch
        Flexure: pixels at the middle, and more at the last pixel.
    """

    disperser: Disperser
    origin: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0

    def wavelength(self, r: ArrayLike) -> NDArray[np.float64]:
        """Return the vacuum wavelength in Angstrom at `r`."""
        rigid = np.asarray(r, dtype=np.float64) * (1 - self.stretch / 1000) - self.shift
        found: NDArray[np.float64] = self._splines[0](rigid)
        return np.where(found > SHORTEST, found, SHORTEST * np.exp(np.minimum(found / SHORTEST - 1, 0)))

    def place(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return `r` of vacuum wavelengths in Angstrom."""
        rigid: NDArray[np.float64] = self._splines[1](np.asarray(wavelength, dtype=np.float64))
        return (rigid + self.shift) / (1 - self.stretch / 1000)

    @cached_property
    def _splines(self) -> tuple[Any, Any]:
        """Return wavelength against `r`, and `r` against wavelength."""
        from scipy.interpolate import CubicSpline

        r, wavelength = self._equation()
        if self.disperser.scale:
            fitted = np.polynomial.Polynomial.fit(r, wavelength, len(self.disperser.scale) - 1)
            series = np.polynomial.Polynomial(self.disperser.scale)
            wavelength = wavelength - fitted(r) + series((r - self.origin) / 1000)
        rising = np.concatenate([[True], wavelength[1:] > np.maximum.accumulate(wavelength)[:-1]])
        return CubicSpline(r[rising], wavelength[rising]), CubicSpline(wavelength[rising], r[rising])

    def _equation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return `r` and wavelength by the grism equation and the camera's distortion, over the whole detector."""
        half = 1300 * self.disperser.dispersion
        wavelength = np.linspace(max(self._middle - half, SHORTEST), self._middle + half, 3001)
        wavelength = wavelength[np.abs(self._sine(wavelength)) < 0.99]
        x = self._raw(wavelength)
        return x + DISTORTION[0] * x**3 + DISTORTION[1] * x**5, wavelength

    def _raw(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the grism equation: glass bends back what the grooves spread."""
        middle = np.array(self._middle)
        angle = np.arcsin(self._sine(wavelength)) - np.arcsin(self._sine(middle))
        place: NDArray[np.float64] = -CAMERA * np.tan(angle)
        return place

    def _sine(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        prism, spacing = self._grooves
        if prism > STEEPEST:
            return np.clip((self._middle / 2 - wavelength) / spacing, -1, 1)
        return np.clip(_index(wavelength) * prism - wavelength / spacing, -1, 1)

    @property
    def _middle(self) -> float:
        return self.disperser.scale[0] if self.disperser.scale else float(np.mean(self.disperser.wavelengths))

    @cached_property
    def _grooves(self) -> tuple[float, float]:
        """Return the sine of the prism's angle, for which the middle goes straight through, and the grooves' spacing.

        The spacing, in Angstrom, gives the table's dispersion in the middle. Where that needs too steep a prism, it is
        that of a holographic grating in symmetric (Bragg) position.
        """
        middle, bare = self._middle, CAMERA * self.disperser.dispersion
        index = _index(middle + np.array([-1.0, 0.0, 1.0]))
        glass = 1 - (index[2] - index[0]) / 2 * middle / (index[1] - 1)
        spacing, prism = bare, 0.0
        for _ in range(50):
            prism = middle / spacing / (index[1] - 1)
            spacing = bare * glass / np.sqrt(1 - min(prism, 0.9) ** 2)
        if prism > STEEPEST:
            spacing = float(np.hypot(bare, middle / 2))
        return float(prism), float(spacing)


def straight(p: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Return `r` at (p, s): the way along the dispersion that the line through it has at the middle of the slit."""
    s = np.asarray(s, dtype=np.float64)
    r: NDArray[np.float64] = (np.asarray(p) - TILT * s - CURVATURE * s**2) / (1 + TWIST * s)
    return r


def tilted(r: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Return `p` where the line at `r` crosses `s`: the inverse of `straight`."""
    s = np.asarray(s, dtype=np.float64)
    p: NDArray[np.float64] = np.asarray(r) * (1 + TWIST * s) + TILT * s + CURVATURE * s**2
    return p


def _index(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the index of a crown glass (Schott N-BK7 data sheet), below 3300 Angstrom continued as a line."""
    blue = 3300.0
    slope = (_sellmeier(np.array(blue + 1)) - _sellmeier(np.array(blue - 1))) / 2
    return _sellmeier(np.maximum(wavelength, blue)) + slope * np.minimum(np.asarray(wavelength) - blue, 0)


def _sellmeier(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    square = (np.asarray(wavelength) * 1e-4)[..., None] ** 2
    strength = np.array([1.03961212, 0.231792344, 1.01046945])
    pole = np.array([0.00600069867, 0.0200179144, 103.560653])
    index: NDArray[np.float64] = np.sqrt(1 + (strength * square / (square - pole)).sum(axis=-1))
    return index
