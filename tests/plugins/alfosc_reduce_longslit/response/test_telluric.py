"""Molecular bands: measured in a standard, scaled to another air mass, taken out of a target with an honest error."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.flux.flux import CalibrateFlux, CalibrateFlux2D
from alfosc_reduce_longslit.products import Response
from alfosc_reduce_longslit.response.atmosphere import MOLECULAR_BANDS
from alfosc_reduce_longslit.response.telluric import SATURATION, absorption, measure_telluric
from astropy.io.fits import Header
from astropy.table import QTable
from specutils import Spectrum, SpectrumList
from stand_ins import StandIn

from alfosc_reduce import Flag, load, save
from alfosc_reduce.spectra import header_of, make_spectrum, spectrum_flags, spectrum_variance

WAVELENGTH = 5000 + 7.0 * np.arange(650)
CENTRES = {6300.0: 0.03, 6890.0: 0.15, 7250.0: 0.06, 7640.0: 0.7, 8230.0: 0.07}
HOUSE = StandIn()


def true_depth(wavelength: np.ndarray, airmass: float) -> np.ndarray:
    depth = np.zeros_like(wavelength)
    for centre, strength in CENTRES.items():
        molecule = next(name for name, low, high in MOLECULAR_BANDS if low < centre < high)
        depth += strength * airmass ** SATURATION[molecule] * np.exp(-0.5 * ((wavelength - centre) / 18) ** 2)
    return depth


def sensitivity(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(3e14 * np.exp(-0.5 * ((wavelength - 5600) / 1800) ** 2))


def star(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(2e-12 * (wavelength / 5000) ** -2.5)


def response() -> Response:
    wave = np.linspace(5000, 9500, 901)
    frames = QTable({"frame": ["a"], "star": ["HD84937"], "used": [True], "scale": [1.0]})
    points = QTable({"wavelength": [6000.0]})
    return Response(wave, sensitivity(wave), np.zeros(len(wave)), (5000.0, 9500.0), points, frames)


def observed(seed: int | None, airmass: float = 1.2, level: float = 1.0, shift: float = 0.0) -> Spectrum:
    wave = WAVELENGTH + shift
    through = 10 ** (-0.4 * airmass * HOUSE.curve(wave)) * np.exp(-true_depth(wave, airmass))
    counts = level * star(wave) * sensitivity(wave) * through * 7.0 * 18
    variance = counts + 50
    data = counts + (0 if seed is None else np.random.default_rng(seed).normal(0, np.sqrt(variance)))
    header = Header({"OBJECT": "STAR", "EXPTIME": 18.0, "AIRMASS": airmass, "FILENAME": f"s{seed}.fits"})
    return make_spectrum(wave * u.AA, data * u.electron, variance=variance, header=header)


def in_bands(wavelength: np.ndarray, molecule: str = "") -> np.ndarray:
    chosen = [(low, high) for name, low, high in MOLECULAR_BANDS if name.startswith(molecule)]
    return np.any([(wavelength > low) & (wavelength < high) for low, high in chosen], axis=0)


def measured(*stars: Spectrum) -> QTable:
    found = measure_telluric(stars, HOUSE, response())
    assert found is not None
    return found


def test_the_depth_at_air_mass_one_comes_back() -> None:
    table = measured(observed(None, airmass=1.7))
    np.testing.assert_allclose(table["depth"], true_depth(np.asarray(table["wavelength"]), 1.0), atol=0.003)
    assert set(table["molecule"]) == {"O2", "H2O"}


def test_the_error_of_the_depth_is_that_of_the_noise() -> None:
    pulls = []
    for seed in range(20):
        table = measured(observed(seed, level=0.05))
        pulls.append((table["depth"] - true_depth(np.asarray(table["wavelength"]), 1.0)) / table["error"])
    assert np.std(pulls) == pytest.approx(1, abs=0.08)
    assert np.mean(pulls) == pytest.approx(0, abs=0.1)


def test_several_stars_and_other_pixels_are_averaged() -> None:
    one = measured(observed(1, level=0.05))
    four = measured(*(observed(seed, level=0.05, shift=1.7 * seed, airmass=1 + 0.3 * seed) for seed in range(4)))
    assert np.median(four["error"]) < 0.65 * np.median(one["error"])
    truth = true_depth(np.asarray(four["wavelength"]), 1.0)
    assert np.std((four["depth"] - truth) / four["error"]) < 1.15


@pytest.mark.parametrize("airmass", [1.0, 1.9])
def test_a_target_at_another_air_mass_is_corrected(airmass: float) -> None:
    found = response()
    known = Response(**{**vars(found), "telluric": measured(observed(None))})
    target = SpectrumList([observed(None, airmass=airmass, level=1e-3, shift=2.3)])
    result = CalibrateFlux()(target, HOUSE, known)[0]
    bands = in_bands(result.spectral_axis.value) & (result.spectral_axis.value < 8500)
    ratio = result.flux.value / (1e-3 * star(result.spectral_axis.value))
    np.testing.assert_allclose(ratio[bands], 1, atol=0.012)
    assert header_of(result)["TELLCOR"] is True
    assert (spectrum_flags(result)[bands] & Flag.TELLURIC).all() and not result.mask[bands].any()


def test_the_error_grows_in_the_bands_and_covers_water_that_changed() -> None:
    found = response()
    known = Response(**{**vars(found), "telluric": measured(observed(None))})
    spectrum = observed(None)
    result = CalibrateFlux()(spectrum, HOUSE, known)  # type: ignore[arg-type]
    inside = WAVELENGTH < 9490
    relative = np.sqrt(spectrum_variance(result))[inside] / result.flux.value[inside]
    noise = np.sqrt(spectrum_variance(spectrum))[inside] / spectrum.flux.value[inside]
    extra = np.sqrt(np.clip(relative**2 - noise**2, 0, None))
    water = int(np.argmin(np.abs(WAVELENGTH - 8230)))
    changed = 0.2 * CENTRES[8230.0] * 1.2**0.6
    assert extra[water] == pytest.approx(np.hypot(changed, noise[water]), rel=0.1)
    assert extra[np.abs(WAVELENGTH[inside] - 5700) < 300].max() < 1e-6


@pytest.mark.parametrize(("power", "airmass"), [(0.52, 2.4), (0.66, 1.0)])
def test_the_error_covers_bands_that_grow_otherwise_with_air_mass(power: float, airmass: float, tmp_path) -> None:
    """By the physics of lines, bands of O2 grow with powers from 0.52 to 0.6; the error knows, out of a file too."""
    found = Response(**{**vars(response()), "telluric": measured(observed(None, airmass=1.2))})
    table = load(save(found, tmp_path / "r.fits")).telluric
    wave = np.arange(7600.0, 7700.0, 7.0)
    here, there = (absorption(table, wave, x) for x in (1.2, airmass))
    depth = -np.log(here.transmission)
    truth = depth * (airmass / 1.2) ** power
    deep = depth > 0.5 * depth.max()
    miss = np.abs(-np.log(there.transmission) - truth)[deep]
    assert np.all(miss < 1.5 * there.error[deep])
    doubt = 0.05 * abs(np.log(airmass / 1.2)) * -np.log(there.transmission)
    scaled = here.error * (airmass / 1.2) ** SATURATION["O2"]
    np.testing.assert_allclose(there.error, np.hypot(scaled, doubt), rtol=1e-6)


def test_the_correction_can_be_left_out() -> None:
    found = response()
    known = Response(**{**vars(found), "telluric": measured(observed(None))})
    spectrum = observed(None)
    plain = CalibrateFlux(telluric=False)(spectrum, HOUSE, known)  # type: ignore[arg-type]
    before = CalibrateFlux()(spectrum, HOUSE, found)  # type: ignore[arg-type]
    np.testing.assert_array_equal(plain.flux, before.flux)
    assert header_of(plain)["TELLCOR"] is False
    assert CalibrateFlux2D(telluric=False).telluric is False


def test_bands_without_a_side_are_left_alone() -> None:
    whole = observed(None)
    short = WAVELENGTH < 7650
    cut = make_spectrum(
        WAVELENGTH[short] * u.AA, whole.flux[short], variance=spectrum_variance(whole)[short], header=header_of(whole)
    )
    table = measured(cut)
    assert table["wavelength"].max() < 7400
    through, error = absorption(table, WAVELENGTH, 1.3)
    assert (through[WAVELENGTH > 7500] == 1).all() and (error[WAVELENGTH > 7500] == 0).all()
    assert measure_telluric([], HOUSE, response()) is None


def test_nothing_measured_takes_nothing() -> None:
    through, error = absorption(None, WAVELENGTH, 1.3)
    assert (through == 1).all() and (error == 0).all()


def test_it_survives_its_file(tmp_path: object) -> None:
    known = Response(**{**vars(response()), "telluric": measured(observed(3))})
    again = load(save(known, tmp_path / "r.fits"))  # type: ignore[operator]
    np.testing.assert_array_equal(again.telluric["depth"], known.telluric["depth"])
    assert list(again.telluric["molecule"]) == list(known.telluric["molecule"])
    without = load(save(response(), tmp_path / "n.fits"))  # type: ignore[operator]
    assert without.telluric is None
