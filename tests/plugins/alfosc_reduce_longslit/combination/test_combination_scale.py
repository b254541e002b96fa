"""Exposures that lost light at the slit come to one level: by a factor, or by a curve where the noise demands it."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.combination.combination import CombineSpectra
from alfosc_reduce_longslit.combination.scale import Light, scale_curve
from astropy.io.fits import Header
from specutils import Spectrum, SpectrumList

from alfosc_reduce.spectra import header_of, make_spectrum, spectrum_variance

N = 900
X = np.linspace(-1, 1, N)


def light(seed: int, level: float, caught: np.ndarray | float = 1.0) -> Light:
    clean = level * (1.2 + np.sin(3 * X)) * caught
    variance = clean + 100
    return Light(clean + np.random.default_rng(seed).normal(0, np.sqrt(variance)), variance, np.ones(N, bool))


def spectrum(seed: int, level: float, caught: np.ndarray | float = 1.0) -> Spectrum:
    flux, variance, _ = light(seed, level, caught)
    header = Header({"OBJECT": "STAR", "FILENAME": f"e{seed}.fits", "EXPTIME": 10.0, "OBJPOS": 20.0})
    return make_spectrum((4000 + 5.0 * np.arange(N)) * u.AA, flux * u.electron, variance=variance, header=header)


def slit_loss() -> np.ndarray:
    return np.asarray(0.45 * np.exp(-0.06 * X + 0.02 * X**2))


def test_a_smooth_loss_is_found_to_a_fraction_of_a_percent() -> None:
    found = scale_curve(light(1, 4e4, slit_loss()), light(2, 4e4))
    assert found is not None
    np.testing.assert_allclose(found * slit_loss(), 1, atol=0.003)


def test_one_factor_where_the_noise_supports_no_more() -> None:
    """A hundred pairs of equal colour: a curve is taken by chance in none of them."""
    curves = [scale_curve(light(i, 300, 0.8), light(1000 + i, 300)) for i in range(100)]
    assert all(curve is not None and np.ptp(curve) == 0 for curve in curves)
    factors = np.array([curve[0] for curve in curves if curve is not None])
    assert np.mean(factors) == pytest.approx(1.25, abs=4 * np.std(factors) / 10)


def test_too_faint_to_tell() -> None:
    assert scale_curve(light(1, 0.5), light(2, 0.5)) is None
    nothing = Light(np.ones(N), np.ones(N), np.zeros(N, bool))
    assert scale_curve(nothing, light(2, 100)) is None


def test_cosmic_rays_do_not_bend_the_curve() -> None:
    flux, variance, good = light(1, 4e4, slit_loss())
    flux = flux.copy()
    flux[[30, 31, 870]] *= 8
    found = scale_curve(Light(flux, variance, good), light(2, 4e4))
    assert found is not None
    np.testing.assert_allclose(found * slit_loss(), 1, atol=0.003)


def test_a_bright_star_that_lost_light_keeps_its_pixels_and_its_errors(caplog: pytest.LogCaptureFixture) -> None:
    members = [spectrum(1, 4e4), spectrum(2, 4e4, slit_loss())]
    step = CombineSpectra()
    with caplog.at_level(logging.INFO):
        result = step([SpectrumList([member]) for member in members])
    assert "changes by" in caplog.text and "quadratic" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    header = header_of(result[0])
    assert header["NREJECT"] == 0
    assert header["CCOL0001"] == 1
    assert header["CCOL0002"] == pytest.approx(slit_loss()[0] / slit_loss()[-1], rel=0.005)
    clean = 4e4 * (1.2 + np.sin(3 * X))
    pull = (result[0].flux.value - clean) / np.sqrt(spectrum_variance(result[0]))
    assert np.std(pull) == pytest.approx(1, abs=0.08)
    quality = step.quality(result, spectra=[SpectrumList([member]) for member in members])
    assert quality["difference_over_error"] == pytest.approx(1, abs=0.1)
    assert quality["largest_colour"] == pytest.approx(np.ptp(1 / slit_loss()) / np.median(1 / slit_loss()), rel=0.05)


def test_structure_that_no_scale_removes_is_named_and_not_rejected(caplog: pytest.LogCaptureFixture) -> None:
    flat_error = 1 + 0.03 * np.sin(60 * X)
    members = [spectrum(1, 4e4), spectrum(2, 4e4, flat_error)]
    with caplog.at_level(logging.WARNING):
        result = CombineSpectra()([SpectrumList([member]) for member in members])
    assert "times the errors of both" in caplog.text
    assert header_of(result[0])["NREJECT"] < 0.01 * N
