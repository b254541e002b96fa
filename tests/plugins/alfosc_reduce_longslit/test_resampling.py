"""Resampling conserves flux, knows its noise, and says what contributed."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_longslit.resampling import WavelengthGrid, edges_of, noise_correction, resample
from hypothesis import given, settings
from hypothesis import strategies as st

from alfosc_reduce.flags import Flag, mask_of


def pixel_edges(n: int, bend: float = 0.05) -> np.ndarray:
    x = (np.arange(n + 1) - 0.5) / n
    return 4000 + 700 * (x + bend * x**2)


def ones(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((1, n)), np.zeros((1, n), np.int16)


@settings(max_examples=60, deadline=None)
@given(
    step=st.floats(0.3, 9.0),
    bend=st.floats(-0.2, 0.2),
    scale=st.sampled_from(["linear", "log"]),
    seed=st.integers(0, 1000),
)
def test_flux_is_conserved(step: float, bend: float, scale: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = pixel_edges(120, bend)
    data = rng.normal(100, 30, (1, 120))
    first = edges.min() - 3 * step
    size = int((edges.max() - first) / (0.9 * step)) + 10
    grid = WavelengthGrid(first, step, size, scale)
    variance, flags = ones(120)
    found = resample(grid.positions(edges)[None], data, variance, flags, size)
    # The partly covered pixels at both ends are scaled up to full width; undo that by looking inside.
    covered = np.flatnonzero(found.flags[0] == 0)
    cumulative = np.concatenate([[0], np.cumsum(data[0])])
    low, high = np.interp([covered[0] - 0.5, covered[-1] + 0.5], grid.positions(edges), cumulative)
    expected = high - low
    assert found.data[0, covered].sum() == pytest.approx(expected, rel=1e-9)


@given(step=st.floats(0.1, 20), first=st.floats(3000, 9000), position=st.floats(-50, 500))
def test_positions_and_wavelengths_are_inverse(step: float, first: float, position: float) -> None:
    for scale in ("linear", "log"):
        grid = WavelengthGrid(first, step, 10, scale)
        assert grid.positions(grid.wavelengths(position)) == pytest.approx(position, abs=1e-6)


def test_a_smooth_density_keeps_its_values() -> None:
    edges = pixel_edges(400)
    centres = (edges[1:] + edges[:-1]) / 2
    density = 50 + 10 * np.sin(centres / 60)
    grid = WavelengthGrid(4020, 2.1, 300)
    variance, flags = ones(400)
    found = resample(grid.positions(edges)[None], (density * np.diff(edges))[None], variance, flags, 300)
    good = found.flags[0] == 0
    truth = 50 + 10 * np.sin(grid.centres() / 60)
    # Light is taken to be even inside a pixel: half of the rise within one at most.
    rise = np.diff(edges).max() * 10 / 60
    np.testing.assert_allclose(found.data[0, good] / 2.1, truth[good], atol=rise / 2)
    assert np.mean(found.data[0, good] / 2.1 - truth[good]) == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize("step", [0.7, 1.8, 5.3])
def test_errors_are_right_pixel_by_pixel_and_in_bins(step: float) -> None:
    rng = np.random.default_rng(3)
    edges = pixel_edges(300)
    sigma = 3 + np.sin(np.arange(300) / 20)
    data = rng.normal(0, sigma, (3000, 300))
    grid = WavelengthGrid(4010, step, int(650 / step))
    positions = np.broadcast_to(grid.positions(edges), (3000, 301))
    found = resample(positions, data, np.broadcast_to(sigma**2, data.shape), np.zeros(data.shape, np.int16), grid.size)
    pull = found.data / np.sqrt(found.variance)
    assert pull.mean() == pytest.approx(0, abs=0.01)
    assert pull.std() == pytest.approx(1, abs=0.01)
    width = int(120 / step)
    binned = found.data[:, :width].sum(axis=1) / np.sqrt(found.variance[:, :width].sum(axis=1))
    assert binned.std() / found.noise_correction == pytest.approx(1, abs=0.05)
    assert noise_correction(grid.positions(edges), grid.size) == pytest.approx(found.noise_correction)


def test_whole_pixels_are_copied_and_not_correlated() -> None:
    grid = WavelengthGrid(5000, 2, 10)
    data = np.arange(10.0)[None]
    found = resample(grid.positions(grid.edges())[None], data, *ones(10), 10)
    np.testing.assert_allclose(found.data, data, atol=1e-9)
    assert found.noise_correction == pytest.approx(1)
    assert not found.flags.any()


def test_flags_follow_the_pixels() -> None:
    grid = WavelengthGrid(5000, 2, 12)
    edges = grid.edges()[:11] + 0.6
    data, flags = np.full((1, 10), 7.0), np.zeros((1, 10), np.int16)
    flags[0, 4], flags[0, 7] = Flag.COSMIC_RAY, Flag.NONLINEAR
    data[0, 4] = 1e6
    found = resample(grid.positions(edges)[None], data, np.ones((1, 10)), flags, 12)
    assert found.flags[0, 4] & Flag.COSMIC_RAY and mask_of(found.flags)[0, 4]
    assert found.flags[0, 5] == Flag.PARTIAL
    assert found.data[0, 5] == pytest.approx(7), "the cosmic ray leaked into its neighbour"
    assert found.flags[0, 7] == Flag.NONLINEAR and found.flags[0, 8] == Flag.NONLINEAR
    assert found.flags[0, 11] == Flag.OUTSIDE_DETECTOR
    assert found.data[0, 11] == 0


def test_many_rows_do_not_depend_on_blocks() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    edges = pixel_edges(n)
    data = rng.normal(size=(250, n))
    grid = WavelengthGrid(4005, 0.2, 3000)
    variance, flags = np.ones_like(data), np.zeros(data.shape, np.int16)
    positions = np.broadcast_to(grid.positions(edges), (250, n + 1))
    all_rows = resample(positions, data, variance, flags, grid.size)
    last = resample(positions[-1:], data[-1:], variance[-1:], flags[-1:], grid.size)
    np.testing.assert_array_equal(all_rows.data[-1], last.data[0])


def test_edges_are_halfway() -> None:
    np.testing.assert_allclose(edges_of(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
