"""Stars in combined images: their fluxes and places are those of the sky."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.combination.combination import CombineImages
from alfosc_reduce_imaging.registration.geometry import IDENTITY, similarity

SHIFTS = [IDENTITY, *(similarity(1, 0, d) for d in ((3.5, -2.5), (-4.3, 6.1), (7.7, 3.25)))]
TURNS = [IDENTITY, *(similarity(1, r, d) for r, d in ((0.3, (3.5, -2.5)), (-0.2, (-4.3, 6.1)), (0.5, (7.7, 3.25))))]
BENT = [
    IDENTITY,
    similarity(1, 0.1, (3.5, -2.5))._replace(bend=np.array([[6e-6, 0, 2e-6], [0, 4e-6, -6e-6]])),
    similarity(1, 0, (-4.3, 6.1))._replace(bend=np.array([[-5e-6, 3e-6, 0], [2e-6, 0, 5e-6]])),
]
SCALES = [IDENTITY, *(similarity(s, r, d) for s, r, d in ((1.02, 0.3, (3.5, -2.5)), (0.97, -0.2, (1.3, 6.1))))]


@pytest.mark.parametrize("resampling", ["interpolate", "conserve"])
@pytest.mark.parametrize("places", [SHIFTS, TURNS, SCALES, BENT], ids=["shifts", "turns", "scales", "bent"])
def test_fluxes_and_places_are_kept(stars: Any, filelist: Any, photometry: Any, places: Any, resampling: Any) -> None:
    field = stars()
    frames = [field.frame(f"f{i}", place, noise=False) for i, place in enumerate(places)]
    image = CombineImages(method="mean", resampling=resampling, area="intersection")(frames, filelist(frames, places))
    origin = _origin(places, field.size)
    flux, xy = photometry(image, field.xy - origin)
    assert np.abs(flux / field.rate - 1).max() < 0.002
    assert np.abs(xy + origin - field.xy).max() < 0.01


def _origin(places: Any, size: int) -> Any:
    from alfosc_reduce_imaging.combination.grid import Outline, common_grid

    grid = common_grid([Outline(place, (size, size)) for place in places], "intersection")
    return np.array([grid.x0, grid.y0])


@pytest.mark.parametrize("method", ["mean", "median", "clipped"])
def test_clouds_and_exposure_times_do_not_matter(stars: Any, filelist: Any, photometry: Any, method: Any) -> None:
    field = stars()
    fainter, seconds = [0.0, 0.5, 0.1, 1.0], [100.0, 200.0, 50.0, 400.0]
    frames = [
        field.frame(f"f{i}", place, fainter=m, seconds=t, noise=False)
        for i, (place, m, t) in enumerate(zip(SHIFTS, fainter, seconds, strict=True))
    ]
    listed = filelist(frames, SHIFTS, zero_point_offset=fainter)
    image = CombineImages(method=method, area="intersection")(frames, listed)
    assert str(image.unit) == "electron / s"
    flux, _ = photometry(image, field.xy - _origin(SHIFTS, field.size))
    assert np.abs(flux / field.rate - 1).max() < 0.002


def test_fluxes_of_noisy_frames_have_no_bias_and_right_errors(stars: Any, filelist: Any, photometry: Any) -> None:
    """Weights from the pixels' own noise would lose light of bright stars: here they do not."""
    pulls = []
    for seed in range(4):
        field = stars(rate=300.0, seed=seed)
        frames = [field.frame(f"f{i}", place) for i, place in enumerate(SHIFTS)]
        image = CombineImages(area="intersection")(frames, filelist(frames, SHIFTS))
        origin = _origin(SHIFTS, field.size)
        flux, _ = photometry(image, field.xy - origin, radius=6.0)
        noise = CCDNoise(image, origin, field.xy, 6.0)
        light = 1 - np.exp(-0.5 * (6.0 / (4.0 / 2.3548)) ** 2)
        pulls.append((flux / light - field.rate) / (noise / light))
    pull = np.concatenate(pulls)
    assert abs(pull.mean()) < 0.35 and 0.85 < pull.std() < 1.15


def CCDNoise(image: Any, origin: Any, xy: Any, radius: float) -> Any:  # noqa: N802
    from alfosc_reduce_imaging.correlated_noise import correlated_error

    y, x = np.indices(image.shape)
    errors = []
    for x0, y0 in xy - origin:
        inside = np.hypot(x - x0, y - y0) < radius
        errors.append(correlated_error(np.sqrt(image.uncertainty.array[inside].sum()), inside.sum(), image.meta))
    return np.array(errors)


def test_seeing_that_changes_clips_no_star(stars: Any, filelist: Any, photometry: Any) -> None:
    widths = [3.5, 5.0, 4.0, 6.0]
    field = stars(rate=5000.0)
    frames = [field.frame(f"f{i}", place, fwhm=w) for i, (place, w) in enumerate(zip(SHIFTS, widths, strict=True))]
    listed = filelist(frames, SHIFTS, fwhm=widths)
    clipped, mean = (
        CombineImages(method=method, area="intersection")(frames, listed) for method in ("clipped", "mean")
    )
    origin = _origin(SHIFTS, field.size)
    y, x = np.indices(clipped.shape)
    near = np.min([np.hypot(x - x0, y - y0) for x0, y0 in field.xy - origin], axis=0) < 8
    np.testing.assert_allclose(clipped.data[near], mean.data[near], rtol=1e-5)
    assert clipped.meta["REJFRAC"] < 1e-4


def test_a_sky_that_slopes_is_flat_afterwards(scene: Any, filelist: Any) -> None:
    field = scene()
    frames = [field.frame(f"f{i}", place, slope=0.1 * i) for i, place in enumerate(SHIFTS)]
    image = CombineImages()(frames, filelist(frames, SHIFTS))
    good = ~image.mask
    rows = [np.mean(part[use]) for part, use in zip(np.array_split(image.data, 6, axis=1),
                                                    np.array_split(good, 6, axis=1), strict=True)]  # fmt: skip
    assert np.abs(rows).max() < 0.02
    assert abs(image.meta["SKYRATE"] - field.sky) < 0.1
