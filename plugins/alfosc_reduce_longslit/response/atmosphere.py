"""What the atmosphere does to a spectrum: extinction by air mass, and where molecules absorb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import ArrayLike, NDArray

    from alfosc_reduce.instrument import Instrument

MOLECULAR_BANDS = (
    ("O2", 6270.0, 6340.0),
    ("O2", 6860.0, 6965.0),
    ("H2O", 7155.0, 7345.0),
    ("O2", 7585.0, 7715.0),
    ("H2O", 8125.0, 8345.0),
    ("H2O", 8920.0, 9850.0),
)
"""Molecule, first and last wavelength (Angstrom, vacuum) of the bands of O2 (gamma, B, A) and H2O deeper than a percent
at moderate resolution."""

TELLURIC_BANDS = tuple((low, high) for _, low, high in MOLECULAR_BANDS)
"""First and last wavelength of `MOLECULAR_BANDS`."""

BALMER_LINES = ((6564.6, 30.0), (4862.7, 30.0), (4341.7, 30.0), (4102.9, 20.0), (3971.2, 20.0), (3890.2, 20.0))
"""H alpha to H 8, Angstrom, vacuum, and the half width of what is masked around each: the wings at some 15 Angstrom
resolution.

The bins of photoelectric tables are no boxes: at H gamma in HD 84937 a bin whose nominal edge is 21 Angstrom from the
line is 4 % lower in the table than two exposures have it. From H delta on the lines are so close that masks as wide
would leave no bin to hold the curve from 3860 to 4180 Angstrom, and it went wrong there by 4 %."""


def transmission(wavelength: ArrayLike, airmass: float, instrument: Instrument) -> NDArray[np.float64]:
    """Return the part of the light that the atmosphere lets through (extinction without molecular bands).

    Parameters
    ----------
    wavelength
        Angstrom, any shape. Beyond its ends the site's extinction curve is held constant.
    airmass
        At the middle of the exposure.
    instrument
        Knows its site's extinction in magnitudes an air mass.
    """
    table = instrument.extinction()
    curve = u.Quantity(table["wavelength"], u.AA).value
    magnitudes = u.Quantity(table["extinction"]).value
    result: NDArray[np.float64] = 10 ** (-0.4 * airmass * np.interp(np.asarray(wavelength), curve, magnitudes))
    return result


def airmass_of(header: Header, instrument: Instrument) -> float:
    """Return the air mass at the middle of an exposure, from the header or else from pointing, site and time.

    Raises
    ------
    DataError
        If it cannot be worked out.
    """
    value = header.get("AIRMASS")
    if isinstance(value, int | float) and 1 <= value < 40:
        return float(value)
    name = header.get("FILENAME", header.get("OBJECT", "a frame"))
    if value is not None or "DATE-AVG" not in header:
        raise DataError(f"{name}: no usable air mass (AIRMASS = {value!r}); put it into the header")
    return _computed_airmass(header, instrument)


def _computed_airmass(header: Header, instrument: Instrument) -> float:
    from astropy.coordinates import AltAz
    from astropy.time import Time
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False):
        time = Time(header["DATE-AVG"], scale="utc", location=instrument.site())
        place = instrument.pointing(header).transform_to(AltAz(obstime=time, location=instrument.site()))
    if place.alt.deg < 5:
        raise DataError(f"{header.get('FILENAME', 'a frame')}: the target is {place.alt.deg:.0f} deg above the horizon")
    return float(place.secz)


def inside(low: ArrayLike, high: ArrayLike, regions: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Return which of the intervals `low` ... `high` (Angstrom) touch one of `regions` (same shape)."""
    lows, highs = np.asarray(low), np.asarray(high)
    touched = np.zeros(lows.shape, bool)
    for first, last in regions:
        touched |= (highs > first) & (lows < last)
    return touched


def balmer_regions() -> tuple[tuple[float, float], ...]:
    """Return the intervals masked around the Balmer lines, Angstrom."""
    return tuple((line - half, line + half) for line, half in BALMER_LINES)
