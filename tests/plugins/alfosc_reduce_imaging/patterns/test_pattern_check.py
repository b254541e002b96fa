from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_imaging.patterns.checking import linear_through, rarity
from alfosc_reduce_imaging.patterns.limits import Limits, as_complex
from alfosc_reduce_imaging.patterns.matching import best_match, match_pattern, same_place
from scipy.stats import binom


@pytest.mark.parametrize(("found", "number", "chance"), [(3, 10, 0.01), (5, 400, 0.01), (40, 60, 0.2), (0, 5, 0.1)])
def test_rarity_is_the_binomial_tail(found: int, number: int, chance: float) -> None:
    assert rarity(found, number, chance) == pytest.approx(
        -binom.logsf(found - 1, number, chance) / np.log(10), abs=1e-9
    )


def test_more_pairs_are_rarer_however_many() -> None:
    values = [rarity(found, 900, 0.01) for found in range(50, 901, 10)]
    assert np.all(np.diff(values) > 0)
    assert values[-1] == pytest.approx(1800.0, rel=1e-3)


def test_significance_means_what_it_says() -> None:
    """Of searches in unrelated fields, one in ten reaches a significance of one, and hardly any three."""
    limits = Limits(3.0, 250.0, 0.1, 0.04)
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points, reference = rng.uniform(0, 1000, (15, 2)), rng.uniform(-300, 1300, (50, 2))
        match = best_match(points, None, reference, None, limits).match
        found.append(-9.0 if match is None else match.significance)
    assert np.mean(np.array(found) > 1) < 0.2
    assert max(found) < 3


def test_field_that_is_bent_is_matched_where_it_is_straight() -> None:
    """Distortion beyond the tolerance leaves several places that share their stars; they are no rivals."""
    rng = np.random.default_rng(5)
    points = rng.uniform(0, 1000, (500, 2))
    off = points - 500
    seen = points + off * np.sum(off**2, axis=1, keepdims=True) * 12 / 707.0**3 + [40.0, -60.0]
    match = match_pattern(points, None, seen, None, tolerance=3.0, max_shift=200.0, max_rotation=0.1, max_scale=0.04)
    assert match is not None
    assert match.offset + match.matrix @ [500.0, 500.0] == pytest.approx([540.0, 440.0], abs=4.0)


def test_lists_of_pairs_are_one_place_if_the_shorter_is_in_the_longer() -> None:
    long = np.stack([np.arange(30), np.arange(30)], axis=1)
    assert same_place(long, long[:5])
    assert not same_place(long, long[:6] + np.array([0, 1]))


@pytest.mark.parametrize("askew", [False, True])
def test_least_squares_map_is_exact(askew: bool) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (9, 2))
    matrix = np.array([[1.1, 0.2], [-0.1, 0.9]]) if askew else np.array([[0.9, -0.3], [0.3, 0.9]])
    linear = linear_through(as_complex(points), as_complex(points @ matrix.T + [5.0, -3.0]), askew=askew)
    found, offset = linear.as_matrix(None)
    assert found == pytest.approx(matrix, abs=1e-10)
    assert offset == pytest.approx([5.0, -3.0], abs=1e-8)
