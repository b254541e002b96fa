"""The map of wavelengths ends where lines can still be checked against each other."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_longslit.wavelengths.fit import Anchors, Points, fit_wavelengths

SHAPE = (200, 1000)
STRIPS = np.linspace(10, 190, 8)
NONE = Anchors(*(np.zeros(0) for _ in range(4)))


def wavelength(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u = x / 500 - 1
    return 5000 + 900 * u + 40 * u**2 - 8 * u**3 + 2 * np.sin(4 * u) + 0.01 * (y - 100)


def points(x: np.ndarray, off: dict[int, float]) -> Points:
    """Lines at pixels `x`, measured to 0.01 pixels; the wavelengths of those in `off` are wrong by so many pixels."""
    rng = np.random.default_rng(2)
    true = wavelength(x, np.array(100.0))
    place = x[:, None] + 0.0 * STRIPS
    for _ in range(8):
        place = place - (wavelength(place, STRIPS) - true[:, None]) / 1.85
    error = np.full(place.shape, 0.02)
    listed = true + 1.85 * np.array([off.get(i, 0.0) for i in range(len(x))])
    return Points(place + rng.normal(0, 0.01, place.shape), error, STRIPS, listed, np.zeros(len(x)))


def fitted(x: np.ndarray, off: dict[int, float]):
    return fit_wavelengths(points(x, off), SHAPE, np.full(len(x), 1.85), NONE)


@pytest.mark.parametrize("off", [-2.0, -1.5, 1.5, 3.5])
@pytest.mark.parametrize("gap", [140.0, 200.0])
@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_false_line_beyond_a_gap_is_not_believed(off: float, gap: float, end: int, seed: int) -> None:
    """It lies where nothing else tells, so that a bending series meets it; the others are wide blends, 0.15 pixels off.

    The degree is chosen with it, and one of them foretells it by chance.
    """
    lonely, others = (60.0, np.linspace(60 + gap, 960, 50)) if end == 0 else (940.0, np.linspace(40, 940 - gap, 50))
    x = np.sort(np.append(others, lonely))
    wrong = dict(enumerate(np.random.default_rng(seed).normal(0, 0.15, len(x))))
    false = 0 if end == 0 else len(x) - 1
    fit = fitted(x, wrong | {false: off})
    assert not fit.lines_used[false]
    assert fit.lines_used.sum() >= 45
    inside = np.linspace(others[1], others[-2], 50)
    miss = (fit.wavelength(inside, 100.0, SHAPE) - wavelength(inside, np.array(100.0))) / 1.85
    assert np.abs(miss).max() < 0.3


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_right_lines_at_the_ends_are_used(seed: int) -> None:
    x = np.linspace(40, 960, 51)
    fit = fitted(x, dict(enumerate(np.random.default_rng(seed).normal(0, 0.05, 51))))
    assert fit.lines_used[[0, -1]].all()


def test_lines_at_the_ends_that_the_others_foretell_are_used() -> None:
    x = np.linspace(40, 960, 41)
    fit = fitted(x, {})
    assert fit.lines_used.all()
    assert fit.leave_one_out < 0.03


def test_a_false_line_among_others_is_left_out() -> None:
    fit = fitted(np.linspace(40, 960, 41), {20: 0.5})
    assert list(np.flatnonzero(~fit.lines_used)) == [20]


def test_as_many_lines_stay_as_the_map_needs() -> None:
    """Of six lines that a stiff map cannot foretell, the ends are not eaten up."""
    rng = np.random.default_rng(3)
    x = np.array([50.0, 300, 420, 560, 700, 950])
    fit = fitted(x, dict(enumerate(rng.normal(0, 0.6, 6))))
    assert fit.lines_used.sum() >= 3
