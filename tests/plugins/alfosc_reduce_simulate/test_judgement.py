"""The judge knows a right spectrum from a wrong one."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate import SpectroscopyDemo
from alfosc_reduce_simulate.combined import expectation, judge_combined
from alfosc_reduce_simulate.judgement import compare, judge_frames, nearest, slit_factor, topocentric_vacuum
from astropy import units as u
from astropy.io.fits import Header

from alfosc_reduce import DataError, save
from alfosc_reduce.spectra import make_spectrum

FLUX = u.Unit("erg / (s cm2 Angstrom)")


@pytest.fixture(scope="module")
def exposure(small_night) -> str:
    return small_night.files("object")[0].name


def reduced(night, file, *, shift=0.0, scale=1.0, cards=(), unit=FLUX, noise=0.05, first=20, last=1000):
    """Return what a perfect reduction would give, with known faults."""
    true = {name: values[first:last] for name, values in night.truth.of(file).items()}
    flux = true["flux"] * slit_factor(night.truth, file, 0, slice(first, last))
    error = noise * flux + 1e-20
    drawn = scale * flux + error * np.random.default_rng(1).standard_normal(flux.size)
    step = np.gradient(true["wavelength"])
    start = night.truth.first + night.truth.step * first
    row = float(np.median(true["trace"]))
    header = Header({"DISPPIX0": start, "OBJROW": row, "SLITPIX0": 851.0, "SLITSTEP": 1.0} | dict(cards))
    wavelength = (true["wavelength"] + shift * step) * u.Angstrom
    return make_spectrum(wavelength, drawn * unit, variance=error**2, header=header)


def test_a_right_spectrum_is_right(small_night, exposure):
    verdict = compare(small_night.truth, exposure, reduced(small_night, exposure))
    assert verdict.wavelength_rms == 0
    assert verdict.flux_ratio == pytest.approx(1, abs=0.01)
    assert abs(verdict.pull_mean) < 0.15
    assert verdict.pull_std == pytest.approx(1, abs=0.1)
    assert verdict.signal_to_noise == pytest.approx(20, rel=0.05)


def test_shifted_and_scaled_spectra_are_seen_through(small_night, exposure):
    verdict = compare(small_night.truth, exposure, reduced(small_night, exposure, shift=0.3, scale=1.1))
    assert verdict.pixel_rms == pytest.approx(0.3, rel=1e-3)
    assert verdict.flux_ratio == pytest.approx(1.1, abs=0.01)
    assert verdict.pull_mean == pytest.approx(2, abs=0.2)
    assert "0.300 px" in verdict.sentence("quasar")


def test_corrections_that_the_header_records_are_undone():
    wavelength = np.linspace(4000.0, 9000.0, 50)
    moved = wavelength * (1 + 20_000 / 299_792_458)
    square = (1e4 / moved) ** 2
    air = moved / (1 + 8.34254e-5 + 2.406147e-2 / (130 - square) + 1.5998e-4 / (38.9 - square))
    header = Header({"AIRORVAC": "AIR", "SPECSYS": "BARYCENT", "VELOSYS": 20_000.0})
    np.testing.assert_allclose(topocentric_vacuum(air, header), wavelength, atol=2e-4)
    np.testing.assert_array_equal(topocentric_vacuum(wavelength, Header()), wavelength)


def test_the_pixel_count_must_fit_the_frame(small_night, exposure):
    spectrum = reduced(small_night, exposure, cards={"DISPPIX0": 400.0}.items())
    with pytest.raises(DataError, match="wrong frame"):
        compare(small_night.truth, exposure, spectrum)


def test_electrons_are_no_flux(small_night, exposure):
    spectrum = reduced(small_night, exposure, unit=u.electron)
    with pytest.raises(DataError, match="not flux calibrated"):
        compare(small_night.truth, exposure, spectrum)


def test_the_object_that_was_simulated_is_chosen(small_night, exposure):
    right = reduced(small_night, exposure)
    wrong = reduced(small_night, exposure, cards={"OBJROW": 30.0}.items())
    assert nearest(small_night.truth, exposure, [wrong, right]) is right
    with pytest.raises(DataError, match="not found among 1 objects"):
        nearest(small_night.truth, exposure, [wrong])


def test_missing_products_are_named(small_night, tmp_path):
    with pytest.raises(DataError, match="reduce the night first"):
        judge_frames(small_night.truth, tmp_path / "reduced")
    (tmp_path / "reduced").mkdir()
    with pytest.raises(DataError, match=small_night.files("standard")[0].stem):
        judge_frames(small_night.truth, tmp_path / "reduced")


def test_the_demo_judges_what_lies_in_its_folder(small_night, tmp_path):
    from specutils import SpectrumList

    save(small_night.truth, tmp_path / "truth.fits")
    folder = tmp_path / "reduced" / "TEST" / "Grism_4_Slit_1.0_WG345"
    folder.mkdir(parents=True)
    files = [path.name for kind in ("standard", "object") for path in small_night.files(kind)]
    for file in files:
        save(SpectrumList([reduced(small_night, file)]), folder / f"{file.removesuffix('.fits')}_spec1d.fits")
    with pytest.raises(DataError, match="no combined spectrum"):
        SpectroscopyDemo().judge(tmp_path)
    both = reduced(small_night, files[-1])
    save(SpectrumList([both]), folder.parent / "TEST_Grism_4_Slit_1.0_WG345_spec1d.fits")
    sentences = SpectroscopyDemo().judge(tmp_path)
    assert len(sentences) == 4
    assert "3 exposures combined" in sentences[-1]
    assert all("flux over truth is 1.0" in text or "flux over truth is 0.99" in text for text in sentences[:3])


def test_a_combination_of_two_exposures_is_judged(small_night, tmp_path):
    from specutils import SpectrumList

    files = [path.name for path in small_night.files("object")]
    truth = small_night.truth
    cards = {"SPECSYS": "BARYCENT", "VELOSYS": truth.velocity(files[0])}
    spectrum = reduced(small_night, files[0], cards=cards.items())
    moved = spectrum.spectral_axis.value * (1 + cards["VELOSYS"] / 299_792_458) * u.Angstrom
    scaled = {"COMB0001": files[0], "CSCL0001": 1.04, "COMB0002": files[1], "CSCL0002": 1.0}
    header = Header(dict(spectrum.meta["header"]) | scaled)
    flux = expectation(truth, files[1], moved.value)
    right = make_spectrum(moved, flux * FLUX, variance=(0.02 * flux + 1e-20) ** 2, header=header)
    save(SpectrumList([right]), tmp_path / "TEST_setup_spec1d.fits")
    sentence = judge_combined(truth, files, tmp_path)
    assert "2 exposures combined: flux over truth is 1.000" in sentence
    assert compare(truth, files[0], spectrum).velocity == 0
