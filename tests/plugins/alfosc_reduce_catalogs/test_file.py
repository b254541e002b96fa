"""Catalogues in files: any format, any names, any units, and gaps that stay gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table

from alfosc_reduce import get_catalog, save
from alfosc_reduce.catalog import bands_of, check_reference
from alfosc_reduce.errors import DataError

CENTRE = SkyCoord(150.0, 2.0, unit="deg")
ANDICAM = {
    "source_id": "starid", "ra": "ra", "dec": "decl", "pmra": "pm_ra", "pmdec": "pm_dec", "mag_G": "gaia_mag",
    "mag_BP": "gaia_bp_mag", "mag_RP": "gaia_rp_mag", "mag_B": "B_mag", "mag_V": "V_mag", "mag_g": "g_mag",
    "mag_r": "r_mag",
}  # fmt: skip


def table_of(number: int = 5) -> Table:
    return Table(
        {
            "id": [f"star {n}" for n in range(number)],
            "RA": 150 + 0.001 * np.arange(number),
            "Dec": np.full(number, 2.0),
            "V": 14.0 + np.arange(number),
            "eV": np.full(number, 0.02),
        }
    )


NAMES = {"source_id": "id", "ra": "RA", "dec": "Dec", "mag_V": "V", "mag_V_error": "eV"}


def catalog(path: Path, **parameters: Any) -> Any:
    return get_catalog("file")(path=path, **parameters)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("field.csv", "ascii.csv"),
        ("field.ecsv", "ascii.ecsv"),
        ("field.fits", "fits"),
        ("field.vot", "votable"),
        ("field.xml", "votable"),
        ("no_ending", "fits"),
        ("wrong_ending.csv", "ascii.ecsv"),
    ],
)
def test_formats(tmp_path: Path, name: str, kind: str) -> None:
    table_of().write(tmp_path / name, format=kind)
    found = catalog(tmp_path / name, columns=NAMES).sources(CENTRE, 1 * u.arcmin)
    check_reference(found)
    assert list(found["source_id"]) == [f"star {n}" for n in range(5)] and bands_of(found) == ["V"]
    np.testing.assert_allclose(found["mag_V"].value, 14.0 + np.arange(5))
    np.testing.assert_allclose(found["ra"].to_value("deg"), 150 + 0.001 * np.arange(5))
    assert found.meta["MAGSYS"] == {"V": "Vega"} and found.meta["RELEASE"] == name and not found["pm_known"].any()


@pytest.mark.parametrize("how", ["store", "ecsv", "fits"])
def test_a_reference_table_needs_no_mapping(tmp_path: Path, how: str, gaia: Any) -> None:
    first = gaia().sources(CENTRE, 40 * u.arcmin)
    assert not first["pm_known"].all()
    if how == "store":
        path = save(first, tmp_path / "reference.fits")
    else:
        path = tmp_path / f"reference.{how}"
        if how == "fits":  # a table of somebody else: FITS has no place for a dictionary
            first.meta.pop("MAGSYS")
            first.remove_column("ruwe")
        first.write(path)
    found = catalog(path).sources(CENTRE, 40 * u.arcmin)
    assert list(found["source_id"]) == list(first["source_id"]) and bands_of(found) == bands_of(first)
    for name in first.colnames:
        if name not in ("source_id", "pm_known", "variable"):
            np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(first[name]))
    assert np.array_equal(found["pm_known"], first["pm_known"]) and np.array_equal(found["variable"], first["variable"])
    assert found.meta["MAGSYS"]["V"] == "Vega" and found.meta["MAGSYS"]["g"] == "AB"


def test_units_of_the_file_are_used(tmp_path: Path) -> None:
    table = QTable(table_of(2))
    table["RA"], table["Dec"] = [10.0, 10.00001] * u.hourangle, [120.0, 120.0] * u.arcmin
    table["pm"] = [0.01, 0.02] * u.arcsec / u.yr
    table.write(tmp_path / "field.ecsv")
    columns = NAMES | {"pmra": "pm", "pmdec": "pm", "ra_error": "eV"}
    found = catalog(tmp_path / "field.ecsv", columns=columns, epoch=2015.5, units={"ra_error": "arcsec"}).sources(
        CENTRE, 1 * u.arcmin
    )
    np.testing.assert_allclose(found["ra"].to_value("deg"), [150, 150.00015])
    np.testing.assert_allclose(found["pmra"].to_value("mas/yr"), [10, 20])
    np.testing.assert_allclose(found["ra_error"].to_value("mas"), [20, 20])
    assert np.all(found["epoch"].value == 2015.5)


def test_sexagesimal_text(tmp_path: Path) -> None:
    (tmp_path / "field.csv").write_text("ra,dec,mag_V\n10:00:00.0,+02:00:00,15\n10:00:01.0,+02:00:30,16\n")
    found = catalog(tmp_path / "field.csv").sources(CENTRE, 1 * u.arcmin)
    np.testing.assert_allclose(found["ra"].to_value("deg"), [150, 150 + 15 / 3600])
    np.testing.assert_allclose(found["dec"].to_value("deg"), [2, 2 + 30 / 3600])


@pytest.mark.parametrize("gap", ["", "0", "99", "99.99", "-999", "nan"])
def test_gaps_are_not_magnitudes(tmp_path: Path, gap: str) -> None:
    (tmp_path / "field.csv").write_text(f"ra,dec,mag_V,mag_V_error\n150,2,15,0.1\n150.001,2,{gap},{gap}\n")
    found = catalog(tmp_path / "field.csv").sources(CENTRE, 1 * u.arcmin)
    assert found["mag_V"][0] == 15 * u.mag and np.isnan(found["mag_V"][1])


def test_systems(tmp_path: Path) -> None:
    (tmp_path / "field.csv").write_text("ra,dec,mag_V,mag_g,mag_F606W\n150,2,15,15,15\n")
    assert dict(catalog(tmp_path / "field.csv").bands) == {"V": "Vega", "g": "AB", "F606W": "Vega"}
    assert dict(catalog(tmp_path / "field.csv", systems={"F606W": "AB"}).bands)["F606W"] == "AB"


@pytest.mark.parametrize(
    ("text", "parameters", "words"),
    [
        ("alpha,delta\n1,2\n", {}, r"has no column ra and dec; say which it is .*it has: alpha, delta"),
        ("ra,decl\n1,2\n", {}, "has no column dec; say which it is with columns = { dec = NAME }"),
        ("ra,decl\n1,2\n", {"columns": {"dec": "dekl"}}, r"no column 'dekl' \(columns.dec\); did you mean 'decl'"),
        ("ra,dec,pmra,pmdec\n1,2,3,4\n", {}, "has proper motions, but no epoch"),
        ("ra,dec\nhere,there\n", {}, "the column 'ra' is text that is no angle"),
        ("ra,dec\n1,2\n", {"units": {"ra": "mag"}}, "the column 'ra' is in mag, which is not a deg"),
        ("", {}, "not a table in FITS, VOTable, ECSV or CSV"),
        ("<VOTABLE><half", {}, "not a table in FITS, VOTable, ECSV or CSV"),
        ("# %ECSV 1.0\n# ---\n# datatype: [", {}, "not a table in FITS, VOTable, ECSV or CSV"),
        ("SIMPLE  =                    T", {}, "not a table in FITS, VOTable, ECSV or CSV|cannot be read"),
    ],
    ids=range(10),
)
def test_a_file_that_will_not_do_is_a_sentence(tmp_path: Path, text: str, parameters: Any, words: str) -> None:
    (tmp_path / "field.csv").write_text(text)
    with pytest.raises(DataError, match=words) as error:
        catalog(tmp_path / "field.csv", **parameters).sources(CENTRE, 1 * u.arcmin)
    assert str(tmp_path / "field.csv") in str(error.value) and "\n" not in str(error.value)


def test_the_tables_of_andicam(testdata: Path) -> None:
    """Stars of both tables: the same positions, proper motions and magnitudes; rows of the target have none."""
    centre = SkyCoord(190.65, -40.75, unit="deg")
    one, two = (
        catalog(testdata / "andicam" / f"photometry_2019so_{number}.ecsv", columns=ANDICAM, epoch=2015.5).sources(
            centre, 0.2 * u.deg
        )
        for number in ("04735", "05406")
    )
    check_reference(one)
    assert len(one) > 50 and bands_of(one) == ["G", "BP", "RP", "B", "V", "g", "r"]
    target = np.isin(one["source_id"], ["-1", "0"])
    assert target.sum() == 2 and np.isnan(one["mag_V"][target]).all() and np.isfinite(one["mag_V"][~target]).sum() > 20
    shared = sorted({*one["source_id"][~target]} & {*two["source_id"]})
    a = one[[list(one["source_id"]).index(name) for name in shared]]
    b = two[[list(two["source_id"]).index(name) for name in shared]]
    assert (
        len(shared) > 40 and np.array_equal(a["ra"], b["ra"]) and np.array_equal(a["mag_B"], b["mag_B"], equal_nan=True)
    )
    assert float(np.nanmedian(one["mag_B"] - one["mag_V"]).value) == pytest.approx(0.8, abs=0.3)


def test_no_motion_is_not_an_unknown_one(tmp_path: Path) -> None:
    """A zero counts as measured where the file says so or says nothing, and as unknown where it says that."""
    rows = "ra,dec,pmra,pmdec,pm_known\n150,2,0,0,True\n150.001,2,0,0,False\n150.002,2,5,,True\n150.003,2,3,4,\n"
    (tmp_path / "said.csv").write_text(rows)
    found = catalog(tmp_path / "said.csv", epoch=2016.0).sources(CENTRE, 1 * u.arcmin)
    assert list(found["pm_known"]) == [True, False, False, False]
    assert np.all(found["pmra"][~found["pm_known"]].value == 0)
    (tmp_path / "silent.csv").write_text("ra,dec,pmra,pmdec\n150,2,0,0\n150.001,2,,\n")
    silent = catalog(tmp_path / "silent.csv", epoch=2016.0).sources(CENTRE, 1 * u.arcmin)
    assert list(silent["pm_known"]) == [True, False]
