from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.astrometry.wcs import Astrometry, SolveWcs
from astropy.table import QTable
from astropy.wcs import WCS

from alfosc_reduce import DataError, load, save

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def solved(plain_field: Any) -> Astrometry:
    return SolveWcs()(**plain_field.inputs)


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 0.0), (0.0, 28.0), (150.0, 75.0), (359.98, -75.0), (30.0, 89.5)])
def test_map_is_true_all_over_the_sky(make_field: Make, ra: float, dec: float) -> None:
    field = make_field(ra=ra, dec=dec, off=100.0, turn=4.0, false=30)
    errors = field.errors(SolveWcs()(**field.inputs).image.meta)
    noise = 0.005 * 0.4 * np.sqrt(2)
    assert np.sqrt(np.mean(errors**2)) < 1.5 * noise * np.sqrt(10 / 80)  # ten terms a coordinate, 80 stars
    assert errors.max() < 3 * noise


@pytest.mark.parametrize("stars", [8, 15, 40])
def test_sparse_fields_with_false_sources_are_solved(make_field: Make, stars: int) -> None:
    for seed in range(6):
        field = make_field(stars=stars, false=stars // 2, off=120.0, turn=-5.0, distortion=0.0, seed=seed)
        assert field.errors(SolveWcs()(**field.inputs).image.meta).max() < 0.03


def test_mirrored_image_is_solved_and_said_to_be(make_field: Make) -> None:
    field = make_field(mirrored=True)
    step = SolveWcs()
    result = step(**field.inputs)
    assert field.errors(result.image.meta).max() < 0.01
    assert step.quality(result, **field.inputs)["wcs_mirrored"] is True


def test_orientation_may_be_unknown(make_field: Make) -> None:
    field = make_field(turn=137.0)
    for keyword in ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CD1_1", "CD2_2", "CRPIX1", "CRPIX2"):
        del field.image.meta[keyword]
    assert field.errors(SolveWcs()(**field.inputs).image.meta).max() < 0.01


def test_place_and_scale_can_be_given(make_field: Make) -> None:
    field = make_field()
    centre = f"{field.image.meta['RA']} {field.image.meta['DEC']}"
    field.image.meta.clear()
    field.reference.meta.clear()
    field.reference["epoch"] = 2025.0
    field.reference["pmra"] *= 0
    field.reference["pmdec"] *= 0
    with pytest.raises(DataError, match="give position"):
        SolveWcs()(**field.inputs)
    assert SolveWcs(position=centre, pixel_scale=0.4 * u.arcsec)(**field.inputs).image.meta["WCSNSTAR"] > 60


def test_proper_motions_matter(make_field: Make) -> None:
    field = make_field(motion=60.0)
    assert field.errors(SolveWcs()(**field.inputs).image.meta).max() < 0.01
    field.reference["pmra"] *= 0
    field.reference["pmdec"] *= 0
    assert SolveWcs()(**field.inputs).image.meta["WCSRMS"] > 0.2


def test_header_carries_the_map_and_how_good_it_is(plain_field: Any, solved: Astrometry) -> None:
    header = solved.image.meta
    assert header["RADESYS"] == "ICRS"
    assert header["WCSFIT"] in ("TAN-SIP3", "TAN-SIP4")
    assert header["WCSCAT"] == "made"
    assert header["WCSNSTAR"] >= 76
    assert header["WCSRMS"] == pytest.approx(0.005 * 0.4 * np.sqrt(2), rel=0.2)
    assert header["WCSRMS"] == pytest.approx(np.hypot(header["WCSXRMS"], header["WCSYRMS"]), abs=2e-5)
    assert (header["OBJECT"], header["MJD-AVG"]) == ("field", plain_field.image.meta["MJD-AVG"])
    assert solved.image.wcs is None


def test_sources_are_on_the_sky_with_their_stars(plain_field: Any, solved: Astrometry) -> None:
    table = solved.sources
    expected = plain_field.truth.all_pix2world(table["x"].value, table["y"].value, 0)
    assert np.abs(table["ra"].to_value("deg") - expected[0]).max() * 3600 < 0.005
    assert np.abs(table["dec"].to_value("deg") - expected[1]).max() * 3600 < 0.005
    assert np.median(table["ra_error"].to_value("mas")) == pytest.approx(2.0, rel=0.2)
    assert np.mean(table["source_id"] == [f"star {i}" for i in range(len(table))]) > 0.95
    assert table["wcs_used"].sum() == solved.image.meta["WCSNSTAR"]
    assert np.nanmedian(np.abs(table["ra_offset"].to_value("mas"))) < 3
    assert table.meta["FILTER"] == "r"
    assert not {"ra", "source_id"} & set(plain_field.sources.colnames)


def test_products_survive_the_store(solved: Astrometry, tmp_path: Path) -> None:
    again = load(save(solved.image, tmp_path / "i.fits"))
    x, y = np.array([0.0, 500.0, 999.0]), np.array([0.0, 300.0, 899.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        maps = [WCS(image.meta).all_pix2world(x, y, 0) for image in (again, solved.image)]
    assert np.array_equal(*maps)
    table = load(save(solved.sources, tmp_path / "t.fits"))
    assert np.array_equal(table["source_id"], solved.sources["source_id"])
    assert table.meta == solved.sources.meta


def test_solving_again_changes_nothing_that_matters(plain_field: Any, solved: Astrometry) -> None:
    step = SolveWcs()
    again = step(solved.image, solved.sources, plain_field.reference)
    assert again.image.meta["CRVAL1"] == pytest.approx(solved.image.meta["CRVAL1"], abs=1e-9)
    assert step.quality(again)["wcs_pointing_shift_arcsec"] == pytest.approx(0.0, abs=0.001)


def test_quality_says_how_far_off_the_header_was(make_field: Make) -> None:
    field = make_field(off=90.0, turn=3.0)
    step = SolveWcs()
    quality = step.quality(step(**field.inputs), **field.inputs)
    assert quality["wcs_pointing_shift_arcsec"] == pytest.approx(90.0, abs=0.5)
    assert quality["wcs_rotation_change_deg"] == pytest.approx(-3.0, abs=0.02)
    assert quality["wcs_scale_arcsec"] == pytest.approx(0.4, rel=1e-3)
    assert quality["wcs_distortion_arcsec"] == pytest.approx(2.0 * 0.4, rel=0.2)
    assert quality["wcs_left_out_rms_arcsec"] >= quality["wcs_rms_arcsec"]


def test_degree_can_be_set(make_field: Make) -> None:
    field = make_field(distortion=1.0)
    assert SolveWcs(degree=1)(**field.inputs).image.meta["WCSFIT"] == "TAN"
    assert SolveWcs(degree=2)(**field.inputs).image.meta["WCSFIT"] == "TAN-SIP2"


def test_saturated_stars_do_not_pull_the_map(make_field: Make) -> None:
    field = make_field(stars=60)
    bright = np.argsort(-field.sources["flux_auto"].value)[:15]
    field.sources["source_flags"][bright] = 2
    field.sources["x"][bright] += 0.4 * u.pix
    assert field.errors(SolveWcs()(**field.inputs).image.meta).max() < 0.012


def test_wrong_field_is_refused_with_a_figure(make_field: Make) -> None:
    field, other = make_field(seed=1), make_field(seed=2)
    with pytest.raises(
        DataError, match=r"made: not found on the sky: 80 sources, .* significance .* \(5 are needed\)"
    ) as e:
        SolveWcs()(field.image, field.sources, other.reference)
    (name, figure), *_ = e.value.figures
    assert name == "no_match"
    assert len(figure.axes) == 2


@pytest.mark.parametrize("number", [0, 1, 3])
def test_too_few_stars_are_refused(make_field: Make, number: int) -> None:
    field = make_field()
    for changed in ({"sources": field.sources[:number]}, {"reference": field.reference[:number]}):
        with pytest.raises(DataError, match="no place where any stars agree") as e:
            SolveWcs()(**field.inputs | changed)
        assert list(e.value.figures)


def test_sources_without_columns_are_refused(make_field: Make) -> None:
    field = make_field()
    with pytest.raises(DataError, match="no columns x, y"):
        SolveWcs()(field.image, QTable({"id": [1, 2, 3]}), field.reference)
    with pytest.raises(DataError, match="no columns ra, dec"):
        SolveWcs()(field.image, field.sources, QTable({"id": [1, 2, 3]}))


def test_pointing_too_far_off_is_refused_and_found_with_a_wider_search(make_field: Make) -> None:
    field = make_field(off=300.0, stars=60)
    with pytest.raises(DataError, match="raise pointing_error"):
        SolveWcs(pointing_error=1 * u.arcmin)(**field.inputs)
    assert field.errors(SolveWcs(pointing_error=6 * u.arcmin)(**field.inputs).image.meta).max() < 0.01


def test_what_was_found_is_logged(plain_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        SolveWcs()(**plain_field.inputs)
    assert "the pointing was off by 100" in caplog.text


def test_figures_show_residuals_and_stars(plain_field: Any, solved: Astrometry) -> None:
    drawn = dict(SolveWcs().figures(solved, **plain_field.inputs))
    assert set(drawn) == {"residuals", "field"}
    assert "rms" in drawn["residuals"]._suptitle.get_text()
    labels = [text.get_text() for text in drawn["field"].axes[0].get_legend().get_texts()]
    assert labels[0].endswith("fitted")
