"""One number for the night's extinction, from standards at several air masses."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.flux.flux import CalibrateFlux
from alfosc_reduce_longslit.response.points import FLUX_DENSITY
from alfosc_reduce_longslit.response.response import MeasureResponse
from astropy.io.fits import Header
from astropy.table import QTable
from specutils import SpectrumList
from stand_ins import StandIn

from alfosc_reduce import DataError
from alfosc_reduce.instrument import StandardStar
from alfosc_reduce.spectra import make_spectrum

WAVELENGTH = 3400 + 6.6 * np.arange(850)


def curve(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(0.08 + 0.3 * (4000 / wavelength) ** 4)


def star(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(2e-12 * (wavelength / 5000) ** -2.5)


def sensitivity(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(3e14 * np.exp(-0.5 * ((wavelength - 5600) / 1500) ** 2))


class House(StandIn):
    """A smooth star, a site's curve."""

    curve = staticmethod(curve)

    def __init__(self) -> None:
        super().__init__()
        centre = np.arange(3420, 8950, 60.0)
        flux = np.array([star(c + np.linspace(-20, 20, 41)).mean() for c in centre]) * FLUX_DENSITY
        self.table = QTable({"wavelength": centre * u.AA, "flux": flux, "width": np.full(len(centre), 40.0) * u.AA})

    def standard(self, header: Header) -> StandardStar:
        if header["OBJECT"] != "STAR":
            raise DataError("no standard")
        return StandardStar("STAR", self.table)


def observed(airmass: float, scale: float, seed: int = 0, light: float = 1.0, tilt: float = 0.0) -> SpectrumList:
    through = light * 10 ** (-0.4 * airmass * scale * curve(WAVELENGTH)) * np.exp(tilt * (WAVELENGTH - 6000) / 3000)
    counts = star(WAVELENGTH) * sensitivity(WAVELENGTH) * through * 20 * 6.6
    data = counts + np.random.default_rng(seed).normal(0, np.sqrt(counts + 30))
    cards = {"OBJECT": "STAR", "EXPTIME": 20.0, "AIRMASS": airmass, "FILENAME": f"x{airmass}.fits"}
    return SpectrumList(
        [make_spectrum(WAVELENGTH * u.AA, data * u.electron, variance=counts + 30, header=Header(cards))]
    )


@pytest.mark.parametrize("scale", [0.85, 1.0, 1.3])
def test_the_factor_comes_back(scale: float) -> None:
    frames = [observed(airmass, scale, seed) for seed, airmass in enumerate((1.05, 1.4, 1.9))]
    step = MeasureResponse(fit_extinction=True)
    response = step(frames, House())
    assert step.quality(response)["extinction_scale"] == pytest.approx(scale, abs=0.03)
    inside = (response.wavelength > 3600) & (response.wavelength < 8600)
    ratio = response.response[inside] / sensitivity(response.wavelength[inside])
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.01)
    assert ratio.mean() == pytest.approx(1, abs=0.015)


def test_a_target_at_another_air_mass_is_right_with_it_and_wrong_without() -> None:
    frames = [observed(airmass, 1.3, seed) for seed, airmass in enumerate((1.05, 1.9))]
    target, blue = observed(2.2, 1.3, 7)[0], np.abs(WAVELENGTH - 4300) < 200
    found = {}
    for fit in (True, False):
        response = MeasureResponse(fit_extinction=fit)(frames, House())
        result = CalibrateFlux(telluric=False)(target, House(), response)  # type: ignore[arg-type]
        found[fit] = float(np.median((result.flux.value / star(WAVELENGTH))[blue]))
    assert found[True] == pytest.approx(1, abs=0.02)
    assert found[False] < 0.95


def test_one_air_mass_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    frames = [observed(1.2, 1.3), observed(1.3, 1.3, 1)]
    with caplog.at_level(logging.WARNING):
        response = MeasureResponse(fit_extinction=True)(frames, House())
    assert "do not tell the extinction" in caplog.text
    assert response.points.meta["extinction_scale"] == 1.0


def test_frames_that_lost_light_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    frames = [observed(1.05, 1.0), observed(1.9, 1.0, 1, light=0.5, tilt=0.2)]
    with caplog.at_level(logging.WARNING):
        response = MeasureResponse(fit_extinction=True)(frames, House())
    assert response.points.meta["extinction_scale"] == 1.0
