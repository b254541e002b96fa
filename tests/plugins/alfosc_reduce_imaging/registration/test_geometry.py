from __future__ import annotations

import numpy as np
from alfosc_reduce_imaging.registration.fitting import fit_map
from alfosc_reduce_imaging.registration.geometry import IDENTITY, PixelMap, overlap, similarity
from hypothesis import given
from hypothesis import strategies as st

numbers = st.floats(-3000, 3000)
maps = st.builds(
    lambda scale, turn, dx, dy: similarity(scale, turn, (dx, dy)),
    st.floats(0.2, 5), st.floats(-180, 180), numbers, numbers,
)  # fmt: skip
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20).map(np.array)


@given(maps, points)
def test_there_and_back(affine: PixelMap, xy: np.ndarray) -> None:
    np.testing.assert_allclose(affine.inverse()(affine(xy)), xy, atol=1e-7)


@given(maps, maps, points)
def test_one_after_the_other(first: PixelMap, second: PixelMap, xy: np.ndarray) -> None:
    np.testing.assert_allclose(second.after(first)(xy), second(first(xy)), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(second.after(first).area, second.area * first.area, rtol=1e-9)


@given(maps, st.integers(0, 1000))
def test_a_map_is_recovered_from_points(affine: PixelMap, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 2000, (30, 2))
    found = fit_map(xy, affine(xy), np.full(30, 0.01))
    np.testing.assert_allclose(found.place(xy), affine(xy), atol=1e-5)


bends = st.lists(st.floats(-2e-7, 2e-7), min_size=6, max_size=6).map(lambda b: np.array(b).reshape(2, 3))


@given(st.floats(0.9, 1.1), st.floats(-10, 10), numbers, bends, numbers, numbers)
def test_bent_maps(scale: float, turn: float, shift: float, bend: np.ndarray, x: float, y: float) -> None:
    bent = similarity(scale, turn, (shift, -shift))._replace(bend=bend)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 2000, 7)] * 2), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(bent.from_pixel(x, y)(grid), bent(grid + np.array([x, y])), atol=1e-6)
    np.testing.assert_array_equal(bent(grid[5]), bent(grid)[5])
    np.testing.assert_allclose(bent.inverse_over((2001, 2001))(bent(grid)), grid, atol=5e-3)
    # A bend that stays within the errors of the places is rightly not believed.
    error = 0.01
    found = fit_map(grid, bent(grid), np.full(len(grid), error))
    np.testing.assert_allclose(found.place(grid), bent(grid), atol=3 * error)


def test_distortion_is_seen_and_followed() -> None:
    rng = np.random.default_rng(5)
    bent = similarity(1.0, 0.05, (80.0, -60.0))._replace(bend=np.array([[9e-8, 0, 3e-8], [0, 6e-8, 9e-8]]))
    xy = rng.uniform(0, 2000, (80, 2))
    found = fit_map(xy, bent(xy) + 0.02 * rng.normal(size=xy.shape), np.full(80, 0.02))
    assert found.kind == "quadratic" and found.error < 0.01
    assert np.sqrt(np.mean((found.place(xy) - bent(xy)) ** 2)) < 2 * found.error


def test_few_bright_stars_do_not_rule_where_the_map_is_too_simple() -> None:
    """With too few stars to see the distortion, all of them count by what they really scatter."""
    rng = np.random.default_rng(6)
    bent = similarity(1.0, 0.0, (80.0, -60.0))._replace(bend=np.array([[9e-8, 0, 3e-8], [0, 6e-8, 9e-8]]))
    xy = rng.uniform(0, 2000, (25, 2))
    errors = np.where(np.arange(25) < 3, 0.005, 0.05)
    found = fit_map(xy, bent(xy) + errors[:, None] * rng.normal(size=xy.shape), errors)
    assert np.sqrt(np.mean((found.place(xy) - bent(xy)) ** 2)) < 0.08


def test_outliers_do_not_bend_a_map() -> None:
    rng = np.random.default_rng(3)
    true = similarity(1.001, 0.4, (12.0, -5.0))
    xy = rng.uniform(0, 2000, (60, 2))
    there = true(xy) + 0.02 * rng.normal(size=xy.shape)
    there[:15] += rng.uniform(-2, 2, (15, 2))
    found = fit_map(xy, there, np.full(60, 0.02))
    assert found.kept[15:].mean() > 0.95 and found.kept[:15].mean() < 0.2
    assert np.abs(found.place(xy) - true(xy)).max() < 0.02
    assert 0.015 < found.rms < 0.025


def test_noise_neither_turns_nor_stretches() -> None:
    rng = np.random.default_rng(4)
    kinds = []
    for _ in range(50):
        xy = rng.uniform(0, 2000, (25, 2))
        kinds.append(fit_map(xy, xy + 3.3 + 0.05 * rng.normal(size=xy.shape), np.full(25, 0.05)).kind)
    assert kinds.count("shift") >= 45


def test_overlap() -> None:
    assert overlap(IDENTITY, (100, 50), IDENTITY, (100, 50)) == 1.0
    assert overlap(IDENTITY, (100, 50), similarity(1, 0, (500, 0)), (100, 50)) == 0.0
    half = overlap(IDENTITY, (1000, 1000), similarity(1, 0, (500, 0)), (1000, 1000))
    assert abs(half - 0.5) < 0.05
