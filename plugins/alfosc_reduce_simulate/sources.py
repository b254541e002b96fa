"""Stars and quasars: their spectra, their images in the seeing, and what of them passes the slit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

REFERENCE = 5000.0
"""Wavelength in Angstrom at which the seeing is given; it varies with the power -0.2."""
_LINES = (
    (1215.67, 60.0, 14.0), (1549.06, 30.0, 14.0), (1908.73, 22.0, 20.0), (2798.75, 30.0, 20.0), (4341.68, 25.0, 22.0),
    (4862.68, 50.0, 22.0), (4960.30, 7.0, 4.0), (5008.24, 20.0, 4.0), (6564.61, 190.0, 26.0),
)  # fmt: skip


@dataclass(frozen=True)
class SourceSpectrum:
    """A spectrum above the atmosphere.

    Attributes
    ----------
    wavelength
        Vacuum, barycentric, Angstrom, rising, shape (n,).
    flux
        erg / (s cm2 Angstrom), shape (n,).
    """

    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]

    def __call__(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return the flux at barycentric vacuum wavelengths; 0 outside the table."""
        flux: NDArray[np.float64] = np.interp(np.asarray(wavelength), self.wavelength, self.flux, left=0.0, right=0.0)
        return flux


def power_law(flux: float, index: float = -1.0) -> SourceSpectrum:
    """Return a spectrum of given flux at 5500 Angstrom (erg / (s cm2 Angstrom)) and power of the wavelength."""
    wavelength = np.arange(2500.0, 12000.0, 5.0)
    return SourceSpectrum(wavelength, flux * (wavelength / 5500) ** index)


def quasar(flux: float, redshift: float, index: float = -1.4) -> SourceSpectrum:
    """Return a power law with broad emission lines, a damped absorber, and absorption lines blueward of Lyman alpha.

    Parameters
    ----------
    flux
        Of the continuum at 5500 Angstrom, erg / (s cm2 Angstrom).
    redshift
        Of the lines.
    index
        Of the continuum in wavelength.
    """
    wavelength = np.arange(2500.0, 12000.0, 0.5)
    rest = wavelength / (1 + redshift)
    relative = (wavelength / 5500) ** index
    lines = sum(
        width / (2.507 * sigma) * np.exp(-0.5 * ((rest - place) / sigma) ** 2) for place, width, sigma in _LINES
    )
    forest = np.where(rest < 1215.67, 0.85 + 0.15 * np.sin(wavelength / 9.0) * np.cos(wavelength / 23.0), 1.0)
    return SourceSpectrum(wavelength, flux * relative * (1 + lines) * forest)


@dataclass(frozen=True)
class Seeing:
    """A Moffat profile with exponent 3 (its integrals have closed forms).

    Attributes
    ----------
    fwhm
        Arc seconds at 5000 Angstrom.
    """

    fwhm: float

    def core(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return the core radius in arc seconds at wavelengths in Angstrom."""
        fwhm = self.fwhm * (np.asarray(wavelength, dtype=np.float64) / REFERENCE) ** -0.2
        radius: NDArray[np.float64] = fwhm / (2 * np.sqrt(2 ** (1 / 3) - 1))
        return radius

    def slit_throughput(self, width: float, wavelength: ArrayLike, offset: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return the share of the light that passes a long slit.

        Parameters
        ----------
        width
            Of the slit in arc seconds.
        wavelength
            In Angstrom.
        offset
            Of the star from the middle of the slit, arc seconds.
        """
        core = self.core(wavelength)
        offset = np.asarray(offset, dtype=np.float64)
        return cumulative((width / 2 - offset) / core) - cumulative((-width / 2 - offset) / core)


def cumulative(t: ArrayLike) -> NDArray[np.float64]:
    """Return the share of a Moffat image with exponent 3 below a straight line at `t` core radii from its centre.

    Summed across one direction the image goes as ``(1 + t^2)^(-5/2)``; this is its integral.
    """
    t = np.asarray(t, dtype=np.float64)
    sine = t / np.sqrt(1 + t**2)
    share: NDArray[np.float64] = 0.5 + 0.75 * (sine - sine**3 / 3)
    return share
