"""Rows of simulated frames are found on the sky, and places on the sky among the rows, for both kinds of slits."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_ccd.correction import CorrectFrame
from alfosc_reduce_ccd.overscan import SubtractOverscan
from alfosc_reduce_longslit.objects.objects import TraceObjects
from alfosc_reduce_longslit.slit.places import slit_sky
from alfosc_reduce_simulate import Night, Readout, Source, Target, exposures, power_law, simulate_frame
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData
from astropy.wcs import WCS

from alfosc_reduce import get_instrument
from alfosc_reduce.images import flags_of, make_image, variance_of

ALFOSC = get_instrument("alfosc")
NOD = 15.0
SETTINGS = {
    "Slit_1.0": (Readout((951, 1150, 1, 2102), (1, 2)), (951 + 1150) / 2 - 1082.0),
    "Vert_1.0": (Readout((1, 2148, 931, 1130), (1, 1)), (931 + 1130) / 2 - 1031.5),
    "VertOff_1.3": (Readout((1, 2148, 931, 1130), (2, 1)), (931 + 1130) / 2 - 1031.5),
}
"""Read-outs, and how many detector pixels off the nominal place the pointing falls: on the middle of the window."""


@pytest.fixture(scope="module", params=SETTINGS)
def frames(request, tmp_path_factory) -> list[tuple[CCDData, list[float], float]]:
    """Two exposures, the second nodded, with the rows of their two sources and the offset of the pointing."""
    readout, off = SETTINGS[request.param]
    sources = (Source(power_law(2e-14), position=-9.0), Source(power_law(1e-14), position=4.0))
    target = Target("PAIR", 152.0, 28.0, sources, 100.0, count=2, nod=NOD)
    night = Night((target,), slit=request.param, readout=readout, n_flat=0, n_bias=0, start="2020-03-20T23:00:00")
    folder, found = tmp_path_factory.mktemp("raw"), []
    for number, exposure in enumerate(exposures(night)[:2]):
        frame = simulate_frame(night, exposure, ALFOSC)
        path: Path = frame.write(folder / f"ALDc20000{number}.fits")
        image = CorrectFrame()(SubtractOverscan()(ALFOSC.read(path)))
        found.append((image, [float(np.median(s.trace)) for s in frame.sources], off * 0.2138))
    return found


def without_sky(image: CCDData) -> CCDData:
    data = np.asarray(image.data) - np.median(image.data, axis=0)
    return make_image(data, unit="electron", variance=variance_of(image), flags=flags_of(image), header=image.header)


def test_two_exposures_put_a_source_on_the_same_place(frames) -> None:
    places = []
    for image, rows, off in frames:
        where = slit_sky(image.header, ALFOSC, off * u.arcsec)
        places.append([SkyCoord(*where.coordinates(row), unit="deg") for row in rows])
    for one, other in zip(*places, strict=True):
        assert one.separation(other).arcsec < 0.3
    middle = places[0][0].directional_offset_by(places[0][0].position_angle(places[0][1]), 9 * u.arcsec)
    assert middle.separation(SkyCoord(152.0, 28.0, unit="deg")).arcsec < 1.0
    assert places[0][0].separation(places[0][1]).arcsec == pytest.approx(13, abs=0.1)


def test_without_an_offset_a_place_is_off_by_it_alone(frames) -> None:
    image, rows, off = frames[0]
    plain, mended = slit_sky(image.header, ALFOSC), slit_sky(image.header, ALFOSC, off * u.arcsec)
    one, other = (SkyCoord(*where.coordinates(rows[0]), unit="deg") for where in (plain, mended))
    assert one.separation(other).arcsec == pytest.approx(abs(off), abs=0.01)


def test_a_place_on_the_sky_is_the_row_it_came_from(frames) -> None:
    for image, rows, off in frames:
        where = slit_sky(image.header, ALFOSC, off * u.arcsec)
        for row in rows:
            found, beside = where.place(SkyCoord(*where.coordinates(row), unit="deg"))
            assert found == pytest.approx(row, abs=0.01)
            assert beside == pytest.approx(0, abs=0.01)


def test_the_fainter_source_is_forced_by_its_place_on_the_sky(frames) -> None:
    """The place found in the first exposure finds the same source in the second, which was nodded."""
    first, rows, off = frames[0]
    ra, dec = slit_sky(first.header, ALFOSC, off * u.arcsec).coordinates(rows[1])
    step = TraceObjects(position=f"{ra:.6f} {dec:+.6f}", pointing_offset=off * u.arcsec)
    for image, own, _ in frames:
        found = step(without_sky(image), None, None, ALFOSC)
        assert len(found) == 1
        assert np.median(found.centres[0]) == pytest.approx(own[1], abs=1.0)
        assert found.coordinates[0] == pytest.approx([ra, dec], abs=0.5 / 3600)


@pytest.mark.parametrize("field", [90.0, -60.0, 13.0])
@pytest.mark.parametrize(
    ("slit", "side", "step"), [("Slit_1.0", "Horizontal", (1, 0)), ("Vert_1.0", "Vertical", (0, 1))]
)
def test_slits_lie_as_images_do(tmp_path: Path, field: float, slit: str, side: str, step: tuple[int, int]) -> None:
    """A slit is a column or a row of the field that an image shows with the same rotation."""
    night = Night(
        (Target("A", 152.0, 28.0, (Source(power_law(1e-15)),), 1.0),), readout=Readout((951, 1150, 951, 1150))
    )
    frame = simulate_frame(night, exposures(night)[0], ALFOSC)
    frame.primary.update(ALGRNM="Open_(Lyot)", ALAPRTNM="Open", ALAPRORI="Any", OBS_MODE="IMAGING", FIELD=field)
    header = ALFOSC.read(frame.write(tmp_path / "ALDc200001.fits")).header
    field_map = WCS(
        {key: header[key] for key in header if key[:5] in ("CTYPE", "CRVAL", "CRPIX", "CUNIT") or "CD" in key[:2]}
    )
    start = field_map.pixel_to_world(99, 99)
    angle = start.position_angle(field_map.pixel_to_world(99 + step[0], 99 + step[1])).deg
    frame.primary.update(ALAPRTNM=slit, ALAPRORI=side)
    _, rising = ALFOSC.slit_on_sky(frame.primary)
    assert (rising - angle + 180) % 360 - 180 == pytest.approx(0, abs=0.05)
