"""Trails of satellites: found where they are, as wide as they are, and nothing else taken for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.trails.flagging import FlagTrails
from alfosc_reduce_imaging.trails.search import find_trails, under
from astropy.nddata import CCDData

from alfosc_reduce import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of

NOISE = 20.0
Make = Callable[..., Any]


def trail(off: Any, peak: float, fwhm: float = 7.0) -> Any:
    return peak * NOISE * np.exp(-4 * np.log(2) * (off / fwhm) ** 2)


def found(data: Any, good: Any = None) -> list[Any]:
    return find_trails(data.astype(np.float32), np.isfinite(data) if good is None else good)


@pytest.mark.parametrize("angle", [5, 40, 45, 62, 85, 110, 135, 171])
@pytest.mark.parametrize("peak", [0.6, 5.0, 100.0])
def test_a_trail_is_found_where_it_is(sky: Make, across: Make, angle: float, peak: float) -> None:
    data = sky(angle)
    off, _ = across(data.shape, angle, 350, 330)
    (one,) = found(data + trail(off, peak))
    mask = under(one, data.shape)
    assert one.fwhm == pytest.approx(7, rel=0.25 if peak < 1 else 0.1)
    assert one.peak == pytest.approx(peak * NOISE, rel=0.25 if peak < 1 else 0.1)
    assert np.abs(np.mean(off[mask])) < 1
    assert mask[np.abs(off) < 4].mean() > 0.99
    assert np.abs(off[mask]).max() < 32


def test_faint_trails_are_found(sky: Make, across: Make) -> None:
    """Of half the noise of a pixel on an image of 700 pixels; fainter as the root of the length on larger ones."""
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(20):
        data = sky(100 + seed)
        off, _ = across(data.shape, rng.uniform(3, 87) + 90 * (seed % 2), *rng.uniform(250, 450, 2))
        trails = found(data + trail(off, 0.5))
        hits += len(trails) == 1 and bool(under(trails[0], data.shape)[np.abs(off) < 3].mean() > 0.9)
    assert hits >= 19


@pytest.mark.parametrize("peak", [0.8, 8.0])
def test_a_trail_that_ends_is_flagged_to_its_end(sky: Make, across: Make, peak: float) -> None:
    data = sky(7)
    off, along = across(data.shape, 30, 350, 330)
    light = np.where(along > -60, trail(off, peak), 0)
    (one,) = found(data + light)
    mask = under(one, data.shape)
    assert mask[(np.abs(off) < 4) & (along > -50)].mean() > 0.99
    assert along[mask].min() > -150


def test_several_trails(sky: Make, across: Make) -> None:
    data = sky(8)
    places = ((30, 300, 300), (33, 300, 420), (118, 400, 300))
    total = sum(trail(across(data.shape, *place)[0], peak) for place, peak in zip(places, (3, 1, 20), strict=True))
    trails = found(data + total)
    assert len(trails) == 3
    masks = np.logical_or.reduce([under(one, data.shape) for one in trails])
    assert masks[total > NOISE / 2].mean() > 0.99 and masks.mean() < 0.2


@pytest.mark.parametrize(("gap", "bright"), [(22, 3), (28, 3), (36, 3), (45, 3), (22, 200), (36, 200), (45, 200)])
def test_trails_side_by_side_are_told_apart(sky: Make, across: Make, gap: float, bright: float) -> None:
    """Lights of an aircraft, or two satellites of one launch: what is flagged of one does not hide the other."""
    data = sky(21)
    off, _ = across(data.shape, 25, 350, 330)
    trails = found(data + trail(off, bright) + trail(off - gap, 1))
    assert len(trails) == 2
    mask = np.logical_or.reduce([under(one, data.shape) for one in trails])
    assert mask[(np.abs(off) < 3) | (np.abs(off - gap) < 3)].mean() > 0.98


def test_a_train_of_satellites(sky: Make, across: Make) -> None:
    data = sky(22)
    total = sum(trail(across(data.shape, 20, 350, 150 + 90 * number)[0], 2) for number in range(5))
    trails = found(data + total)
    assert len(trails) == 5
    masks = np.logical_or.reduce([under(one, data.shape) for one in trails])
    assert masks[total > NOISE].mean() > 0.99


def test_a_bright_wide_trail_does_not_hide_a_faint_one(sky: Make, across: Make) -> None:
    data = sky(21)
    bright, faint = (across(data.shape, angle, 350, 330)[0] for angle in (25, 70))
    trails = found(data + trail(bright, 200, 14) + trail(faint, 0.8))
    assert len(trails) == 2
    assert under(trails[1], data.shape)[np.abs(faint) < 3].mean() > 0.98


def test_a_galaxy_beside_a_faint_trail_does_not_outshine_it(sky: Make, across: Make) -> None:
    """No segment counts for more than a sure one: else the galaxy's would be all there is."""
    data = sky(41)
    off, along = across(data.shape, 30, 350, 330)
    (one,) = found(data + trail(off, 0.6) + 2000 * np.exp(-np.hypot(along - 100, off - 30) / 25))
    assert under(one, data.shape)[np.abs(off) < 3].mean() > 0.95


@pytest.mark.parametrize(("peak", "star"), [(1, 5e3), (1, 5e4), (5, 5e4)])
def test_a_trail_past_a_bright_star_is_found(sky: Make, across: Make, peak: float, star: float) -> None:
    """The light of the star is no unevenness of the trail."""
    data = sky(41)
    off, along = across(data.shape, 30, 350, 330)
    (one,) = found(data + trail(off, peak) + star * np.exp(-np.hypot(along - 60, off - 5) / 15))
    assert under(one, data.shape)[np.abs(off) < 3].mean() > 0.95


@pytest.mark.parametrize("middle", [30, 670])
def test_a_trail_beside_an_edge_of_the_image(sky: Make, across: Make, middle: float) -> None:
    data = sky(21)
    off, _ = across(data.shape, 2, 380, middle)
    (one,) = found(data + trail(off, 2))
    assert under(one, data.shape)[np.abs(off) < 3].mean() > 0.98


@pytest.mark.parametrize(("half", "peak"), [(180, 2), (250, 5)])
def test_what_begins_and_ends_inside_is_no_trail(sky: Make, across: Make, half: float, peak: float) -> None:
    data = sky(21)
    off, along = across(data.shape, 30, 350, 330)
    assert not found(data + np.where(np.abs(along) < half, trail(off, peak), 0))


def test_what_is_not_flagged_holds_no_light_of_it(sky: Make, across: Make) -> None:
    data = sky(9, number=0)
    off, _ = across(data.shape, 25, 350, 330)
    wings = 2000 * (1 + (off / 4) ** 2) ** -2.5  # a star's profile, smeared
    (one,) = found(data + wings)
    left = ~under(one, data.shape)
    assert wings[left].max() < 0.2 * NOISE


def test_a_bent_trail_is_followed(sky: Make) -> None:
    """As distortion by the optics bends it."""
    data = sky(10, (1000, 1000))
    y, x = np.mgrid[:1000, :1000]
    off = y - (300 + 0.4 * x + 8 * (1 - (x / 500 - 1) ** 2))
    (one,) = found(data + trail(off, 1.5))
    assert one.path.bow == pytest.approx(8, abs=2)
    assert under(one, data.shape)[np.abs(off) < 4].mean() > 0.98


@pytest.mark.parametrize("seed", range(12))
def test_no_trail_in_a_field_of_stars(sky: Make, seed: int) -> None:
    assert not found(sky(seed, number=(0, 60, 300)[seed % 3]))


def spikes(data: Any, across: Make, flux: float) -> Any:
    for angle in (37, 127):
        off, along = across(data.shape, angle, 400, 350)
        data = data + flux * np.exp(-4 * np.log(2) * (off / 4) ** 2) / (1 + (along / 25) ** 2)
    return data


@pytest.mark.parametrize("flux", [1e3, 1e5, 1e7])
def test_spikes_of_a_star_are_no_trail(sky: Make, across: Make, flux: float) -> None:
    assert not found(spikes(sky(1), across, flux))


def test_a_bleeding_column_is_no_trail(sky: Make) -> None:
    data = sky(2)
    data[100:600, 300:304] = 1e5
    data[:, 500:506] += np.linspace(0, 200, 700)[:, None]
    assert not found(data)
    assert not found(data, data < 9e4)


def test_columns_and_rows_of_the_detector_are_no_trail(sky: Make) -> None:
    data = sky(3)
    data[:, 111] += 10
    data[:, 250:253] += 400
    data[400] += 15
    data[200:, 620] -= 100
    assert not found(data)


@pytest.mark.parametrize("length", [40, 120, 250])
def test_an_edge_on_galaxy_is_no_trail(sky: Make, across: Make, length: float) -> None:
    data = sky(4)
    off, along = across(data.shape, 33, 380, 350)
    assert not found(data + 300 * np.exp(-np.abs(along) / length * 3) / np.cosh(off / 5) ** 2)


def test_gradients_and_rims_are_no_trail(sky: Make) -> None:
    data = sky(5)
    y, x = np.mgrid[: data.shape[0], : data.shape[1]]
    assert not found(data + 0.5 * x + 0.2 * y + 1e-3 * (x - 300) * (y - 200))
    assert not found(data * np.clip((420 - np.hypot(x - 380, y - 350)) / 30, 0.02, 1))


@pytest.mark.parametrize("factor", [0.5, 0.93, 1.07])
def test_a_straight_edge_is_no_trail(sky: Make, across: Make, factor: float) -> None:
    data = sky(6, (1000, 1000), number=0)
    off, _ = across(data.shape, 41, 500, 480)
    assert not found(np.where(off > 0, factor, 1) * data)


@pytest.mark.parametrize("period", [15, 25, 40, 70])
@pytest.mark.parametrize("straight", [True, False])
def test_fringes_are_no_trail(sky: Make, period: float, straight: bool) -> None:
    data = sky(11)
    y, x = np.mgrid[: data.shape[0], : data.shape[1]]
    phase = 0.8 * x + 0.6 * y if straight else np.hypot(x + 800, 1.3 * y - 300) + 20 * np.sin(x / 90)
    for amplitude in (3, 12, 40):
        assert not found(data + amplitude * np.cos(2 * np.pi * phase / period))


def test_the_step_flags_and_says_so(sky: Make, across: Make, exposure: Make, caplog: pytest.LogCaptureFixture) -> None:
    data = sky(12)
    off, _ = across(data.shape, 20, 350, 330)
    before = np.where(data > 5000, int(Flag.SATURATED), 0)
    image = exposure(data + trail(off, 3), before)
    with caplog.at_level(logging.INFO):
        result = FlagTrails()(image)
    assert "the trail of a satellite from (0, 203) to (759, 47" in caplog.text
    assert result.meta["NTRAILS"] == 1 and "NTRAILS" not in image.meta
    x0, y0, x1, y1, _ = map(float, result.meta["TRAIL1"].split())
    assert (x0, y0, x1, y1) == pytest.approx((0, 330 - 350 * np.tan(np.radians(20)), 759, 479), abs=3)
    flagged = (flags_of(result) & Flag.COSMIC_RAY) != 0
    assert result.mask[flagged].all() and not (result.mask & ~flagged & (before == 0)).any()
    assert np.array_equal(result.data, image.data) and np.array_equal(flags_of(result) & ~Flag.COSMIC_RAY, before)
    quality = FlagTrails().quality(result, image=image)
    assert quality == {"n_trails": 1, "trail_fraction": pytest.approx(flagged.mean())}
    ((name, figure),) = FlagTrails().figures(result, image=image)
    assert name == "trails" and "field, t1: 1, " in figure.get_suptitle()


def test_an_image_without_trails_is_returned_as_it_was(sky: Make, exposure: Make) -> None:
    image = exposure(sky(13))
    result = FlagTrails()(image)
    assert result is image
    assert FlagTrails().quality(result, image=image) == {"n_trails": 0, "trail_fraction": 0.0}
    assert not [*FlagTrails().figures(result, image=image)]


def test_images_of_strangers(sky: Make, across: Make) -> None:
    """Counts, no variance, no flags, gaps, an offset below zero; and such that cannot be judged."""
    data = sky(14) / 7 - 90
    off, _ = across(data.shape, 70, 350, 330)
    data = data + trail(off, 2) / 7
    data[100:140] = np.nan
    result = FlagTrails()(CCDData(data, unit="adu", meta={"OBJECT": "theirs"}))
    assert result.meta["NTRAILS"] == 1 and result.uncertainty is None
    for blank in (np.zeros((300, 300)), np.full((300, 300), np.nan), np.ones((20, 500)), np.ones((3, 3))):
        assert "NTRAILS" not in FlagTrails()(CCDData(blank, unit="adu")).meta
    with pytest.raises(DataError, match="3 dimensions found"):
        FlagTrails()(CCDData(np.zeros((3, 200, 200)), unit="adu"))
