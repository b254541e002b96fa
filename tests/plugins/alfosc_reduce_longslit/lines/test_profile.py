"""The profile of a line is found on lines that stand free, whatever stands beside the others."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_longslit.lines.positions import Groups, Strips, fit_profile, with_core
from alfosc_reduce_longslit.lines.profile import LineProfile

TRUE = LineProfile(2.3, 0.18)
PLACES = np.linspace(20.3, 440.9, 15)


def strips_of(beside: int, full_well: float = np.inf) -> Strips:
    """An arc of 15 lines; beside some stands another that nobody knows of, with 0.01 to 1 of the light."""
    pixel, rng = np.arange(460.0), np.random.default_rng(5)
    light = rng.uniform(3e5, 3e6, len(PLACES))
    clean = 300.0 + sum(a * TRUE(pixel - x) for x, a in zip(PLACES, light, strict=True))
    share, away = 10 ** rng.uniform(-2, 0, len(PLACES)), rng.uniform(1.2, 3.0, len(PLACES))
    for i in range(beside):
        clean = clean + share[i] * light[i] * TRUE(pixel - PLACES[i] - away[i])
    data = rng.poisson(np.tile(clean, (6, 1))).astype(float)
    good = data < full_well
    return Strips(np.where(good, data, 0.0), data + 20.0, good, np.arange(6.0))


def alone(places: np.ndarray) -> Groups:
    return Groups(places, np.zeros((len(places), 1)), np.ones((len(places), 1)), np.zeros((len(places), 1)))


@pytest.mark.parametrize("beside", [0, 8, 11])
def test_unknown_neighbours_of_most_lines_do_not_widen_the_profile(beside: int) -> None:
    start = np.repeat(PLACES[:, None], 6, axis=1)
    found = fit_profile(strips_of(beside), alone(PLACES), start, 2.6)
    assert found.width == pytest.approx(TRUE.width, abs=0.02)
    assert found.blur == pytest.approx(TRUE.blur, abs=0.01)


def test_a_line_has_a_core_where_no_pixel_of_it_is_saturated() -> None:
    strips = strips_of(0, full_well=5e5)
    start = np.repeat(PLACES[:, None], 6, axis=1)
    column = np.round(PLACES).astype(int)
    expected = np.array([strips.good[:, c - 2 : c + 3].all(axis=1) for c in column])
    found = with_core(strips, start, TRUE.fwhm)
    assert np.array_equal(found, expected)
    assert 0 < found.mean() < 1


def test_a_core_beyond_the_edge_of_the_frame_is_judged_by_the_pixels_there() -> None:
    strips = strips_of(0)
    assert with_core(strips, np.array([[-3.0] * 6, [470.0] * 6]), 3.0).all()
