"""The wavelength map: simulated truth is recovered, the real arcs reach the accuracy they can."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from alfosc_reduce_longslit.lines.profile import LineProfile
from alfosc_reduce_longslit.wavelengths.width import smooth_curve
from astropy.io import fits

from alfosc_reduce import DataError, Flag, get_instrument, get_step, load, save
from alfosc_reduce.images import make_image

INSTRUMENT = get_instrument("alfosc")
SATURATION = 1.2e5


def true_wavelength(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Grism 4 binned by two, with tilt and curvature."""
    u = (2 * (x - 0.3 - 0.0012 * (y - 60) - 1e-5 * (y - 60) ** 2 * (1 + x / 1000)) - 1000) / 1000
    return np.polynomial.polynomial.polyval(u, [5828.0, 3515.0, 225.0, -60.0])


@pytest.fixture(scope="module")
def arc():
    ny, nx = 120, 1000
    y, fine = np.arange(ny), np.arange(-50, nx + 50, dtype=float)
    lines = INSTRUMENT.lamp_lines(["He", "Ne"])
    light = np.asarray(lines["strength"]) / 1.9e6 * 4e5
    profile, pixel = LineProfile(2.35, 0.15), np.arange(nx)
    data = np.full((ny, nx), 150.0)
    bright = light > 4000  # without the faint companions whose strengths the table only estimates
    for row in y:
        wave = true_wavelength(fine, float(row))
        place = np.interp(lines["wavelength"].value[bright], wave, fine)
        for x, strength in zip(place, light[bright], strict=True):
            part = slice(max(int(x) - 8, 0), min(int(x) + 9, nx))
            data[row, part] += strength * profile(pixel[part] - x)
    rng = np.random.default_rng(11)
    noisy = np.minimum(rng.poisson(data) + rng.normal(0, 6, data.shape), SATURATION)
    flags = np.where(noisy >= SATURATION, int(Flag.SATURATED), 0)
    header = fits.Header()
    header.update({"GRISM": "Grism_#4", "LAMP": "He+Ne", "OBJECT": "arc", "FILENAME": "arc.fits", "EXPTIME": 3.0})
    header.update({"DISPPIX0": 1045 + 1000.0, "DISPSTEP": -2.0, "PIXSCALE": 0.2138, "SLITWID": 1.0})
    return make_image(noisy, unit="electron", header=header, variance=np.maximum(noisy, 0) + 36, flags=flags)


@pytest.fixture(scope="module")
def solution(arc):
    return get_step("solve_wavelengths")()(arc, INSTRUMENT)


def test_the_map_is_right_everywhere_between_the_lines(solution) -> None:
    y, x = np.mgrid[0:120, 0:1000]
    truth = true_wavelength(x.astype(float), y.astype(float))
    error = (solution.map() - truth) / np.gradient(truth, axis=1)
    inside = (truth > solution.wavelengths[0]) & (truth < solution.wavelengths[1])
    assert np.sqrt(np.mean(error[inside] ** 2)) < 0.03
    assert np.abs(np.median(error[inside])) < 0.015


def test_the_numbers_of_the_solution_are_honest(solution, arc) -> None:
    step = get_step("solve_wavelengths")()
    numbers = step.quality(solution, arc=arc, instrument=INSTRUMENT)
    assert numbers["n_lines"] >= 30
    assert numbers["rms_px"] < 0.05
    assert numbers["leave_one_out_px"] < 0.05
    assert numbers["fwhm_px"] == pytest.approx(LineProfile(2.35, 0.15).fwhm, abs=0.08)
    assert numbers["resolution"] == pytest.approx(5828 / 16.5, rel=0.15)


def test_the_error_grows_beyond_the_last_line(solution) -> None:
    wave = solution(np.arange(1000), 59.5)
    inside = (wave > solution.wavelengths[0] + 300) & (wave < solution.wavelengths[1] - 300)
    assert solution.error[0] > 3 * np.median(solution.error[inside])
    assert np.median(solution.error[inside]) < 0.3


def test_saturated_cores_take_no_part(solution) -> None:
    saturated = np.abs(solution.lines["wavelength"].value - 6404.018) < 0.1
    assert not solution.lines["used"][saturated].any()


def test_the_solution_survives_the_disk(solution, tmp_path) -> None:
    again = load(save(solution, tmp_path / "solution.fits"))
    assert np.array_equal(again.map(), solution.map())
    assert np.array_equal(again.error, solution.error)
    assert len(again.points) == len(solution.points)


def test_figures_are_drawn(solution, arc) -> None:
    names = [name for name, _ in get_step("solve_wavelengths")().figures(solution, arc=arc, instrument=INSTRUMENT)]
    assert names == ["lines", "residuals", "tilt"]


def test_the_names_of_lines_stand_inside_their_panel_and_apart(solution, arc) -> None:
    figure = dict(get_step("solve_wavelengths")().figures(solution, arc=arc, instrument=INSTRUMENT))["lines"]
    figure.draw_without_rendering()
    for axes in figure.axes:
        panel, names = axes.get_window_extent(), [text.get_window_extent() for text in axes.texts]
        assert names
        assert all(panel.x0 <= name.x0 and name.x1 <= panel.x1 + 1 for name in names)
        assert all(left.x1 <= right.x0 + 1 for left, right in pairwise(names))


def test_same_input_same_bits_and_input_untouched(arc, solution) -> None:
    before = arc.data.copy()
    assert np.array_equal(get_step("solve_wavelengths")()(arc, INSTRUMENT).coefficients, solution.coefficients)
    assert np.array_equal(before, arc.data)


def test_an_arc_without_light_is_refused(arc) -> None:
    dark = make_image(np.zeros(arc.shape), unit="electron", header=arc.meta, variance=36.0)
    with pytest.raises(DataError, match="no light"):
        get_step("solve_wavelengths")()(dark, INSTRUMENT)


def test_an_arc_saturated_all_over_is_refused(arc) -> None:
    flags = np.full(arc.shape, int(Flag.SATURATED))
    full = make_image(np.full(arc.shape, SATURATION), unit="electron", header=arc.meta, variance=36.0, flags=flags)
    with pytest.raises(DataError, match=r"arc\.fits"):
        get_step("solve_wavelengths")()(full, INSTRUMENT)


@pytest.mark.parametrize("name", ["ALDc200088", "ALDc200207"])
def test_the_real_arcs(testdata, name: str) -> None:
    raw = INSTRUMENT.read(testdata / "alfosc-longslit" / f"{name}.fits.gz")
    arc = get_step("correct_frame")()(get_step("subtract_overscan")()(raw))
    step = get_step("solve_wavelengths")()
    numbers = step.quality(step(arc, INSTRUMENT))
    assert numbers["n_lines"] >= 40
    assert numbers["rms_px"] < 0.045
    assert numbers["leave_one_out_px"] < 0.04
    assert numbers["wavelength_first"] < 3900
    assert numbers["wavelength_last"] > 8900


def test_the_line_width_is_measured_along_the_spectrum(solution) -> None:
    wave = solution(np.arange(1000), 59.5)
    truth = LineProfile(2.35, 0.15).fwhm * np.gradient(wave)
    inside = (wave > solution.wavelengths[0]) & (wave < solution.wavelengths[1])
    assert np.abs(solution.resolution / truth - 1)[inside].max() < 0.03
    np.testing.assert_allclose(solution.resolution_at(wave[::50]), solution.resolution[::50])


def test_the_curve_of_widths_follows_what_is_sure_and_ends_flat() -> None:
    rng, x = np.random.default_rng(4), np.linspace(200, 900, 40)
    values = 1 + 0.1 * (x - 500) / 500 + rng.normal(0, 0.01, 40)
    values[7] = 1.4
    curve = smooth_curve(x, values, np.full(40, 0.01), np.arange(1000.0))
    assert np.abs(curve - 1 - 0.1 * (np.arange(1000) - 500) / 500)[200:900].max() < 0.015
    assert curve[0] == curve[150]
    assert np.all(smooth_curve(x[:0], x[:0], x[:0], np.arange(5.0)) == 1)


def test_a_raw_arc_without_variance_is_refused_with_a_sentence(arc) -> None:
    raw = make_image(arc.data, unit="adu", header=arc.meta)
    with pytest.raises(
        DataError, match=r"arc\.fits: no usable pixel with a variance to find lines in; run correct_frame"
    ):
        get_step("solve_wavelengths")()(raw, INSTRUMENT)
