"""Simulated nights of many settings through the whole chain, held against their truth.

Every statistic has so many pixels behind it that chance reaches its limit less than once in ten thousand nights; where
one target alone has too few of them, its limit is four standard errors. The nights follow from fixed seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import simulated_nights as benchmark

CASES = benchmark.CASES[:9]


@pytest.fixture(
    scope="module",
    params=[pytest.param(case, marks=pytest.mark.xdist_group(case.name), id=case.name) for case in CASES],
)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("night")
    truth = benchmark.make_and_reduce(request.param, folder, only=("fluxcal",))
    return benchmark.measure(request.param, folder, truth)


def test_the_nights_hold_every_setting_that_is_promised() -> None:
    assert {case.grism for case in CASES} >= {3, 4, 5, 7, 8, 18, 19, 20}
    assert {case.binning for case in CASES} >= {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert {case.slit.partition("_")[0] for case in CASES} == {"Slit", "Vert"}
    assert {case.window == benchmark.WHOLE for case in CASES} == {True, False}


@pytest.mark.parametrize("method", ["optimal", "boxcar"])
def test_flux_less_truth_over_error_is_standard_normal(report: Any, method: str) -> None:
    pulls = np.concatenate([getattr(target, method).values for target in report.targets])
    # Standard errors below 0.022 and 0.016.
    assert pulls.size > 2000
    assert abs(pulls.mean()) < 0.1
    assert abs(pulls.std() - 1) < 0.1


@pytest.mark.parametrize("method", ["optimal", "boxcar", "on_lines"])
def test_so_it_is_for_faint_and_bright_targets_and_on_sky_lines(report: Any, method: str) -> None:
    for target in report.targets:
        pulls = getattr(target, method)
        error = pulls.values.size**-0.5
        assert abs(pulls.mean) < max(0.1, 4 * error), target
        assert abs(pulls.std - 1) < max(0.1, 4 * error / 2**0.5), target


def test_flux_is_unbiased(report: Any) -> None:
    faint, middle, bright = report.targets
    assert abs(faint.bias) < max(0.01, 4 * faint.bias_error)
    for bias in (middle.bias, middle.box_bias):
        assert abs(bias) < 0.01
    for bias in (bright.bias, bright.box_bias):
        assert abs(bias) < 0.003


def test_targets_have_the_signal_to_noise_they_were_made_for(report: Any) -> None:
    for target, level in zip(report.targets, benchmark.LEVELS, strict=True):
        assert target.signal_to_noise == pytest.approx(level, rel=0.4)


def test_wavelengths_are_right_wherever_an_arc_line_supports_them(report: Any) -> None:
    assert report.arc_lines >= 20
    for target in report.targets:
        assert target.wavelength_worst < 0.1
        assert target.wavelength_rms < 0.05


def test_blank_sky_scatters_as_its_error_says(report: Any) -> None:
    for target in report.targets:
        assert target.sky == pytest.approx(1, abs=0.05)


def test_gain_and_read_noise_are_measured(report: Any) -> None:
    assert report.gain == pytest.approx(1, abs=0.01)
    assert report.read_noise == pytest.approx(1, abs=0.01)


def test_every_object_is_found_and_no_other(report: Any) -> None:
    assert [target.objects for target in report.targets] == [1, 1, 1]


def test_the_response_and_what_it_calibrates_are_right(report: Any) -> None:
    assert abs(report.response) < 0.01
    assert report.response_shape < 0.01
    bright = report.targets[-1]
    assert bright.flux_ratio == pytest.approx(1, abs=0.01)
    assert bright.flux_scatter < 0.01
