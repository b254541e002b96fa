"""Adaptive moments, stamps and apertures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.moments import adaptive_moments, angle_of, axes_of
from alfosc_reduce_imaging.stars.stamps import disc_weights, mirrored, stamps_at


def gaussians(dx: np.ndarray, dy: np.ndarray, covariance: tuple[float, float, float], half: int = 14) -> np.ndarray:
    span = np.arange(-half, half + 1)
    x, y = span[None, None, :] - dx[:, None, None], span[None, :, None] - dy[:, None, None]
    xx, xy, yy = covariance
    det = xx * yy - xy**2
    power = (yy * x * x - 2 * xy * x * y + xx * y * y) / det
    return np.exp(-power / 2) / (2 * np.pi * np.sqrt(det))


def test_a_gaussian_gives_back_its_moments() -> None:
    dx, dy = np.array([0.0, 0.4, -0.3]), np.array([0.0, -0.2, 0.5])
    stamps = 1000 * gaussians(dx, dy, (5.0, 1.0, 3.0))
    found = adaptive_moments(stamps, np.ones_like(stamps), 1.5)
    assert np.allclose(found.dx, dx, atol=2e-3)
    assert np.allclose(found.dy, dy, atol=2e-3)
    assert np.allclose(found.xx, 5, atol=0.03)
    assert np.allclose(found.xy, 1, atol=0.03)
    assert np.allclose(found.yy, 3, atol=0.03)
    assert np.allclose(found.flux, 1000, rtol=0.01)
    assert found.settled.all()


def test_centres_scatter_as_their_errors_say() -> None:
    rng = np.random.default_rng(1)
    dx, dy = rng.uniform(-0.5, 0.5, (2, 400))
    clean = 3000 * gaussians(dx, dy, (4.0, 0.0, 4.0))
    noisy = clean + rng.normal(0, 10, clean.shape)
    found = adaptive_moments(noisy, np.full(clean.shape, 100.0), 2.0)
    for value, truth, error in ((found.dx, dx, found.dx_error), (found.dy, dy, found.dy_error)):
        pull = (value - truth) / error
        assert abs(np.std(pull) - 1) < 0.1
        assert abs(np.mean(pull)) < 0.2
    # The best that can be done with a Gaussian on a flat background.
    best = np.sqrt(8 * np.pi) * 4.0 * 10 / 3000 / np.sqrt(1)
    assert np.median(found.dx_error) < 1.1 * best


def test_the_angle_and_axes_are_those_of_the_ellipse() -> None:
    major, minor, angle = 3.0, 2.0, np.radians(30)
    c, s = np.cos(angle), np.sin(angle)
    xx, yy = (major * c) ** 2 + (minor * s) ** 2, (major * s) ** 2 + (minor * c) ** 2
    xy = (major**2 - minor**2) * c * s
    one = tuple(np.array([value]) for value in (xx, xy, yy))
    assert np.allclose(axes_of(*one), [[3.0], [2.0]])
    assert np.allclose(angle_of(*one), 30)


def test_noise_alone_does_not_settle_on_nonsense() -> None:
    stamps = np.random.default_rng(2).normal(0, 1, (50, 21, 21))
    found = adaptive_moments(stamps, np.ones_like(stamps), 2.0)
    assert np.isfinite(found.xx).all()
    assert np.hypot(found.dx, found.dy)[found.settled].max(initial=0) < 21 / 4


def test_no_stars_are_no_trouble() -> None:
    found = adaptive_moments(np.zeros((0, 9, 9)), np.zeros((0, 9, 9)), 2.0)
    assert len(found.dx) == 0


def test_stamps_beyond_the_edge_hold_the_outside() -> None:
    image = np.arange(20.0).reshape(4, 5)
    stamps = stamps_at(image, np.array([0, 2]), np.array([0, 1]), 1, -1.0)
    assert stamps[0].tolist() == [[-1, -1, -1], [-1, 0, 1], [-1, 5, 6]]
    assert stamps[1].tolist() == [[1, 2, 3], [6, 7, 8], [11, 12, 13]]


def test_bad_pixels_take_what_lies_opposite() -> None:
    stamp = np.arange(9.0).reshape(1, 3, 3)
    good = np.ones((1, 3, 3), bool)
    good[0, 0, 1] = False
    assert mirrored(stamp, good)[0, 0, 1] == 7
    good[0, 2, 1] = False
    assert mirrored(stamp, good)[0, 0, 1] == 0


@pytest.mark.parametrize("radius", [1.25, 2.0, 4.7, 9.3])
def test_circles_have_their_area_and_agree_with_photutils(radius: float) -> None:
    from photutils.aperture import CircularAperture

    span = np.arange(-14, 15)
    image = np.exp(-np.hypot(span, span[:, None]) / 4)
    exact = CircularAperture((14.3, 13.8), radius).do_photometry(image)[0][0]
    weight = disc_weights(span - 0.3, span[:, None] + 0.2, radius)
    assert abs(weight.sum() / (np.pi * radius**2) - 1) < 0.004 / radius
    assert abs((weight * image).sum() / exact - 1) < 0.004 / radius


def test_moments_of_some_stars_are_a_choice_of_all(sky_field: Any) -> None:
    stamps = gaussians(np.zeros(3), np.zeros(3), (4.0, 0.0, 4.0))
    found = adaptive_moments(stamps, np.ones_like(stamps), 2.0)
    assert len(found[np.array([0, 2])].dx) == 2
