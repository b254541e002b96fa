"""Faint objects traced with a brighter one's trace, and where on the sky objects lie."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.extraction.profile import moffat, scaled
from alfosc_reduce_longslit.objects.objects import TraceObjects
from alfosc_reduce_longslit.slit.places import SlitSky, coordinates_of, is_along_slit, slit_sky
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alfosc_reduce import get_instrument
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import make_image, variance_of
from alfosc_reduce.products import load, save
from alfosc_reduce.testing import StepContract

NY, NX, SCALE = 150, 600, 0.2138
ALFOSC = get_instrument("alfosc")


def curve(position, bend=6.0):
    t = scaled(np.arange(NX), NX)
    return position + bend * t + 1.5 * t**2


def scene(flux=0.0, position=60.0, seed=0, bend=6.0, **cards):
    """A sky-subtracted frame with an object whose light fails in the outer thirds, and noise of 8 electrons."""
    rng = np.random.default_rng(seed)
    rows, t = np.arange(NY)[:, None], scaled(np.arange(NX), NX)
    spectrum = flux * np.exp(-0.5 * (t / 0.4) ** 2)
    light = spectrum * moffat(rows - curve(position, bend), t, (4.0, 0.0, 0.0, 2.5, 0.0, 0.0))
    data = light + rng.normal(0, 1, light.shape) * np.sqrt(64 + light)
    header = Header({"PIXSCALE": SCALE, "FILENAME": "sim.fits", "RDNOISE": 6.0, "SLITPIX0": 1000.0, "SLITSTEP": 1.0})
    header.update({"RA": 192.5, "DEC": 28.0, "FIELD": 90.0, "ALAPRTNM": "Slit_1.0", "ALAPRORI": "Horizontal"})
    header.update(cards)
    return make_image(data, unit="electron", header=header, variance=64 + light)


def rms(found, truth):
    return float(np.sqrt(np.mean((found - truth) ** 2)))


GUIDE = TraceObjects()(scene(1e5, 100.0, seed=1))


def test_a_faint_object_follows_the_guide_where_its_own_light_does_not_tell():
    for seed in range(5):
        image = scene(40.0, seed=20 + seed)
        alone, guided = TraceObjects()(image), TraceObjects()(image, None, GUIDE)
        assert guided.shapes == ("guide",)
        assert rms(guided.centres[0], curve(60)) < 0.25
        assert rms(guided.centres[0], curve(60)) < 0.3 * rms(alone.centres[0], curve(60))


def test_a_bright_object_is_traced_by_its_own_light():
    image = scene(5000.0, seed=3, bend=2.0)
    guided = TraceObjects()(image, None, GUIDE)
    assert guided.shapes == ("own",)
    np.testing.assert_array_equal(guided.centres, TraceObjects()(image).centres)


def test_an_object_too_faint_to_be_found_on_a_steep_trace_is_found_along_the_guide():
    steep = TraceObjects()(scene(1e5, 100.0, seed=4, bend=14.0))
    found = [
        [len(TraceObjects()(scene(16.0, seed=30 + s, bend=14.0), None, guide)) for s in range(8)]
        for guide in (None, steep)
    ]
    assert sum(found[1]) > sum(found[0]) + 3
    empty = [len(TraceObjects()(scene(0.0, seed=50 + s), None, steep)) for s in range(15)]
    assert sum(empty) == 0


def test_a_forced_aperture_has_the_shape_of_the_guide():
    traces = TraceObjects(position="60 pix")(scene(seed=5), None, GUIDE)
    assert traces.shapes == ("guide",)
    assert rms(traces.centres[0] - np.median(traces.centres[0]), curve(60) - np.median(curve(60))) < 0.15
    assert TraceObjects(position="60 pix")(scene(seed=5)).shapes == ("straight",)


def test_a_guide_of_another_window_is_left_aside(caplog):
    image = scene(3000.0, seed=6)
    small = make_image(image.data[:, :400], unit="electron", header=image.header, variance=variance_of(image)[:, :400])
    traces = TraceObjects()(small, None, GUIDE)
    assert "another window or binning" in caplog.text
    assert traces.shapes == ("own",)


def test_an_empty_guide_says_nothing():
    empty = TraceObjects()(scene(seed=7))
    assert TraceObjects()(scene(3000.0, seed=8), None, empty).shapes == ("own",)


def slit(angle=80.0, row=82.0):
    return SlitSky(SkyCoord(192.5, 28.0, unit="deg"), row, angle, SCALE)


@given(st.floats(0, 360), st.floats(-300, 300))
def test_rows_and_coordinates_are_each_others_inverse(angle: float, row: float) -> None:
    place = slit(angle).place(SkyCoord(*slit(angle).coordinates(row), unit="deg"))
    assert place == pytest.approx((row, 0), abs=1e-3)


def test_rows_rise_in_the_position_angle():
    north = slit(0.0).coordinates(82.0 + 60 / SCALE)
    assert north == pytest.approx((192.5, 28.0 + 1 / 60), abs=1e-7)
    east = slit(90.0).coordinates(82.0 + 60 / SCALE)
    assert east[0] == pytest.approx(192.5 + 1 / 60 / np.cos(np.radians(28)), abs=1e-5)
    beside = slit(90.0).place(SkyCoord(192.5, 28.0 + 5 / 3600, unit="deg"))
    assert abs(beside[1]) == pytest.approx(5, abs=1e-3)


def test_objects_say_where_on_the_sky_they_are(tmp_path):
    image = scene(3000.0, 82.0 + 30 / SCALE - 82.0, seed=9)
    traces = TraceObjects()(image, None, None, ALFOSC)
    row = np.median(traces.centres[0])
    # Columns rise opposite to FIELD: to the west of the pointing, which falls on column 1082 = row 82.
    west = (row - 82) * SCALE / 3600 / np.cos(np.radians(28))
    assert traces.coordinates[0] == pytest.approx([192.5 - west, 28.0], abs=1e-5)
    save(traces, tmp_path / "t.fits")
    again = load(tmp_path / "t.fits")
    np.testing.assert_array_equal(again.coordinates, traces.coordinates)
    assert again.shapes == ("own",)
    assert TraceObjects.quality(TraceObjects(), traces)["object_ra_deg"] == pytest.approx(192.5 - west, abs=1e-5)
    assert TraceObjects()(image).coordinates.shape == (0, 2)


@pytest.mark.parametrize("written", ["hours", "degrees"])
def test_a_position_on_the_sky_forces_an_aperture(written):
    image = scene(seed=10)
    where = slit_sky(image.header, ALFOSC)
    ra, dec = where.coordinates(47.0)
    place = SkyCoord(ra, dec, unit="deg")
    text = place.to_string("hmsdms", sep=":", precision=4) if written == "hours" else f"{ra:.7f} {dec:+.7f}"
    traces = TraceObjects(position=f"at {text}")(image, None, None, ALFOSC)
    assert np.median(traces.centres[0]) == pytest.approx(47.0, abs=0.05)


def test_an_offset_of_the_pointing_moves_positions_on_the_sky():
    image = scene(seed=11)
    ra, dec = slit_sky(image.header, ALFOSC).coordinates(47.0)
    step = TraceObjects(position=f"{ra:.7f} {dec:+.7f}", pointing_offset=10 * u.pix)
    assert np.median(step(image, None, None, ALFOSC).centres[0]) == pytest.approx(57.0, abs=0.05)


def test_a_position_of_another_field_is_not_for_this_frame(caplog):
    with caplog.at_level(logging.INFO):
        traces = TraceObjects(position="10:00:00 +10:00:00")(scene(3000.0, seed=12), None, None, ALFOSC)
    assert "is that of another field" in caplog.text
    assert len(traces) == 1


def test_a_position_beside_the_slit_is_told(caplog):
    image = scene(seed=13)
    TraceObjects(position="192.5 +28.003")(image, None, None, ALFOSC)
    assert "arcsec beside the slit" in caplog.text


def test_without_a_known_slit_a_position_on_the_sky_is_refused():
    with pytest.raises(DataError, match="give position along the slit"):
        TraceObjects(position="192.5 +28.0")(scene(seed=14))
    with pytest.raises(DataError, match="give position along the slit"):
        TraceObjects(position="192.5 +28.0")(scene(seed=14, FIELD="N/A"), None, None, ALFOSC)


@pytest.mark.parametrize("text", ["here", "12:50", "12:50:05 +128:00:00", "3 Angstrom", "400 +20", ""])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ValidationError, match="is no place"):
        TraceObjects(position=text)


def test_places_are_read_in_all_their_forms():
    assert coordinates_of("12:50:05.7 +28:01:10") == pytest.approx((192.52375, 28.019444), abs=1e-5)
    assert coordinates_of("192.5237 -28.5 deg") == pytest.approx((192.5237, -28.5))
    assert is_along_slit("45.2 arcsec") and not is_along_slit("192.5237 +28.0194")
    assert TraceObjects(position="at 45.2 arcsec").position == "45.2 arcsec"
    again = TraceObjects.model_validate(TraceObjects(position=20 * u.arcsec).model_dump(mode="json"))
    assert again.position == "20.0 arcsec"


def test_a_place_along_the_slit_is_not_meant_for_standards():
    star = scene(3000.0, 60.0, seed=15, FRAMEKND="standard")
    assert np.median(TraceObjects(position="20 pix")(star).centres[0]) == pytest.approx(np.median(curve(60)), abs=0.5)
    target = scene(3000.0, 60.0, seed=15, FRAMEKND="object")
    assert np.median(TraceObjects(position="20 pix")(target).centres[0]) == pytest.approx(20, abs=0.5)


class TestFaintObjectWithGuide(StepContract):
    step = TraceObjects()

    def inputs(self):
        return {"image": scene(40.0, seed=20), "guide": GUIDE, "instrument": ALFOSC}
