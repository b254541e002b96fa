"""The detector gives back what went in."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate.detector import (
    Detector,
    Readout,
    bias_structure,
    hot_pixels,
    photon_noise,
    pixel_response,
    read_out,
    respond,
)

from alfosc_reduce import DataError

WINDOW = Readout((851, 1250, 1, 600))
QUIET = Detector(hot_columns=0, hot_pixels=0, dark=0.0)


def frame(electrons: float, seed: int, detector: Detector = QUIET) -> np.ndarray:
    expected = np.full(WINDOW.shape, electrons)
    raw = read_out(
        expected,
        detector=detector,
        readout=WINDOW,
        exposure=0.0,
        level=11_700.0,
        rng=np.random.default_rng(seed),
    )
    return raw.astype(np.int64).astype(float)[10:, 10:]


def test_photon_transfer_gives_gain_and_read_noise_back():
    bias = (frame(0, 1) - frame(0, 2)).var() / 2
    assert np.sqrt(bias) * QUIET.gain == pytest.approx(QUIET.read_noise, rel=0.01)
    for electrons in (500.0, 5000.0):
        one, two = frame(electrons, 3), frame(electrons, 4)
        signal = (one + two).mean() / 2 - (frame(0, 1) + frame(0, 2)).mean() / 2
        gain = signal / ((one - two).var() / 2 - bias)
        assert gain == pytest.approx(QUIET.gain, rel=0.01)


@pytest.mark.parametrize("expected", [0.0, 3.0, 900.0, 1100.0, 1e5])
def test_photon_noise_has_the_moments_of_poisson(expected):
    drawn = photon_noise(np.full(200_000, expected), np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / 200_000) + 1e-9)
    assert drawn.var() == pytest.approx(expected, rel=0.02)


def test_the_first_pixel_wraps_around_as_in_real_frames():
    raw = read_out(
        np.zeros(WINDOW.shape), detector=QUIET, readout=WINDOW, exposure=0, level=11_700, rng=np.random.default_rng(1)
    )
    assert raw.dtype == np.uint32
    assert raw[0, 0] > 2**31
    assert raw[1:].max() < 100_000


def test_bias_rises_steeply_in_the_first_columns_and_rows():
    bias = bias_structure(WINDOW)
    assert bias[300, 0] - bias[300, 6] > 2000
    assert bias[0, 200] - bias[12, 200] > 200
    assert 100 < bias[300, 10] - bias[300, 399] < 350


def test_response_is_one_percent_low_at_the_linear_limit_and_ends_at_the_full_well():
    detector = Detector()
    signal = np.array([0.0, 1e5, detector.linear, 9e5, 1e7])
    answer = respond(signal, detector)
    assert answer[1] == pytest.approx(1e5, rel=5e-4)
    assert answer[2] == pytest.approx(0.99 * detector.linear)
    assert np.all(np.diff(answer) >= 0)
    assert answer[-1] == detector.full_well


@pytest.mark.parametrize("binning", [(1, 1), (1, 2), (2, 2), (4, 1)])
def test_binned_pixels_average_the_response_of_their_pixels(binning):
    window = (901, 980, 101, 180)
    single = pixel_response(QUIET, Readout(window))
    binned = pixel_response(QUIET, Readout(window, binning))
    x, y = binning
    expected = single.reshape(80 // y, y, 80 // x, x).mean(axis=(1, 3))
    np.testing.assert_allclose(binned, expected, rtol=1e-5)
    assert single.std() == pytest.approx(QUIET.response_scatter, rel=0.05)


def test_hot_columns_are_in_bias_and_dark_and_never_in_the_overscan():
    offset, current = hot_pixels(Detector(), Readout())
    assert np.count_nonzero(offset.max(axis=0)) == pytest.approx(12, abs=2)
    assert not offset[:, :50].any()
    assert not current[2064:].any()


@pytest.mark.parametrize("window", [(0, 100, 1, 100), (1, 2149, 1, 100), (200, 100, 1, 100), (1, 100, 1, 3000)])
def test_a_window_outside_the_detector_is_refused(window):
    with pytest.raises(DataError, match="does not fit the detector"):
        Readout(window)


def test_edges_and_light_follow_window_and_binning():
    readout = Readout((851, 1250, 1, 2102), (1, 2))
    assert readout.shape == (1051, 400)
    assert readout.text == "[851:1250, 1:2102]"
    np.testing.assert_array_equal(readout.edges(2)[:3], [0.5, 2.5, 4.5])
    assert readout.lit(2).sum() * 2 == 2064
    assert readout.illuminated()[1031].max() == 1
    assert readout.illuminated()[1032].max() == 0
