"""The step: the first catalogue that will do, for the field that the header tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS

from alfosc_reduce import DataError, get_catalog, get_step
from alfosc_reduce.field import field_of, position
from alfosc_reduce.images import make_image

SHAPE = (300, 200)


def image(ra: float = 150.0, dec: float = 2.0, rotation: float = 30.0, **cards: Any) -> Any:
    """Return an image of 200 x 300 pixels of 2 arcsec, turned, with a celestial WCS."""
    wcs = WCS(naxis=2)
    turn, scale = np.deg2rad(rotation), 2 / 3600
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [(SHAPE[1] + 1) / 2, (SHAPE[0] + 1) / 2]
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    header = wcs.to_header()
    header.update({"FILENAME": "sn.fits", "OBJECT": "SN 2026xyz", "BAND": "V", "FILTER": "V_Bes"} | cards)
    return make_image(np.ones(SHAPE), unit="electron", header=header)


def bare(**cards: Any) -> Any:
    return make_image(np.ones(SHAPE), unit="electron", header=Header({"FILENAME": "sn.fits", **cards}))


def csv(path: Path, text: str) -> str:
    path.write_text(text)
    return f"file:{path}"


def stars(ra: float, dec: float, number: int = 9, bands: str = "V") -> str:
    rows = [",".join([f"{ra + 0.005 * n}", f"{dec}", *(["15"] * len(bands))]) for n in range(number)]
    return "\n".join([",".join(["ra", "dec", *(f"mag_{b}" for b in bands)]), *rows])


@pytest.mark.parametrize(("ra", "dec"), [(150, 2), (0.0, 0.0), (359.99, 28), (200, 75), (40, -89.9), (10, 90)])
def test_the_field_holds_all_corners(ra: float, dec: float) -> None:
    field = field_of(image(ra, dec))
    assert field.centre.separation(SkyCoord(ra, dec, unit="deg")) < 2 * u.arcsec
    assert field.radius.to_value("arcsec") == pytest.approx(np.hypot(*SHAPE), rel=2e-3)
    assert field.corners is not None
    assert field.centre.separation(field.corners).max() <= field.radius


@pytest.mark.parametrize("place", [{"RA": 150.0, "DEC": 2.0}, {"RA": "10:00:00.0", "DEC": "+02:00:00"}])
def test_pointing_and_scale_will_do(place: dict[str, Any]) -> None:
    field = field_of(bare(PIXSCALE=2.0, **place))
    assert field.centre.separation(SkyCoord(150, 2, unit="deg")) < 0.1 * u.arcsec
    assert field.radius.to_value("arcsec") == pytest.approx(np.hypot(*SHAPE)) and field.corners is None


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({}, r"sn\.fits: the header has no celestial WCS and no RA and DEC; give centre"),
        ({"RA": 1.0, "DEC": 2.0}, r"sn\.fits: .* no PIXSCALE; give the radius"),
        ({"RA": "here", "DEC": "there", "PIXSCALE": 1.0}, "is no position; write degrees"),
        ({"RA": 1.0, "DEC": 100.0, "PIXSCALE": 1.0}, "is no position; write degrees"),
    ],
)
def test_no_field_is_a_sentence(cards: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        get_step("fetch_catalog")()(bare(**cards))


@pytest.mark.parametrize("text", ["150 2", "150.0 +2.0", "150,2", "10:00:00 +02:00:00", "10h00m00s +02d00m00s"])
def test_positions_as_people_write_them(text: str) -> None:
    assert position(text, "here").separation(SkyCoord(150, 2, unit="deg")) < 0.01 * u.arcsec


def test_margin_and_radius(gaia: Callable[..., Any]) -> None:
    catalog = gaia()
    small = get_step("fetch_catalog")(catalogs=catalog)(image())
    assert small.meta["RADIUS"] * 60 == pytest.approx(np.hypot(*SHAPE) / 60 + 3, rel=1e-3)
    large = get_step("fetch_catalog")(catalogs=catalog, margin="10 arcmin")(image())
    assert len(large) > len(small)
    own = get_step("fetch_catalog")(catalogs=catalog, centre="150.05 2.05", radius="7 arcmin")(bare())
    assert own.meta["RADIUS"] * 60 == pytest.approx(7) and own.meta["RA"] == 150.05


def test_the_first_that_has_enough_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    choices = [
        "skymapper",
        csv(tmp_path / "few.csv", stars(150, 2, number=2)),
        csv(tmp_path / "elsewhere.csv", stars(20, 2)),
        csv(tmp_path / "good.csv", stars(150, 50)),
        csv(tmp_path / "later.csv", stars(150, 50, number=12)),
    ]
    found = get_step("fetch_catalog")(catalogs=choices)(image(dec=50.0))
    assert found.meta["RELEASE"] == "good.csv" and len(found) == 9
    assert "passed over skymapper: covers only declinations below" in caplog.text
    assert all(f"passed over file {name}.csv: has 0 sources" in caplog.text for name in ("few", "elsewhere"))


@pytest.mark.parametrize("band", "BVRI")
def test_skymapper_is_passed_over_for_bands_it_does_not_lead_to(
    tmp_path: Path, band: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its g and r are not those of Sloan; nothing is asked of the service."""
    caplog.set_level("INFO")
    field = image(dec=-30.0)
    field.meta["BAND"] = band
    choices = ["skymapper", csv(tmp_path / "own.csv", stars(150, -30, bands=band))]
    found = get_step("fetch_catalog")(catalogs=choices, band_needed=True)(field)
    assert found.meta["RELEASE"] == "own.csv"
    assert f"skymapper: has no magnitudes in {band}, and no published transformation" in caplog.text
    assert f"gaia has {band}" in caplog.text and band in get_catalog("gaia")().bands


def test_a_band_is_needed(tmp_path: Path) -> None:
    choices = [
        csv(tmp_path / "z.csv", stars(150, 2, bands="z")),
        csv(tmp_path / "gaps.csv", stars(150, 2).replace(",15", ",")),
        csv(tmp_path / "gr.csv", stars(150, 2, bands="gr")),
        csv(tmp_path / "v.csv", stars(150, 2)),
    ]
    step = get_step("fetch_catalog")
    assert step(catalogs=choices)(image()).meta["RELEASE"] == "z.csv"
    assert step(catalogs=choices, band_needed=True)(image()).meta["RELEASE"] == "gr.csv"
    assert step(catalogs=choices, band_needed=True)(image(BAND="z")).meta["RELEASE"] == "z.csv"
    with pytest.raises(DataError, match=r"file z\.csv: has no magnitudes in U \(it has: z\) \| file gaps\.csv: "):
        step(catalogs=choices, band_needed=True)(image(BAND="U"))
    with pytest.raises(DataError, match="names no band"):
        step(catalogs=choices, band_needed=True)(bare(RA=150.0, DEC=2.0, PIXSCALE=1.0))


def test_when_none_can_be_had_each_reason_is_told(gaia: Callable[..., Any], tap: Any, tmp_path: Path) -> None:
    tap.script = ["503"] * 9
    other = gaia().model_copy(update={"max_rows": 5})
    step = get_step("fetch_catalog")(catalogs=["skymapper", gaia(), other, csv(tmp_path / "far.csv", stars(20, 2))])
    with pytest.raises(DataError, match=r"sn\.fits: no reference catalogue could be had") as error:
        step(image(dec=50.0))
    for words in (
        "skymapper: covers only",
        "gaia: http://127.0.0.1",
        "catalog fetch RECIPE",
        "file far.csv: has 0 sources",
    ):
        assert words in str(error.value)
    assert str(error.value).count("With a network") == 1
    with pytest.raises(DataError, match="None is named"):
        get_step("fetch_catalog")(catalogs=[])(image())


def test_many_frames_make_one_query(gaia: Callable[..., Any], tap: Any) -> None:
    step = get_step("fetch_catalog")(catalogs=gaia())
    sizes = {len(step(image(150 + n / 3600, 2 - 2 * n / 3600))) for n in range(-20, 21, 5)}
    assert len(tap.queries) == 1 and min(sizes) > 5


def test_what_is_cut_off_is_told(gaia: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    get_step("fetch_catalog")(catalogs=gaia(max_rows=20), margin="20 arcmin")(image())
    assert "gaia has more sources here than it gave" in caplog.text


def test_numbers_and_figure(gaia: Callable[..., Any]) -> None:
    step, frame = get_step("fetch_catalog")(catalogs=gaia()), image()
    found = step(frame)
    numbers = step.quality(found, image=frame)
    assert numbers["catalog"] == "gaia" and numbers["stars"] == len(found) and numbers["complete"] is True
    known = np.isfinite(found["mag_V"])
    assert numbers["band"] == "V" and numbers["faint_limit"] <= found["mag_V"][known].max().value
    ((name, figure),) = step.figures(found, image=frame)
    axes = figure.axes[0]
    assert name == "field" and "SN 2026xyz" in axes.get_title() and str(len(found)) in axes.get_title()
    assert axes.get_xlim()[0] > axes.get_xlim()[1], "east is to the left"
    assert figure.axes[1].get_ylabel() == "V (mag, Vega)"
    outline = axes.patches[0].get_xy()
    assert np.abs(outline).max() < found.meta["RADIUS"] * 60


def test_andicam_images_find_their_field(testdata: Path) -> None:
    """A stranger's image: the corners hold the stars that were measured on it, at the pixels that are told."""
    import warnings

    from astropy.io import fits
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(testdata / "andicam" / "SN2019so_20190201_V.fits.gz") as hdus:
            frame = make_image(hdus[0].data, unit="adu", header=hdus[0].header)
            field = field_of(frame)
    table = Table.read(testdata / "andicam" / "photometry_2019so_04735.ecsv")
    apart = field.centre.separation(SkyCoord(table["ra"], table["decl"]))
    assert apart.max() < field.radius and field.radius < 6 * u.arcmin
