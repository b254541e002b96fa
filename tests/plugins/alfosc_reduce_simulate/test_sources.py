"""Images in the seeing, and what passes the slit."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate.sources import Seeing, cumulative, power_law, quasar
from scipy.integrate import dblquad, quad


def moffat(radius: float) -> float:
    """Moffat with exponent 3 and core 1, normalised in two dimensions."""
    return 2 / np.pi * (1 + radius**2) ** -3


def test_the_share_below_a_line_is_the_integral_of_the_image():
    for t in (-1.5, 0.0, 0.7):
        number = dblquad(lambda y, x: moffat(np.hypot(x, y)), -60, t, -60, 60)[0]
        assert cumulative(t) == pytest.approx(number, abs=1e-4)


@pytest.mark.parametrize("offset", [0.0, 0.3])
@pytest.mark.parametrize("width", [0.5, 1.0, 5.0])
def test_slit_throughput_is_the_integral_over_the_slit(width, offset):
    seeing = Seeing(0.9)
    core = float(seeing.core(7000.0))

    def across(x: float) -> float:
        return 0.75 * (1 + (x / core) ** 2) ** -2.5 / core

    expected = quad(across, -width / 2 - offset, width / 2 - offset)[0]
    assert seeing.slit_throughput(width, 7000.0, offset) == pytest.approx(expected, rel=1e-8)


def test_seeing_has_its_width_and_shrinks_to_the_red():
    seeing = Seeing(1.0)
    core = float(seeing.core(5000.0))
    assert (1 + (0.5 / core) ** 2) ** -3 == pytest.approx(0.5)
    assert seeing.core(10000.0) / core == pytest.approx(2**-0.2)
    through = seeing.slit_throughput(1.0, np.array([4000.0, 9000.0]))
    assert through[1] > through[0]


def test_an_open_slit_passes_everything():
    assert Seeing(1.0).slit_throughput(1000.0, 5000.0) == pytest.approx(1, abs=1e-6)


def test_spectra_have_their_flux_and_their_lines():
    assert power_law(2e-16, -2.0)(np.array([5500.0, 11000.0])) == pytest.approx([2e-16, 0.5e-16], rel=1e-3)
    spectrum = quasar(1e-16, 2.3)
    line = spectrum(1549.06 * 3.3)
    assert line > 1.5 * spectrum(1549.06 * 3.3 + 250)
    assert spectrum(2000.0) == 0
