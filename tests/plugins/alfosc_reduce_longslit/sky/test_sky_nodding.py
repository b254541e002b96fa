"""Sky from given windows and from another exposure, against frames whose objects and sky are known."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from alfosc_reduce_longslit.extraction.extraction import ExtractOptimal
from alfosc_reduce_longslit.extraction.profile import moffat, scaled
from alfosc_reduce_longslit.objects.objects import TraceObjects
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.sky.model import supported_degree
from alfosc_reduce_longslit.sky.nodding import distance, nearest_elsewhere
from alfosc_reduce_longslit.sky.sky import SubtractSky
from alfosc_reduce_longslit.slit.windows import keep_windows, kept_windows, rows_of_windows
from astropy.io.fits import Header
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import erf

from alfosc_reduce import get_instrument, get_step
from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, usable, variance_of
from alfosc_reduce.spectra import header_of, spectrum_variance
from alfosc_reduce.testing import StepContract

NY, NX, READ_NOISE, DISPERSION = 160, 600, 5.9, 3.3
LINES = {5300: 40, 5577: 700, 5890: 200, 6300: 250, 6364: 90, 6520: 60, 6560: 50, 6864: 150}
EXTRACT, FIND = ExtractOptimal(), TraceObjects()
ROWS = np.arange(NY)[:, None]


def solution(shift=0.0):
    coefficients = np.zeros((3, 2))
    coefficients[0, 0], coefficients[1, 0], coefficients[2, 0] = 6000 + shift * DISPERSION, DISPERSION * NX / 2, 15
    coefficients[0, 1] = 0.15 * DISPERSION
    return WavelengthSolution(
        coefficients, (0.0, NX - 1.0), (0.0, NY - 1.0), QTable(), (5000.0, 7000.0), 0.02, 2.3, (NY, NX)
    )


def sky_light(wavelength, lines=1.0, continuum=1.0):
    light = 25 * continuum * (1 + 0.1 * np.sin(wavelength / 300))
    for line, strength in LINES.items():
        left, right = (wavelength - line + 3.75) / 2, (wavelength - line - 3.75) / 2
        light = light + lines * strength * 0.5 * (erf(left) - erf(right))
    v = np.linspace(-1, 1, len(wavelength))[:, None]
    return light * (1 + 0.03 * v - 0.02 * v**2)


def star(flux, row):
    t = scaled(np.arange(NX), NX)
    return flux * moffat(ROWS - row - 3 * t, t, (4.0, 0.0, 0.0, 2.5, 0.0, 0.0))


def galaxy(width=60.0, peak=30.0):
    """Light that fills the slit, brightest in the middle, with an emission line that leans."""
    light = peak * np.exp(-0.5 * ((ROWS - NY / 2) / width) ** 2)
    return light * (1 + 5 * np.exp(-0.5 * ((np.arange(NX)[None, :] - 300 - 0.1 * (ROWS - NY / 2)) / 2) ** 2))


def exposure(light, seed, *, name="a.fits", minute=0.0, north=0.0, seconds=900.0, lines=1.0, shift=0.0):
    """A frame of the sky with `light`, pointing `north` arc seconds off."""
    rng = np.random.default_rng(seed)
    sky = sky_light(solution(shift).map(), lines) * seconds / 900
    data = rng.poisson(sky + light * seconds / 900) + rng.normal(0, READ_NOISE, sky.shape)
    header = Header({"RDNOISE": READ_NOISE, "PIXSCALE": 0.2138, "FILENAME": name, "EXPTIME": seconds})
    header["MJD-AVG"], header["RA"], header["DEC"] = 58929 + minute / 1440, 150.0, 28 + north / 3600
    return make_image(data, unit="electron", header=header, variance=READ_NOISE**2 + np.maximum(data, 0))


def robust(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def pulls_of(image, truth):
    good = usable(image)
    return ((np.asarray(image.data) - truth) / np.sqrt(variance_of(image)))[good]


def test_without_windows_an_object_that_fills_the_slit_is_taken_for_sky():
    truth = galaxy()
    lost = SubtractSky()(exposure(truth, 1), solution())
    assert np.median(np.asarray(lost.image.data)[70:90] - truth[70:90]) < -5


def test_windows_keep_the_light_of_an_object_that_fills_the_rest():
    truth = galaxy(width=12)
    step = SubtractSky(windows=("0 to 25 pix", "135 to 159 pix"))
    result = step(exposure(truth, 2), solution())
    pull = pulls_of(result.image, truth)
    assert robust(pull) == pytest.approx(1, abs=0.02)
    assert abs(np.mean(pull)) < 0.03
    assert result.image.header["SKYWIN1"] == "0:25"
    numbers = step.quality(result, image=exposure(truth, 2), wavelengths=solution())
    assert numbers["sky_rows_used"] == 51
    assert numbers["sky_residual_std"] == pytest.approx(1, abs=0.03)


def test_windows_may_be_given_in_arc_seconds_and_one_side_lowers_the_degree():
    result = SubtractSky(windows=("0 to 8 arcsec",))(exposure(star(2000, 100), 3), solution())
    assert result.image.header["SKYROWS"] == 38
    assert result.image.header["SKYDEG"] < 2
    rows = np.zeros(NY, bool)
    rows[:38] = True
    assert supported_degree(rows, 2) == result.image.header["SKYDEG"]
    assert supported_degree(rows | rows[::-1], 2) == 2


@pytest.mark.parametrize("text", ["10 arcsec", "10 to 5 arcsec", "a to b pix", "1 to 2 Angstrom", "1 to 2"])
def test_what_is_no_window_is_refused(text):
    with pytest.raises(ValidationError, match="10 to 30 arcsec"):
        SubtractSky(windows=(text,))


def test_a_window_off_the_slit_is_refused():
    with pytest.raises(DataError, match="lies off its 160 rows"):
        SubtractSky(windows=("200 to 300 pix",))(exposure(star(0, 80), 4), solution())


@given(st.lists(st.booleans(), min_size=4, max_size=60))
def test_chosen_rows_survive_the_header(rows):
    header, chosen = Header(), np.array(rows)
    keep_windows(header, chosen)
    kept = kept_windows(header, len(rows))
    assert (kept is None) if not chosen.any() else np.array_equal(kept, chosen)


@given(st.integers(0, 80), st.integers(1, 70))
def test_windows_in_pixels_are_those_rows(low, length):
    rows = rows_of_windows((f"{low} to {low + length} pix",), Header(), NY)
    assert np.flatnonzero(rows).tolist() == list(range(low, low + length + 1))


def test_a_nodded_exposure_takes_the_sky_away_with_the_noise_of_both():
    a = exposure(star(1500, 50), 5)
    b = exposure(star(1500, 110), 6, name="b.fits", minute=16, north=12.8)
    result = SubtractSky()(a, solution(), [a, b])
    truth = star(1500, 50) - star(1500, 110)
    pull = pulls_of(result.image, truth)
    assert robust(pull) == pytest.approx(1, abs=0.02)
    assert abs(np.mean(pull)) < 0.03
    header = result.image.header
    assert header["SKYFROM"] == "b.fits"
    assert header["NEGROW1"] == pytest.approx(110, abs=2)
    np.testing.assert_allclose(np.asarray(result.image.data) + np.asarray(result.sky.data), a.data, atol=0.01)


def test_the_object_of_a_nodded_exposure_is_found_and_its_flux_is_right():
    pulls = []
    for seed in range(3):
        a = exposure(star(1500, 50), 10 + seed)
        b = exposure(star(1500, 110), 20 + seed, name="b.fits", minute=16, north=12.8)
        result = SubtractSky()(a, solution(), [a, b])
        traces = FIND(result.image, result.sky)
        assert len(traces) == 1
        spectrum = EXTRACT(result.image, traces, solution(), result.sky)[0]
        pulls.append((spectrum.flux.value - 1500) / np.sqrt(spectrum_variance(spectrum)))
        assert header_of(spectrum)["SNR"] > 20
    assert abs(np.mean(pulls)) < 0.15
    assert np.std(pulls) == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize(("lines", "shift", "seconds"), [(1.3, 0.0, 900.0), (1.0, 0.15, 900.0), (0.9, -0.05, 450.0)])
def test_a_sky_that_changed_between_the_exposures_leaves_nothing(lines, shift, seconds):
    a = exposure(star(1500, 50), 7)
    b = exposure(star(1500, 110), 8, name="b.fits", north=12.8, lines=lines, shift=shift, seconds=seconds)
    result = SubtractSky()(a, solution(), [b])
    pull = (np.asarray(result.image.data) / np.sqrt(variance_of(result.image)))[:35]
    bright = sky_light(solution().map())[:35] > 150
    assert robust(pull) == pytest.approx(1, abs=0.04)
    assert robust(pull[bright]) == pytest.approx(1, abs=0.15)


def test_an_object_that_fills_the_slit_keeps_its_light_with_an_exposure_of_the_sky():
    truth = galaxy()
    a = exposure(truth, 9)
    b = exposure(np.zeros((NY, NX)), 10, name="sky.fits", north=300.0, lines=0.8, seconds=600.0)
    result = SubtractSky()(a, solution(), [b])
    assert result.image.header["SKYSCALE"] == pytest.approx(1.5 / 0.8, rel=0.02)
    # What is left is the continuum of the sky, whose ratio is not that of its lines: a quarter of 25 electrons.
    calm = np.abs(solution().map()[0] - 5430) < 60
    left = np.median((np.asarray(result.image.data) - truth)[:, calm])
    assert left == pytest.approx(25 * (1 - 1 / 0.8), abs=1.5)
    even = SubtractSky()(a, solution(), [exposure(np.zeros((NY, NX)), 11, name="sky.fits", north=300.0)])
    pull = pulls_of(even.image, truth)
    assert robust(pull) == pytest.approx(1, abs=0.02)
    assert abs(np.mean(pull)) < 0.05


def test_what_is_bad_in_the_other_exposure_is_bad_in_the_difference():
    a, b = exposure(star(1500, 50), 12), exposure(star(1500, 110), 13, name="b.fits", north=12.8)
    flags = flags_of(b)
    flags[30, 200] |= Flag.COSMIC_RAY
    b = make_image(b.data, unit="electron", header=b.header, variance=variance_of(b), flags=flags)
    assert not usable(SubtractSky()(a, solution(), [b]).image)[30, 200]


def test_the_nearest_exposure_at_another_position_is_taken():
    light = np.zeros((NY, NX))
    places = {"a1": (0, 0.0), "b1": (16, 12.8), "b2": (32, 12.9), "a2": (48, 0.3)}
    frames = {n: exposure(light, 14, name=n, minute=minute, north=north) for n, (minute, north) in places.items()}
    every = list(frames.values())
    taken = {name: nearest_elsewhere(frame, every).header["FILENAME"] for name, frame in frames.items()}
    assert taken == {"a1": "b1", "b1": "a1", "b2": "a2", "a2": "b2"}
    assert distance(frames["a1"].header, frames["b1"].header) == pytest.approx(12.8)
    assert distance(frames["a1"].header, Header()) == 0


def test_without_another_position_the_frame_is_modelled_by_itself(caplog):
    a = exposure(star(1500, 50), 15)
    with caplog.at_level(logging.WARNING):
        result = SubtractSky()(a, solution(), [a])
    assert "no other exposure points elsewhere" in caplog.text
    np.testing.assert_array_equal(result.image.data, SubtractSky()(a, solution()).image.data)


def test_an_exposure_of_another_window_is_refused():
    a, b = exposure(star(0, 50), 16), exposure(star(0, 50), 17, north=20.0)
    small = make_image(b.data[:80], unit="electron", header=b.header, variance=variance_of(b)[:80])
    with pytest.raises(DataError, match="use an arc of the same window and binning"):
        SubtractSky()(a, solution(), [small])


class TestAnotherExposureAsSky(StepContract):
    step = SubtractSky()
    damaged = ("image", "others")

    def inputs(self):
        other = exposure(star(1500, 110), 19, name="b.fits", minute=16, north=12.8)
        return {"image": exposure(star(1500, 50), 18), "wavelengths": solution(), "others": [other]}


class TestSkyFromWindows(StepContract):
    step = SubtractSky(windows=("0 to 25 pix", "135 to 159 pix"))

    def inputs(self):
        return {"image": exposure(star(1500, 50), 20), "wavelengths": solution()}


def test_two_nodded_exposures_of_a_simulated_night_agree_with_the_truth(small_night):
    alfosc, truth = get_instrument("alfosc"), small_night.truth
    trim, biases, flats = get_step("subtract_overscan")(), small_night.files("bias"), small_night.files("flat")
    biases, flats = ([trim(alfosc.read(path)) for path in paths] for paths in (biases, flats))
    bias, detector = get_step("combine_bias")()(biases), get_step("measure_detector")()(biases, flats)
    frames = {}
    for path in [*small_night.files("object"), small_night.files("arc")[-1]]:
        frames[path.name] = get_step("correct_frame")()(trim(alfosc.read(path)), bias, None, detector)
    *names, arc = frames
    wavelengths = get_step("solve_wavelengths")()(frames[arc], alfosc)
    cleaned = [get_step("reject_cosmic_rays")()(frames[name]) for name in names]
    for name, image in zip(names, cleaned, strict=True):
        result = SubtractSky()(image, wavelengths, cleaned)
        assert result.image.header["SKYFROM"] != image.header["FILENAME"]
        traces = FIND(result.image, result.sky)
        spectrum = EXTRACT(result.image, traces, wavelengths, result.sky)[0]
        start = round((image.header["DISPPIX0"] - truth.first) / truth.step)
        true = truth.of(name)["electrons"][start : start + len(spectrum.flux)]
        wave = spectrum.spectral_axis.value
        good = ~spectrum.mask & (wave > 4200) & (wave < 9000)
        ratio = np.sum(spectrum.flux.value[good]) / np.sum(true[good])
        assert ratio == pytest.approx(1, abs=0.02)
        pull = (spectrum.flux.value / ratio - true)[good] / np.sqrt(spectrum_variance(spectrum)[good])
        assert robust(pull) == pytest.approx(1, abs=0.1)
