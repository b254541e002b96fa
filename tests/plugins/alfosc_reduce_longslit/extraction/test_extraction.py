"""Extraction against frames with known truth: biases, pulls, cosmic rays, overlaps, edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alfosc_reduce_longslit.extraction.boxcar import ExtractBoxcar
from alfosc_reduce_longslit.extraction.extraction import ExtractOptimal, rising_part
from alfosc_reduce_longslit.extraction.profile import TERMS, Profile, correction_size, moffat, scaled
from alfosc_reduce_longslit.products import Traces, WavelengthSolution
from alfosc_reduce_longslit.sky.noise import exchange_photons, light_of_objects, photon_scale
from astropy.io.fits import Header
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce.images import flags_of, make_image, variance_of
from alfosc_reduce.spectra import columns_of, header_of, spectrum_flags, spectrum_variance

NY, NX, READ_NOISE = 110, 500, 5.9


def solution(ny=NY, nx=NX):
    coefficients = np.zeros((2, 2))
    coefficients[0, 0], coefficients[1, 0], coefficients[0, 1] = 6000, 3.3 * nx / 2, 1.0
    return WavelengthSolution(
        coefficients, (0.0, nx - 1.0), (0.0, ny - 1.0), QTable(), (5300.0, 6700.0), 0.02, 2.3, (ny, nx)
    )


def spectrum_shape(nx=NX):
    x = np.arange(nx)
    absorbed = 1 - 0.5 * np.exp(-0.5 * ((x - 170) / 6) ** 2)
    return (1 + 0.3 * scaled(x, nx)) * absorbed * np.where((x > 330) & (x < 336), 2.5, 1)


def scene(fluxes, seed, positions=(50.0,), fwhm=4.0, rays=0, ny=NY, nx=NX):
    """Return image, sky, traces and truth (objects, nx): a known sky, a slanted trace, a width that changes along x."""
    rng = np.random.default_rng(seed)
    t = scaled(np.arange(nx), nx)
    sky = np.broadcast_to(25 + 400 * np.exp(-0.5 * ((np.arange(nx) - 260) / 1.5) ** 2), (ny, nx))
    truth = np.array([flux * spectrum_shape(nx) for flux in fluxes])
    centres = np.array([position + 2.5 * t + 0.8 * t**2 for position in positions])
    rows = np.arange(ny)[:, None]
    shape = (fwhm, -0.1 * fwhm, 0.0, 2.5, 0.0, 0.0)
    light = sum(f * moffat(rows - c, t, shape) for f, c in zip(truth, centres, strict=True))
    data = rng.poisson(sky + light) - sky + rng.normal(0, READ_NOISE, (ny, nx))
    for y, x in zip(rng.integers(0, ny - 1, rays), rng.integers(0, nx, rays), strict=True):
        data[y : y + 2, x] += rng.uniform(300, 4000)
    header = Header({"RDNOISE": READ_NOISE, "PIXSCALE": 0.2138, "OBJECT": "simulated", "FILENAME": "sim.fits"})
    # The noise as `subtract_sky` hands it on: of read-out, modelled sky, and the smooth light of objects.
    variance = READ_NOISE**2 + sky + light_of_objects(data, sky, READ_NOISE, np.ones(data.shape, bool))
    image = make_image(data, unit="electron", header=header, variance=variance)
    known = make_image(sky, unit="electron", header=header, variance=np.zeros((ny, nx)))
    n = len(fluxes)
    return image, known, Traces(centres, np.full(n, fwhm), np.full(n, 100.0), 0.2138), truth


def pulls(spectrum, truth, box=False):
    columns, good = columns_of(spectrum), ~mask_of(spectrum_flags(spectrum))
    if box:
        return ((columns["FLUX_BOX"].value - truth) / columns["ERR_BOX"].value)[good]
    return ((spectrum.flux.value - truth) / np.sqrt(spectrum_variance(spectrum)))[good]


def run(fluxes, seeds, **how):
    for seed in seeds:
        image, sky, traces, truth = scene(fluxes, seed, **how)
        yield ExtractOptimal()(image, traces, solution(*image.shape), sky), truth


@pytest.mark.parametrize("flux", [70, 1300, 100_000], ids=["S/N 3", "S/N 30", "S/N 300"])
@pytest.mark.parametrize("box", [False, True], ids=["optimal", "boxcar"])
def test_flux_and_error_are_right_at_every_signal_to_noise(flux, box):
    found = [(spectra[0], truth[0]) for spectra, truth in run([flux], range(12))]
    all_pulls = np.concatenate([pulls(spectrum, truth, box) for spectrum, truth in found])
    # 6000 pulls: standard errors 0.013 of the mean and 0.009 of the standard deviation.
    assert abs(all_pulls.mean()) < 0.05
    assert all_pulls.std() == pytest.approx(1, abs=0.04)


def test_flux_is_unbiased_to_a_third_of_a_per_cent():
    ratios = [spectra[0].flux.value.sum() / truth.sum() for spectra, truth in run([3000], range(10))]
    assert np.mean(ratios) == pytest.approx(1, abs=0.003)


def test_optimal_and_boxcar_share_a_scale():
    image, sky, traces, _ = scene([20_000], 3)
    spectrum = ExtractOptimal()(image, traces, solution(), sky)[0]
    box = columns_of(spectrum)["FLUX_BOX"].value
    assert box.sum() / spectrum.flux.value.sum() == pytest.approx(1, abs=0.005)


def test_optimal_reaches_the_bound_and_beats_the_boxcar():
    image, sky, traces, _ = scene([500], 4)
    step = ExtractOptimal()
    quality = step.quality(step(image, traces, solution(), sky))
    assert quality["snr_over_bound"] == pytest.approx(1, abs=0.01)
    assert quality["snr_median"] > 1.05 * quality["snr_boxcar_median"]


def test_cosmic_rays_are_clipped_and_the_rest_is_kept():
    image, sky, traces, truth = scene([1300], 5, rays=150)
    spectrum = ExtractOptimal()(image, traces, solution(), sky)[0]
    hit = pulls(spectrum, truth[0])
    assert np.mean(np.abs(hit) > 5) < 0.005
    assert hit.std() < 1.15


def test_a_bright_core_is_no_cosmic_ray():
    image, sky, traces, truth = scene([1_000_000], 6, fwhm=3.0)
    spectrum = ExtractOptimal()(image, traces, solution(), sky)[0]
    assert not (spectrum_flags(spectrum) & Flag.PARTIAL).any()
    np.testing.assert_allclose(spectrum.flux.value, truth[0], rtol=0.01)


def test_a_trace_that_is_off_costs_no_light():
    image, sky, traces, truth = scene([20_000], 7)
    shifted = Traces(traces.centres + 0.3, traces.fwhm * 1.2, traces.significance, traces.pixel_scale)
    spectrum = ExtractOptimal()(image, shifted, solution(), sky)[0]
    assert spectrum.flux.value.sum() / truth.sum() == pytest.approx(1, abs=0.003)


def test_overlapping_objects_are_told_apart():
    found = list(run([3000, 1500], range(5), positions=(50.0, 58.0)))
    for k in range(2):
        one = np.concatenate([pulls(spectra[k], truth[k]) for spectra, truth in found])
        assert abs(one.mean()) < 0.1
        assert one.std() == pytest.approx(1, abs=0.08)


def test_a_bright_neighbour_far_away_changes_nothing():
    together = next(run([1000, 50_000], [8], positions=(40.0, 80.0)))
    assert together[0][0].flux.value.sum() / together[1][0].sum() == pytest.approx(1, abs=0.01)


def test_flux_scales_with_the_data():
    image, sky, traces, _ = scene([50_000], 9)
    whole = ExtractOptimal()(image, traces, solution(), sky)[0]
    header = image.header.copy()
    header["RDNOISE"] = 2 * READ_NOISE
    doubled = make_image(2 * image.data, unit="electron", header=header, variance=4 * variance_of(image))
    double_sky = make_image(2 * sky.data, unit="electron", header=header, variance=np.zeros(sky.shape))
    twice = ExtractOptimal()(doubled, traces, solution(), double_sky)[0]
    np.testing.assert_allclose(twice.flux.value, 2 * whole.flux.value, rtol=2e-3, atol=30)


def masked(image, where, flag):
    flags = flags_of(image)
    flags[where] |= flag
    return make_image(image.data, unit="electron", header=image.header, variance=variance_of(image), flags=flags)


def test_columns_without_a_usable_pixel_are_masked_not_invented():
    image, sky, traces, _ = scene([1300], 10)
    spoiled = masked(image, (slice(None), slice(100, 103)), Flag.BAD_PIXEL)
    spectrum = ExtractOptimal()(spoiled, traces, solution(), sky)[0]
    assert spectrum.mask[100:103].all()
    assert not spectrum.mask[90:100].any()
    np.testing.assert_array_equal(spectrum.flux.value[100:103], 0)
    assert np.isfinite(columns_of(spectrum)["FLUX_BOX"].value).all()


def test_a_masked_pixel_is_made_up_for_and_said():
    image, sky, traces, truth = scene([100_000], 11)
    row = round(float(traces.centres[0, 200]))
    spectrum = ExtractOptimal()(masked(image, (row, 200), Flag.COSMIC_RAY), traces, solution(), sky)[0]
    assert spectrum_flags(spectrum)[200] & Flag.PARTIAL
    assert not spectrum.mask[200]
    assert spectrum.flux.value[200] == pytest.approx(truth[0, 200], rel=0.02)


def test_a_saturated_core_is_masked_with_its_reason():
    image, sky, traces, _ = scene([100_000], 12)
    rows = np.abs(np.arange(NY)[:, None] - traces.centres[0]) < 2.5
    rows[:, :240] = rows[:, 260:] = False
    spectrum = ExtractOptimal()(masked(image, rows, Flag.SATURATED), traces, solution(), sky)[0]
    assert (spectrum_flags(spectrum)[240:260] & Flag.SATURATED).all()
    assert spectrum.mask[240:260].all()


@pytest.mark.parametrize("position", [3.0, NY - 4.0])
def test_an_object_at_the_edge_of_the_window(position):
    image, sky, traces, truth = scene([20_000], 13, positions=(position,))
    spectrum = ExtractOptimal()(image, traces, solution(), sky)[0]
    good = ~spectrum.mask
    assert good.mean() > 0.5
    assert (spectrum_flags(spectrum)[good] & Flag.PARTIAL).any()
    assert spectrum.flux.value[good].sum() / truth[0][good].sum() == pytest.approx(1, abs=0.05)


def test_the_error_of_the_sky_adds_up_along_the_slit():
    image, sky, traces, _ = scene([500], 14)
    unsure = make_image(sky.data, unit="electron", header=sky.header, variance=np.full(sky.shape, 4.0))
    wider = make_image(image.data, unit="electron", header=image.header, variance=variance_of(image) + 4.0)
    before = spectrum_variance(ExtractOptimal()(image, traces, solution(), sky)[0])
    after = spectrum_variance(ExtractOptimal()(wider, traces, solution(), unsure)[0])
    # A common offset of 2 electrons in every pixel is some ten pixels' worth in the flux.
    assert np.median(np.sqrt(after - before)) == pytest.approx(2 * 10, rel=0.4)


def test_headers_say_what_was_done():
    image, sky, traces, _ = scene([5000], 15)
    spectrum = ExtractOptimal()(image, traces, solution(), sky)[0]
    header = header_of(spectrum)
    assert header["EXTRACT"] == "optimal"
    assert header["OBJID"] == 1
    assert header["OBJPOS"] == pytest.approx(50 * 0.2138, abs=0.1)
    assert header["FWHM"] == pytest.approx(4 * 0.2138, rel=0.1)
    assert header["OBJECT"] == "simulated"
    assert header["AIRORVAC"] == "VACUUM"
    wave = spectrum.spectral_axis.value
    np.testing.assert_allclose(wave, solution()(np.arange(NX), traces.centres[0]))
    extrapolated = (spectrum_flags(spectrum) & Flag.EXTRAPOLATED_WAVELENGTH) != 0
    np.testing.assert_array_equal(extrapolated, (wave < 5300) | (wave > 6700))
    np.testing.assert_allclose(columns_of(spectrum)["SKY"].value[:200], 25, rtol=1e-3)


def test_inputs_stay_as_they_were_and_results_repeat():
    image, sky, traces, _ = scene([2000], 16)
    data, variance = np.array(image.data), variance_of(image)
    first = ExtractOptimal()(image, traces, solution(), sky)[0]
    second = ExtractOptimal()(image, traces, solution(), sky)[0]
    np.testing.assert_array_equal(image.data, data)
    np.testing.assert_array_equal(variance_of(image), variance)
    np.testing.assert_array_equal(first.flux.value, second.flux.value)


def test_no_object_is_a_sentence_with_the_limit_and_the_way_out():
    image, sky, _, _ = scene([0], 17)
    nothing = Traces(np.zeros((0, NX)), np.zeros(0), np.zeros(0), 0.2138, 12.0)
    with pytest.raises(DataError, match=r"sim.fits: no object.*12 electrons.*position"):
        ExtractOptimal()(image, nothing, solution(), sky)


def test_an_arc_of_another_window_is_refused():
    image, sky, traces, _ = scene([1000], 18)
    with pytest.raises(DataError, match="window and binning"):
        ExtractOptimal()(image, traces, solution(ny=NY + 1), sky)


def test_figures_are_drawn():
    image, sky, traces, _ = scene([1000], 19)
    step = ExtractOptimal()
    result = step(image, traces, solution(), sky)
    names = [name for name, _ in step.figures(result, image=image, traces=traces, wavelengths=solution(), sky=sky)]
    assert names == ["profile", "spectrum"]
    box = ExtractBoxcar()(image, traces, solution(), sky)
    assert [name for name, _ in ExtractBoxcar().figures(box)] == ["spectrum"]


def test_a_profile_sums_to_one():
    u, x = np.arange(-400, 401)[:, None], np.arange(500.0)[None, :]
    correction = np.zeros((correction_size(), TERMS))
    correction[8:14, 0] = 0.1
    correction[10, 1] = -0.1
    for bent in (0 * correction, correction):
        total = Profile((4.0, 0.5, 0.2, 2.5, 0.3, 0.1), bent, 500)(u, x).sum(axis=0)
        np.testing.assert_allclose(total, 1, atol=1e-3)


def turning(at, nx=NX):
    """Wavelengths that rise to a column and fall beyond it."""
    arc = solution()
    x, bend = scaled(np.arange(nx), nx), scaled(np.array([at]), nx)[0]
    half = 3.3 * nx / 2
    wave = 6000 + half * (x - np.maximum(x - bend + 0.1, 0) ** 2 * 5)
    coefficients = np.zeros((9, 2))
    coefficients[:, 0] = np.polynomial.legendre.legfit(x, wave, 8)
    return replace(arc, coefficients=coefficients, wavelengths=(5300.0, 6500.0))


def test_wavelengths_that_turn_around_at_an_end_cost_that_end_only(caplog):
    image, sky, traces, _ = scene([2000], seed=40)
    bent = turning(460)
    assert not np.all(np.diff(bent(np.arange(NX), traces.centres[0])) > 0)
    for step in (ExtractOptimal(), ExtractBoxcar()):
        spectrum = step(image, traces, bent, sky)[0]
        wave = spectrum.spectral_axis.value
        assert np.all(np.diff(wave) > 0)
        moved = wave != bent(np.arange(NX), traces.centres[0])
        assert 5 < moved.sum() < 60
        assert np.all(spectrum_flags(spectrum)[moved] & Flag.EXTRAPOLATED_WAVELENGTH)
    assert "are continued evenly and flagged" in caplog.text


def test_wavelengths_that_rise_nowhere_are_refused():
    image, sky, traces, _ = scene([2000], seed=41)
    arc = solution()
    falling = replace(arc, coefficients=arc.coefficients * np.array([[1.0], [-1.0]]))
    with pytest.raises(DataError, match="does not rise"):
        ExtractOptimal()(image, traces, falling, sky)


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), min_size=1, max_size=30))
def test_the_rising_part_rises_and_cannot_be_longer(steps):
    wave = np.concatenate([[0.0], np.cumsum(steps)])
    first, end = rising_part(wave)
    assert np.all(np.diff(wave[first:end]) > 0)
    runs = [j - i for i in range(len(wave)) for j in range(i + 1, len(wave) + 1) if np.all(np.diff(wave[i:j]) > 0)]
    assert end - first == max(runs)


def of_a_noisy_flat(seed, error):
    """Return optimal over boxcar flux, less one, where a flat with a relative `error` a pixel was divided by."""
    image, sky, traces, _ = scene([100_000], seed)
    level = np.asarray(sky.data)
    light = (np.asarray(image.data) + level) * (1 + error * np.random.default_rng(seed).normal(size=image.shape))
    variance = READ_NOISE**2 + np.maximum(light, 0) + (error * light) ** 2
    smooth = light_of_objects(light - level, level, READ_NOISE, np.ones(image.shape, bool))
    given = exchange_photons(variance, light, level + smooth, photon_scale(variance, light, READ_NOISE))
    noisy = make_image(light - level, unit="electron", header=image.header, variance=given)
    spectrum = ExtractOptimal()(noisy, traces, solution(), sky)[0]
    return np.mean(spectrum.flux.value / columns_of(spectrum)["FLUX_BOX"].value - 1)


def test_the_noise_of_the_flat_does_not_bias_bright_spectra():
    error = 0.01
    missed = np.mean([of_a_noisy_flat(seed, error) for seed in range(4)])
    # A weight that follows the noise of its own pixel costs 1.5 times the error of the flat squared.
    assert missed == pytest.approx(0, abs=1.05 * error**2)
