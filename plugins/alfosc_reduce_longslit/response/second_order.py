"""Second-order light: the blue part of an object's spectrum, seen again on top of its red part.

Where an instrument has measured where a grism puts this light and how strong it is, the object's own blue light says
how much of its red light is not red.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance
from alfosc_reduce_longslit.resampling import edges_of
from alfosc_reduce_longslit.response.atmosphere import TELLURIC_BANDS, inside

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray
    from specutils import Spectrum

    from alfosc_reduce.instrument import Disperser, Instrument

STRENGTH_ERROR = 0.1
"""Relative error of the strength of the second order."""

_BLUEST = 3500.0


class SecondOrder(NamedTuple):
    """Second-order light at each wavelength and its variance, in the units of the spectrum; shape (..., n)."""

    light: NDArray[np.float64]
    variance: NDArray[np.float64]


def grism_of(header: Header, instrument: Instrument) -> Disperser | None:
    """Return the grism in the beam, or None if the instrument does not know it."""
    try:
        return instrument.disperser(header)
    except DataError:
        return None


def second_order_flags(wavelength: NDArray[np.float64], grism: Disperser | None) -> NDArray[np.int16]:
    """Return ``SECOND_ORDER`` beyond the wavelength where it sets in, shape (n,)."""
    if grism is None or grism.second_order is None:
        return np.zeros(len(wavelength), np.int16)
    return np.where(wavelength > grism.second_order, int(Flag.SECOND_ORDER), 0).astype(np.int16)


def second_order(
    wavelength: NDArray[np.float64],
    density: NDArray[np.float64],
    variance: NDArray[np.float64],
    grism: Disperser | None,
) -> SecondOrder | None:
    """Estimate the second-order light in spectra from their own blue parts.

    Parameters
    ----------
    wavelength
        Vacuum, Angstrom, shape (n,).
    density, variance
        Electrons an Angstrom and their variances, shape (..., n).
    grism
        Says where the light falls (`Disperser.second_order_place`) and how strong it is.

    Returns
    -------
    SecondOrder or None
        None if the grism's second order was not measured, or does not fall on these wavelengths. The variance holds
        the noise of the blue light and `STRENGTH_ERROR`.
    """
    if grism is None or grism.second_order is None or not grism.second_order_place:
        return None
    blue = np.arange(wavelength[0], wavelength[-1] / 1.5, 5.0)
    place = blue * _series(grism.second_order_place, blue)
    source = np.interp(wavelength, place, blue, left=np.nan, right=np.nan)
    there = np.isfinite(source) & (wavelength > grism.second_order)
    if there.sum() < 2:
        return None
    source = np.where(there, source, wavelength[0])
    strength = np.exp(_series(grism.second_order_strength, np.maximum(source, _BLUEST)))
    share = np.where(there, strength * np.interp(wavelength, place, np.gradient(blue, place)), 0)
    index, part = _between(wavelength, source)
    light = share * ((1 - part) * density[..., index] + part * density[..., index + 1])
    noise = share**2 * ((1 - part) ** 2 * variance[..., index] + part**2 * variance[..., index + 1])
    return SecondOrder(light, noise + (STRENGTH_ERROR * light) ** 2)


def without_second_order(spectrum: Spectrum, instrument: Instrument) -> Spectrum:
    """Return a spectrum in electrons a pixel without its second-order light; the same one if nothing is known of it.

    Masked pixels of the blue part are bridged. The boxcar flux, if there is one, loses as much.
    """
    found = estimate(spectrum, instrument)
    if found is None:
        return spectrum
    width = np.diff(edges_of(spectrum.spectral_axis.to_value(u.AA)))
    taken = found.light * width * spectrum.flux.unit
    columns = columns_of(spectrum)
    if "FLUX_BOX" in columns:
        columns["FLUX_BOX"] = columns["FLUX_BOX"] - taken
    header = header_of(spectrum)
    header["ORDER2"] = (True, "second-order light subtracted")
    return make_spectrum(
        spectrum.spectral_axis.to_value(u.AA) * u.AA,
        spectrum.flux - taken,
        variance=spectrum_variance(spectrum) + found.variance * width**2,
        header=header,
        flags=spectrum_flags(spectrum),
        columns=columns,
    )


def estimate(spectrum: Spectrum, instrument: Instrument) -> SecondOrder | None:
    """Return the second-order light of a spectrum in electrons a pixel, as electrons an Angstrom; None if not known."""
    wavelength = np.asarray(spectrum.spectral_axis.to_value(u.AA), np.float64)
    width = np.diff(edges_of(wavelength))
    good = ~np.asarray(spectrum.mask, bool) if spectrum.mask is not None else np.ones(len(wavelength), bool)
    if good.sum() < 2:
        return None
    density = np.interp(wavelength, wavelength[good], (spectrum.flux.value / width)[good])
    variance = np.interp(wavelength, wavelength[good], (spectrum_variance(spectrum) / width**2)[good])
    return second_order(wavelength, density, variance, grism_of(header_of(spectrum), instrument))


def strongest_part(spectrum: Spectrum, instrument: Instrument) -> float | None:
    """Return the largest part of a spectrum's light, outside molecular bands, that is second order; None if unknown."""
    found = estimate(spectrum, instrument)
    if found is None:
        return None
    from scipy.ndimage import median_filter

    wavelength = np.asarray(spectrum.spectral_axis.to_value(u.AA), np.float64)
    width = np.diff(edges_of(wavelength))
    light = median_filter(spectrum.flux.value / width, 21, mode="nearest")
    error = median_filter(np.sqrt(spectrum_variance(spectrum)) / width, 21, mode="nearest")
    clear = (light > 3 * error) & (found.light > 0) & ~inside(wavelength, wavelength, TELLURIC_BANDS)
    return float(np.max(median_filter(found.light, 21, mode="nearest")[clear] / light[clear])) if clear.any() else None


def _series(terms: tuple[float, ...], wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.polynomial.polynomial.polyval((wavelength - 4000) / 1000, terms), np.float64)


def _between(x: NDArray[np.float64], at: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the index of the value of `x` before each of `at`, and what part of the way to the next it lies."""
    index = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    return index, np.asarray((at - x[index]) / (x[index + 1] - x[index]))
