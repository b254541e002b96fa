"""Blue light that shows again in the red: flagged, estimated from the object itself, taken off with its error."""

from __future__ import annotations

import logging
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.flux.flux import CalibrateFlux, CalibrateFlux2D
from alfosc_reduce_longslit.products import Response
from alfosc_reduce_longslit.response.points import FLUX_DENSITY
from alfosc_reduce_longslit.response.response import MeasureResponse
from alfosc_reduce_longslit.response.second_order import (
    second_order,
    second_order_flags,
    strongest_part,
    without_second_order,
)
from astropy.io.fits import Header
from astropy.table import QTable
from specutils import Spectrum, SpectrumList
from stand_ins import StandIn

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import flags_of, make_image
from alfosc_reduce.instrument import Disperser, StandardStar
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance

WAVELENGTH = 3300 + 6.6 * np.arange(860)
GRISM = Disperser("G", 3.3, (3200.0, 9600.0), 6460.0, (), None, (1.9029, 0.0613), (-1.069, -2.495))


def star(wavelength: np.ndarray, slope: float) -> np.ndarray:
    """A smooth spectrum with two absorption lines in the blue."""
    lines = sum(0.4 * np.exp(-0.5 * ((wavelength - line) / 10) ** 2) for line in (3890.0, 4102.9))
    return np.asarray(2e-12 * (wavelength / 5000) ** slope * (1 - lines))


def sensitivity(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(3e14 * np.exp(-0.5 * ((wavelength - 5600) / 1500) ** 2))


def second_light(wavelength: np.ndarray, slope: float) -> np.ndarray:
    """Electrons a second and Angstrom in second order, by definition: each blue Angstrom is put where it shows."""
    fine = np.arange(3300.0, 5200.0, 0.004)
    scaled = (fine - 4000) / 1000
    place = fine * (1.9029 + 0.0613 * scaled)
    electrons = star(fine, slope) * sensitivity(fine) * np.exp(-1.069 - 2.495 * np.maximum(scaled, -0.5)) * 0.004
    edges = np.append(wavelength - 3.3, wavelength[-1] + 3.3)
    found = np.histogram(place, edges, weights=electrons)[0] / 6.6
    return np.asarray(np.where(wavelength > 6460, found, 0))


def observed(slope: float, seed: int | None = None, level: float = 1.0, second: bool = True) -> Spectrum:
    rate = star(WAVELENGTH, slope) * sensitivity(WAVELENGTH)
    counts = level * 6.6 * 100 * (rate + (second_light(WAVELENGTH, slope) if second else 0))
    variance = counts + 30
    data = counts + (0 if seed is None else np.random.default_rng(seed).normal(0, np.sqrt(variance)))
    cards = {"OBJECT": "STAR", "EXPTIME": 100.0, "AIRMASS": 1.0, "FILENAME": f"s{seed}.fits", "FRAMEKND": "standard"}
    columns = {"FLUX_BOX": data * u.electron}
    return make_spectrum(WAVELENGTH * u.AA, data * u.electron, variance=variance, header=Header(cards), columns=columns)


class House(StandIn):
    """One blue star in a sampled table, no extinction, one grism."""

    curve = staticmethod(np.zeros_like)

    def __init__(self, grism: Disperser | None = GRISM) -> None:
        super().__init__()
        self.grism = grism
        fine = np.arange(3300, 9000, 2.0)
        flux = star(fine, -3.0) * FLUX_DENSITY
        self.table = QTable({"wavelength": fine * u.AA, "flux": flux, "width": np.zeros(len(fine)) * u.AA})

    def disperser(self, header: Header) -> Disperser:
        if self.grism is None:
            raise DataError("no grism")
        return self.grism

    def standard(self, header: Header) -> StandardStar:
        return StandardStar("STAR", self.table)


def test_the_light_is_found_from_the_blue_part() -> None:
    density = star(WAVELENGTH, -2.0) * sensitivity(WAVELENGTH)
    found = second_order(WAVELENGTH, density, np.zeros_like(density), GRISM)
    assert found is not None
    truth = second_light(WAVELENGTH, -2.0)
    clear = (WAVELENGTH > 6600) & (WAVELENGTH < 8900)
    np.testing.assert_allclose(found.light[clear], truth[clear], rtol=0.02, atol=0.01 * truth.max())
    assert (found.light[WAVELENGTH < 6460] == 0).all()
    np.testing.assert_allclose(np.sqrt(found.variance[clear]), 0.1 * found.light[clear])


def test_what_is_left_is_first_order_within_its_error() -> None:
    pulls, red = [], (WAVELENGTH > 6600) & (WAVELENGTH < 8900)
    for seed in range(10):
        result = without_second_order(observed(-2.0, seed, level=1e-3), House())
        truth = observed(-2.0, level=1e-3, second=False).flux.value
        pulls.append(((result.flux.value - truth) / np.sqrt(spectrum_variance(result)))[red])
    assert np.mean(pulls) == pytest.approx(0, abs=0.05)
    assert 0.9 < np.std(pulls) < 1.03, "the error of the strength is held in reserve"
    assert header_of(result)["ORDER2"] is True
    np.testing.assert_allclose(columns_of(result)["FLUX_BOX"].value, result.flux.value)


def test_masked_blue_pixels_are_bridged() -> None:
    spectrum = observed(-2.0)
    flags, data = np.zeros(len(WAVELENGTH), np.int16), spectrum.flux.value.copy()
    flags[60:63], data[60:63] = Flag.COSMIC_RAY, 1e9
    hit = make_spectrum(
        WAVELENGTH * u.AA,
        data * u.electron,
        variance=spectrum_variance(spectrum),
        header=header_of(spectrum),
        flags=flags,
    )
    one, other = without_second_order(hit, House()), without_second_order(spectrum, House())
    red = WAVELENGTH > 6500
    np.testing.assert_allclose(one.flux.value[red], other.flux.value[red], rtol=0.01)


@pytest.mark.parametrize(
    "grism",
    [
        None,
        replace(GRISM, second_order=None),
        replace(GRISM, second_order_place=()),
        replace(GRISM, second_order=9000.0),
    ],
)
def test_nothing_is_taken_where_nothing_is_known(grism: Disperser | None) -> None:
    spectrum = observed(-2.0)
    assert without_second_order(spectrum, House(grism)) is spectrum
    assert strongest_part(spectrum, House(grism)) is None


def test_flags_begin_at_the_onset() -> None:
    flags = second_order_flags(WAVELENGTH, GRISM)
    np.testing.assert_array_equal(flags != 0, WAVELENGTH > 6460)
    assert not second_order_flags(WAVELENGTH, None).any()


def calibrated(slope: float, subtract: bool) -> np.ndarray:
    house = House()
    response = MeasureResponse(second_order=subtract)([SpectrumList([observed(-3.0, 1)])], house)
    result = CalibrateFlux(telluric=False)(observed(slope), house, response)  # type: ignore[arg-type]
    flags = spectrum_flags(result)
    assert (flags[WAVELENGTH > 6470] & Flag.SECOND_ORDER).all() and not result.mask[WAVELENGTH > 6470][:300].any()
    red = (WAVELENGTH > 7400) & (WAVELENGTH < 8700)
    return np.asarray((result.flux.value / star(WAVELENGTH, slope))[red])


def test_a_red_object_comes_out_right_with_a_blue_standard() -> None:
    assert np.median(calibrated(1.0, subtract=False)) < 0.93
    assert np.median(calibrated(1.0, subtract=True)) == pytest.approx(1, abs=0.01)


def test_it_is_said_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    with caplog.at_level(logging.INFO):
        response = MeasureResponse()([SpectrumList([observed(-3.0, 1)])], house)
    assert "second-order blue light" in caplog.text
    step = CalibrateFlux()
    quality = step.quality(step(SpectrumList([observed(-3.0)]), house, response), instrument=house)
    worst = (second_light(WAVELENGTH, -3.0) / (star(WAVELENGTH, -3.0) * sensitivity(WAVELENGTH)))[
        WAVELENGTH < 8700
    ].max()
    assert quality["second_order_percent"] == pytest.approx(100 * worst / (1 + worst), rel=0.25)
    assert quality["second_order_subtracted"] is False


def test_frames_lose_as_much_as_spectra() -> None:
    rate = star(WAVELENGTH, -2.0) * sensitivity(WAVELENGTH)
    rows = np.array([[1.0], [0.3]]) * 100 * (rate + second_light(WAVELENGTH, -2.0))
    header = Header({"EXPTIME": 100.0, "AIRMASS": 1.0, "CTYPE1": "WAVE", "CRVAL1": 3300.0, "CDELT1": 6.6})
    image = make_image(rows, unit="electron / Angstrom", variance=rows, header=header)
    wave = np.linspace(3300, 9000, 900)
    points = QTable({"wavelength": [1.0]}, meta={"second_order": True})
    frames = QTable({"star": ["S"], "used": [True], "scale": [1.0]})
    response = Response(wave, sensitivity(wave), np.zeros(900), (3300.0, 9000.0), points, frames)
    result = CalibrateFlux2D()(image, House(), response)
    red = (WAVELENGTH > 6600) & (WAVELENGTH < 8900)
    for row, light in enumerate((1.0, 0.3)):
        ratio = np.asarray(result.data)[row, red] / (light * star(WAVELENGTH, -2.0)[red])
        # Pixels of 6.6 Angstrom draw the cores of the lines, 24 wide, with straight strokes.
        np.testing.assert_allclose(ratio, 1, atol=0.02)
        assert np.std(ratio) < 0.002
    assert (flags_of(result)[:, red] & Flag.SECOND_ORDER).all()
