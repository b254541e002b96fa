"""Spectra of several exposures brought to the wavelengths of one of them, conserving flux."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce.flags import mask_of
from alfosc_reduce.spectra import spectrum_flags, spectrum_variance
from alfosc_reduce_longslit.resampling import edges_of, resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from specutils import Spectrum


class Stack(NamedTuple):
    """Exposures on one grid.

    Attributes
    ----------
    wavelength
        Angstrom, shape (nx,).
    flux, variance, flags
        In the unit of the spectra, shape (n, nx).
    good
        Where they may be used, shape (n, nx).
    noise_correction
        Of the exposures that were resampled, the mean square with those that were not, shape ().
    """

    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    variance: NDArray[np.float64]
    flags: NDArray[np.int16]
    good: NDArray[np.bool_]
    noise_correction: float


def stack_spectra(spectra: Sequence[Spectrum], reference: int) -> Stack:
    """Bring spectra to the wavelengths of one of them.

    Parameters
    ----------
    spectra
        All in one unit; a density (an Angstrom) or light a pixel.
    reference
        The one whose wavelengths are taken, so that it need not be resampled.
    """
    wavelength = np.asarray(spectra[reference].spectral_axis.to_value(u.AA), np.float64)
    parts = [_resampled(spectrum, wavelength) for spectrum in spectra]
    flags = np.array([part[2] for part in parts])
    variance = np.array([part[1] for part in parts])
    flux = np.array([part[0] for part in parts])
    good = ~mask_of(flags) & (variance > 0) & np.isfinite(variance)
    correction = float(np.sqrt(np.mean([part[3] ** 2 for part in parts])))
    return Stack(wavelength, flux, variance, flags, good, correction)


def _resampled(
    spectrum: Spectrum, wavelength: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16], float]:
    own = np.asarray(spectrum.spectral_axis.to_value(u.AA), np.float64)
    flux, variance = np.asarray(spectrum.flux.value, np.float64), spectrum_variance(spectrum)
    flags = spectrum_flags(spectrum)
    if len(own) == len(wavelength) and np.allclose(own, wavelength, rtol=0, atol=1e-6):
        return flux, variance, flags, 1.0
    density = u.AA in spectrum.flux.unit.bases
    width = np.diff(edges_of(own)) if density else np.ones(len(own))
    target = np.diff(edges_of(wavelength)) if density else np.ones(len(wavelength))
    positions = pixel_positions(edges_of(own), wavelength)
    found = resample(positions[None], (flux * width)[None], (variance * width**2)[None], flags[None], len(wavelength))
    return found.data[0] / target, found.variance[0] / target**2, found.flags[0], found.noise_correction


def pixel_positions(values: NDArray[np.float64], wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where `values` (Angstrom) lie among pixels centred at `wavelength`, in pixels; also beyond the ends."""
    edges = edges_of(wavelength)
    inside = np.interp(values, edges, np.arange(len(edges)) - 0.5)
    first, last = edges[1] - edges[0], edges[-1] - edges[-2]
    below, above = values < edges[0], values > edges[-1]
    inside[below] = -0.5 + (values[below] - edges[0]) / first
    inside[above] = len(edges) - 1.5 + (values[above] - edges[-1]) / last
    return np.asarray(inside, np.float64)
