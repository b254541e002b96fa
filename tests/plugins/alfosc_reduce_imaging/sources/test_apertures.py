"""Light in circles and ellipses, and on empty sky."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.apertures import Scene, circular_fluxes, kron_fluxes
from alfosc_reduce_imaging.sources.depth import empty_apertures, empty_places
from alfosc_reduce_imaging.stars.noise import Noise


def scene_of(light: np.ndarray, labels: np.ndarray | None = None, seen: np.ndarray | None = None) -> Scene:
    known = np.ones(light.shape, bool) if seen is None else seen
    segments = np.zeros(light.shape, np.int32) if labels is None else labels
    return Scene(light.astype(np.float32), known, segments, Noise(np.full(light.shape, 4, np.float32), 1.0))


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_circles_agree_with_photutils(sky_field: Any) -> None:
    from photutils.aperture import CircularAperture, aperture_photometry

    field = sky_field(number=25)
    scene, radii = scene_of(field.light), np.array([2.3, 4.5, 9.0])
    ours = circular_fluxes(scene, field.x, field.y, np.zeros(25, int), radii)
    for i, radius in enumerate(radii):
        theirs = aperture_photometry(field.light, CircularAperture(np.column_stack([field.x, field.y]), radius))
        assert ours.flux[:, i] == pytest.approx(np.asarray(theirs["aperture_sum"]), rel=3e-3)
    assert ours.error[:, 1] == pytest.approx(np.sqrt(4 * np.pi * 4.5**2 + ours.flux[:, 1]), rel=0.01)
    assert not ours.foreign.any()


def test_pixels_of_others_and_bad_ones_are_mended_from_the_other_side(star_light: Any) -> None:
    light = np.zeros((61, 61))
    light[10:51, 10:51] = 1e5 * star_light(30.0, 30.0, 5.0, 3.0, 0.0, 0.0, 20)[2]
    whole = circular_fluxes(scene_of(light), one(30.0), one(30.0), np.array([1]), one(6.0)).flux[0, 0]
    labels, seen = np.zeros(light.shape, np.int32), np.ones(light.shape, bool)
    labels[26:35, 26:35] = 1
    labels[28:33, 34:60] = 2
    seen[26, 28] = False
    spoilt = light + 1e4 * (labels == 2) + 1e6 * ~seen
    mended = circular_fluxes(scene_of(spoilt, labels, seen), one(30.0), one(30.0), np.array([1]), one(6.0))
    assert mended.flux[0, 0] == pytest.approx(whole, rel=1e-3)
    assert 0.08 < mended.foreign[0, 0] < 0.2


def test_kron_ellipses_hold_nearly_all_the_light() -> None:
    y, x = np.mgrid[:161, :161]
    c, s = np.cos(0.5), np.sin(0.5)
    u, v = (x - 80.3) * c + (y - 79.8) * s, -(x - 80.3) * s + (y - 79.8) * c
    for profile, least in ((np.exp(-(u**2 / 72 + v**2 / 18)), 0.985), (np.exp(-np.hypot(u / 6, v / 3)), 0.93)):
        light = 1e5 * profile / profile.sum()
        weights = [(light * product).sum() / 1e5 for product in ((x - 80.3) ** 2, (x - 80.3) * (y - 79.8),
                                                                 (y - 79.8) ** 2)]  # fmt: skip
        # Isophotal moments miss the outskirts, as those of real sources do.
        shapes = tuple(one(0.6 * weight) for weight in weights)
        found = kron_fluxes(scene_of(light), one(80.3), one(79.8), np.array([0]), shapes)
        assert least < found.flux[0] / 1e5 < 1.003
        assert found.error[0] > np.sqrt(found.flux[0])


def test_large_and_small_sources_are_measured_together() -> None:
    light = np.zeros((400, 400))
    shapes = np.array([[1.0, 0, 1.0], [400.0, 0, 100.0], [np.inf, 0, np.inf]]).T
    centre = np.full(3, 200.0)
    found = kron_fluxes(scene_of(light), centre, centre, np.zeros(3, int), tuple(np.minimum(shapes, 1e6)))
    assert np.isfinite(found.flux).all()
    assert (found.error > 0).all()


def test_empty_apertures_scatter_as_the_noise() -> None:
    rng = np.random.default_rng(1)
    light = rng.normal(0, 2, (800, 800)).astype(np.float32)
    taken = np.zeros(light.shape, bool)
    taken[100:200, 100:400] = True
    found = empty_apertures(light, np.full(light.shape, 4, np.float32), taken, np.array([3.0, 6.0]))
    assert found.number > 300
    assert found.scatter == pytest.approx(found.expected, rel=0.12)
    # Pixels that the rim cuts count with less than their share of the variance.
    assert found.expected == pytest.approx(2 * np.sqrt(np.pi) * np.array([3.0, 6.0]), rel=0.07)


def test_empty_places_are_empty_and_do_not_overlap() -> None:
    taken = np.random.default_rng(2).uniform(size=(300, 300)) < 0.002
    x, y = empty_places(taken, 5)
    assert len(x) > 100
    for i, j in zip(x, y, strict=True):
        assert not taken[j - 5 : j + 6, i - 5 : i + 6].any()
    assert len({(i // 11, j // 11) for i, j in zip(x - 5, y - 5, strict=True)}) == len(x)


def test_a_crowded_image_has_no_empty_apertures() -> None:
    light = np.zeros((100, 100), np.float32)
    found = empty_apertures(light, light + 1, np.ones(light.shape, bool), np.array([3.0]))
    assert np.isnan(found.scatter).all()
