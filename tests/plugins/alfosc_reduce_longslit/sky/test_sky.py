"""Sky subtraction against frames with a known sky: residuals, variance, masks, rebuilt noise."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_longslit.extraction.profile import moffat, scaled
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.sky import covariance
from alfosc_reduce_longslit.sky.covariance import covariance_of
from alfosc_reduce_longslit.sky.model import model_sky
from alfosc_reduce_longslit.sky.noise import exchange_photons, photon_scale
from alfosc_reduce_longslit.sky.sky import SubtractSky
from alfosc_reduce_longslit.sky.spline import ORDER, cubic_weights
from astropy.io.fits import Header
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, usable, variance_of

NY, NX, READ_NOISE, DISPERSION = 160, 600, 5.9, 3.3
LINES = {5300: 40, 5577: 700, 5890: 200, 6300: 250, 6364: 90, 6520: 60, 6560: 50, 6864: 150}


def solution(tilt=0.3, ny=NY, nx=NX):
    """Return a wavelength map whose lines lean by `tilt` pixels over the slit, a little bent."""
    coefficients = np.zeros((3, 3))
    coefficients[0, 0], coefficients[1, 0], coefficients[2, 0] = 6000, DISPERSION * nx / 2, 15
    coefficients[0, 1], coefficients[0, 2] = tilt * DISPERSION / 2, 0.1 * tilt
    return WavelengthSolution(
        coefficients, (0.0, nx - 1.0), (0.0, ny - 1.0), QTable(), (5000.0, 7000.0), 0.02, 2.3, (ny, nx)
    )


def sky_light(wavelength):
    """Return a night sky with lines that are the slit's box, and an illumination that is quadratic along the slit."""
    light = 25 * (1 + 0.1 * np.sin(wavelength / 300))
    for line, strength in LINES.items():
        left, right = (wavelength - line + 3.75) / 2, (wavelength - line - 3.75) / 2
        light = light + strength * 0.5 * (erf(left) - erf(right))
    v = np.linspace(-1, 1, len(wavelength))[:, None]
    return light * (1 + 0.03 * v - 0.02 * v**2)


def scene(seed, tilt=0.3, flux=0.0, rays=0):
    """Return image, solution, true sky and true noise variance without the object's photons."""
    rng = np.random.default_rng(seed)
    wavelengths = solution(tilt)
    sky = sky_light(wavelengths.map())
    t = scaled(np.arange(NX), NX)
    light = flux * moffat(np.arange(NY)[:, None] - 60 - 3 * t, t, (4.0, 0.0, 0.0, 2.5, 0.0, 0.0))
    data = rng.poisson(sky + light) + rng.normal(0, READ_NOISE, sky.shape)
    data[rng.integers(0, NY, rays), rng.integers(0, NX, rays)] += 1000
    header = Header({"RDNOISE": READ_NOISE, "PIXSCALE": 0.2138, "FILENAME": "sim.fits", "OBJECT": "simulated"})
    image = make_image(data, unit="electron", header=header, variance=READ_NOISE**2 + np.maximum(data, 0))
    return image, wavelengths, sky, READ_NOISE**2 + sky


def robust(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


@pytest.mark.parametrize("tilt", [0.0, 0.3, 1.0, 3.0, 8.0])
def test_residuals_are_noise_on_and_off_the_lines_at_any_tilt(tilt):
    image, wavelengths, sky, noise = scene(1, tilt)
    result = SubtractSky()(image, wavelengths)
    residual = np.asarray(result.image.data) / np.sqrt(variance_of(result.image))
    true = (np.asarray(image.data) - sky) / np.sqrt(noise)
    lines = sky > 2 * np.median(sky)
    # Pixels that the sky was fitted to lie nearer to it than the truth does: once by the noise that the fit took up,
    # once by its variance, which is in sigma.
    taken = np.median(variance_of(result.sky) / variance_of(result.image))
    assert robust(residual) == pytest.approx(np.sqrt(1 - 2 * taken), abs=0.01)
    # The same noise, less what the fit took up of it.
    assert residual[lines].std() / true[lines].std() == pytest.approx(0.99, abs=0.03)


@pytest.mark.parametrize("tilt", [0.3, 1.0, 3.0])
def test_the_model_is_as_good_as_its_variance_says(tilt):
    pulls = []
    for seed in range(3):
        image, wavelengths, sky, _ = scene(seed, tilt)
        result = SubtractSky()(image, wavelengths)
        pulls.append((np.asarray(result.sky.data) - sky) / np.sqrt(variance_of(result.sky)))
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert abs(np.mean(pulls)) < 0.1


def test_the_variance_follows_the_model_not_the_noise():
    image, wavelengths, _, truth = scene(2)
    variance = variance_of(SubtractSky()(image, wavelengths).image)
    assert np.percentile(np.abs(variance / truth - 1), 99) < 0.1
    assert np.median(variance / truth) == pytest.approx(1.01, abs=0.02)


def test_what_is_not_known_of_the_sky_is_in_the_variance_of_the_image():
    """A sky from eight rows: beside them its own noise adds a twentieth to that of the pixels."""
    missing, own = [], []
    beside = np.r_[50:73, 84:106]
    for seed in range(3):
        image, wavelengths, _, noise = scene(seed)
        result = SubtractSky(windows=("74 to 82 pix",))(image, wavelengths)
        missing.append(np.mean((variance_of(result.image) - noise)[beside]))
        own.append(np.mean(variance_of(result.sky)[beside]))
    assert np.mean(own) > 3
    assert np.mean(missing) == pytest.approx(np.mean(own), rel=0.2)


def test_the_variance_of_the_sky_is_that_of_every_row(monkeypatch):
    """It is worked out for some rows only, though it is three times as large at the ends as in the middle."""
    image, wavelengths, _, _ = scene(1)
    some = variance_of(SubtractSky()(image, wavelengths).sky)
    monkeypatch.setattr(covariance, "STEP", 1)
    every = variance_of(SubtractSky()(image, wavelengths).sky)
    assert np.median(every[-1] / every[NY // 2]) > 2
    np.testing.assert_allclose(some, every, rtol=0.15)


def test_an_object_is_masked_and_keeps_its_light():
    image, wavelengths, sky, _ = scene(3, flux=2000)
    result = SubtractSky()(image, wavelengths)
    error = np.asarray(result.sky.data) - sky
    beside = np.s_[45:75]
    assert abs(np.mean(error[beside])) < 0.3
    light = np.asarray(result.image.data)[40:80].sum(axis=0)
    assert light.mean() == pytest.approx(2000, rel=0.01)


def test_photons_of_the_object_are_in_the_variance():
    image, wavelengths, _, background = scene(4, flux=5000)
    variance = variance_of(SubtractSky()(image, wavelengths).image)
    t = scaled(np.arange(NX), NX)
    light = 5000 * moffat(np.arange(NY)[:, None] - 60 - 3 * t, t, (4.0, 0.0, 0.0, 2.5, 0.0, 0.0))
    bright = light > 300
    assert np.median(variance[bright] / (background + light)[bright]) == pytest.approx(1, abs=0.1)


def test_cosmic_rays_that_nobody_flagged_leave_no_trace_in_the_sky():
    clean = SubtractSky()(*scene(5)[:2]).sky.data
    struck = SubtractSky()(*scene(5, rays=200)[:2]).sky.data
    # 200 hits of 1000 electrons would move a column's mean by six electrons.
    assert np.abs(struck - clean).max() < 3
    assert np.std(struck - clean) < 0.15


def test_flagged_pixels_do_not_count():
    image, wavelengths, _, _ = scene(6)
    flags = flags_of(image)
    flags[:, 100] |= Flag.BAD_PIXEL
    data = np.array(image.data)
    data[:, 100] = 1e5
    spoiled = make_image(data, unit="electron", header=image.header, variance=variance_of(image), flags=flags)
    result = SubtractSky()(spoiled, wavelengths)
    assert np.abs(result.sky.data[:, 100] - SubtractSky()(image, wavelengths).sky.data[:, 100]).max() < 15
    assert not usable(result.image)[:, 100].any()


def test_inputs_stay_as_they_were_and_results_repeat():
    image, wavelengths, _, _ = scene(7)
    before, variance = np.array(image.data), variance_of(image)
    first, second = SubtractSky()(image, wavelengths), SubtractSky()(image, wavelengths)
    np.testing.assert_array_equal(image.data, before)
    np.testing.assert_array_equal(variance_of(image), variance)
    np.testing.assert_array_equal(first.image.data, second.image.data)
    np.testing.assert_array_equal(variance_of(first.sky), variance_of(second.sky))


def test_quality_and_figures():
    image, wavelengths, _, _ = scene(8)
    step = SubtractSky()
    result = step(image, wavelengths)
    quality = step.quality(result, image=image, wavelengths=wavelengths)
    assert quality["sky_residual_std"] == pytest.approx(1, abs=0.03)
    assert [name for name, _ in step.figures(result, image=image, wavelengths=wavelengths)] == ["frame", "spectrum"]


def test_a_frame_of_another_window_is_refused():
    image, _, _, _ = scene(9)
    with pytest.raises(DataError, match="same window and binning"):
        SubtractSky()(image, solution(ny=NY + 2))


def test_a_frame_of_zeros_is_refused():
    image, wavelengths, _, _ = scene(10)
    empty = make_image(np.zeros(image.shape), unit="electron", header=image.header, variance=35.0)
    with pytest.raises(DataError, match=r"sim.fits.*exclude the frame"):
        SubtractSky()(empty, wavelengths)


def test_a_slit_full_of_light_warns(caplog):
    rng = np.random.default_rng(11)
    image, wavelengths, _, _ = scene(11)
    galaxy = np.asarray(image.data) + 200 * (1.1 + np.sin(np.arange(NY) / 8))[:, None]
    full = make_image(
        galaxy + rng.normal(0, 1, galaxy.shape), unit="electron", header=image.header, variance=variance_of(image) + 100
    )
    SubtractSky()(full, wavelengths)
    assert "of the slit" in caplog.text


@given(st.floats(0.3, 3), st.floats(0, 1e4), st.floats(1, 20))
def test_the_flat_is_found_again_in_the_noise(scale, photons, read_noise):
    variance = np.array([(scale * read_noise) ** 2 + scale * photons])
    found = photon_scale(variance, np.array([photons]), read_noise)
    np.testing.assert_allclose(found, scale, rtol=1e-6)
    back = exchange_photons(exchange_photons(variance, np.array([photons]), np.array([7.0]), found),
                            np.array([7.0]), np.array([photons]), found)  # fmt: skip
    np.testing.assert_allclose(back, variance, rtol=1e-6)


@given(st.floats(0, 1))
@settings(max_examples=30)
def test_splines_sum_to_one(fraction):
    assert cubic_weights(np.array([fraction])).sum() == pytest.approx(1)


def test_a_column_without_a_pixel_follows_its_neighbours():
    wavelengths = solution(0.0)
    sky = sky_light(wavelengths.map())
    good = np.ones(sky.shape, bool)
    good[:, 50] = False
    model = model_sky(sky, READ_NOISE**2 + sky, good, wavelengths.map(), read_noise=READ_NOISE)
    np.testing.assert_allclose(model.sky[:, 50], sky[:, 50], rtol=0.05)


@given(st.integers(1, 40), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_the_covariance_is_that_of_the_inverse(splines, terms):
    rng = np.random.default_rng(100 * splines + terms)
    size, width = splines * terms, ORDER * terms
    root = np.tril(rng.normal(size=(size, size)))
    root[np.subtract.outer(np.arange(size), np.arange(size)) >= width // 2] = 0
    matrix = root @ root.T + np.eye(size)
    bands = np.zeros((width, size))
    for lag in range(min(width, size)):
        bands[lag, : size - lag] = np.diagonal(matrix, -lag)
    found, inverse = covariance_of(bands, terms), np.linalg.inv(matrix)
    for lag in range(min(ORDER, splines)):
        for i in range(splines - lag):
            block = inverse[i * terms : (i + 1) * terms, (i + lag) * terms : (i + lag + 1) * terms]
            np.testing.assert_allclose(found[lag, i], block, rtol=1e-6, atol=1e-9)


def test_a_column_with_few_usable_rows_is_known_from_its_neighbours():
    errors, variances = [], []
    for seed in range(6):
        image, wavelengths, sky, _ = scene(seed)
        flags = np.zeros(image.shape, np.int16)
        flags[8:, 100] = Flag.BAD_PIXEL
        flagged = make_image(image.data, unit="electron", header=image.header, variance=variance_of(image), flags=flags)
        result = SubtractSky()(flagged, wavelengths)
        errors.append((np.asarray(result.sky.data) - sky)[:8, 100])
        variances.append(variance_of(result.sky)[:8, 100])
    # A polynomial through eight rows alone would not know the other end of the slit at all.
    assert np.max(variances) < 0.2 * np.median(variance_of(image))
    assert np.mean(np.square(errors)) < 3 * np.mean(variances)


def test_noise_that_is_no_photons_does_not_bias_the_sky():
    misses = []
    for seed in range(6):
        image, wavelengths, sky, _ = scene(seed)
        extra = 10.0
        data = np.asarray(image.data) + np.random.default_rng(seed).normal(0, np.sqrt(extra), sky.shape)
        header = image.header.copy()
        header["DRKNOISE"] = np.sqrt(READ_NOISE**2 + extra)
        noisy = make_image(data, unit="electron", header=header, variance=READ_NOISE**2 + extra + np.maximum(data, 0))
        misses.append(np.mean(np.asarray(SubtractSky()(noisy, wavelengths).sky.data) - sky))
    # The mean of 96000 pixels with 9 electrons of noise is known to 0.03 electrons, six of them to 0.012.
    assert abs(np.mean(misses)) < 0.036
