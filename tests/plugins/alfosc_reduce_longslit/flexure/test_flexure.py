"""Flexure: known drifts are recovered from noisy night-sky lines, and nothing is done where the lines do not tell."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from alfosc_reduce_longslit.flexure.fit import fit_drift
from alfosc_reduce_longslit.lines.profile import LineProfile
from alfosc_reduce_longslit.night_sky.lines import sky_lines
from alfosc_reduce_longslit.night_sky.windows import Offsets, windows_of
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.sky.quality import oxygen_offsets
from alfosc_reduce_longslit.wavelengths.header import wavelength_cards
from astropy.io import fits
from astropy.table import QTable

from alfosc_reduce import DataError, Flag, get_step, load, save
from alfosc_reduce.images import make_image

NY, NX = 72, 1000
DISPERSION = 6.2
STEP = get_step("correct_flexure")()


def arc_solution() -> WavelengthSolution:
    """Wavelengths 3700 to 9900, a little curved, lines tilted by a third of a pixel over the slit."""
    lines = QTable(meta={"profile": [2.25, 0.3]})
    coefficients = np.zeros((4, 2))
    coefficients[:, 0] = 6800, DISPERSION * NX / 2, 60, -20
    coefficients[:2, 1] = 1.0, 0.3
    error = np.full(NX, 0.05)
    return WavelengthSolution(
        coefficients, (0.0, NX - 1.0), (0.0, NY - 1.0), lines, (3800.0, 9300.0), 0.02, 2.4, (NY, NX), error
    )


def exposure(shift: float, slope: float, *, light: float = 0.25, seed: int = 1, star: float = 0.0, tilt: float = 0.0):
    """A frame whose lines lie `shift` pixels at 7000 A, and `slope` pixels in 1000 A more, to the red of the arc's.

    At the last row they lie `tilt` pixels further.
    """
    rng, solution, lines = np.random.default_rng(seed), arc_solution(), sky_lines()
    fine = np.arange(-20, NX + 20, dtype=float)
    strength = lines.strength * light * rng.lognormal(0, 0.15, len(lines))
    profile = LineProfile(2.25, 0.3)
    data = np.full((NY, NX), 90 * light)
    reach = np.arange(-7, 8)
    for row in range(NY):
        place = np.interp(lines.wavelength, solution(fine, float(row)), fine)
        place += shift + slope * (lines.wavelength - 7000) / 1000 + tilt * (2 * row / (NY - 1) - 1)
        near = (place > 8) & (place < NX - 8)
        pixel = np.round(place[near]).astype(int)[:, None] + reach
        np.add.at(data[row], pixel, profile(pixel - place[near, None]) * strength[near, None])
    data += star * np.exp(-0.5 * ((np.arange(NY) - 50) / 3) ** 2)[:, None]
    variance = data + 36
    noisy = data + rng.normal(0, np.sqrt(variance))
    header = fits.Header({"FILENAME": "sim.fits", "OBJECT": "blank", "EXPTIME": 900.0, "RDNOISE": 6.0})
    return make_image(noisy, unit="electron", header=header, variance=variance)


def drift_of(result: WavelengthSolution, wavelength: np.ndarray) -> np.ndarray:
    meta = result.flexure.meta
    return meta["shift"] + meta["slope"] * (wavelength - meta["reference"]) / 1000


@pytest.mark.parametrize(("shift", "slope"), [(0.0, 0.0), (-0.08, -0.04), (0.35, 0.02), (-1.2, 0.05)])
def test_a_drift_is_recovered_with_an_honest_error(shift: float, slope: float) -> None:
    result = STEP(image=exposure(shift, slope), wavelengths=arc_solution())
    wave = np.array([5578.9, 7000.0, 8900.0])
    missed = drift_of(result, wave) - (shift + slope * (wave - 7000) / 1000)
    assert np.abs(missed).max() < 0.02
    assert result.flexure.meta["shift_error"] < 0.01


def test_the_moved_wavelengths_are_those_of_the_exposure() -> None:
    arc, result = arc_solution(), STEP(image=exposure(0.3, -0.05), wavelengths=arc_solution())
    y, x = np.mgrid[0:NY:17, 40:960:23].astype(float)
    wave = arc(x, y)
    moved = x + 0.3 - 0.05 * (wave - 7000) / 1000
    assert np.abs(result(moved, y) - wave).max() < 0.03 * DISPERSION
    assert np.all(result.error >= arc.error)
    assert result.error[0] > result.error[NX // 2]


def test_errors_cover_the_truth_over_many_nights() -> None:
    pulls = []
    for seed in range(8):
        result = STEP(image=exposure(0.1, 0.02, seed=seed), wavelengths=arc_solution())
        truth = 0.1 + 0.02 * (result.flexure.meta["reference"] - 7000) / 1000
        pulls.append((result.flexure.meta["shift"] - truth) / result.flexure.meta["shift_error"])
    assert abs(np.mean(pulls)) < 1.0
    assert 0.2 < np.std(pulls) < 1.6


def test_a_bright_star_does_not_matter() -> None:
    result = STEP(image=exposure(0.2, 0.03, star=5000.0), wavelengths=arc_solution())
    assert np.abs(drift_of(result, np.array([7000.0])) - 0.2) < 0.02


def test_a_short_exposure_keeps_the_wavelengths_of_the_arc_and_says_so(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        result = STEP(image=exposure(0.3, 0.0, light=0.002), wavelengths=arc_solution())
    assert result.flexure.meta["kind"] == "none"
    np.testing.assert_array_equal(result.map(), arc_solution().map())
    assert "the arc's wavelengths stay as they are" in caplog.text


def test_lines_that_lie_where_the_arc_puts_them_move_nothing() -> None:
    wave = np.linspace(5600, 9000, 20)
    offset = np.random.default_rng(3).normal(0, 0.02, 20)
    names = np.array([f"OH {i // 2}" for i in range(20)])
    drift = fit_drift(Offsets(wave, offset - offset.mean(), np.full(20, 0.02), names), np.zeros(20))
    assert drift.kind == "none"
    assert drift.agrees


def test_a_faint_sky_gives_a_shift_at_most() -> None:
    kinds = {
        STEP(image=exposure(0.3, 0.0, light=0.02, seed=seed), wavelengths=arc_solution()).flexure.meta["kind"]
        for seed in range(4)
    }
    assert kinds <= {"shift", "none"}


def test_one_wrong_group_of_lines_does_not_count() -> None:
    wave = np.linspace(5600, 9000, 20)
    offset = 0.1 + 0.03 * (wave - 7300) / 1000
    offset[6] += 0.8
    names = np.array([f"OH {i // 2}" for i in range(20)])
    drift = fit_drift(Offsets(wave, offset, np.full(20, 0.02), names), np.zeros(20))
    assert drift.kind == "shift and slope"
    assert not drift.used[6]
    np.testing.assert_allclose(drift(np.array([7300.0])), 0.1, atol=0.005)


def test_windows_hold_the_lines_that_cannot_be_told_apart() -> None:
    lines = sky_lines()
    coarse, sharp = windows_of(lines, (5000, 9200), 16.0), windows_of(lines, (5000, 9200), 3.0)
    assert len(sharp) > 1.5 * len(coarse)
    assert all(w.wavelengths[0] > 5000 and w.wavelengths[1] < 9200 for w in coarse)
    assert "NaI" not in {w.name for w in coarse}


def test_the_result_survives_the_store_and_makes_a_figure(tmp_path) -> None:
    image, arc = exposure(0.1, 0.0), arc_solution()
    result = STEP(image=image, wavelengths=arc)
    save(result, tmp_path / "w.fits")
    again = load(tmp_path / "w.fits")
    assert again.flexure.meta["kind"] == result.flexure.meta["kind"]
    np.testing.assert_allclose(again.flexure["offset"], result.flexure["offset"])
    assert STEP.quality(again)["flexure_windows"] > 15
    assert [name for name, _ in STEP.figures(again, image=image, wavelengths=arc)] == ["offsets"]


def test_a_frame_of_another_window_is_refused() -> None:
    image = exposure(0.0, 0.0)
    small = make_image(image.data[:40], unit="electron", header=image.header, variance=image.uncertainty.array[:40])
    with pytest.raises(DataError, match="the frame has"):
        STEP(image=small, wavelengths=arc_solution())


def test_headers_tell_what_was_done() -> None:
    cards = {
        name: value for name, value, _ in wavelength_cards(STEP(image=exposure(0.2, 0.03), wavelengths=arc_solution()))
    }
    assert cards["FLEXURE"] == "shift and slope"
    assert abs(cards["FLEXSHFT"] + cards["FLEXSLOP"] * (7000 - cards["FLEXREF"]) / 1000 - 0.2) < 0.02
    assert abs(cards["RESFWHM"] - 2.4 * DISPERSION) < 0.5
    assert "FLEXURE" not in {name for name, _, _ in wavelength_cards(arc_solution())}


@pytest.mark.parametrize("tilt", [0.06, -0.1])
def test_lines_that_lean_against_the_arc_are_followed(tilt: float) -> None:
    result = STEP(image=exposure(0.1, 0.02, tilt=tilt), wavelengths=arc_solution())
    meta = result.flexure.meta
    # The strips' middles do not reach the ends of the slit.
    assert meta["tilt"] == pytest.approx(tilt * (1 - 1 / 12), abs=3.5 * meta["tilt_error"])
    assert meta["tilt_error"] < 0.01
    arc, x = arc_solution(), np.arange(300.0, 900.0, 50)
    for row in (5.0, 66.0):
        moved = x + 0.1 + 0.02 * (arc(x, row) - 7000) / 1000 + tilt * (2 * row / (NY - 1) - 1)
        assert np.abs(result(moved, row) - arc(x, row)).max() < 0.03 * DISPERSION


def test_lines_that_do_not_lean_are_left_straight() -> None:
    tilts = [STEP(exposure(0.1, 0.0, seed=seed), arc_solution()).flexure.meta["tilt"] for seed in range(5)]
    assert np.abs(tilts).max() < 0.03 and tilts.count(0.0) >= 4


def test_a_tilt_alone_is_applied_to_an_arc_that_otherwise_agrees() -> None:
    wave = np.linspace(5600, 9000, 20)
    names = np.array([f"OH {i // 2}" for i in range(20)])
    offset = np.random.default_rng(3).normal(0, 0.01, 20)
    even = Offsets(wave, offset, np.full(20, 0.02), names, np.full(20, 0.05), np.full(20, 0.02), (35.5, 33.0))
    drift = fit_drift(even, np.zeros(20))
    assert drift.kind == "tilt" and drift.agrees
    assert drift.across(np.array([35.5, 68.5])) == pytest.approx([0, 0.05])


def test_lines_that_contradict_each_other_move_nothing() -> None:
    wave = np.linspace(5600, 9000, 20)
    names = np.array(["OI", "OI", *(f"OH {i // 2}" for i in range(18))])
    rng = np.random.default_rng(5)
    applied = 0
    for _ in range(20):
        bands = -0.1 + np.repeat(rng.normal(0, 0.12, 9), 2)
        offset = np.concatenate([[0.0, 0.0], bands]) + rng.normal(0, 0.02, 20)
        applied += fit_drift(Offsets(wave, offset, np.full(20, 0.02), names), np.zeros(20)).kind != "none"
    assert applied <= 1


def test_clean_lines_outweigh_bands_that_scatter() -> None:
    wave = np.array([5579.0, 6302.0, *np.linspace(6500, 9000, 12)])
    names = np.array(["OI", "OI", *(f"OH {i // 2}" for i in range(12))])
    offset = np.concatenate([[0.1, 0.1], 0.1 + np.random.default_rng(6).normal(0, 0.04, 12)])
    drift = fit_drift(Offsets(wave, offset, np.full(14, 0.005), names), np.zeros(14))
    assert np.abs(drift(wave[:2]) - 0.1).max() < 0.012


def test_oxygen_lines_are_measured_as_the_arc_was() -> None:
    image, arc = exposure(0.1, 0.0), arc_solution()
    off = oxygen_offsets(image, arc)
    assert off[5578.89] == pytest.approx(0.1 * DISPERSION, abs=0.05)
    assert off[6302.05] == pytest.approx(0.1 * DISPERSION, abs=0.15)
    assert oxygen_offsets(exposure(0.1, 0.0, light=0.0005), arc) == {}


def test_a_slit_without_a_row_of_sky_keeps_the_arc(caplog) -> None:
    image = exposure(0.3, 0.0)
    flags = np.full(image.shape, int(Flag.BAD_PIXEL), np.int16)
    flags[::9] = 0
    masked = make_image(image.data, unit="electron", header=image.header, variance=40.0, flags=flags)
    result = STEP(image=masked, wavelengths=arc_solution())
    assert "shows the sky alone" in caplog.text
    np.testing.assert_array_equal(result.map(), arc_solution().map())
    assert STEP.quality(result) == {"arcs": 1}


def faint_lines(truth: float, seed: int) -> Offsets:
    """Offsets of a short exposure: few windows, errors of a tenth of a pixel, as large as they say."""
    rng = np.random.default_rng(seed)
    wave, names = np.linspace(5600, 9000, 18), np.array([f"OH {i // 3}" for i in range(18)])
    error = rng.uniform(0.04, 0.12, 18)
    return Offsets(wave, truth + rng.normal(0, error), error, names)


def test_faint_lines_that_lie_where_the_arc_puts_them_hardly_ever_move_it() -> None:
    """By two standard errors one exposure in thirty was moved, and each by a lot, as it must be to be seen."""
    kinds = [fit_drift(faint_lines(0.0, seed), np.zeros(18)).kind for seed in range(300)]
    assert sum(kind != "none" for kind in kinds) <= 3


def test_the_scatter_of_faint_lines_is_no_contradiction() -> None:
    """A tenth of a pixel of noise looks like as much scatter now and then; the shift it hides is not given up."""
    drifts = [fit_drift(faint_lines(0.12, seed), np.zeros(18)) for seed in range(100)]
    moved = [drift for drift in drifts if len(drift.coefficients)]
    assert len(moved) >= 98
    at = np.array([6000.0, 7300.0, 8600.0])
    pulls = np.concatenate([(drift(at) - 0.12) / drift.error(at) for drift in moved])
    assert 0.7 < np.sqrt(np.mean(pulls**2)) < 1.25


def test_a_shift_that_one_system_alone_tells_is_not_called_agreement() -> None:
    """Nothing is left to confirm it, so it is not applied; but the lines do not lie where the arc puts them."""
    wave, names = np.array([5579.0, 6302.0, 6366.0]), np.array(["OI"] * 3)
    shifted, still = (
        fit_drift(Offsets(wave, np.full(3, value), np.full(3, 0.01), names), np.zeros(3)) for value in (0.2, 0.0)
    )
    assert (shifted.kind, shifted.agrees) == ("none", False)
    assert (still.kind, still.agrees) == ("none", True)


def bands(count: int, truth: float, error: np.ndarray, rng: np.random.Generator) -> Offsets:
    """Offsets of so many lines, two of each band, as large as their errors say."""
    names = np.array([f"OH {i // 2}" for i in range(count)])
    return Offsets(np.linspace(5600, 9000, count), truth + rng.normal(0, error, count), error, names)


@pytest.mark.parametrize("count", [10, 14])
def test_one_window_that_went_astray_does_not_make_all_scatter(count: int) -> None:
    """Of so few it can never lie 3.5 times the scatter off that it makes itself."""
    rng, drifts = np.random.default_rng(7), []
    for _ in range(50):
        offsets = bands(count, 0.15, np.full(count, 0.02), rng)
        offsets.offset[rng.integers(count)] += rng.choice([-1, 1]) * rng.uniform(0.3, 1)
        drifts.append(fit_drift(offsets, np.zeros(count)))
    moved = np.array([drift(np.array([6000.0, 7300.0, 8600.0])) for drift in drifts if len(drift.coefficients)])
    assert len(moved) >= 49
    assert np.abs(moved - 0.15).max() < 0.04


def test_lines_where_the_arc_is_hardly_known_do_not_contradict_the_others() -> None:
    rng, known, drifts = np.random.default_rng(8), np.where(np.linspace(5600, 9000, 18) > 7500, 0.12, 0.01), []
    for _ in range(100):
        exact = bands(18, 0.2, np.hypot(0.02, known), rng)
        drifts.append(fit_drift(Offsets(exact.wavelength, exact.offset, np.full(18, 0.02), exact.name), known))
    moved = [drift for drift in drifts if len(drift.coefficients)]
    assert len(moved) >= 98
    at = np.array([6000.0, 7300.0, 8600.0])
    pulls = np.concatenate([(drift(at) - 0.2) / drift.error(at) for drift in moved])
    assert 0.7 < np.sqrt(np.mean(pulls**2)) < 1.25


@pytest.mark.parametrize("truth", [0.0, 0.1])
def test_a_few_faint_lines_say_nothing_at_all(truth: float) -> None:
    """They know a shift to a twentieth of a pixel: neither is it applied, nor is 0.1 pixels called agreement."""
    rng = np.random.default_rng(9)
    drifts = [fit_drift(bands(6, truth, np.full(6, 0.12), rng), np.zeros(6)) for _ in range(50)]
    assert {(drift.kind, drift.agrees) for drift in drifts} == {("none", False)}
