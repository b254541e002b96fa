"""What turns electrons into flux: exposure time, response, extinction, molecular bands; with errors and flags."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, variance_of
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance
from alfosc_reduce_longslit.rectification.axis import grid_of
from alfosc_reduce_longslit.rectification.rectification import exact_image
from alfosc_reduce_longslit.resampling import edges_of
from alfosc_reduce_longslit.response.atmosphere import TELLURIC_BANDS, airmass_of, inside, transmission
from alfosc_reduce_longslit.response.points import FLUX_DENSITY, exposure_time, frame_name
from alfosc_reduce_longslit.response.second_order import (
    grism_of,
    second_order,
    second_order_flags,
    strongest_part,
    without_second_order,
)
from alfosc_reduce_longslit.response.telluric import absorption
from alfosc_reduce_longslit.slit.losses import NOTEWORTHY, SlitLoss, slit_loss

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray
    from specutils import Spectrum

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_longslit.products import Response

_log = logging.getLogger(__name__)


class Calibration(NamedTuple):
    """What multiplies electrons an Angstrom.

    Attributes
    ----------
    factor
        erg / (s cm2 Angstrom) for one electron an Angstrom, 0 outside the calibrated range, shape (n,).
    error
        Its relative error, shape (n,).
    flags
        ``OUTSIDE_CALIBRATION`` and ``TELLURIC``, shape (n,).
    """

    factor: NDArray[np.float64]
    error: NDArray[np.float64]
    flags: NDArray[np.int16]


def calibration(
    wavelength: NDArray[np.float64], exposure: float, airmass: float, instrument: Instrument, response: Response
) -> Calibration:
    """Work out what turns electrons an Angstrom into flux.

    Parameters
    ----------
    wavelength
        Vacuum, topocentric, Angstrom, shape (n,).
    exposure
        Seconds.
    airmass
        At mid-exposure.
    instrument
        Knows the extinction.
    response
        From `MeasureResponse`.
    """
    # Half a grid step of rounding must not lose the first and last calibrated pixel.
    low, high = response.wavelengths
    outside = (wavelength < low - 1e-6) | (wavelength > high + 1e-6)
    sensitivity = np.exp(np.interp(wavelength, response.wavelength, np.log(response.response)))
    bands = absorption(response.telluric, wavelength, airmass)
    night = float(response.points.meta.get("extinction_scale", 1.0))
    through = transmission(wavelength, night * airmass, instrument) * bands.transmission
    factor = np.where(outside, 0, 1 / (exposure * sensitivity * through))
    error = np.hypot(np.interp(wavelength, response.wavelength, response.error), bands.error)
    error = np.where(outside, 0, error)
    flags = np.where(outside, int(Flag.OUTSIDE_CALIBRATION), 0).astype(np.int16)
    flags[inside(wavelength, wavelength, TELLURIC_BANDS)] |= Flag.TELLURIC
    return Calibration(factor, error, flags)


def calibrate_spectrum(
    spectrum: Spectrum, instrument: Instrument, response: Response, *, refraction: bool = False
) -> Spectrum:
    """Return one spectrum in erg / (s cm2 Angstrom).

    Parameters
    ----------
    spectrum
        In electrons a pixel against vacuum topocentric wavelength.
    instrument, response
        As for `calibration`.
    refraction
        Whether to make up for light that atmospheric dispersion moved off the slit.

    Raises
    ------
    DataError
        If it is in another unit, or its exposure time or air mass is not known.
    """
    if spectrum.flux.unit != u.electron:
        raise DataError(f"{frame_name(spectrum)}: flux calibration needs electrons, found {spectrum.flux.unit}")
    wavelength = spectrum.spectral_axis.to_value(u.AA)
    part = strongest_part(spectrum, instrument)
    if response.points.meta.get("second_order"):
        spectrum = without_second_order(spectrum, instrument)
    header = header_of(spectrum)
    airmass = airmass_of(header, instrument)
    found = calibration(wavelength, exposure_time(spectrum), airmass, instrument, response)
    factor = found.factor / np.diff(edges_of(wavelength))
    if part is not None:
        header["ORDER2MX"] = (round(part, 4), "largest part of the light in second order")
    loss = slit_loss(header, wavelength, airmass, instrument)
    if loss is not None:
        _judge(header, loss, found.factor > 0, corrected=refraction)
        factor = factor / loss.refracted if refraction else factor
    flux = spectrum.flux.value * factor
    return make_spectrum(
        wavelength * u.AA,
        flux * FLUX_DENSITY,
        variance=spectrum_variance(spectrum) * factor**2 + (flux * found.error) ** 2,
        header=_stated(header, airmass, response),
        flags=spectrum_flags(spectrum) | found.flags | second_order_flags(wavelength, grism_of(header, instrument)),
        columns=_columns(spectrum, factor, found),
    )


def _judge(header: Header, loss: SlitLoss, calibrated: NDArray[np.bool_], *, corrected: bool) -> None:
    """Put the slit losses into a header, and warn of refraction that changes the shape of the spectrum."""
    worst = 1 - float(loss.refracted[calibrated].min(initial=1.0))
    header["SLITANG"] = (round(loss.angle, 2), "[deg] slit from the vertical")
    header["SLITLOSS"] = (round(1 - float(np.median(loss.caught)), 4), "part of the light lost at the slit, estimated")
    header["REFRLOSS"] = (round(worst, 4), "most of it lost by refraction at any wavelength")
    header["REFRCOR"] = (corrected, "loss by refraction made up for")
    if worst > NOTEWORTHY and not corrected:
        _log.warning(
            "%s: atmospheric dispersion moved up to %.0f %% of the light off the slit at the ends of the spectrum "
            "(slit %.0f deg from the vertical); params.refraction = true makes up for it.",
            header.get("FILENAME", header.get("OBJECT", "a frame")), 100 * worst, loss.angle,
        )  # fmt: skip


def _columns(spectrum: Spectrum, factor: NDArray[np.float64], found: Calibration) -> dict[str, u.Quantity]:
    """Calibrate what is in electrons too; what is not (a resolution, a count) stays as it is."""
    columns = columns_of(spectrum)
    electrons = {name for name, column in columns.items() if getattr(column, "unit", None) == u.electron}
    done = {n: c.value * factor * FLUX_DENSITY if n in electrons else c for n, c in columns.items()}
    for name in electrons:
        # The error of a flux takes in the error of the response as the optimal flux's does.
        if name.startswith("ERR_") and f"FLUX_{name[4:]}" in electrons:
            extra = done[f"FLUX_{name[4:]}"].value * found.error
            done[name] = np.hypot(done[name].value, extra) * FLUX_DENSITY
    return done


def calibrate_image(image: CCDData, instrument: Instrument, response: Response) -> CCDData:
    """Return a rectified frame in erg / (s cm2 Angstrom); raises `DataError` if it is not rectified electrons."""
    name = str(image.meta.get("FILENAME", image.meta.get("OBJECT", "a frame")))
    if image.unit != u.electron / u.AA:
        raise DataError(f"{name}: flux calibration in 2D needs rectified electrons an Angstrom, found {image.unit}")
    wavelength = grid_of(image.meta, image.shape[1]).centres()
    airmass = airmass_of(image.meta, instrument)
    exposure = image.meta.get("EXPTIME")
    if not isinstance(exposure, int | float) or not exposure > 0:
        raise DataError(f"{name}: no exposure time (EXPTIME = {exposure!r}); put it into the header")
    found = calibration(wavelength, float(exposure), airmass, instrument, response)
    grism = grism_of(image.meta, instrument)
    electrons, noise = np.asarray(image.data, np.float64), variance_of(image)
    second = second_order(wavelength, electrons, noise, grism) if response.points.meta.get("second_order") else None
    if second is not None:
        electrons, noise = electrons - second.light, noise + second.variance
    flux = electrons * found.factor
    variance = noise * found.factor**2 + (flux * found.error) ** 2
    flags = flags_of(image) | found.flags | second_order_flags(wavelength, grism)
    return exact_image(
        flux, variance, flags, unit=FLUX_DENSITY.to_string(), header=_stated(image.meta, airmass, response)
    )


def _stated(header: Header, airmass: float, response: Response) -> Header:
    """Say in the header what was applied."""
    header = header.copy()
    header["FLUXCAL"] = (True, "flux calibrated")
    header["AIRMASS"] = (airmass, "air mass that the extinction was corrected for")
    header["FCALWMIN"] = (response.wavelengths[0], "first calibrated wavelength, Angstrom")
    header["FCALWMAX"] = (response.wavelengths[1], "last calibrated wavelength, Angstrom")
    stars = sorted({str(row["star"]) for row in response.frames if row["used"]})
    header["TELLCOR"] = (response.telluric is not None, "molecular absorption corrected")
    header["FCALSTAR"] = (", ".join(stars)[:60], "standard stars of the response")
    return header
