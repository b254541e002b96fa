"""Where on the sky an image points before any star is measured."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from alfosc_reduce_alfosc.readout import detector
from alfosc_reduce_alfosc.tables import records
from alfosc_reduce_ccd.overscan import SubtractOverscan
from astropy.coordinates import SkyCoord
from astropy.io import fits
from numpy.typing import NDArray

from alfosc_reduce.images import header_wcs

IMAGE = {"ALGRNM": "Open", "ALAPRTNM": "Open", "FAFLTNM": "V_Bes 530_80", "OBS_MODE": "IMAGING"}
SCALE = 0.2138
MIDDLE = tuple(sum(span) / 2 for span in (detector().x_light, detector().y_light))
"""Unbinned pixel (1-based) in the middle of the exposed detector."""


def adu(shape: tuple[int, int]) -> NDArray[np.int64]:
    return np.random.default_rng(3).integers(11_000, 12_000, size=shape)


@pytest.fixture
def read(write_raw):
    def _read(shape: tuple[int, int], **changes: object) -> fits.Header:
        return Alfosc().read(write_raw("image.fits", adu(shape), **(IMAGE | changes))).meta

    return _read


def sky(header: fits.Header, x: float, y: float) -> SkyCoord:
    return header_wcs(header).pixel_to_world(x - 1, y - 1)


def test_north_is_up_and_east_is_left_at_the_usual_rotation(read) -> None:
    header = read((200, 200), DETWIN1="[975:1174, 927:1126]", FIELD=90.0)
    here = sky(header, MIDDLE[0] - 974, MIDDLE[1] - 926)
    assert here.separation(SkyCoord(240 * u.deg, 20 * u.deg)) < 0.01 * u.arcsec
    up, left = sky(header, MIDDLE[0] - 974, 180), sky(header, 20, MIDDLE[1] - 926)
    east, north = here.spherical_offsets_to(up)
    assert abs(east) < 0.1 * u.arcsec and north > 10 * u.arcsec
    east, north = here.spherical_offsets_to(left)
    assert east > 10 * u.arcsec and abs(north) < 0.1 * u.arcsec


@pytest.mark.parametrize("angle", [-90.0, 0.0, 37.0, 200.0])
def test_columns_rise_opposite_to_the_field_rotation(read, angle: float) -> None:
    header = read((200, 200), DETWIN1="[975:1174, 927:1126]", FIELD=angle)
    here, along = sky(header, 100.5, 100.5), sky(header, 150.5, 100.5)
    assert here.separation(along).arcsec == pytest.approx(50 * SCALE, rel=1e-4)
    turn = (here.position_angle(along).deg - angle) % 360 - 180
    assert turn == pytest.approx(0, abs=0.05)
    assert np.linalg.det(header_wcs(header).pixel_scale_matrix) < 0, "the sky as seen from below: not mirrored"


@pytest.mark.parametrize(("window", "binning"), [("[951:1150,901:1100]", (1, 1)), ("[851:1250, 701:1300]", (2, 3))])
def test_window_and_binning_do_not_move_the_sky(read, window: str, binning: tuple[int, int]) -> None:
    full = read((2102, 2148), FIELD=25.0)
    x1, y1 = (int(part.split(":")[0]) for part in window.strip("[]").split(","))
    header = read((200, 200), DETWIN1=window, DETXBIN=binning[0], DETYBIN=binning[1], FIELD=25.0)
    for x, y in ((1.0, 1.0), (200.0, 1.0), (80.0, 150.0)):
        whole = sky(full, x1 + (x - 0.5) * binning[0] - 0.5, y1 + (y - 0.5) * binning[1] - 0.5)
        assert sky(header, x, y).separation(whole) < 1e-4 * u.arcsec


def test_the_map_follows_when_the_overscan_is_cut_off(write_raw) -> None:
    raw = Alfosc().read(write_raw("image.fits", adu((2102, 2148)), **IMAGE, FIELD=-90.0))
    cut = SubtractOverscan()(raw)
    left, below = (span[0] - 1 for span in (detector().x_light, detector().y_light))
    assert left > 0 and cut.shape < raw.shape
    assert sky(cut.meta, 301, 401).separation(sky(raw.meta, 301 + left, 401 + below)) < 1e-4 * u.arcsec


def test_the_map_of_a_raw_header_stays(read) -> None:
    own = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 75.0, "CRPIX1": 7.0, "CRPIX2": 9.0,
        "CD1_1": -6e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 6e-5,
    }  # fmt: skip
    header = read((200, 200), DETWIN1="[975:1174, 927:1126]", **own)
    assert {key: header[key] for key in own} == own


def test_without_pointing_there_is_no_map(read) -> None:
    header = read((200, 200), DETWIN1="[975:1174, 927:1126]", RA=None, DEC=None, CTYPE1="X", CRVAL1=975.0)
    assert not [key for key in header if key.startswith(("CTYPE", "CRVAL", "CD1", "CD2"))]


@pytest.mark.parametrize(
    ("name", "band"), [("B_Bes 440_100", "B"), ("r'_SDSS 618_148", "r"), ("i_int 797_157", "I"), ("Halp 658_18", "")]
)
def test_an_image_names_its_band(read, name: str, band: str) -> None:
    assert read((200, 200), DETWIN1="[975:1174, 927:1126]", FAFLTNM=name).get("BAND", "") == band


def test_two_filters_make_no_band(read) -> None:
    header = read((200, 200), DETWIN1="[975:1174, 927:1126]", FBFLTNM="r'_SDSS 618_148")
    assert "BAND" not in header


def test_bands_suit_their_wavelengths() -> None:
    limits = {"U": (3400, 3800), "B": (4200, 4500), "V": (5200, 5600), "R": (6200, 6700), "I": (7200, 8300)}
    limits |= {"u": (3400, 3700), "g": (4600, 5000), "r": (6100, 6400), "i": (7500, 7900), "z": (8200, 9400)}
    rows = [row for row in records("filters") if row["band"]]
    assert len(rows) > 25
    assert all(limits[row["band"]][0] <= row["wavelength"] <= limits[row["band"]][1] for row in rows)
