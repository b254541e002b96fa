"""The velocity frame and the medium of wavelengths: barycentric or topocentric, vacuum or air."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance
from alfosc_reduce.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray
    from specutils import Spectrum, SpectrumList

    from alfosc_reduce.instrument import Instrument

_log = logging.getLogger(__name__)

SPEED_OF_LIGHT = 299_792_458.0
"""m / s."""


class CorrectVelocity(Step):
    """Give wavelengths as the barycentre of the solar system sees them, in vacuum or air.

    Wavelengths are multiplied by one factor, so nothing is resampled; flux densities are left as they were measured.
    The header says the medium (``AIRORVAC``), the frame (``SPECSYS``), and the velocity of the observatory towards
    the target that was corrected for (``VELOSYS``, m/s).
    """

    medium: Literal["vacuum", "air"] = "vacuum"
    """Wavelengths in vacuum or in standard air."""

    frame: Literal["barycentric", "topocentric"] = "barycentric"
    """Wavelengths as seen from the barycentre of the solar system, or from the telescope as measured."""

    def __call__(self, spectra: SpectrumList, instrument: Instrument) -> SpectrumList:
        """Return the spectra with corrected wavelengths; for a single ``Spectrum``, one."""
        if type(spectra).__name__ == "Spectrum":
            return self._corrected(spectra, instrument)
        return type(spectra)([self._corrected(spectrum, instrument) for spectrum in spectra])

    def _corrected(self, spectrum: Spectrum, instrument: Instrument) -> Spectrum:
        header = header_of(spectrum)
        wavelength = np.asarray(spectrum.spectral_axis.to_value(u.AA), dtype=np.float64)
        if header.get("AIRORVAC") == "AIR":
            wavelength = vacuum_from_air(wavelength)
        if self.frame == "barycentric" and header.get("SPECSYS") != "BARYCENT":
            wavelength = wavelength * self._factor(header, instrument)
        if self.medium == "air":
            wavelength = air_from_vacuum(wavelength)
        header["AIRORVAC"] = ("AIR" if self.medium == "air" else "VACUUM", "medium of the wavelengths")
        return make_spectrum(
            wavelength * u.AA,
            spectrum.flux,
            variance=spectrum_variance(spectrum),
            header=header,
            flags=spectrum_flags(spectrum),
            columns=columns_of(spectrum),
        )

    def _factor(self, header: Header, instrument: Instrument) -> float:
        """Return what to multiply wavelengths with and say in `header` what was done."""
        try:
            velocity = barycentric_velocity(header, instrument)
        except DataError as error:
            _log.warning("Wavelengths stay topocentric: %s", error)
            header["SPECSYS"] = ("TOPOCENT", "frame of the wavelengths")
            return 1.0
        header["SPECSYS"] = ("BARYCENT", "frame of the wavelengths")
        header["VELOSYS"] = (round(velocity, 3), "m/s, observatory towards the target, corrected")
        return 1.0 + velocity / SPEED_OF_LIGHT

    def quality(self, result: SpectrumList, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return frame, medium and the velocity that was corrected for."""
        members = [result] if type(result).__name__ == "Spectrum" else list(result)
        if not members:
            return {}
        header = header_of(members[0])
        velocity = header.get("VELOSYS")
        return {
            "frame": str(header.get("SPECSYS", "")),
            "medium": str(header.get("AIRORVAC", "")),
            "velocity_km_s": None if velocity is None else float(velocity) / 1000,
        }

    def figures(self, result: SpectrumList, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the brightest spectrum, as it will be used."""
        from alfosc_reduce_longslit.flux.figures import spectrum_figure

        members = [result] if type(result).__name__ == "Spectrum" else list(result)
        if members:
            yield "final_spectrum", spectrum_figure(members[0])


def barycentric_velocity(header: Header, instrument: Instrument) -> float:
    """Return the velocity of the observatory towards the target at mid-exposure, relative to the barycentre, in m/s.

    With it the barycentric wavelength is ``measured * (1 + velocity / c)``. Works without network: Earth rotation from
    the tables that come with astropy, good to 1 m/s.

    Raises
    ------
    DataError
        If time, site or pointing are not known.
    """
    if "DATE-AVG" not in header:
        raise DataError(f"{header.get('FILENAME', 'a frame')}: no DATE-AVG in the header")
    target, site = instrument.pointing(header), instrument.site()
    from astropy.time import Time
    from astropy.utils import iers

    try:
        time = Time(str(header["DATE-AVG"]).rstrip("Z"), scale="utc")
    except ValueError as error:
        raise DataError(f"{header.get('FILENAME', 'a frame')}: DATE-AVG is no date ({error})") from error
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        velocity = target.radial_velocity_correction(kind="barycentric", obstime=time, location=site)
    return float(velocity.to_value(u.m / u.s))


def air_from_vacuum(wavelength: ArrayLike) -> NDArray[np.float64]:
    """Return wavelengths in standard air (Angstrom, any shape) for those in vacuum.

    The refractive index of Ciddor (1996, Applied Optics 35, 1566) for dry air at 15 C, 1013.25 hPa, 450 ppm CO2; below
    2000 Angstrom, by convention, wavelengths are left in vacuum.
    """
    vacuum = np.asarray(wavelength, dtype=np.float64)
    return np.where(vacuum >= 2000, vacuum / _refractive_index(vacuum), vacuum)


def vacuum_from_air(wavelength: ArrayLike) -> NDArray[np.float64]:
    """Return wavelengths in vacuum (Angstrom, any shape) for those in air: the inverse of `air_from_vacuum`."""
    air = np.asarray(wavelength, dtype=np.float64)
    vacuum = air
    # The index changes so slowly that each turn gains five digits.
    for _ in range(3):
        vacuum = air * _refractive_index(vacuum)
    return np.where(vacuum >= 2000, vacuum, air)


def _refractive_index(vacuum: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = (1e4 / vacuum) ** 2
    return 1 + 0.05792105 / (238.0185 - squared) + 0.00167917 / (57.362 - squared)
