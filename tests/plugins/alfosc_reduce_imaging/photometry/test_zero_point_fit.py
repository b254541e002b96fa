"""The errors of a line through few points are those of few points."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.zero_point_fit import straight_line
from scipy.stats import t as student


@pytest.mark.parametrize("number", [6, 8])
def test_errors_of_few_images_that_scatter_are_large_enough(number: int) -> None:
    """Clouds scatter the images by five times their errors: pulls follow Student, for no point is an outlier."""
    rng = np.random.default_rng(3)
    pulls = []
    for _ in range(400):
        airmass, error = rng.uniform(1, 2, number), np.full(number, 0.004)
        y = 25 - 0.1 * airmass + rng.normal(0, np.hypot(error, 0.02))
        values, covariance, _ = straight_line(y, error, airmass)
        pulls.append((values[1] + 0.1) / np.sqrt(covariance[1, 1]))
    middle = float(np.median(np.abs(pulls)) / student.ppf(0.75, number - 2))
    assert 0.9 < middle < 1.15


def test_an_outlier_among_eight_images_is_left_out() -> None:
    rng = np.random.default_rng(4)
    airmass = np.linspace(1, 2.2, 8)
    y = 25 - 0.1 * airmass + rng.normal(0, 0.004, 8)
    y[3] += 0.5
    values, covariance, scatter = straight_line(y, np.full(8, 0.004), airmass)
    assert abs(values[1] + 0.1) < 4 * np.sqrt(covariance[1, 1])
    assert np.sqrt(covariance[1, 1]) < 0.01 and scatter < 0.02
