"""What stands out of a smoothed image, and of which noise."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.peaks import FWHM_TO_SIGMA, smoothed_noise
from scipy.ndimage import gaussian_filter

FWHM, SHAPE = 5.0, (600, 600)
EXPECTED = FWHM_TO_SIGMA / (2 * np.pi**0.5 * FWHM)


def smoothed(light: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=SHAPE)
    return gaussian_filter((light + noise).astype(np.float32), FWHM / FWHM_TO_SIGMA, truncate=3, mode="constant")


def stars(number: int) -> np.ndarray:
    """Stars of all brightnesses in units of the noise, few of them bright."""
    rng = np.random.default_rng(2)
    light = np.zeros(SHAPE)
    y, x = rng.integers(0, SHAPE[0], (2, number))
    np.add.at(light, (y, x), 30 * rng.pareto(1.0, number).clip(0, 3000))
    return gaussian_filter(light, FWHM / FWHM_TO_SIGMA)


def test_the_noise_of_an_empty_image_is_that_of_its_pixels_smoothed() -> None:
    assert smoothed_noise(smoothed(np.zeros(SHAPE)), FWHM) == pytest.approx(EXPECTED, rel=0.03)


@pytest.mark.parametrize(("number", "excess"), [(50, 0.03), (360, 0.04), (700, 0.07)])
def test_stars_are_not_noise(number: int, excess: float) -> None:
    """Up to two thousand stars in a million pixels, where the scatter about the median is twice as far off."""
    assert EXPECTED * 0.97 < smoothed_noise(smoothed(stars(number)), FWHM) < EXPECTED * (1 + excess)


def test_noise_is_never_less_than_that_of_independent_pixels() -> None:
    assert smoothed_noise(np.full((40, 40), 0.01, np.float32), FWHM) == pytest.approx(EXPECTED)
    assert smoothed_noise(np.zeros((40, 40), np.float32), FWHM) == pytest.approx(EXPECTED)
