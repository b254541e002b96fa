"""Blue light seen again in the red: simulated by the measured terms, and taken off again, judged on the truth."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.flux.flux import CalibrateFlux
from alfosc_reduce_longslit.response.response import MeasureResponse
from alfosc_reduce_simulate import Night, Readout, Source, Target, exposures, power_law, simulate_frame, standard_target
from specutils import SpectrumList

from alfosc_reduce import Flag, get_instrument
from alfosc_reduce.spectra import make_spectrum, spectrum_flags, spectrum_variance

INSTRUMENT = get_instrument("alfosc")
READOUT = Readout((1031, 1070, 1, 2102), (1, 2))
RED = (6600.0, 7500.0)
"""Angstrom; redder, molecular bands and the end of what was measured of the second order."""


def night(*, second_order: bool) -> Night:
    target = Target("RED", 150.70, 28.02, (Source(power_law(3e-15, 2.0)),), exposure=600.0)
    standard = replace(standard_target(INSTRUMENT, count=1), exposure=60.0)
    return Night((standard, target), readout=READOUT, second_order=second_order, seed=5, start="2020-03-20T22:00:00")


def extracted(of: Night, kind: str, folder) -> tuple[SpectrumList, np.ndarray, np.ndarray]:
    """Return a perfect extraction with the noise of its photons, the true flux, and what part of it the slit passed."""
    exposure = next(one for one in exposures(of) if one.kind == kind)
    frame = simulate_frame(of, exposure, INSTRUMENT)
    header = INSTRUMENT.read(frame.write(folder / f"{of.second_order}_{exposure.name}")).header
    light = frame.sources[0]
    noise = np.sqrt(np.maximum(light.electrons, 0) + 400)
    found = light.electrons + noise * np.random.default_rng(7).standard_normal(len(noise))
    inside = light.electrons > 100
    part = slice(int(np.argmax(inside)), len(inside) - int(np.argmax(inside[::-1])))
    spectrum = make_spectrum(
        light.wavelength[part] * u.AA, found[part] * u.electron, variance=noise[part] ** 2, header=header
    )
    return SpectrumList([spectrum]), light.flux[part], light.throughput[part]


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    folder = tmp_path_factory.mktemp("second_order")
    return {
        order: {kind: extracted(night(second_order=order), kind, folder) for kind in ("standard", "object")}
        for order in (False, True)
    }


def judged(light, *, subtract: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return flux over truth, and the pull, of the target in the red."""
    of = light[True]
    response = MeasureResponse(second_order=subtract)([of["standard"][0]], INSTRUMENT)
    result = CalibrateFlux()(of["object"][0], INSTRUMENT, response)[0]
    wavelength = result.spectral_axis.to_value(u.AA)
    red = (wavelength > RED[0]) & (wavelength < RED[1]) & ~result.mask
    for low, high in ((6840, 6960), (7150, 7350)):
        red &= (wavelength < low) | (wavelength > high)
    assert (spectrum_flags(result)[red] & Flag.SECOND_ORDER).all()
    unit = result.flux.unit.to(u.Unit("erg / (s cm2 Angstrom)"))
    star = np.interp(wavelength, of["standard"][0][0].spectral_axis.value, of["standard"][2])
    truth = of["object"][1] * of["object"][2] / star
    ratio = result.flux.value * unit / truth
    error = np.sqrt(spectrum_variance(result)) * unit / truth
    return ratio[red], (ratio[red] - 1) / error[red]


def test_the_light_is_as_strong_and_where_the_instrument_says(light):
    first, both = (light[order]["standard"][0][0] for order in (False, True))
    wavelength = first.spectral_axis.value
    size = min(len(first.flux), len(both.flux))
    second = (both.flux.value[-size:] - first.flux.value[-size:]) / np.gradient(wavelength)[-size:]
    scaled = (wavelength - 4000) / 1000
    place = wavelength * (1.9029 + 0.0613 * scaled)
    strength = (
        np.exp(-1.069 - 2.495 * scaled) * first.flux.value / np.gradient(wavelength) / np.gradient(place, wavelength)
    )
    at = wavelength[-size:]
    expected = np.interp(at, place, strength)
    there = (at > 7000) & (at < 8200)
    assert np.median(second[there] / expected[there]) == pytest.approx(1, abs=0.03)
    assert np.abs(second[at < 6000]).max() < 0.02 * second[there].max()


def test_a_red_target_is_right_only_where_the_second_order_of_its_blue_standard_is_taken_off(light):
    left, _ = judged(light, subtract=False)
    taken, pull = judged(light, subtract=True)
    assert np.median(left) < 0.97
    assert np.median(taken) == pytest.approx(1, abs=0.01)
    assert abs(np.mean(pull)) < 1
