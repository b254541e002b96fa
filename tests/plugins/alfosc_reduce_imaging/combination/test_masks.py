"""What is wrong with pixels: it reaches no further than it must, and other frames stand in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.combination.combination import CombineImages
from alfosc_reduce_imaging.combination.mending import mended
from alfosc_reduce_imaging.registration.geometry import IDENTITY, similarity

from alfosc_reduce import Flag
from alfosc_reduce.flags import mask_of

PLACES = [IDENTITY, *(similarity(1, r, d) for r, d in ((0.0, (3.5, -2.5)), (0.2, (-4.3, 6.1)), (0.0, (7.0, 3.0))))]


def combine(frames: Any, listed: Any, **parameters: Any) -> Any:
    return CombineImages(**parameters)(frames, listed)


def spoiled(frame: Any, y: Any, x: Any, value: float, flag: int) -> Any:
    frame.data[y, x] = value
    frame.flags[y, x] |= flag
    frame.mask = mask_of(frame.flags)
    return frame


@pytest.mark.parametrize("resampling", ["interpolate", "conserve"])
def test_masked_pixels_do_not_ring(scene: Any, filelist: Any, resampling: Any) -> None:
    field = scene()
    for place in PLACES[1:3]:
        pair = [IDENTITY, place]
        clean = [field.frame(f"f{i}", one, noise=False) for i, one in enumerate(pair)]
        expected = combine(clean, filelist(clean, pair), method="mean")
        hit = [field.frame(f"f{i}", one, noise=False) for i, one in enumerate(pair)]
        spoiled(hit[1], slice(100, 104), slice(80, 260, 7), 1e5, Flag.COSMIC_RAY)
        spoiled(hit[1], slice(140, 165), slice(150, 180), 1e5, Flag.BAD_PIXEL)  # further in than its neighbours reach
        hit[1].data[200, 200] = np.nan
        found = combine(hit, filelist(hit, pair), method="mean", resampling=resampling)
        assert np.abs(found.data - expected.data)[~found.mask].max() < 0.02
        assert found.mask.sum() == expected.mask.sum()
        assert found.uncertainty.array[~found.mask].max() <= 1.001 * expected.uncertainty.array.max()


def test_a_pixel_bad_in_all_frames_is_bad(scene: Any, filelist: Any) -> None:
    field = scene()
    frames = [field.frame(f"f{i}") for i in range(3)]
    for frame in frames:
        spoiled(frame, 50, 60, 5e4, Flag.BAD_PIXEL)
    spoiled(frames[0], 51, 60, 5e4, Flag.BAD_PIXEL)
    image = combine(frames, filelist(frames, [IDENTITY] * 3))
    assert image.flags[50, 60] == Flag.BAD_PIXEL and image.mask[50, 60]
    assert image.flags[51, 60] == 0 and abs(image.data[51, 60]) < 3
    assert image.uncertainty.array[51, 60] == pytest.approx(1.5 * image.uncertainty.array[52, 60], rel=0.01)


def test_saturated_stars_keep_a_value_and_the_flag(stars: Any, filelist: Any) -> None:
    field = stars(rate=40000.0)
    places = PLACES[:2]
    frames = [field.frame(f"f{i}", place) for i, place in enumerate(places)]
    assert frames[0].flags.max() & Flag.SATURATED
    image = combine(frames, filelist(frames, places))
    core = (image.flags & Flag.SATURATED) != 0
    assert core.any() and image.mask[core].all() and image.data[core].min() > 0


def test_a_short_exposure_does_not_hide_saturation(stars: Any, filelist: Any) -> None:
    field = stars(rate=40000.0)
    frames = [field.frame("long"), field.frame("short", seconds=5.0)]
    image = combine(frames, filelist(frames, [IDENTITY] * 2))
    assert ((image.flags & Flag.SATURATED) != 0).sum() == ((frames[0].flags & Flag.SATURATED) != 0).sum()


@pytest.mark.parametrize("place", PLACES[:2])
def test_a_saturated_cosmic_ray_spoils_only_its_frame(scene: Any, filelist: Any, place: Any) -> None:
    field = scene()
    frames = [field.frame("f0"), field.frame("f1"), field.frame("f2", place)]
    spoiled(frames[2], slice(100, 103), slice(150, 160), 2e5, Flag.COSMIC_RAY | Flag.SATURATED)
    image = combine(frames, filelist(frames, [IDENTITY, IDENTITY, place]), area="intersection")
    assert not image.mask.any() and np.abs(image.data).max() < 4


def test_corners_without_frames_are_outside(scene: Any, filelist: Any) -> None:
    field = scene()
    places = [IDENTITY, similarity(1, 0, (40.0, 30.0))]
    frames = [field.frame(f"f{i}", place) for i, place in enumerate(places)]
    image = combine(frames, filelist(frames, places))
    assert image.shape == (330, 340)
    y, x = np.indices(image.shape)
    inside = ((y < 300) & (x < 300)) | ((y >= 30) & (x >= 40))
    np.testing.assert_array_equal((image.flags & Flag.OUTSIDE_DETECTOR) != 0, ~inside)
    np.testing.assert_array_equal(image.mask, ~inside)
    small = combine(frames, filelist(frames, places), area="intersection")
    assert small.shape == (270, 260) and not small.mask.any()


def test_a_vignetted_corner_is_filled_by_the_others(scene: Any, filelist: Any) -> None:
    field = scene()
    places = [IDENTITY, similarity(1, 0, (30.5, 30.5))]
    frames = [field.frame(f"f{i}", place) for i, place in enumerate(places)]
    for frame in frames:
        spoiled(frame, slice(0, 25), slice(0, 25), 0.0, Flag.OUTSIDE_FIELD)
    image = combine(frames, filelist(frames, places))
    assert (image.flags[:25, :25] & Flag.OUTSIDE_FIELD).all() and not image.data[:25, :25].any()
    assert image.meta["REJFRAC"] < 1e-4
    assert not image.mask[35:300, 35:300].any() and abs(image.data[33:56, 33:56].mean()) < 0.1


@pytest.mark.parametrize("places", [[IDENTITY] * 4, PLACES], ids=["same place", "dithered"])
@pytest.mark.parametrize("number", [3, 4])
def test_a_satellite_trail_and_cosmic_rays_go(stars: Any, filelist: Any, places: Any, number: int) -> None:
    field = stars()
    clean = [field.frame(f"f{i}", place) for i, place in enumerate(places[:number])]
    listed = filelist(clean, places[:number])
    expected = combine(clean, listed, area="intersection")
    y, x = np.indices(clean[0].shape)
    across = (y - 0.7 * x - 40) / np.hypot(1, 0.7)
    clean[1].data += (2500 * np.exp(-0.5 * (across / 2.5) ** 2)).astype(np.float32)
    rng = np.random.default_rng(3)
    hit = rng.integers(5, 295, (2, 60))
    clean[2].data[hit[0], hit[1]] += 4000
    found = combine(clean, listed, area="intersection")
    mean = combine(clean, listed, method="mean", area="intersection")
    good = ~found.mask
    error = np.sqrt(expected.uncertainty.array[good])
    assert np.abs((mean.data - expected.data)[good] / error).max() > 8
    pull = np.abs((found.data - expected.data)[good] / error)
    assert np.quantile(pull, 0.999) < 3.5 and found.meta["REJFRAC"] > 0.001


def test_two_frames_keep_what_both_have(stars: Any, filelist: Any) -> None:
    field = stars()
    frames = [field.frame(f"f{i}") for i in range(2)]
    frames[0].data[100:103, 120] += 3000
    image = combine(frames, filelist(frames, [IDENTITY] * 2))
    assert np.abs(image.data[100:103, 120]).max() < 4
    assert image.meta["REJFRAC"] < 1e-3


def test_nothing_is_clipped_of_clean_frames(stars: Any, filelist: Any) -> None:
    field = stars(rate=8000.0)
    frames = [field.frame(f"f{i}", place) for i, place in enumerate(PLACES)]
    image = combine(frames, filelist(frames, PLACES))
    assert image.meta["REJFRAC"] < 2e-5


def test_holes_are_filled_from_near(scene: Any) -> None:
    y, x = np.indices((40, 40)).astype(np.float32)
    plane = 3 * x - 2 * y
    flags = np.zeros((40, 40), np.int16)
    flags[20, 20] = flags[10:12, 30] = Flag.BAD_PIXEL
    flags[30, 5] = Flag.SATURATED
    holed = np.where(flags == Flag.BAD_PIXEL, 1e6, plane).astype(np.float32)
    np.testing.assert_allclose(mended(holed, flags), plane, atol=1.5)
    assert mended(plane, np.zeros_like(flags)) is plane
