from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.patterns.matching import PatternMatch, match_pattern
from hypothesis import given, settings
from hypothesis import strategies as st

LIMITS: dict[str, Any] = {"tolerance": 3.0, "max_shift": 250.0, "max_rotation": 0.1, "max_scale": 0.04}


class Sky:
    """Points in a square of 1000, their mirrored, turned and shifted images in a reference that is wider."""

    def __init__(
        self, seed: int, number: int, *, angle: float = 0.05, scale: float = 1.02, mirrored: bool = False,
        false: int = 0, missing: int = 0, noise: float = 0.2,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        middle = np.array([500.0, 500.0])
        self.matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if mirrored:
            self.matrix = self.matrix @ np.diag([-1.0, 1.0])
        self.offset = middle + rng.uniform(-150, 150, 2) - self.matrix @ middle
        true = rng.uniform(0, 1000, (number, 2))
        others = rng.uniform(-400, 1400, (3 * number + missing, 2))
        seen = true @ self.matrix.T + self.offset
        magnitude = rng.exponential(1.0, number)
        self.points = np.concatenate([true + rng.normal(0, noise, true.shape), rng.uniform(0, 1000, (false, 2))])
        self.flux = 10 ** (-0.4 * np.concatenate([magnitude + rng.normal(0, 0.4, number), rng.exponential(1, false)]))
        self.order = rng.permutation(number + len(others))
        self.reference = np.concatenate([seen, others])[self.order]
        self.ref_flux = 10 ** (-0.4 * np.concatenate([magnitude, rng.exponential(1.0, len(others))]))[self.order]
        self.number = number

    def match(self, **changes: Any) -> PatternMatch | None:
        given: dict[str, Any] = LIMITS | {"middle": (500.0, 500.0)} | changes
        return match_pattern(self.points, self.flux, self.reference, self.ref_flux, **given)

    def error(self, match: PatternMatch) -> float:
        corners = np.array([[0, 0], [0, 1000], [1000, 0], [1000, 1000.0]])
        return float(np.abs(corners @ (match.matrix - self.matrix).T + match.offset - self.offset).max())


@pytest.mark.parametrize("number", [8, 15, 60, 400])
@pytest.mark.parametrize("mirrored", [False, True])
def test_map_is_found_with_a_third_false(number: int, mirrored: bool) -> None:
    for seed in range(8):
        sky = Sky(seed, number, false=number // 2, mirrored=mirrored)
        match = sky.match(flips=(False, True))
        assert match is not None
        assert sky.error(match) < 1.5
        assert match.rms == pytest.approx(0.2 * np.sqrt(2), rel=0.5)


def test_crowded_field_is_found() -> None:
    sky = Sky(3, 2500, false=500, noise=0.4)
    match = sky.match()
    assert match is not None
    assert sky.error(match) < 0.2
    assert len(match.pairs) > 2300


def test_most_stars_missing_in_the_reference_is_no_obstacle() -> None:
    for seed in range(5):
        sky = Sky(seed, 20, false=80)
        match = sky.match()
        assert match is not None
        assert sky.error(match) < 1.5


def test_brightest_stars_may_be_missing() -> None:
    sky = Sky(5, 200)
    bright = np.argsort(-sky.flux)[:40]
    left = np.setdiff1d(np.arange(200), bright)
    sky.points, sky.flux = sky.points[left], sky.flux[left]
    match = sky.match()
    assert match is not None
    assert sky.error(match) < 0.5


def test_fluxes_are_only_a_hint() -> None:
    sky = Sky(6, 40, false=10)
    match = match_pattern(sky.points, None, sky.reference, None, **LIMITS)
    assert match is not None
    assert sky.error(match) < 1.0


def test_any_rotation_is_found_if_allowed() -> None:
    sky = Sky(7, 60, angle=2.5, false=20)
    assert sky.match() is None
    match = sky.match(max_rotation=np.pi)
    assert match is not None
    assert sky.error(match) < 0.5


def test_mirror_image_is_found_only_if_asked_for() -> None:
    sky = Sky(8, 60, mirrored=True)
    assert sky.match() is None
    assert sky.match(flips=(True,)) is not None


@pytest.mark.parametrize("number", [4, 8, 30, 200])
def test_unrelated_points_match_nothing(number: int) -> None:
    for seed in range(400 // number if number < 100 else 3):
        rng = np.random.default_rng(seed)
        points, reference = rng.uniform(0, 1000, (number, 2)), rng.uniform(-300, 1300, (3 * number, 2))
        match = match_pattern(
            points, rng.random(number), reference, rng.random(3 * number), flips=(False, True), **LIMITS
        )
        assert match is None


def test_two_unrelated_clusters_match_nothing() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        points, reference = rng.normal(500, 120, (150, 2)), rng.normal(500, 120, (300, 2))
        assert match_pattern(points, None, reference, None, **LIMITS) is None


def test_pattern_that_fits_in_two_places_is_refused() -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 1000, (12, 2))
    aside = np.array([60.0, 0.0])
    twice = np.concatenate([points + aside, points - aside])
    assert match_pattern(points, None, twice, None, **LIMITS) is None
    assert match_pattern(points, None, twice[:12], None, **LIMITS) is not None


def test_every_point_and_star_is_in_one_pair_at_most() -> None:
    sky = Sky(9, 300, false=100)
    sky.points = np.concatenate([sky.points, sky.points[:20] + 0.5])
    sky.flux = np.concatenate([sky.flux, sky.flux[:20]])
    match = sky.match()
    assert match is not None
    for column in match.pairs.T:
        assert len(set(column.tolist())) == len(column)
    true = match.pairs[match.pairs[:, 0] < sky.number]
    assert np.mean(sky.order[true[:, 1]] == true[:, 0]) > 0.97


def test_points_that_are_not_finite_are_left_out() -> None:
    sky = Sky(10, 50)
    sky.points[::7] = np.nan
    sky.flux[1::7] = np.nan
    match = sky.match()
    assert match is not None
    assert sky.error(match) < 0.5
    assert not set(match.pairs[:, 0].tolist()) & set(range(0, 50, 7))


@pytest.mark.parametrize(("number", "ref_number"), [(0, 0), (0, 9), (9, 0), (3, 30), (1, 1)])
def test_too_few_points_match_nothing(number: int, ref_number: int) -> None:
    rng = np.random.default_rng(0)
    points, reference = rng.uniform(0, 9, (number, 2)), rng.uniform(0, 9, (ref_number, 2))
    assert match_pattern(points, None, reference, None, **LIMITS) is None


def test_points_in_one_place_match_nothing() -> None:
    assert match_pattern(np.ones((30, 2)), None, np.ones((30, 2)), None, **LIMITS) is None


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-0.09, 0.09), scale=st.floats(0.97, 1.03), seed=st.integers(0, 1000), number=st.integers(12, 80))
def test_whatever_is_found_is_true(angle: float, scale: float, seed: int, number: int) -> None:
    sky = Sky(seed, number, angle=angle, scale=scale, false=number // 3)
    match = sky.match()
    assert match is not None
    assert sky.error(match) < 2.0


def test_same_points_give_the_same_match() -> None:
    first, second = (Sky(11, 80, false=30).match() for _ in range(2))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.matrix, second.matrix)
    assert np.array_equal(first.pairs, second.pairs)
