"""Light of a star that the slit cuts off: by seeing, and by atmospheric dispersion where the slit is not upright."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import ArrayLike, NDArray

    from alfosc_reduce.instrument import Instrument

CENTRED = 5500.0
"""The star is taken to stand in the middle of the slit at this wavelength, Angstrom: acquisition and guiding see it."""

NOTEWORTHY = 0.05
"""Refraction that costs more than this part of the light anywhere, relative to `CENTRED`, is warned of."""

_SEEING_POWER = -0.2
_PRESSURE_SCALE = 8400.0
_TEMPERATURE = 280.0


@dataclass(frozen=True)
class SlitLoss:
    """What the slit lets through of a point source.

    Attributes
    ----------
    caught
        Part of the light that passes at each wavelength, the star in the middle at `CENTRED`, shape (n,).
    refracted
        The same over what would pass without refraction, shape (n,): 1 at `CENTRED`.
    angle
        Between the slit and the vertical, degrees, -90 to 90.
    """

    caught: NDArray[np.float64]
    refracted: NDArray[np.float64]
    angle: float


def slit_loss(
    header: Header, wavelength: NDArray[np.float64], airmass: float, instrument: Instrument
) -> SlitLoss | None:
    """Estimate what the slit let through of an extracted object.

    Parameters
    ----------
    header
        Of the spectrum: ``FWHM`` (arc seconds, along the slit), ``SLITWID``, pointing and ``DATE-AVG``.
    wavelength
        Vacuum, Angstrom, shape (n,).
    airmass
        At mid-exposure.
    instrument
        Knows its site and the position angle of its slit.

    Returns
    -------
    SlitLoss or None
        None if the header or the instrument does not say enough.
    """
    width, seeing = (header.get(key) for key in ("SLITWID", "FWHM"))
    if not all(isinstance(value, int | float) and value > 0 for value in (width, seeing)):
        return None
    slit = instrument.slit_angle(header)
    upright = parallactic_angle(header, instrument)
    if slit is None or upright is None:
        return None
    angle = (slit - upright + 90) % 180 - 90
    height = float(instrument.site().height.to_value(u.m))
    across = refraction(wavelength, airmass, height) * math.sin(math.radians(angle))
    straight = caught_light(wavelength, width, seeing, 0.0)
    caught = caught_light(wavelength, width, seeing, across)
    return SlitLoss(caught, caught / straight, angle)


def caught_light(
    wavelength: NDArray[np.float64], width: float, seeing: float, offset: ArrayLike
) -> NDArray[np.float64]:
    """Return the part of the light of a point source that falls into a slit.

    Parameters
    ----------
    wavelength
        Angstrom, shape (n,).
    width
        Of the slit, arc seconds.
    seeing
        Full width at half maximum at 5500 Angstrom, arc seconds; it falls with the wavelength to the power 0.2. The
        image is taken for a Gaussian: its wings lose some percent more.
    offset
        Of the star from the middle of the slit, arc seconds, scalar or shape (n,).
    """
    from scipy.special import erf

    spread = seeing * (np.asarray(wavelength) / CENTRED) ** _SEEING_POWER / 2.3548 * math.sqrt(2)
    inner, outer = (width / 2 - np.asarray(offset)) / spread, (width / 2 + np.asarray(offset)) / spread
    return np.asarray((erf(inner) + erf(outer)) / 2, np.float64)


def refraction(wavelength: NDArray[np.float64], airmass: float, height: float) -> NDArray[np.float64]:
    """Return how far towards the zenith light appears relative to that of `CENTRED`, arc seconds, shape (n,).

    Plane-parallel atmosphere (Filippenko 1982, PASP 94, 715), dry air of Ciddor 1996 at 7 degrees Celsius and the usual
    pressure at `height` metres; good to some percent for air masses below 3.
    """
    tangent = math.sqrt(max(airmass**2 - 1, 0))
    density = math.exp(-height / _PRESSURE_SCALE) * 288.15 / _TEMPERATURE
    difference = _refractivity(np.asarray(wavelength, np.float64)) - _refractivity(np.array(CENTRED))
    return np.asarray(206264.8 * tangent * density * difference, np.float64)


def _refractivity(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = (1e4 / wavelength) ** 2
    return np.asarray(0.05792105 / (238.0185 - squared) + 0.00167917 / (57.362 - squared))


def parallactic_angle(header: Header, instrument: Instrument) -> float | None:
    """Return the position angle of the zenith at the target at mid-exposure, degrees; None if the header lacks it."""
    from astropy.time import Time

    try:
        place, site = instrument.pointing(header), instrument.site()
        time = Time(header["DATE-AVG"], scale="utc")
    except (DataError, KeyError, ValueError):
        return None
    import erfa  # type: ignore[import-untyped]

    # UT1 is taken for UTC and the equinox of 2000 for that of date: a tenth of a degree.
    sidereal = math.degrees(erfa.gmst06(time.jd1, time.jd2, time.jd1, time.jd2)) + site.lon.deg
    hour_angle, declination = math.radians(sidereal - place.ra.deg), place.dec.rad
    below = math.tan(site.lat.rad) * math.cos(declination) - math.sin(declination) * math.cos(hour_angle)
    return math.degrees(math.atan2(math.sin(hour_angle), below))


def miscentring(caught: float, width: float, seeing: float) -> float | None:
    """Return how far from the middle of the slit a star stood that lost light, arc seconds.

    Parameters
    ----------
    caught
        Part of all its light that passed at `CENTRED`.
    width, seeing
        As for `caught_light`.

    Returns
    -------
    float or None
        None if even a star in the middle would not have had so much.
    """
    offsets = np.linspace(0, 3 * width + 3 * seeing, 2000)
    light = caught_light(np.full(len(offsets), CENTRED), width, seeing, offsets)
    if caught > light[0]:
        return None
    return float(np.interp(-caught, -light, offsets))
