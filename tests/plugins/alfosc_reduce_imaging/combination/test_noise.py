"""The noise of combined images: of pixels, and of sums over many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.combination.combination import CombineImages
from alfosc_reduce_imaging.combination.noise import median_factor, median_variance
from alfosc_reduce_imaging.correlated_noise import (
    LAGS,
    autocovariance,
    box_weights,
    correlated_error,
    correlation_cards,
    noise_factor,
    spline_weights,
)
from alfosc_reduce_imaging.registration.geometry import IDENTITY, similarity

PLACES = {
    "shifts": [IDENTITY, *(similarity(1, 0, d) for d in ((3.5, -2.5), (-4.3, 6.1), (7.7, 3.25)))],
    "turns": [IDENTITY, *(similarity(1, r, d) for r, d in ((0.3, (3.5, -2.5)), (-0.4, (-4.3, 6.1)), (5, (7.7, 3.2))))],
    "scales": [IDENTITY, *(similarity(s, 0.3, d) for s, d in ((1.03, (3.5, -2.5)), (0.96, (5.3, 6.1))))],
}  # fmt: skip


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize(
    ("method", "resampling"),
    [("mean", "interpolate"), ("median", "interpolate"), ("clipped", "interpolate"), ("mean", "conserve")],
)
def test_errors_of_pixels_and_of_sums_are_right(
    scene: Any, filelist: Any, places: str, method: Any, resampling: Any
) -> None:
    """Pixels within 3 %, sums over up to 700 pixels within 5 %, under clouds and unequal exposures."""
    fainter, seconds = [0.0, 0.2, 0.1, 0.3], [100.0, 150.0, 80.0, 120.0]
    pixels, sums = [], []
    for seed in range(3 if resampling == "interpolate" else 1):
        field = scene(seed=seed)
        frames = [
            field.frame(f"f{i}", place, fainter=m, seconds=t)
            for i, (place, m, t) in enumerate(zip(PLACES[places], fainter, seconds, strict=False))
        ]
        listed = filelist(frames, PLACES[places], zero_point_offset=fainter[: len(frames)])
        step = CombineImages(method=method, resampling=resampling, area="intersection", sky="level")
        image = step(frames, listed)
        inner = (slice(15, -15),) * 2
        data, variance = np.asarray(image.data[inner], float), np.asarray(image.uncertainty.array[inner], float)
        data = data - data.mean()
        pixels.append(np.mean(data**2 / variance))
        sums.append([np.mean(_sums(data, r) ** 2 / _sums(variance, r)) / noise_factor(_area(r), image.meta) ** 2
                     for r in (3, 6, 10)[: 3 if resampling == "interpolate" else 1]])  # fmt: skip
    assert abs(np.sqrt(np.mean(pixels)) - 1) < 0.03
    for found, limit in zip(np.sqrt(np.mean(sums, axis=0)), (0.03, 0.05, 0.07), strict=False):
        assert abs(found - 1) < limit, np.sqrt(np.mean(sums, axis=0))


def _disc(radius: int) -> Any:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.hypot(y, x) <= radius


def _area(radius: int) -> int:
    return int(_disc(radius).sum())


def _sums(values: Any, radius: int) -> Any:
    from scipy.signal import fftconvolve

    return fftconvolve(values, _disc(radius), "valid")


@pytest.mark.parametrize("weights", [spline_weights, box_weights])
def test_weights_are_those_of_an_interpolation(weights: Any) -> None:
    phases = np.linspace(0, 1, 11)[:-1]
    found = weights(phases)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found @ np.arange(-11, 13), phases, atol=2e-5)
    np.testing.assert_allclose(found[0], np.arange(-11, 13) == 0, atol=1e-6)


def test_spline_weights_are_those_of_scipy() -> None:
    from scipy.ndimage import shift

    data = np.random.default_rng(1).normal(size=64)
    moved = shift(data, -0.3, order=3, mode="mirror")
    assert abs(spline_weights([0.3])[0] @ data[30 - 11 : 30 + 13] - moved[30]) < 1e-6


@pytest.mark.parametrize("weights", [spline_weights, box_weights])
@pytest.mark.parametrize("phase", [0.1, 0.3, 0.5])
def test_the_growth_of_errors_with_area_is_described(weights: Any, phase: float) -> None:
    """The two numbers in the header reproduce what the full covariance says, for sums over any number of pixels."""
    along = autocovariance(weights([phase]))[0]
    covariance = np.outer(along, along)
    noise, length = correlation_cards(covariance)
    header = {"NOISECOR": noise, "NOISELEN": length}
    for radius in (2, 3, 5, 8, 12):
        disc = _disc(radius).astype(float)
        true = 0.0
        for dy in range(-LAGS, LAGS + 1):
            for dx in range(-LAGS, LAGS + 1):
                part = np.roll(np.pad(disc, LAGS), (dy, dx), axis=(0, 1)) * np.pad(disc, LAGS)
                true += covariance[dy + LAGS, dx + LAGS] * part.sum()
        naive = covariance[LAGS, LAGS] * disc.sum()
        # A disc of radius 2 is rather a square.
        assert abs(noise_factor(disc.sum(), header) / np.sqrt(true / naive) - 1) < (0.022 if radius == 2 else 0.014)


def test_noise_factors_have_sane_limits() -> None:
    assert noise_factor(1, {"NOISECOR": 1.3, "NOISELEN": 0.5}) == 1.0
    assert abs(noise_factor(1e8, {"NOISECOR": 1.3, "NOISELEN": 0.5}) - 1.3) < 1e-3
    np.testing.assert_array_equal(correlated_error([2.0, 3.0], [10, 1000], {}), [2.0, 3.0])


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 10, 25, 40])
def test_the_median_of_few_and_many(number: int) -> None:
    sample = np.random.default_rng(number).normal(size=(number, 200_000)).astype(np.float32)
    found = np.median(sample, axis=0).var() * number
    assert abs(found / median_factor(np.array(number)) - 1) < 0.015


@pytest.mark.parametrize("number", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("ratio", [1.0, 1.3, 1.6])
def test_the_median_of_unequal_noise(number: int, ratio: float) -> None:
    sigma = np.geomspace(1, ratio, number)
    sample = np.random.default_rng(number).normal(size=(number, 200_000)) * sigma[:, None]
    stated = median_variance(np.sum(sigma**2), np.sum(1 / sigma), np.array(number))
    assert abs(np.median(sample, axis=0).var() / stated - 1) < 0.02
