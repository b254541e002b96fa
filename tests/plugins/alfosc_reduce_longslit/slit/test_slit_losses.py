"""What seeing and refraction take away at the slit, against other formulae, simulated photons and real headers."""

from __future__ import annotations

import logging
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.flux.flux import CalibrateFlux
from alfosc_reduce_longslit.products import Response
from alfosc_reduce_longslit.slit.losses import caught_light, miscentring, parallactic_angle, refraction, slit_loss
from astropy.io.fits import Header
from astropy.table import QTable
from astropy.time import Time
from specutils import SpectrumList
from stand_ins import StandIn

from alfosc_reduce import get_instrument
from alfosc_reduce.spectra import header_of, make_spectrum

WAVELENGTH = np.arange(3600, 9000, 6.0)
TIME = Time("2020-03-21T00:00:00", scale="utc")


class House(StandIn):
    """A slit of any angle on La Palma, no extinction."""

    curve = staticmethod(np.zeros_like)

    def __init__(self, angle: float | None = 0.0) -> None:
        super().__init__()
        self.angle = angle

    def slit_angle(self, header: Header) -> float | None:
        return self.angle


def meridian() -> Header:
    """A target on the meridian south of the zenith, at air mass 2: the zenith is north of it."""
    sidereal = TIME.sidereal_time("mean", longitude=-17.885 * u.deg)
    cards = {"RA": sidereal.deg, "DEC": 28.757 - 60, "DATE-AVG": TIME.isot, "AIRMASS": 2.0}
    return Header(cards | {"SLITWID": 1.0, "FWHM": 1.0, "EXPTIME": 100.0, "FILENAME": "m.fits"})


def test_refraction_as_filippenko_has_it() -> None:
    """His formula (PASP 94, 715) for 572 mm of mercury and 7 degrees Celsius, relative to 5500 Angstrom."""

    def index(wavelength: np.ndarray) -> np.ndarray:
        s = (1e4 / wavelength) ** 2
        n = 64.328 + 29498.1 / (146 - s) + 255.4 / (41 - s)
        p, t = 572.0, 7.0
        return np.asarray(n * p * (1 + (1.049 - 0.0157 * t) * 1e-6 * p) / (720.883 * (1 + 0.003661 * t)))

    for airmass in (1.2, 2.0):
        expected = 0.206265 * np.sqrt(airmass**2 - 1) * (index(WAVELENGTH) - index(np.array(5500.0)))
        np.testing.assert_allclose(refraction(WAVELENGTH, airmass, 2382.0), expected, rtol=0.02, atol=0.002)


def test_blue_light_stands_nearer_to_the_zenith() -> None:
    found = refraction(np.array([4000.0, 5500.0, 8000.0]), 1.5, 2382.0)
    assert found[0] > 0 and found[1] == 0 and found[2] < 0
    assert (refraction(WAVELENGTH, 1.0, 2382.0) == 0).all()


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.9])
def test_light_in_the_slit_as_counted_photon_by_photon(offset: float) -> None:
    rng = np.random.default_rng(3)
    landed = offset + rng.normal(0, 1.3 / 2.3548, 400_000)
    expected = np.mean(np.abs(landed) < 0.5)
    assert caught_light(np.array([5500.0]), 1.0, 1.3, offset)[0] == pytest.approx(expected, abs=0.003)


def test_where_the_star_stood_comes_back() -> None:
    light = caught_light(np.array([5500.0]), 1.0, 1.5, 0.74)[0]
    assert miscentring(float(light), 1.0, 1.5) == pytest.approx(0.74, abs=0.005)
    assert miscentring(0.99, 1.0, 1.5) is None


def test_the_parallactic_angle() -> None:
    header = meridian()
    assert parallactic_angle(header, House()) == pytest.approx(0, abs=0.5)
    header["DEC"] = 80.0
    found = parallactic_angle(header, House())
    assert found is not None and abs(found) == pytest.approx(180, abs=2)
    assert parallactic_angle(Header({"RA": 1.0}), House()) is None


def test_an_upright_slit_loses_nothing_to_refraction() -> None:
    found = slit_loss(meridian(), WAVELENGTH, 2.0, House(0.0))
    assert found is not None and found.angle == pytest.approx(0, abs=0.5)
    assert found.refracted.min() > 0.999
    across = slit_loss(meridian(), WAVELENGTH, 2.0, House(90.0))
    assert across is not None and across.refracted.min() < 0.1


def test_what_is_not_known_is_not_guessed() -> None:
    assert slit_loss(meridian(), WAVELENGTH, 2.0, House(None)) is None
    header = meridian()
    del header["FWHM"]
    assert slit_loss(header, WAVELENGTH, 2.0, House()) is None


@pytest.mark.parametrize("corrected", [False, True])
def test_refraction_is_warned_of_and_made_up_for(corrected: bool, caplog: pytest.LogCaptureFixture) -> None:
    house = House(25.0)
    loss = slit_loss(meridian(), WAVELENGTH, 2.0, house)
    assert loss is not None
    counts = 1e-14 * 1e16 * 100 * 6.0 * loss.refracted
    spectrum = make_spectrum(WAVELENGTH * u.AA, counts * u.electron, variance=counts, header=meridian())
    points, frames = QTable({"wavelength": [1.0]}), QTable({"star": ["S"], "used": [True], "scale": [1.0]})
    level = np.full(2, 1e16)
    response = Response(np.array([3500.0, 9100.0]), level, 0 * level, (3500.0, 9100.0), points, frames)
    with caplog.at_level(logging.WARNING):
        step = CalibrateFlux(refraction=corrected)
        result = step(SpectrumList([spectrum]), house, response)
    expected = 1e-14 * (1 if corrected else loss.refracted)
    np.testing.assert_allclose(result[0].flux.value, expected * np.ones(len(WAVELENGTH)), rtol=1e-6)
    assert ("off the slit" in caplog.text) is not corrected
    assert header_of(result[0])["REFRCOR"] is corrected
    quality = step.quality(result, instrument=house)
    assert quality["refraction_loss_percent"] == pytest.approx(100 * (1 - loss.refracted.min()), abs=0.01)
    assert quality["slit_from_vertical_degrees"] == pytest.approx(25, abs=0.5)


def test_real_headers_agree_with_the_rotator(testdata: Path) -> None:
    """ROTPOS is zero where a horizontal slit is upright, so it is our angle between slit and vertical."""
    from astropy.io import fits

    alfosc = get_instrument("alfosc")
    for number in ("200086", "200087", "200205", "200206"):
        header = fits.getheader(testdata / "alfosc-longslit" / f"ALDc{number}.fits.gz")
        slit, upright = alfosc.slit_angle(header), parallactic_angle(header, alfosc)
        assert slit is not None and upright is not None
        # The header's angle is that of the start, ours that of the middle: a quarter of an hour turns by a degree.
        assert (slit - upright + 90) % 180 - 90 == pytest.approx(header["ROTPOS"], abs=0.6)
