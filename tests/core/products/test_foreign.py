"""Images and tables of other programs."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.time import Time

from alfosc_reduce import DataError
from alfosc_reduce.images import usable
from alfosc_reduce.products.foreign import read_image, read_table

PIXELS = np.arange(12.0).reshape(3, 4)


def written(path: Path, cards: dict[str, object], data: object = PIXELS) -> Path:
    fits.PrimaryHDU(np.asarray(data, np.float32), fits.Header(cards)).writeto(path)
    return path


def test_an_image_keeps_its_pixels_header_and_unit(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / "a.fits", {"BUNIT": "electron/s", "FILTER": "V", "GAIN": 2.3}))
    assert np.array_equal(image.data, PIXELS)
    assert image.unit == u.electron / u.s and image.uncertainty is None
    assert image.meta["FILTER"] == "V" and image.meta["FILENAME"] == "a.fits" and "NAXIS" not in image.meta


@pytest.mark.parametrize("unit", ["", "ADU", "counts", "no unit at all"])
def test_counts_of_any_name_are_adu(tmp_path: Path, unit: str) -> None:
    assert read_image(written(tmp_path / "a.fits", {"BUNIT": unit})).unit == u.adu


def test_what_is_not_finite_is_masked(tmp_path: Path) -> None:
    data = PIXELS.copy()
    data[1, 2] = np.nan
    image = read_image(written(tmp_path / "a.fits", {}, data))
    assert np.argwhere(~usable(image)).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "cards",
    [
        {"DATE-OBS": "2019-02-02T07:12:08.634"},
        {"DATE-OBS": "2019-02-02", "TIME-OBS": "07:12:08.634"},
        {"DATE-OBS": "2019-02-02", "UT": "07:12:08.634"},
    ],
)
def test_the_middle_of_the_exposure_follows_from_its_start(tmp_path: Path, cards: dict[str, object]) -> None:
    image = read_image(written(tmp_path / "a.fits", {**cards, "EXPTIME": 160.0}))
    assert image.meta["MJD-AVG"] == pytest.approx(Time("2019-02-02T07:13:28.634").mjd, abs=1e-8)


@pytest.mark.parametrize("cards", [{"DATE-OBS": "2019-02-02"}, {"DATE-OBS": "some day", "UT": "1:2:3"}, {}])
def test_a_day_alone_is_no_time(tmp_path: Path, cards: dict[str, object]) -> None:
    assert "MJD-AVG" not in read_image(written(tmp_path / "a.fits", {**cards, "EXPTIME": 160.0})).meta


def test_a_pointing_in_hours_becomes_degrees(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / "a.fits", {"RA": "12:42:36.27", "DEC": "-40:44:42.2"}))
    assert image.meta["RA"] == pytest.approx(190.651125) and image.meta["DEC"] == pytest.approx(-40.7450556, abs=1e-6)


def test_the_image_may_lie_in_an_extension(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU(header=fits.Header({"OBJECT": "M 67"}))
    fits.HDUList([primary, fits.ImageHDU(PIXELS, name="SCI")]).writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits")
    assert image.shape == (3, 4) and image.meta["OBJECT"] == "M 67"


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 3, 4)))]).writeto(tmp_path / "cube.fits")
    with pytest.raises(DataError, match="no image with two axes"):
        read_image(tmp_path / "cube.fits")
    (tmp_path / "text.fits").write_text("no image")
    with pytest.raises(DataError, match="cannot be read as FITS"):
        read_image(tmp_path / "text.fits")


@pytest.mark.parametrize(
    ("name", "kind"), [("t.ecsv", "ascii.ecsv"), ("t.csv", "ascii.csv"), ("t.vot", "votable"), ("t.fits", "fits")]
)
def test_a_table_comes_back_from_every_format(tmp_path: Path, name: str, kind: str) -> None:
    table = QTable({"ra": [10.5, 11.5], "source_id": ["a", "b"]})
    table.write(tmp_path / name, format=kind)
    found = read_table(tmp_path / name)
    assert np.asarray(found["ra"]).tolist() == [10.5, 11.5] and [str(v) for v in found["source_id"]] == ["a", "b"]


def test_a_broken_table_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.vot").write_text("<VOTABLE><RESOURCE>")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_table(tmp_path / "t.vot")


def test_the_andicam_image_is_read(testdata: Path) -> None:
    image = read_image(testdata / "andicam" / "SN2019so_20190201_V.fits.gz")
    assert image.shape == (994, 904) and image.unit == u.adu
    assert image.meta["MJD-AVG"] == pytest.approx(58516.3, abs=0.01)
