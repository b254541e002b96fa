from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.registration.filelist import place_of
from alfosc_reduce_imaging.registration.geometry import IDENTITY, similarity
from alfosc_reduce_imaging.registration.registration import RegisterImages

from alfosc_reduce import DataError, load, save

MAPS = (
    IDENTITY,
    similarity(1.0, 0.0, (30.3, -22.8)),
    similarity(1.0003, 0.05, (-80.0, 101.4)),
    similarity(1.0, 3.0, (130.0, 5.4)),
    similarity(1.0, 0.0, (300.2, 250.3)),
)


def register(*tables: Any) -> Any:
    return RegisterImages()(list(tables))


def reference_of(found: Any) -> int:
    return list(found["file"]).index(found.meta["REFERENCE"])


@pytest.mark.parametrize("number", [20, 200, 3000])
def test_frames_are_laid_within_three_hundredths_of_a_pixel(field: Any, map_error: Any, number: int) -> None:
    stars = field(number)
    found = register(*(stars.seen(f"f{i}", one, fainter=0.1 * i) for i, one in enumerate(MAPS)))
    assert found["use"].all()
    back = MAPS[reference_of(found)].inverse()
    for row, true in zip(found, MAPS, strict=True):
        rms, worst = map_error(place_of(row), back.after(true))
        assert rms < 0.03 and worst < 0.05, (row["file"], rms, worst)


@pytest.mark.parametrize("seed", range(6))
def test_eight_stars_are_enough(field: Any, map_error: Any, seed: int) -> None:
    stars = field(8, seed)
    stars.flux *= 8
    tables = [stars.seen("a"), stars.seen("b", similarity(1.0, 0.3, (12.3, -7.6)))]
    if min(map(len, tables)) < 6:
        pytest.skip("chance put fewer stars into this field")
    found = register(*tables)
    assert found["use"].all(), found["reason"]
    reference = reference_of(found)
    true = similarity(1.0, 0.3, (12.3, -7.6))
    rms, _ = map_error(place_of(found[1 - reference]), true.inverse() if reference == 1 else true)
    assert rms < 0.04, (seed, rms)


def test_most_stars_of_one_frame_may_be_missing_in_the_other(field: Any, map_error: Any) -> None:
    stars = field(300)
    true = similarity(1.0, 0.1, (55.5, -3.2))
    found = register(stars.seen("deep"), stars.seen("poor", true, missing=0.85))
    assert found.meta["REFERENCE"] == "deep" and found["use"].all()
    assert map_error(place_of(found[1]), true)[0] < 0.03


@pytest.mark.parametrize("rotation", [180.0, 90.0, -37.0])
def test_any_rotation_is_found(field: Any, map_error: Any, rotation: float) -> None:
    """A telescope that went through the meridian between two exposures."""
    stars = field(150)
    middle = np.array([1023.5, 1023.5])
    turn = similarity(1.0, rotation, (0.0, 0.0))
    true = turn._replace(offset=middle - turn.matrix @ middle)
    found = register(stars.seen("a", fainter=-0.3), stars.seen("b", true))
    assert map_error(place_of(found[1]), true)[0] < 0.03


def test_variable_stars_and_clouds(field: Any) -> None:
    stars = field(200)
    tables = [stars.seen("a"), stars.seen("b", MAPS[1], fainter=0.75, exposure=50.0)]
    flux = tables[1]["flux"]
    flux[::5] *= 2.5
    tables[1]["flux"] = flux
    found = register(*tables)
    b = found[1]
    assert abs(b["zero_point_offset"].value - 0.75) < 4 * b["zero_point_error"].value
    assert b["zero_point_error"].value < 0.01


def test_an_aperture_that_does_not_follow_the_seeing_makes_no_clouds(field: Any) -> None:
    """Each aperture has another part of a star's light; the profile of the frame tells which."""
    stars = field(150)
    tables = []
    for name, width, inside in (("a", 4.0, 0.9343), ("b", 5.0, 0.8700)):  # Moffat, exponent 3.5, within 6 pixels
        table = stars.seen(name, fwhm=width, APRADIUS=6.0, BETA=3.5)
        table["flux"] = table["flux"] * inside
        tables.append(table)
    found = register(*tables)
    assert abs(found[1]["zero_point_offset"].value) < 0.005


def test_distortion_between_dithered_frames_is_followed(field: Any, map_error: Any) -> None:
    """A quarter of a pixel in the corners, as cameras have it, between frames 100 pixels apart."""
    stars = field(200)
    true = similarity(1.0, 0.02, (-80.0, 60.0))._replace(bend=np.array([[9e-8, 2e-8, 3e-8], [0.0, 6e-8, 9e-8]]))
    found = register(stars.seen("a", fainter=-0.3), stars.seen("b", true))
    assert found.meta["REFERENCE"] == "a"
    rms, worst = map_error(place_of(found[1]), true)
    assert rms < 0.03 and worst < 0.1
    assert map_error(place_of(found[1]).straight, true)[0] > 0.1
    assert found[1]["map_error"].value < 0.03
    assert abs(float(RegisterImages().quality(found, stars=[])["largest_shift_pixels"] or 0) - 100) < 1


def test_errors_of_transparency_are_right(field: Any) -> None:
    pulls = []
    for seed in range(25):
        stars = field(60, seed)
        found = register(stars.seen("a", exposure=200.0), stars.seen("b", MAPS[1], fainter=0.2))
        other = found[1 - reference_of(found)]
        sign = 1 if other["file"] == "b" else -1
        pulls.append((other["zero_point_offset"].value - sign * 0.2) / other["zero_point_error"].value)
    # The floor for flat field and apertures is not in these data: errors are too large, never too small.
    assert np.sqrt(np.mean(np.square(pulls))) < 1.15


def test_the_sharpest_frame_is_the_reference(field: Any) -> None:
    stars = field(100)
    widths = (5.0, 3.5, 4.5)
    found = register(*(stars.seen(f"f{i}", MAPS[i], fwhm=width) for i, width in enumerate(widths)))
    assert found.meta["REFERENCE"] == "f1"
    np.testing.assert_array_equal(place_of(found[1]).matrix, np.eye(2))


def test_frames_that_spoil_are_left_out_with_the_reason(field: Any, caplog: pytest.LogCaptureFixture) -> None:
    stars, other = field(100), field(100, seed=9)
    trailed = stars.seen("trailed", ELLIPTIC=0.7)
    blank = stars.seen("blank")[:0]
    saturated = stars.seen("saturated")
    saturated["flags"] = np.int16(2)
    found = register(
        stars.seen("good"), stars.seen("fine", MAPS[1]), trailed, blank, saturated,
        stars.seen("donuts", SEEINGPX=14.0), other.seen("elsewhere"), stars.seen("blue", FILTER="u"),
        stars.seen("doubtful", SEEINGPX=np.nan),
    )  # fmt: skip
    reasons = dict(zip(found["file"], found["reason"], strict=True))
    assert reasons["good"] == reasons["fine"] == ""
    expected = {"trailed": "trailed", "blank": "no star", "saturated": "saturated", "donuts": "out of focus",
                "elsewhere": "another field", "blue": "filter u", "doubtful": "none of its"}  # fmt: skip
    for name, words in expected.items():
        assert words in reasons[name]
        assert f"{name} is not used: {reasons[name]}." in caplog.text
    np.testing.assert_array_equal(found["use"], [reason == "" for reason in found["reason"]])


def test_frames_that_are_only_a_little_worse_are_kept(field: Any) -> None:
    """Wind, astigmatism off focus, seeing of another hour: they still add light."""
    stars = field(100)
    worse = stars.seen("windy", ELLIPTIC=0.32), stars.seen("later", MAPS[1], SEEINGPX=7.5)
    found = register(stars.seen("good", ELLIPTIC=0.04), *worse, stars.seen("fine", ELLIPTIC=0.06))
    assert found["use"].all() and not any(found["reason"])


def test_frames_that_do_not_touch_are_joined_by_others(field: Any, map_error: Any) -> None:
    stars = field(400)
    stars.xy = stars.rng.uniform(-2200, 4200, (3500, 2))
    stars.flux = 8000 * 10 ** (0.4 * np.minimum(stars.rng.exponential(1.2, 3500), 6.0))
    places = [similarity(1.0, 0.0, (x, 0.0)) for x in (-1900.0, -300.0, 1200.0)]
    found = register(*(stars.seen(f"f{i}", place) for i, place in enumerate(places)))
    assert found["use"].all()
    back = places[reference_of(found)].inverse()
    for row, place in zip(found, places, strict=True):
        assert np.hypot(*(place_of(row)([[1024.0, 1024.0]]) - back.after(place)([[1024.0, 1024.0]]))[0]) < 0.03


def test_headers_help_where_the_stars_alone_do_not_suffice(field: Any) -> None:
    stars = field(150)
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 75.0, "CRPIX2": 1024.0,
             "CD1_1": -5.8e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 5.8e-5}  # fmt: skip
    shift = similarity(1.0, 0.0, (400.0, 0.0))
    a = stars.seen("a", WCS={**cards, "CRPIX1": 1024.0})
    b = stars.seen("b", shift, WCS={**cards, "CRPIX1": 1024.0 - 400.0 + 12.0})
    found = register(a, b)
    assert found["use"].all()
    reference = reference_of(found)
    assert abs(abs(place_of(found[1 - reference]).offset[0]) - 400.0) < 0.03


def test_one_frame_is_its_own_reference(field: Any) -> None:
    for table in (field(50).seen("only"), field(50).seen("empty")[:0]):
        found = register(table)
        assert found["use"].all() and found.meta["REFERENCE"] == found["file"][0]
        np.testing.assert_array_equal(place_of(found[0]).matrix, np.eye(2))


def test_nothing_usable_is_refused_with_all_reasons(field: Any) -> None:
    stars = field(50)
    with pytest.raises(DataError, match="a: blank: no star was found; b: blank"):
        register(stars.seen("a")[:0], stars.seen("b")[:0])
    with pytest.raises(DataError, match="no list of stars"):
        register()


def test_the_list_survives_files(field: Any, tmp_path: Any) -> None:
    from astropy.table import QTable

    stars = field(50)
    found = register(stars.seen("a"), stars.seen("b", MAPS[1]), stars.seen("c")[:0])
    again = load(save(found, tmp_path / "filelist.fits"))
    found.write(tmp_path / "filelist.ecsv")
    text = QTable.read(tmp_path / "filelist.ecsv")
    for other in (again, text):
        reasons = np.ma.filled(other["reason"], "")  # ECSV has no empty text
        assert list(reasons) == list(found["reason"]) and list(other["use"]) == [True, True, False]
        assert other["seeing"].unit == found["seeing"].unit and other.meta["REFERENCE"] == found.meta["REFERENCE"]
        np.testing.assert_array_equal(other["dx"].value, found["dx"].value)


def test_numbers_and_figures(field: Any) -> None:
    stars = field(60)
    tables = [stars.seen("a"), stars.seen("b", MAPS[1], fainter=0.3), stars.seen("c")[:0]]
    found = register(*tables)
    numbers = RegisterImages().quality(found, stars=tables)
    assert numbers["frames"] == 3 and numbers["frames_used"] == 2
    assert abs(float(numbers["largest_shift_pixels"] or 0) - np.hypot(30.3, 22.8)) < 0.1
    assert {name for name, _ in RegisterImages().figures(found, stars=tables)} == {"registration", "conditions"}
