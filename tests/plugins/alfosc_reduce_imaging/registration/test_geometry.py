from __future__ import annotations

import numpy as np
from alfosc_reduce_imaging.registration.fitting import fit_map
from alfosc_reduce_imaging.registration.geometry import IDENTITY, Affine, overlap, similarity
from hypothesis import given
from hypothesis import strategies as st

numbers = st.floats(-3000, 3000)
maps = st.builds(
    lambda scale, turn, dx, dy: similarity(scale, turn, (dx, dy)),
    st.floats(0.2, 5), st.floats(-180, 180), numbers, numbers,
)  # fmt: skip
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20).map(np.array)


@given(maps, points)
def test_there_and_back(affine: Affine, xy: np.ndarray) -> None:
    np.testing.assert_allclose(affine.inverse()(affine(xy)), xy, atol=1e-7)


@given(maps, maps, points)
def test_one_after_the_other(first: Affine, second: Affine, xy: np.ndarray) -> None:
    np.testing.assert_allclose(second.after(first)(xy), second(first(xy)), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(second.after(first).area, second.area * first.area, rtol=1e-9)


@given(maps, st.integers(0, 1000))
def test_a_map_is_recovered_from_points(affine: Affine, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 2000, (30, 2))
    found = fit_map(xy, affine(xy), np.full(30, 0.01))
    np.testing.assert_allclose(found.affine(xy), affine(xy), atol=1e-5)


def test_outliers_do_not_bend_a_map() -> None:
    rng = np.random.default_rng(3)
    true = similarity(1.001, 0.4, (12.0, -5.0))
    xy = rng.uniform(0, 2000, (60, 2))
    there = true(xy) + 0.02 * rng.normal(size=xy.shape)
    there[:15] += rng.uniform(-2, 2, (15, 2))
    found = fit_map(xy, there, np.full(60, 0.02))
    assert found.kept[15:].mean() > 0.95 and found.kept[:15].mean() < 0.2
    assert np.abs(found.affine(xy) - true(xy)).max() < 0.02
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
