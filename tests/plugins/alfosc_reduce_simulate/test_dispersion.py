"""The relation of wavelength and place."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate.dispersion import Dispersion, straight, tilted

from alfosc_reduce import get_instrument

NUMBERS = (3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20)
EDGE = 1030.0


def grism(number: int):
    from astropy.io.fits import Header

    return get_instrument("alfosc").disperser(Header({"ALGRNM": f"Grism_#{number}"}))


@pytest.mark.parametrize("number", NUMBERS)
def test_place_and_wavelength_are_inverse(number):
    dispersion = Dispersion(grism(number), shift=0.3, stretch=0.1)
    r = np.linspace(-EDGE, EDGE, 301)
    wavelength = dispersion.wavelength(r)
    seen = wavelength > 3000
    np.testing.assert_allclose(dispersion.place(wavelength)[seen], r[seen], atol=1e-4)
    assert np.all(np.diff(wavelength[seen]) > 0)


@pytest.mark.parametrize("number", NUMBERS)
def test_dispersion_and_middle_are_those_of_the_table(number):
    disperser = grism(number)
    dispersion = Dispersion(disperser)
    slope = np.diff(dispersion.wavelength([-1.0, 1.0]))[0] / 2
    first, second = (
        disperser.scale[:2] if disperser.scale else (np.mean(disperser.wavelengths), 1e3 * disperser.dispersion)
    )
    assert slope == pytest.approx(second / 1000, rel=0.02)
    assert dispersion.wavelength(0.0) == pytest.approx(first, abs=5 * disperser.dispersion)


def test_the_relation_is_no_straight_line_and_no_parabola():
    dispersion = Dispersion(grism(4))
    wavelength = np.linspace(3400.0, 9600.0, 400)
    r = dispersion.place(wavelength)
    left = {degree: _residual(r, wavelength, degree) / (2 * 3.3) for degree in (1, 3, 7)}
    assert left[1] > 5
    assert left[3] > 0.2
    assert left[7] < 0.02


def _residual(r, wavelength, degree):
    fit = np.polynomial.Legendre.fit(r, wavelength, degree)
    return np.std(wavelength - fit(r))


def test_tilt_is_undone_and_as_large_as_on_the_real_arcs():
    s, r = np.linspace(-1000, 1000, 21)[:, None], np.linspace(-EDGE, EDGE, 31)
    np.testing.assert_allclose(straight(tilted(r, s), s), np.broadcast_to(r, (21, 31)), atol=1e-9)
    across = (tilted(np.array([-1000.0, 1000.0]), 200.0) - tilted(np.array([-1000.0, 1000.0]), -200.0)) / 2
    assert -0.35 < across.min() < -0.2
    assert 0 < across.max() < 0.15


def test_flexure_moves_a_line_by_shift_and_stretch():
    rest, moved = Dispersion(grism(4)), Dispersion(grism(4), shift=0.2, stretch=0.1)
    line = rest.wavelength(500.0)
    assert moved.place(line) - rest.place(line) == pytest.approx(0.2 + 0.05, abs=1e-3)
