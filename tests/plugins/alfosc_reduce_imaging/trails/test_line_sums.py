"""Sums along lines: nothing is lost, nothing counted twice, and straight lines are found straight."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_imaging.trails.candidates import best_line
from alfosc_reduce_imaging.trails.line_sums import lengths, line_sums


@pytest.mark.parametrize("shape", [(64, 50), (50, 64), (37, 81)])
def test_lines_of_one_climb_hold_every_cell_once(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).normal(1, 1, shape).astype(np.float32)
    for found in line_sums(values):
        strip = values[found.first : found.first + found.steps].sum()
        np.testing.assert_allclose(found.sums.sum(axis=1), strip, rtol=1e-4)


def test_quarters_halves_and_the_whole_are_summed() -> None:
    found = [(one.first, one.steps) for one in line_sums(np.ones((60, 40), np.float32))]
    assert found == [(0, 16), (16, 16), (32, 16), (48, 16), (0, 32), (32, 32), (0, 64)]


@pytest.mark.parametrize("climb", [0, 7, 31, 63])
def test_a_line_is_followed_from_end_to_end(climb: int) -> None:
    """No step leaves the straight line by more than a cell."""
    values = np.zeros((64, 140), np.float32)
    steps = np.arange(64)
    exact = 20 + climb * steps / 63
    for place in range(140):
        values[:, place] = np.abs(place - exact) <= 1
    whole = [*line_sums(values)][-1]
    assert whole.sums[climb, 20 - whole.low] == 64


def test_lengths_are_those_of_the_cells_met() -> None:
    shape = (60, 40)
    for found in line_sums(np.ones(shape, np.float32)):
        known = lengths(found.first, found.steps, shape)
        assert known.shape == found.sums.shape
        assert np.abs(known - found.sums).mean() < 0.5


@pytest.mark.parametrize("angle", [3, 30, 44, 60, 88, 95, 130, 140, 172])
def test_the_best_line_is_the_one_that_is_there(angle: int) -> None:
    rng = np.random.default_rng(angle)
    y, x = np.mgrid[:120, :150]
    turn = np.radians(angle)
    off = -(x - 70) * np.sin(turn) + (y - 55) * np.cos(turn)
    votes = np.clip(rng.normal(0, 1, x.shape) + 2.5 * (np.abs(off) < 0.7), -1, 1).astype(np.float32)
    line = best_line(votes, [])
    assert line is not None and line.significance > 8
    steps = np.array([20.0, 100.0])
    places = line.start + line.slope * steps
    px, py = (steps, places) if line.along_x else (places, steps)
    assert np.abs(-(px - 70) * np.sin(turn) + (py - 55) * np.cos(turn)).max() < 2
    other = best_line(votes, [line])
    assert other is None or other.significance < 0.8 * line.significance
