"""What each catalogue makes of the columns of its service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from alfosc_reduce import get_catalog
from alfosc_reduce.catalog import bands_of, check_reference
from alfosc_reduce.docstrings import parameter_texts
from alfosc_reduce.errors import DataError

CENTRE = SkyCoord(150.0, 2.0, unit="deg")


def places(number: int) -> Table:
    return Table({"ra": 150 + 0.01 * np.arange(number), "dec": np.full(number, 2.0)})


def test_gaia(gaia: Callable[..., Any], tap: Any) -> None:
    catalog = gaia()
    given = tap.tables["gaiadr3.gaia_source AS g"]
    found = catalog.sources(CENTRE, 40 * u.arcmin)
    assert len(found) == len(given) and bands_of(found) == ["G", "BP", "RP", *"ugriz", *"UBVRI"]
    order = np.argsort(np.asarray(found["source_id"], np.int64))
    found = found[order]
    assert np.array_equal(np.asarray(found["source_id"], np.int64), given["source_id"])
    np.testing.assert_allclose(found["mag_G"].value, given["phot_g_mean_mag"])
    np.testing.assert_allclose(found["mag_G_error"].value, 0.005, rtol=1e-5)
    assert np.all(found["epoch"].value == 2016.0) and np.all(found["ra_error"].to_value("mas") == 0.05)
    assert not found["pm_known"][0] and found["pmra"][0] == 0 and found["pm_known"][1:].all()
    np.testing.assert_allclose(found["pmra"][1:].to_value("mas/yr"), given["pmra"][1:])
    assert np.array_equal(found["variable"], np.arange(len(given)) % 5 == 1)
    validated = np.asarray(given["phot_g_mean_mag"]) < 17
    np.testing.assert_allclose(found["mag_V"].value[validated], given["v_jkc_mag"][validated])
    np.testing.assert_allclose(found["mag_V_error"].value[validated], 0.010857, rtol=1e-4)
    assert np.isnan(found["mag_V"].value[~validated]).all()
    assert found.meta["MAGSYS"]["V"] == "Vega" and found.meta["MAGSYS"]["r"] == "AB"
    assert found.meta["CATALOG"] == "gaia" and "ruwe" in found.colnames


def test_gaia_where_the_service_has_no_synthetic_photometry(
    gaia: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = gaia(synthetic=False).sources(CENTRE, 10 * u.arcmin)
    check_reference(found)
    assert bands_of(found) == ["G", "BP", "RP"] and len(found) > 3
    assert "no synthetic photometry" in caplog.text


def test_sdss(tap: Any) -> None:
    table = places(3)
    table.rename_columns(["ra", "dec"], ["RA_ICRS", "DE_ICRS"])
    table["objID"], table["ObsDate"], table["class"] = [11, 12, 13], [2003.5, 2004.5, np.nan], [6, 3, 6]
    for band in "ugriz":
        table[f"{band}pmag"], table[f"e_{band}pmag"] = [17.0, 18.0, -9999.0], [0.01, 0.02, -9999.0]
    tap.tables['"V/154/sdss16"'] = table
    found = get_catalog("sdss")(urls=(tap.url,)).sources(SkyCoord(150, 2, unit="deg"), 2 * u.arcmin)
    assert '"mode" = 1 AND "clean" = 1' in tap.queries[0]
    assert list(found["source_id"]) == ["11", "12", "13"] and list(found["extended"]) == [False, True, False]
    assert list(found["epoch"].value) == [2003.5, 2004.5, 2005.0] and not found["pm_known"].any()
    assert found["mag_r"][0] == 17 * u.mag and np.isnan(found["mag_r"][2]) and np.isnan(found["mag_r_error"][2])


def test_panstarrs(tap: Any) -> None:
    table = places(2)
    table.rename_columns(["ra", "dec"], ["RAJ2000", "DEJ2000"])
    table["objID"], table["Epoch"], table["iKmag"] = [1, 2], [56293.0, 56293.0], [16.99, 16.5]
    table["e_RAJ2000"], table["e_DEJ2000"] = [0.002, 0.003] * u.arcsec, [0.002, 0.003] * u.arcsec
    for band in "grizy":
        table[f"{band}mag"], table[f"e_{band}mag"] = [17.0, 17.0], [0.01, 0.01]
    tap.tables['"II/349/ps1"'] = table
    found = get_catalog("panstarrs")(urls=(tap.url,)).sources(CENTRE, 2 * u.arcmin)
    np.testing.assert_allclose(found["ra_error"].to_value("mas"), [2, 3])
    np.testing.assert_allclose(found["epoch"].value, 2013.0, atol=0.01)
    assert list(found["extended"]) == [False, True] and bands_of(found) == list("grizy")


def test_a_survey_whose_service_has_changed(tap: Any, caplog: pytest.LogCaptureFixture) -> None:
    table = places(2)
    table.rename_columns(["ra", "dec"], ["RAJ2000", "DEJ2000"])
    table["objID"] = [1, 2]
    for band in "grizy":
        table[f"{band}mag"], table[f"e_{band}mag"] = [17.0, 17.0], [0.01, 0.01]
    tap.tables['"II/349/ps1"'], tap.script = table, ["refuse"]
    found = get_catalog("panstarrs")(urls=(tap.url,)).sources(CENTRE, 2 * u.arcmin)
    check_reference(found)
    assert len(tap.queries) == 2 and "this service has changed" in caplog.text
    assert list(found["epoch"].value) == [2012.5, 2012.5] and not found["extended"].any()


def test_skymapper(tap: Any) -> None:
    table = places(2)
    table.rename_columns(["ra", "dec"], ["raj2000", "dej2000"])
    table["object_id"], table["mean_epoch"], table["class_star"] = [1, 2], [57754.0, 57754.0], [0.98, 0.02]
    table["e_raj2000"], table["e_dej2000"] = [20, 30], [20, 30]
    for band in "ugriz":
        table[f"{band}_psf"], table[f"e_{band}_psf"] = [17.0, 17.0], [0.01, 0.01]
    tap.tables["dr4.master"] = table
    found = get_catalog("skymapper")(urls=(tap.url,)).sources(CENTRE, 2 * u.arcmin)
    np.testing.assert_allclose(found["epoch"].value, 2017.0, atol=0.01)
    assert list(found["extended"]) == [False, True] and list(found["ra_error"].to_value("mas")) == [20, 30]


def test_any_table_of_vizier(tap: Any) -> None:
    table = places(2)
    table.rename_columns(["ra", "dec"], ["RAJ2000", "DEJ2000"])
    table["Name"], table["Type"], table["max"] = ["V1 Ori", "V2 Ori"], ["EA", "RRAB"], [9.5, 10.5] * u.mag
    tap.tables['"B/vsx/vsx"'] = table
    columns = {"source_id": "Name", "type": "Type", "mag_V": "max"}
    catalog = get_catalog("vizier")(table="B/vsx/vsx", columns=columns, urls=(tap.url,), where='"V" < 2')
    found = catalog.sources(CENTRE, 2 * u.arcmin)
    check_reference(found)
    assert list(found["source_id"]) == ["V1 Ori", "V2 Ori"] and list(found["type"]) == ["EA", "RRAB"]
    assert found["mag_V"][1] == 10.5 * u.mag and found.meta["MAGSYS"] == {"V": "Vega"} and '"V" < 2' in tap.queries[0]
    assert found.meta["RELEASE"] == "VizieR B/vsx/vsx" and dict(catalog.bands) == {"V": "Vega"}


def test_an_answer_without_a_column_is_a_sentence(tap: Any, gaia: Callable[..., Any], monkeypatch: Any) -> None:
    catalog = gaia()
    select = tap.select
    monkeypatch.setattr(tap, "select", lambda query, limit: _renamed(select(query, limit)))
    with pytest.raises(DataError, match="gaia: the answer of the service has no column pmra"):
        catalog.sources(CENTRE, 10 * u.arcmin)


def _renamed(answer: tuple[int, bytes]) -> tuple[int, bytes]:
    return answer[0], answer[1].replace(b'name="pmra"', b'name="other"').replace(b'ID="pmra"', b'ID="other"')


@pytest.mark.parametrize(
    ("name", "dec", "covered"),
    [
        ("gaia", -89, True),
        ("sdss", 20, True),
        ("sdss", -40, False),
        ("panstarrs", -29, True),
        ("panstarrs", -30.05, True),
        ("panstarrs", -31, False),
        ("skymapper", -31, True),
        ("skymapper", 10, True),
        ("skymapper", 40, False),
    ],
)
def test_footprints(name: str, dec: float, covered: bool) -> None:
    assert get_catalog(name)().covers(SkyCoord(10, dec, unit="deg"), 6 * u.arcmin) is covered


@pytest.mark.parametrize("name", ["gaia", "sdss", "panstarrs", "skymapper", "vizier", "file"])
def test_every_catalogue_says_what_it_is(name: str) -> None:
    cls = get_catalog(name)
    assert cls.__doc__ and cls.fullname and cls.footprint
    assert all(parameter_texts(cls).values())
