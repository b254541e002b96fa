"""Lines are measured where they are, beside saturated ones and in blends that nothing but the list can tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_longslit.lines.groups import KnownLines, group_lines
from alfosc_reduce_longslit.lines.positions import Strips, measure_positions
from alfosc_reduce_longslit.lines.profile import LineProfile
from alfosc_reduce_longslit.lines.strips import cut_strips

from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image

WIDE = LineProfile(6.0, 0.4)
PIXEL = np.arange(120)


def image_of(places: list[float], light: list[float], profile: LineProfile, full_well: float = np.inf):
    rng = np.random.default_rng(1)
    clean = 100.0 + sum(a * profile(PIXEL - x) for x, a in zip(places, light, strict=True))
    data = rng.poisson(np.tile(clean, (40, 1))).astype(float)
    flags = np.where(data > full_well, int(Flag.SATURATED), 0)
    data = np.minimum(data, full_well)
    return make_image(data, unit="electron", header={}, variance=data + 20.0, flags=flags)


def measured(
    strips: Strips, places: list[float], light: list[float], profile: LineProfile, ions: list[str] | None = None
):
    """Positions of the blends, their errors, and their leaders' places, all members at the places given."""
    x, bright = np.array(places), np.array(light)
    lines = KnownLines(5000 + x, bright, np.array(ions), np.zeros(len(x))) if ions else None
    groups, leaders = group_lines(x, bright, np.ones(len(x), bool), profile.fwhm, lines)
    start = np.repeat(groups.x[:, None], len(strips.y), axis=1)
    found = measure_positions(strips, groups, start, profile)
    return found, x[leaders], groups


def test_a_line_beside_a_saturated_one_is_not_drawn_to_it() -> None:
    places, light = [50.2, 58.9], [1e6, 2e5]
    strips = cut_strips(image_of(places, light, WIDE, full_well=1.1e5), (0, 40), 2)
    found, leaders, _ = measured(strips, places, light, WIDE)
    clear = np.flatnonzero(leaders == 58.9)
    assert np.isfinite(found.error[clear]).all()
    assert np.abs(found.x[clear] - 58.9).max() < 0.03
    assert not np.isfinite(found.error[leaders == 50.2]).any()


def test_the_edges_of_a_saturated_line_are_not_used() -> None:
    strips = cut_strips(image_of([50.2], [3e6], WIDE, full_well=1.1e5), (0, 40), 2)
    assert strips.good[:, :43].all()
    assert not strips.good[:, 46:55].any()
    assert strips.good[:, 57:].all()


def test_members_of_a_blend_keep_to_the_listed_ratio_of_their_ion() -> None:
    """With a profile that is a little wrong, free members would pretend a shift of the whole blend."""
    places, light = [60.0, 62.0, 58.0], [1e6, 2e4, 1.5e4]
    strips = cut_strips(image_of(places, light, LineProfile(6.2, 0.55)), (0, 40), 2)
    free, _, _ = measured(strips, places, light, WIDE)
    tied, _, groups = measured(strips, places, light, WIDE, ["Ne I"] * 3)
    assert np.nanmax(groups.slack[0, 1:3] / groups.ratio[0, 1:3]) < 0.6
    assert np.abs(tied.x - 60.0).max() < 0.02
    assert np.all(tied.error <= free.error * 1.001)


@pytest.mark.parametrize(("ions", "trusted"), [(["Ne I", "Ne I"], True), (["Ne I", "He I"], False)])
def test_a_ratio_is_trusted_within_an_ion_only(ions: list[str], trusted: bool) -> None:
    x, light = np.array([60.0, 63.0]), np.array([1e5, 9e4])
    lines = KnownLines(5000 + x, np.array([1.0, 0.1]), np.array(ions), np.zeros(2))
    groups, _ = group_lines(x, light, np.ones(2, bool), 6.0, lines)
    expected = 0.1 if trusted else 0.9
    assert groups.ratio[0, 1] == pytest.approx(expected)
    assert (groups.slack[0, 1] < 0.5 * expected) == trusted


def test_the_listed_ratio_holds_a_faint_blend_in_its_place() -> None:
    """Lines a third of a width apart: their light alone would tell the place to 0.15 pixels, and errors too small.

    The list is 20 per cent off, as lists are.
    """
    narrow, rng = LineProfile(2.3, 0.3), np.random.default_rng(1)
    places = 60.0 + 0.35 * narrow.fwhm * np.array([-1, 0, 1])
    clean = 20.0 + np.sum([a * narrow(PIXEL - x) for x, a in zip(places, (900, 3000, 900), strict=True)], axis=0)
    variance = np.tile(clean + 25, (400, 1))
    data = rng.normal(clean, np.sqrt(variance))
    strips = Strips(data, variance, np.ones(data.shape, bool), np.arange(400.0))
    lines = KnownLines(5000 + places, np.array([0.24, 1.0, 0.36]), np.array(["Ne I"] * 3), np.zeros(3))
    groups, _ = group_lines(places, np.array([900.0, 3000, 900]), np.ones(3, bool), narrow.fwhm, lines)
    found = measure_positions(strips, groups, np.full((1, 400), 60.0), narrow)
    off = found.x[0] - 60.0
    assert np.sqrt(np.mean(off**2)) < 0.07 and abs(np.mean(off)) < 0.06
    assert np.sqrt(np.mean((off / found.error[0]) ** 2)) < 1.1


@pytest.mark.parametrize(("away", "share", "alone"), [(1.7, 0.03, False), (1.7, 0.5, True), (2.5, 0.03, True)])
def test_a_line_in_the_wing_of_a_bright_one_is_not_measured_alone(away: float, share: float, alone: bool) -> None:
    """A profile that is a little wrong leaves more light there than the faint line has."""
    places, light = [50.0, 50.0 + away * 6.0], [1e6, share * 1e6]
    strips = cut_strips(image_of(places, light, LineProfile(6.2, 0.55)), (0, 40), 2)
    found, leaders, _ = measured(strips, places, light, LineProfile(6.0, 0.4))
    assert (places[1] in leaders) == alone
    assert np.abs(found.x - leaders[:, None]).max() < 0.05


@pytest.mark.parametrize(("step", "beside"), [(1.0, 2), (-2.0, 1), (4.0, 1)])
def test_pixels_beside_saturated_ones_are_counted_on_the_detector(step: float, beside: int) -> None:
    flags = np.zeros((40, 120), int)
    flags[:, 60:63] = int(Flag.SATURATED)
    data = np.full(flags.shape, 500.0)
    image = make_image(data, unit="electron", header={"DISPSTEP": step}, variance=data, flags=flags)
    lost = np.flatnonzero(~cut_strips(image, (0, 40), 2).good[0])
    np.testing.assert_array_equal(lost, np.arange(60 - beside, 63 + beside))
