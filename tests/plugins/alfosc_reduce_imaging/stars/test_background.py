"""The background below objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.background import background
from alfosc_reduce_imaging.stars.mesh import fill_cells, in_cells, median_around, mesh_shape, surface


def everywhere(data: np.ndarray) -> np.ndarray:
    return np.ones(data.shape, bool)


def test_pure_noise_keeps_its_mean_and_scatter() -> None:
    data = np.random.default_rng(1).normal(200, 15, (600, 700))
    level, rms = background(data, everywhere(data))
    assert abs(np.mean(level) - 200) / 15 < 0.005
    assert abs(np.mean(rms) / 15 - 1) < 0.005
    assert np.std(level) / 15 < 0.015


def test_stars_do_not_lift_it(sky_field: Any) -> None:
    field = sky_field(shape=(700, 700), number=150, grid=False, flux=(500, 2e5))
    level, rms = background(field.data, everywhere(field.data))
    assert abs(np.mean(level) - field.sky) / field.noise < 0.015
    assert np.max(np.abs(level - field.sky)) / field.noise < 0.15
    assert abs(np.mean(rms) / field.noise - 1) < 0.01


@pytest.mark.parametrize("slope", [0.3, 3.0])
def test_a_gradient_is_followed_to_the_corners(slope: float) -> None:
    y, x = np.mgrid[:500, :520]
    truth = 300 + slope * x - 0.5 * slope * y + 500
    data = truth + np.random.default_rng(2).normal(0, 15, truth.shape)
    level, _ = background(data, everywhere(data))
    assert np.max(np.abs(level - truth)) / 15 < 0.3
    assert abs(np.mean(level - truth)) / 15 < 0.02


@pytest.mark.parametrize("number", [150, 700])
def test_it_agrees_with_photutils_or_is_better(sky_field: Any, number: int) -> None:
    from photutils.background import Background2D

    field = sky_field(shape=(640, 640), number=number, grid=False, flux=(500, 1e5), seed=7)
    ours, rms = background(field.data, everywhere(field.data))
    theirs = Background2D(field.data, 64)
    off, other = ((level - field.sky) / field.noise for level in (ours, theirs.background))
    assert np.sqrt(np.mean(off**2)) < np.sqrt(np.mean(other**2)) + 0.002
    assert np.std(off - other) < 0.06
    assert abs(np.mean(rms) / field.noise - 1) < 0.01


def test_a_field_without_any_sky_keeps_a_scatter(sky_field: Any) -> None:
    field = sky_field(shape=(200, 200), number=400, grid=False, flux=(2e4, 2e5), seed=9)
    level, rms = background(field.data, everywhere(field.data))
    assert (rms > 0).all()
    assert (level > field.sky - field.noise).all()


def test_a_large_galaxy_is_not_background() -> None:
    y, x = np.mgrid[:800, :800]
    galaxy = 3000 * np.exp(-np.hypot(x - 400, y - 380) / 18)
    data = galaxy + 300 + np.random.default_rng(3).normal(0, 15, galaxy.shape)
    level, _ = background(data, everywhere(data))
    assert np.max(level - 300) / 15 < 0.6


def test_unusable_parts_take_the_values_of_their_neighbours() -> None:
    data = np.random.default_rng(4).normal(100, 10, (400, 400))
    good = everywhere(data)
    good[:, :130] = False
    data[:, :130] = 1e6
    data[10, 300] = np.nan
    good[10, 300] = False
    level, rms = background(data, good)
    assert np.isfinite(level).all()
    assert np.max(np.abs(level - 100)) < 3
    assert abs(np.median(rms) / 10 - 1) < 0.02


def test_nothing_usable_gives_zeros() -> None:
    level, rms = background(np.ones((100, 100)), np.zeros((100, 100), bool))
    assert not level.any()
    assert not rms.any()


def test_small_images_work() -> None:
    data = np.random.default_rng(5).normal(50, 5, (30, 40))
    level, rms = background(data, everywhere(data))
    assert abs(level.mean() - 50) < 0.7
    assert abs(rms.mean() - 5) < 0.5


def test_inputs_stay_as_they_are() -> None:
    data = np.random.default_rng(6).normal(50, 5, (200, 200)).astype(np.float32)
    before = data.copy()
    background(data, everywhere(data))
    assert np.array_equal(data, before)


def test_cells_hold_each_pixel_once() -> None:
    values = np.arange(7 * 11, dtype=np.float32).reshape(7, 11)
    cells = in_cells(values, mesh_shape(values.shape, 4))
    assert cells.shape == (2, 3, 16)
    assert sorted(cells[np.isfinite(cells)]) == list(range(77))


def test_gaps_are_filled_and_the_rest_is_kept() -> None:
    cells = np.full((9, 9), 5.0, np.float32)
    cells[2:7, 2:7] = np.nan
    cells[0, 0] = 6
    filled = fill_cells(cells)
    assert np.isfinite(filled).all()
    assert filled[0, 0] == 6
    assert np.allclose(filled[3:6, 3:6], 5, atol=0.2)


def test_the_surface_goes_through_the_cells() -> None:
    cells = np.random.default_rng(7).normal(size=(5, 6)).astype(np.float32)
    image = surface(cells, (50, 60))
    # Centres of cells of ten pixels lie between two pixels.
    between = (image[4::10, 4::10] + image[5::10, 5::10] + image[4::10, 5::10] + image[5::10, 4::10]) / 4
    assert np.allclose(between, cells, atol=0.05)
    assert np.array_equal(median_around(cells, 0), cells)


def test_a_sky_of_which_a_corner_is_known_ends() -> None:
    """Gaps far from all that is known once were waited for without end."""
    cells = np.full((40, 40), np.nan, np.float32)
    cells[0, 0] = 7
    np.testing.assert_allclose(fill_cells(cells), 7, rtol=1e-5)
