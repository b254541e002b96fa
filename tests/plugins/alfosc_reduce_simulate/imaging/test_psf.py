"""Stars and galaxies hold the light that they should, where they should."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate import Readout
from alfosc_reduce_simulate.imaging.galaxies import draw_galaxies
from alfosc_reduce_simulate.imaging.optics import MIDDLE, SCALE
from alfosc_reduce_simulate.imaging.psf import BETA, Shape, draw_stars, shape, stamps, width

FULL = Readout()
HERE = (np.array([900.3]), np.array([1100.8]))


def one(seeing: float, x=HERE[0], y=HERE[1], readout=FULL) -> Shape:
    return shape(seeing, x, y, readout)


@pytest.mark.parametrize("seeing", [0.5, 0.9, 1.6, 3.0])
@pytest.mark.parametrize("flux", [2e3, 1e5, 1e8])
def test_a_star_sums_to_its_flux(seeing, flux):
    image = np.zeros((801, 801), np.float32)
    draw_stars(image, np.array([400.31]), np.array([399.77]), np.array([flux]), one(seeing))
    assert image.sum(dtype=float) == pytest.approx(flux, rel=max(1.5e-4, 1.5 / flux))


def test_stars_beyond_the_border_leave_their_wings():
    image = np.zeros((200, 220), np.float32)
    x, y = np.array([-4.0, 110.0, 400.0]), np.array([50.0, 203.0, 100.0])
    draw_stars(image, x, y, np.full(3, 1e5), one(1.0, x, y))
    assert image[50, 0] > image[50, 20] > 0
    assert image[-1, 110] > 100
    assert image.sum() < 1e5


@pytest.mark.parametrize("seeing", [0.5, 1.0])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, -0.3)])
def test_pixels_hold_the_integral_of_the_profile(seeing, place):
    form = one(seeing)
    drawn = stamps(20 + np.array([place[0]]), 20 + np.array([place[1]]), np.ones(1), form, 41)[0]
    fine = (np.arange(41 * 25) + 0.5) / 25 - 0.5 - 20
    dx, dy = fine[None, :] - place[0], fine[:, None] - place[1]
    profile = form.peak[0] * (1 + form.a[0] * dx**2 + 2 * form.b[0] * dx * dy + form.c[0] * dy**2) ** -BETA
    brute = profile.reshape(41, 25, 41, 25).mean(axis=(1, 3))
    # 25 points a pixel leave some 1e-4 of the peak themselves.
    np.testing.assert_allclose(drawn, brute, atol=2e-4 * brute.max())


@pytest.mark.parametrize("corner", [False, True])
def test_the_full_width_at_half_maximum_is_the_seeing(corner):
    x, y = (
        (np.array([2098.0]), np.array([2064.0])) if corner else (np.array([MIDDLE[0] - 1]), np.array([MIDDLE[1] - 1]))
    )
    form = one(0.9, x, y)
    matrix = np.array([[form.a[0], form.b[0]], [form.b[0], form.c[0]]])
    axes = 2 * np.sqrt((2 ** (1 / BETA) - 1) / np.linalg.eigvalsh(matrix)) * SCALE
    assert np.sqrt(axes.prod()) == pytest.approx(0.957 if corner else 0.9, abs=0.003)
    assert width(0.9, x, y, FULL)[0] == pytest.approx(np.sqrt(axes.prod()))
    assert 1 - axes.min() / axes.max() == pytest.approx(0.047 if corner else 0.02, abs=0.002)


def test_binned_stars_are_unbinned_ones_summed():
    part, binned = Readout((501, 700, 501, 700)), Readout((501, 700, 501, 700), (2, 2))
    images = []
    for readout, x, y in ((part, 100.2, 90.7), (binned, 49.85, 45.1)):
        image = np.zeros(readout.shape, np.float32)
        place = np.array([x]), np.array([y])
        draw_stars(image, *place, np.array([1e6]), one(0.9, *place, readout))
        images.append(image)
    summed = images[0].reshape(100, 2, 100, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(images[1], summed, atol=3e-4 * summed.max())


@pytest.mark.parametrize("sersic", [1.0, 4.0])
def test_a_galaxy_holds_its_flux_and_lies_along_its_angle(sersic):
    image = np.zeros((201, 201), np.float32)
    axes = np.array([[[1 / 12, 0], [0, 1 / 5]]])
    place = np.array([100.4]), np.array([99.6])
    draw_galaxies(image, *place, np.array([1e5]), one(0.6), axes, np.array([sersic]))
    assert image.sum(dtype=float) == pytest.approx(1e5, rel=1e-5)
    y, x = np.mgrid[:201, :201]
    assert (image * x).sum() / image.sum() == pytest.approx(100.4, abs=0.02)
    assert (image * y).sum() / image.sum() == pytest.approx(99.6, abs=0.02)
    assert (image * (x - 100.4) ** 2).sum() > 2 * (image * (y - 99.6) ** 2).sum()


def test_half_of_a_galaxy_is_within_its_radius():
    image = np.zeros((301, 301), np.float32)
    place = np.array([150.0]), np.array([150.0])
    draw_galaxies(image, *place, np.ones(1), one(0.3), np.array([np.eye(2) / 14]), np.ones(1))
    y, x = np.mgrid[:301, :301] - 150
    assert image[np.hypot(x, y) < 14].sum() == pytest.approx(0.5, abs=0.015)
