"""Light along the dispersion: exact shares, nothing lost, nothing moved."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate.smearing import STEP, LineSpread, catch, covering, line_cells, smear
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

GRID = covering(-50.0, 50.0, 20.0)


@settings(max_examples=40, deadline=None)
@given(place=st.floats(-30, 30), width=st.floats(1.0, 12.0), bin_width=st.sampled_from([1, 2, 4]))
def test_a_line_keeps_its_counts_and_puts_them_where_they_belong(place, width, bin_width):
    spread = LineSpread(width)
    cells = line_cells(GRID, np.array([place]), np.array([1000.0]), spread)
    borders = np.arange(-48.0, 48.1, bin_width)
    caught = catch(cells, GRID, borders)
    assert caught.sum() == pytest.approx(1000, rel=1e-6)
    exact = 1000 * np.diff(spread.cumulative(borders - place))
    np.testing.assert_allclose(caught, exact, atol=1.5)


def test_the_profile_is_a_box_blurred_and_summed_over_the_pixel():
    spread = LineSpread(4.56, blur=0.4)

    def profile(x: float) -> float:
        return (norm.cdf((x + 2.28) / 0.4) - norm.cdf((x - 2.28) / 0.4)) / 4.56

    cells = line_cells(GRID, np.array([0.3]), np.array([1.0]), spread)
    caught = catch(cells, GRID, np.arange(-6.5, 7))
    for pixel, share in zip(range(-6, 7), caught, strict=False):
        assert share == pytest.approx(quad(profile, pixel - 0.8, pixel + 0.2)[0], abs=2e-4)


def test_a_smeared_spike_is_a_line():
    cells = np.zeros(GRID.size)
    cells[400] = 1.0
    spread = LineSpread(4.56)
    line = line_cells(GRID, GRID.nodes[400:401] + STEP / 2, np.array([1.0]), spread)
    np.testing.assert_allclose(smear(cells, spread), line, atol=1e-3 * line.max())
    assert smear(cells, spread).sum() == pytest.approx(1, rel=1e-9)


def test_an_even_spectrum_stays_even():
    even = smear(np.ones(GRID.size), LineSpread(5.0))
    np.testing.assert_allclose(even, 1.0, rtol=1e-9)
    np.testing.assert_allclose(catch(even, GRID, np.arange(-40.3, 40)), 1 / STEP, rtol=1e-9)


def test_the_share_below_rises_from_none_to_all():
    share = LineSpread(4.0).cumulative(np.linspace(-10, 10, 201))
    assert share[0] == pytest.approx(0, abs=1e-9)
    assert share[-1] == pytest.approx(1, abs=1e-9)
    assert np.all(np.diff(share) >= -1e-12)
    assert LineSpread(4.0).cumulative(0.0) == pytest.approx(0.5)
