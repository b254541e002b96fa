"""The judge of noise knows right variances from wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate.imaging.noise import judge_noise
from scipy.ndimage import gaussian_filter

RNG = np.random.default_rng(6)
SHAPE = (700, 720)
PLACES = RNG.uniform(0, 700, (2, 40))


def test_independent_pixels_with_right_variances():
    variance = np.broadcast_to(np.linspace(4, 9, 720), SHAPE)
    data = RNG.standard_normal(SHAPE) * np.sqrt(variance) + np.linspace(0, 30, 700)[:, None]
    for x, y in PLACES.T:
        data[max(int(y) - 8, 0) : int(y) + 9, max(int(x) - 8, 0) : int(x) + 9] += 500
    good = np.ones(SHAPE, bool)
    good[:, 300:320] = False
    found = judge_noise(data, variance, good, *PLACES)
    assert found.boxes > 2000
    assert found.pixel == pytest.approx(1, abs=0.01)
    assert found.box == pytest.approx(1, abs=0.04)
    assert judge_noise(data, variance / 1.21, good, *PLACES).pixel == pytest.approx(1.1, abs=0.01)


def test_correlated_pixels_need_the_factor():
    data = gaussian_filter(RNG.standard_normal(SHAPE), 0.6)
    found = judge_noise(data, np.full(SHAPE, data.var()), np.ones(SHAPE, bool), *PLACES, correlation=1 / data.std())
    assert found.pixel == pytest.approx(1, abs=0.01)
    assert found.box == pytest.approx(0.97, abs=0.05)
