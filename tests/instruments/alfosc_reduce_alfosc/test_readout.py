"""Windows, binnings and the pixels without light."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_alfosc.readout import Readout, Section, detector, readout, section_text
from hypothesis import given, settings
from hypothesis import strategies as st

from alfosc_reduce.errors import DataError

CHIP = detector()
STEADY = settings(deadline=None, derandomize=True)


@st.composite
def readouts(draw: st.DrawFn) -> Readout:
    x = sorted(draw(st.lists(st.integers(1, CHIP.columns), min_size=2, max_size=2, unique=True)))
    y = sorted(draw(st.lists(st.integers(1, CHIP.rows), min_size=2, max_size=2, unique=True)))
    binning = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    return Readout(CHIP, (x[0], x[1], y[0], y[1]), binning)


def cover(shape: tuple[int, int], section: Section | None) -> np.ndarray:
    found = np.zeros(shape, bool)
    if section:
        x1, x2, y1, y2 = section
        assert 1 <= x1 <= x2 <= shape[1]
        assert 1 <= y1 <= y2 <= shape[0]
        found[y1 - 1 : y2, x1 - 1 : x2] = True
    return found


@STEADY
@given(readouts())
def test_light_and_overscan_never_share_a_pixel(chip: Readout) -> None:
    sections = [chip.trim(), *chip.overscans()]
    assert sum(cover(chip.shape, section).astype(int) for section in sections).max(initial=0) <= 1


@STEADY
@given(readouts())
def test_each_section_lies_wholly_in_its_part_of_the_detector(chip: Readout) -> None:
    trim = chip.trim()
    if trim:
        x1, x2, y1, y2 = chip.detector_section(trim)
        assert CHIP.x_light[0] <= x1 <= x2 <= CHIP.x_light[1]
        assert CHIP.y_light[0] <= y1 <= y2 <= CHIP.y_light[1]
    for section in chip.overscans():
        x1, x2, y1, y2 = chip.detector_section(section)
        columns = any(low <= x1 and x2 <= high for low, high in (CHIP.prescan, CHIP.x_overscan))
        rows = CHIP.y_overscan[0] <= y1 and y2 <= CHIP.y_overscan[1]
        assert columns or rows


@STEADY
@given(readouts())
def test_the_trimmed_part_is_as_large_as_whole_pixels_allow(chip: Readout) -> None:
    """No column or row more could be kept without a pixel that is only partly exposed."""
    trim = chip.trim()
    if not trim:
        return
    x1, x2, y1, y2 = trim
    for wider in ((x1 - 1, x2, y1, y2), (x1, x2 + 1, y1, y2), (x1, x2, y1 - 1, y2), (x1, x2, y1, y2 + 1)):
        left, right, bottom, top = chip.detector_section(wider)
        outside_array = wider[0] < 1 or wider[2] < 1 or wider[1] > chip.shape[1] or wider[3] > chip.shape[0]
        dark = left < CHIP.x_light[0] or right > CHIP.x_light[1] or bottom < CHIP.y_light[0] or top > CHIP.y_light[1]
        assert outside_array or dark


def test_the_full_frame_has_overscan_on_three_sides(make_header) -> None:
    chip = readout(make_header())
    assert chip.shape == (2102, 2148)
    assert chip.trim() == (53, 2098, 1, 2062)
    assert sorted(chip.overscans()) == [(4, 48, 1, 2062), (53, 2098, 2067, 2102), (2102, 2146, 1, 2062)]


def test_the_window_of_the_shipped_night_has_overscan_rows_only(make_header) -> None:
    chip = readout(make_header(DETWIN1="[851:1250, 1:2102]", DETYBIN=2))
    assert (chip.trim(), chip.overscans()) == ((1, 400, 1, 1031), [(1, 400, 1034, 1051)])
    assert chip.label == "[851:1250,1:2102] 1x2 200"


def test_another_gain_is_another_readout(make_header) -> None:
    assert readout(make_header(GAIN=0.16)).label == "[1:2148,1:2102] 1x1 200"
    assert readout(make_header(GAIN=0.33)).label == "[1:2148,1:2102] 1x1 200 gain 0.33"
    with pytest.raises(DataError, match="GAIN = 'low' is no number"):
        readout(make_header(GAIN="low"))


def test_a_window_without_overscan_says_so(make_header) -> None:
    chip = readout(make_header(DETWIN1="[500:900,500:900]", DETXBIN=2, DETYBIN=2))
    assert chip.overscans() == []
    assert chip.trim() == (1, 200, 1, 200)
    assert chip.detector_section((1, 200, 1, 200)) == (500, 899, 500, 899)


@pytest.mark.parametrize(
    ("changes", "keyword"),
    [
        ({"DETWIN1": "851:1250"}, "DETWIN1"),
        ({"DETWIN1": "[1250:851, 1:2102]"}, "DETWIN1"),
        ({"DETWIN1": "[1:9999, 1:2102]"}, "DETWIN1"),
        ({"DETXBIN": None}, "DETXBIN"),
        ({"DETYBIN": "two"}, "DETYBIN"),
        ({"DETYBIN": 0}, "DETYBIN"),
        ({"DETYBIN": 1.5}, "DETYBIN"),
    ],
)
def test_an_impossible_readout_is_named(make_header, changes: dict[str, object], keyword: str) -> None:
    with pytest.raises(DataError, match=rf"ALTe010001\.fits: .*{keyword}"):
        readout(make_header(**changes))


def test_a_detector_of_another_time_is_named(make_header) -> None:
    with pytest.raises(DataError, match="no detector 'CCD8' of 2009"):
        readout(make_header(DATE_AVG="2009-01-01T00:00:00", CCDNAME="CCD8"))


def test_sections_are_written_as_fits_writes_them() -> None:
    assert section_text((1, 2, 3, 4)) == "[1:2,3:4]"
    assert section_text(None) == ""
