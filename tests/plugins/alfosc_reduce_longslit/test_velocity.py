"""Air, vacuum and the barycentre, against numbers from elsewhere."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.velocity import (
    CorrectVelocity,
    air_from_vacuum,
    barycentric_velocity,
    vacuum_from_air,
)
from astropy.coordinates import EarthLocation
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st
from specutils import Spectrum, SpectrumList
from stand_ins import StandIn

from alfosc_reduce import DataError
from alfosc_reduce.spectra import header_of, make_spectrum

LA_PALMA = StandIn()


def spectrum(**cards: object) -> Spectrum:
    header = Header({"RA": 192.5209, "DEC": 28.0114, "DATE-AVG": "2020-03-21T02:30:00", "AIRORVAC": "VACUUM"})
    header.update(cards)
    wavelength = np.linspace(3500, 9500, 200) * u.AA
    return make_spectrum(wavelength, np.ones(200) * u.electron, variance=np.ones(200), header=header)


@pytest.mark.parametrize(
    ("vacuum", "air"),
    # NIST's vacuum and air wavelengths of hydrogen, helium, neon and oxygen lines.
    [(4862.683, 4861.333), (6564.614, 6562.797), (5877.249, 5875.621), (6404.018, 6402.248), (5578.887, 5577.339)],
)
def test_air_wavelengths_of_known_lines(vacuum: float, air: float) -> None:
    assert float(air_from_vacuum(vacuum)) == pytest.approx(air, abs=0.012)


@given(st.floats(2100, 25000))
def test_air_and_vacuum_are_inverse(wavelength: float) -> None:
    assert float(vacuum_from_air(air_from_vacuum(wavelength))) == pytest.approx(wavelength, rel=1e-12)


def orbital_velocity(ra: float, dec: float, date: str) -> float:
    """Velocity of the Earth towards a position in m/s, from Kepler's ellipse alone (elements of Meeus, chapter 25).

    It leaves out what planets and Moon do to the Sun and the Earth: 13 m/s each at most.
    """
    from astropy.time import Time

    centuries = (Time(date).jd - 2451545) / 36525
    anomaly = np.radians(357.52911 + 35999.05029 * centuries)
    excentricity = 0.016708634 - 0.000042037 * centuries
    equation = 1.914602 * np.sin(anomaly) + 0.019993 * np.sin(2 * anomaly) + 0.000289 * np.sin(3 * anomaly)
    sun = np.radians(280.46646 + 36000.76983 * centuries + equation)
    perihelion = np.radians(102.93735 + 1.71946 * centuries)
    speed = 29784.7 / np.sqrt(1 - excentricity**2)
    along_x = speed * (np.sin(sun) - excentricity * np.sin(perihelion))
    along_y = -speed * (np.cos(sun) - excentricity * np.cos(perihelion))
    tilt = np.radians(23.4393)
    # The equinox of date has moved by 50.29 arcsec a year since 2000; the star's coordinates have not.
    precession = np.radians(1.3972 * centuries)
    x = along_x * np.cos(precession) + along_y * np.sin(precession)
    y = -along_x * np.sin(precession) + along_y * np.cos(precession)
    right, up = np.radians([ra, dec])
    return float(
        x * np.cos(up) * np.cos(right) + y * (np.cos(tilt) * np.cos(up) * np.sin(right) + np.sin(tilt) * np.sin(up))
    )


@pytest.mark.parametrize("date", ["2020-03-21T02:30:00", "2020-08-01T00:00:00", "2020-12-24T12:00:00"])
@pytest.mark.parametrize(("ra", "dec"), [(192.5209, 28.0114), (30.0, -10.0), (270.0, 66.56)])
def test_the_velocity_of_the_orbit(date: str, ra: float, dec: float) -> None:
    pole = StandIn(EarthLocation.from_geodetic(0 * u.deg, 90 * u.deg, 0 * u.m))
    header = Header({"RA": ra, "DEC": dec, "DATE-AVG": date})
    assert barycentric_velocity(header, pole) == pytest.approx(orbital_velocity(ra, dec, date), abs=30)


def test_the_velocity_of_the_rotation() -> None:
    """Towards the eastern horizon at the equator the site moves with 465 m/s, at La Palma with 408."""
    from astropy.coordinates import AltAz, SkyCoord
    from astropy.time import Time

    time = Time("2020-03-21T02:30:00")
    east = SkyCoord(AltAz(az=90 * u.deg, alt=0 * u.deg, obstime=time, location=LA_PALMA.site())).icrs
    header = Header({"RA": east.ra.deg, "DEC": east.dec.deg, "DATE-AVG": time.isot})
    pole = StandIn(EarthLocation.from_geodetic(0 * u.deg, 90 * u.deg, 0 * u.m))
    rotation = barycentric_velocity(header, LA_PALMA) - barycentric_velocity(header, pole)
    assert rotation == pytest.approx(465.1 * np.cos(np.radians(28.757)), abs=3)


def test_wavelengths_and_header_say_the_same() -> None:
    before = spectrum()
    after = CorrectVelocity()(SpectrumList([before]), LA_PALMA)[0]
    header = header_of(after)
    ratio = after.spectral_axis.value / before.spectral_axis.value
    np.testing.assert_allclose(ratio, 1 + header["VELOSYS"] / 299_792_458.0, rtol=1e-11)
    assert (header["SPECSYS"], header["AIRORVAC"]) == ("BARYCENT", "VACUUM")
    np.testing.assert_array_equal(after.flux, before.flux)


def test_corrected_once_is_corrected_for_good() -> None:
    once = CorrectVelocity()(SpectrumList([spectrum()]), LA_PALMA)
    twice = CorrectVelocity()(once, LA_PALMA)
    np.testing.assert_array_equal(once[0].spectral_axis.value, twice[0].spectral_axis.value)
    assert header_of(twice[0])["VELOSYS"] == header_of(once[0])["VELOSYS"]


def test_air_and_back() -> None:
    air = CorrectVelocity(medium="air")(SpectrumList([spectrum()]), LA_PALMA)
    assert header_of(air[0])["AIRORVAC"] == "AIR"
    back = CorrectVelocity(medium="vacuum")(air, LA_PALMA)
    direct = CorrectVelocity()(SpectrumList([spectrum()]), LA_PALMA)
    np.testing.assert_allclose(back[0].spectral_axis.value, direct[0].spectral_axis.value, rtol=1e-12)
    assert float(air[0].spectral_axis.value[0]) < float(direct[0].spectral_axis.value[0])


def test_topocentric_on_request() -> None:
    before = spectrum(SPECSYS="TOPOCENT")
    after = CorrectVelocity(frame="topocentric")(SpectrumList([before]), LA_PALMA)[0]
    np.testing.assert_array_equal(after.spectral_axis.value, before.spectral_axis.value)
    assert header_of(after)["SPECSYS"] == "TOPOCENT"


@pytest.mark.parametrize("missing", ["RA", "DATE-AVG"])
def test_without_pointing_or_time_it_stays_topocentric(missing: str, caplog: pytest.LogCaptureFixture) -> None:
    before = spectrum()
    del before.meta["header"][missing]
    with caplog.at_level(logging.WARNING):
        after = CorrectVelocity()(SpectrumList([before]), LA_PALMA)[0]
    assert "stay topocentric" in caplog.text
    assert header_of(after)["SPECSYS"] == "TOPOCENT"
    np.testing.assert_array_equal(after.spectral_axis.value, before.spectral_axis.value)


def test_a_malformed_date_is_named() -> None:
    with pytest.raises(DataError, match="DATE-AVG is no date"):
        barycentric_velocity(Header({"RA": 1.0, "DEC": 1.0, "DATE-AVG": "yesterday"}), LA_PALMA)


def test_one_spectrum_in_a_notebook_and_its_numbers() -> None:
    step = CorrectVelocity()
    after = step(spectrum(), LA_PALMA)  # type: ignore[arg-type]
    assert isinstance(after, Spectrum)
    quality = step.quality(after)
    assert quality["frame"] == "BARYCENT"
    assert abs(float(quality["velocity_km_s"])) < 31  # type: ignore[arg-type]
    assert [name for name, _ in step.figures(after)] == ["final_spectrum"]
    assert step.quality(SpectrumList([])) == {}
