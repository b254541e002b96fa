from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.combination.background import measure_sky


def sky(galaxy: float = 0.0, x0: float = 250.0, step: int = 1, slope: bool = True) -> Any:
    """Measure a sky of 3000 with noise 55 and a slope, below a galaxy of so many pixels (sigma)."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:500, :500]
    light = 3000 + 0.1 * (x - 249.5) - 0.05 * (y - 249.5)
    if galaxy:
        light = light + 2000 * np.exp(-0.5 * ((x - x0) ** 2 + (y - 250) ** 2) / galaxy**2)
    data = (light + 55 * rng.normal(size=light.shape)).astype(np.float32)[::step, ::step]
    return measure_sky(data, np.ones(data.shape, bool), step, slope=slope)


@pytest.mark.parametrize("step", [1, 3])
def test_a_plane_is_measured(step: int) -> None:
    found = sky(step=step)
    error = step * 55 * 1.25 / 500  # medians are noisier than means
    assert abs(found.level - 3000) < 3 * error
    assert abs(found.x_slope - 0.1) < 0.002 * step and abs(found.y_slope + 0.05) < 0.002 * step
    assert abs(found.noise / 55 - 1) < 0.03
    part = found.over(slice(0, 500), slice(0, 500))
    assert abs(part[0, 0] - (3000 - 24.95 + 12.475)) < 5 * error and abs(part.mean() - 3000) < 3 * error


@pytest.mark.parametrize("x0", [250.0, 100.0])
def test_a_large_galaxy_neither_lifts_nor_tilts_the_sky(x0: float) -> None:
    found = sky(galaxy=40.0, x0=x0)
    assert abs(found.level - 3000) < 0.5 and abs(found.x_slope - 0.1) < 0.005


def test_a_level_alone() -> None:
    found = sky(slope=False)
    assert found.x_slope == found.y_slope == 0.0 and abs(found.level - 3000) < 3


def test_masked_and_tiny_frames() -> None:
    data = np.full((4, 5), 7.0, np.float32)
    assert measure_sky(data, np.ones(data.shape, bool), 1, slope=True).level == 7.0
    good = np.zeros(data.shape, bool)
    good[2, 3] = True
    data[~good] = np.nan
    assert measure_sky(data, good, 1, slope=True).level == 7.0
