from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.astrometry.start import start_of
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.wcs import WCS

from alfosc_reduce import DataError

PLAIN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 30.0, "CRVAL2": 40.0, "CRPIX1": 50.5, "CRPIX2": 40.5}
TURN = np.radians(30.0)
FORMS: dict[str, dict[str, float]] = {
    "CD": {"CD1_1": -np.cos(TURN) / 3600, "CD1_2": np.sin(TURN) / 3600, "CD2_1": np.sin(TURN) / 3600,
           "CD2_2": np.cos(TURN) / 3600},
    "PC": {"PC1_1": np.cos(TURN), "PC1_2": -np.sin(TURN), "PC2_1": np.sin(TURN), "PC2_2": np.cos(TURN),
           "CDELT1": -1 / 3600, "CDELT2": 1 / 3600},
    "CROTA": {"CDELT1": -1 / 3600, "CDELT2": 1 / 3600, "CROTA2": 30.0},
}  # fmt: skip


def image(**cards: Any) -> CCDData:
    return CCDData(np.zeros((80, 100), np.float32), unit="adu", meta=fits.Header({"FILENAME": "a", **cards}))


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_a_map_is_read(form: str) -> None:
    start = start_of(image(**PLAIN, **FORMS[form]), QTable())
    assert start.place == pytest.approx((30.0, 40.0), abs=1e-9)
    assert start.scale == pytest.approx(1.0, rel=1e-6)
    assert start.oriented
    assert start.middle == (49.5, 39.5)
    assert abs(np.degrees(np.arctan2(start.matrix[0, 1], start.matrix[1, 1]))) == pytest.approx(30.0, abs=1e-3)


def test_positions_of_1950_are_brought_to_icrs() -> None:
    start = start_of(image(**PLAIN, **FORMS["CROTA"], RADESYS="FK4", EQUINOX=1950.0), QTable())
    expected = SkyCoord(30.0, 40.0, unit="deg", frame="fk4").icrs
    assert start.place == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-5)


def test_pointing_and_scale_do_without_a_map() -> None:
    start = start_of(image(RA=10.0, DEC=-20.0, PIXSCALE=0.3), QTable())
    assert (start.place, start.scale, start.oriented) == ((10.0, -20.0), pytest.approx(0.3), False)


def test_place_of_the_catalogue_is_the_last_resort() -> None:
    table = QTable(meta={"RA": 11.0, "DEC": 12.0})
    assert start_of(image(PIXSCALE=0.3), table).place == (11.0, 12.0)


def test_parameters_count_more_than_the_header() -> None:
    start = start_of(image(**PLAIN, **FORMS["CD"]), QTable(), (31.0, 41.0), 2.0)
    assert start.place == (31.0, 41.0)
    assert start.scale == pytest.approx(2.0)
    bare = start_of(image(), QTable(), (31.0, 41.0), 2.0)
    assert (bare.place, bare.scale, bare.oriented) == ((31.0, 41.0), 2.0, False)


@pytest.mark.parametrize(
    "cards", [{"CTYPE1": "RA---XYZ"}, {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
              PLAIN | {"CD1_1": 0.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.0}, PLAIN],
)  # fmt: skip
def test_map_that_makes_no_sense_counts_as_none(cards: dict[str, Any]) -> None:
    start = start_of(image(RA=10.0, DEC=-20.0, PIXSCALE=0.3, **cards), QTable())
    assert (start.place, start.oriented) == ((10.0, -20.0), False)


def test_wcs_of_the_image_object_is_used() -> None:
    bare = image()
    bare.wcs = WCS(fits.Header(PLAIN | FORMS["CD"]))
    assert start_of(bare, QTable()).place == pytest.approx((30.0, 40.0), abs=1e-9)


@pytest.mark.parametrize(
    ("cards", "lacks"), [({"PIXSCALE": 0.3}, "position"), ({"RA": 1.0, "DEC": 2.0}, "pixel_scale")]
)
def test_what_is_not_known_is_asked_for(cards: dict[str, float], lacks: str) -> None:
    with pytest.raises(DataError, match=lacks):
        start_of(image(**cards), QTable())


def test_map_far_from_the_tangent_point_is_followed(make_field: Callable[..., Any]) -> None:
    field = make_field(off=0.0, turn=0.0, distortion=0.0)
    start = start_of(field.image, field.reference)
    x, y = np.array([0.0, 999.0]), np.array([0.0, 899.0])
    assert np.abs(start.plane(x, y)).max() == pytest.approx(199.8, rel=0.01)
