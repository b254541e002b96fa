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


@pytest.mark.parametrize("off", [-3.5, 1.5, 5.0])
@pytest.mark.parametrize("end", [0, -1])
def test_a_false_line_beyond_a_gap_is_not_believed(off: float, end: int) -> None:
    """It lies where nothing else tells, so that a bending series meets it without any residual."""
    x = np.linspace(260, 960, 40) if end == 0 else np.linspace(40, 740, 40)
    lonely = 60.0 if end == 0 else 940.0
    x = np.sort(np.append(x, lonely))
    index = 0 if end == 0 else len(x) - 1
    fit = fitted(x, {index: off})
    assert not fit.lines_used[index]
    assert fit.lines_used.sum() >= 38
    inside = np.linspace(x[1], x[-2], 50)
    miss = fit.wavelength(inside, 100.0, SHAPE) - wavelength(inside, np.array(100.0))
    assert np.abs(miss).max() < 0.06


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
