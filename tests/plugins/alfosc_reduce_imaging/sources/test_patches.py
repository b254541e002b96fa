"""Stars of a combination of which one exposure misses a part: its seeing was another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.measuring import MeasureSources
from alfosc_reduce_imaging.sources.patches import missing_light, weighted_median
from alfosc_reduce_imaging.stars.noise import Noise

SEEING = (4.0, 4.3, 4.6, 5.0)
SHAPE = (650, 650)


@pytest.fixture(scope="module")
def combination(sky_field: Any) -> tuple[Any, Any, np.ndarray]:
    """The mean of four exposures, its sources, and for each star whether the sharpest misses two columns of it."""
    parts = [
        sky_field(shape=SHAPE, number=169, fwhm=fwhm, flux=(2e4, 8e5), seed=5, beta=3.5, sky=200.0) for fwhm in SEEING
    ]
    rng = np.random.default_rng(7)
    data = np.stack([rng.poisson(part.light + part.sky) + rng.normal(0, 5, SHAPE) for part in parts])
    used = np.ones_like(data, bool)
    hit = np.arange(len(parts[0].x)) % 5 == 0
    for x, y in np.rint(np.column_stack([parts[0].x, parts[0].y])[hit]).astype(int):
        used[0, y - 15 : y + 16, x : x + 2] = False
    number = used.sum(0)
    mean = np.where(used, data, 0).sum(0) / number
    variance = np.where(used, np.maximum(data, 0) + 25, 0).sum(0) / number**2
    field = replace(parts[0], data=mean, variance=variance)
    sources = MeasureSources()(field.image(header={"NOISECOR": 1.0, "NOISELEN": 1.0})).sources
    return field, sources, hit


def pulls(combination: Any, kind: str, reached: bool) -> np.ndarray:
    field, sources, hit = combination
    found, true = field.matched(sources["x"].value, sources["y"].value)
    flux, error = (sources[f"flux_{kind}{end}"].value[found] for end in ("", "_error"))
    whole = ~hit[true] & (field.flux[true] > 5e4)
    scale = np.average(flux[whole] / field.flux[true][whole], weights=field.flux[true][whole])
    chosen = (hit[true] == reached) & (field.flux[true] > 5e4)
    assert np.count_nonzero(chosen) > 20
    return ((flux / scale - field.flux[true]) / error)[chosen]


@pytest.mark.parametrize("kind", ["aper", "psf"])
def test_errors_hold_that_an_exposure_is_missing_on_a_part(combination: Any, kind: str) -> None:
    """Without, these stars would be off by ten of their errors, and more; and no more is added than it takes."""
    assert 0.6 < np.sqrt(np.mean(pulls(combination, kind, True) ** 2)) < 1.8
    assert np.sqrt(np.mean(pulls(combination, kind, False) ** 2)) == pytest.approx(1, abs=0.3)


def test_a_column_is_seen_and_smooth_changes_are_not() -> None:
    y, x = np.mgrid[:60, :60]
    light = (3e5 * np.exp(-0.5 * ((x - 30) ** 2 + (y - 30) ** 2) / 4) / (8 * np.pi)).astype(np.float32)
    noise = Noise(np.full(light.shape, 50, np.float32), 0.25)
    variance = (50 + 0.3 * light) * (1 + x / 300)
    place = np.array([30.0]), np.array([30.0]), 5.0
    assert missing_light(light, variance.astype(np.float32), noise, *place)[0] < 0.003
    variance[:, 30] *= 4 / 3
    column = light[:, 30].sum() / light.sum()
    expected = column * (1 - 1.12 * 3 / 4)
    assert missing_light(light, variance.astype(np.float32), noise, *place)[0] == pytest.approx(expected, rel=0.3)


def test_medians_are_weighted() -> None:
    values = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    weight = np.array([[1.0, 1.0, 1.0], [5.0, 1.0, 1.0]])
    assert list(weighted_median(values, weight)) == [2.0, 3.0]
