"""Bands, systems, and transformations between catalogues."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.bands import (
    DATA,
    ab_minus_vega,
    bands,
    colour_of,
    magnitudes_of,
    native_system,
)
from astropy.table import QTable, Table

from alfosc_reduce import DataError

SUN = {"U": 5.61, "B": 5.44, "V": 4.81, "R": 4.43, "I": 4.10, "G": 4.66, "BP": 4.98, "RP": 4.17}
"""Absolute magnitudes of the Sun, Vega: Willmer 2018, ApJS 236, 47."""
SUN_AB = {"u": 6.39, "g": 5.11, "r": 4.65, "i": 4.53, "z": 4.50}
SUN_PS1 = {"g": 5.03, "r": 4.64, "i": 4.52, "z": 4.51}


def catalogue(name: str, magnitudes: dict[str, float], error: float = 0.0) -> QTable:
    table = QTable()
    for band, value in magnitudes.items():
        table[f"mag_{band}"] = [value, value, np.nan] * u.mag
        table[f"mag_{band}_error"] = [error, error, np.nan] * u.mag
    table.meta["CATALOG"] = name
    return table


@pytest.mark.parametrize("name, given", [("sdss", SUN_AB), ("panstarrs", SUN_PS1), ("gaia", SUN)])
def test_the_sun_has_its_colours_in_every_catalogue(name: str, given: dict[str, float]) -> None:
    only = {band: value for band, value in given.items() if name != "gaia" or band in ("G", "BP", "RP")}
    reference = catalogue(name, only)
    for band in "BVRI":
        found = magnitudes_of(reference, band)
        assert found is not None and found.system == "Vega"
        assert found.value[0] == pytest.approx(SUN[band], abs=0.08), band
        assert np.isnan(found.value[2])
    for band in "griz":
        found = magnitudes_of(reference, band)
        assert found is not None and found.system == "AB"
        assert found.value[0] == pytest.approx(SUN_AB[band], abs=0.06), band


def test_what_a_catalogue_has_is_taken_as_it_is() -> None:
    reference = catalogue("gaia", SUN | {"g": 5.2}, error=0.01)
    reference.meta["MAGSYS"] = {"g": "AB", "V": "Vega"}
    found = magnitudes_of(reference, "V")
    assert found is not None and found.value[0] == SUN["V"] and found.error[0] == 0.01
    assert magnitudes_of(reference, "g").value[0] == 5.2


def test_ultraviolet_from_sdss() -> None:
    assert magnitudes_of(catalogue("sdss", SUN_AB), "U").value[0] == pytest.approx(SUN["U"], abs=0.1)


def test_beyond_the_range_of_colour_there_is_nothing() -> None:
    reference = catalogue("sdss", {"g": 20.0, "r": 17.5})
    assert np.isnan(magnitudes_of(reference, "V").value).all() if magnitudes_of(reference, "V") else True
    assert magnitudes_of(catalogue("sdss", {"g": 20.0}), "V") is None


def test_errors_know_that_base_and_colour_share_a_band() -> None:
    reference = catalogue("sdss", {"g": 18.0, "r": 17.5}, error=0.02)
    found = magnitudes_of(reference, "V")
    a = 0.5784
    expected = np.sqrt(((1 - a) * 0.02) ** 2 + (a * 0.02) ** 2 + 0.0054**2)
    assert found.error[0] == pytest.approx(expected, rel=1e-6)


def test_a_catalogue_of_unknown_origin_is_taken_at_its_word() -> None:
    reference = catalogue("my stars", {"g": 18.0, "r": 17.5})
    assert magnitudes_of(reference, "g").value[0] == 18.0
    assert magnitudes_of(reference, "V").value[0] == pytest.approx(17.71, abs=0.02)
    assert magnitudes_of(catalogue("skymapper", {"g": 18.0, "r": 17.5}), "V") is None


def test_published_numbers() -> None:
    """As printed: Jordi et al. 2006 for U (SDSS DR7, sdssUBVRITransform), Lupton 2005, Tonry et al. 2012 table 6."""
    sdss = catalogue("sdss", {"u": 19.0, "g": 17.6, "r": 17.1, "i": 16.9, "z": 16.8})
    ug, gr, ri, iz = 1.4, 0.5, 0.2, 0.1
    expected = {
        "U": 17.6 + 0.79 * ug - 0.93 + 0.175 * ug + 0.150,
        "B": 17.6 + 0.3130 * gr + 0.2271, "V": 17.6 - 0.5784 * gr - 0.0038,
        "R": 17.1 - 0.2936 * ri - 0.1439, "I": 16.9 - 0.3780 * iz - 0.3974,
    }  # fmt: skip
    for band, value in expected.items():
        assert magnitudes_of(sdss, band).value[0] == pytest.approx(value, abs=1e-6), band
    panstarrs = catalogue("panstarrs", {"g": 17.6, "r": 17.1, "i": 16.9, "z": 16.8})
    tonry = {"B": (17.6, 0.212, 0.556, 0.034), "V": (17.1, 0.005, 0.462, 0.013), "R": (17.1, -0.137, -0.108, -0.029),
             "I": (16.9, -0.366, -0.136, -0.018)}  # fmt: skip
    for band, (base, a, b, c) in tonry.items():
        assert magnitudes_of(panstarrs, band).value[0] == pytest.approx(base + a + b * gr + c * gr**2, abs=1e-6), band


def test_colours_are_in_native_systems() -> None:
    reference = catalogue("file", {"B": 15.0, "V": 14.5})
    reference.meta["MAGSYS"] = {"B": "AB", "V": "Vega"}
    value, _ = colour_of(reference, "B-V")
    assert value[0] == pytest.approx(0.5 + 0.09)
    assert colour_of(reference, "u-g") is None


def test_systems() -> None:
    assert native_system("V") == "Vega" and native_system("z") == "AB"
    assert ab_minus_vega("u") == pytest.approx(0.91)
    with pytest.raises(DataError, match="the band 'H' is not one of U, B"):
        native_system("H")


def test_every_row_of_the_tables_has_a_source() -> None:
    table = Table.read(DATA / "transformations.ecsv")
    assert set(table["source"]) <= set(table.meta)
    assert set(table["band"]) <= set(bands())
    assert all(len(str(row["colour"]).split("-")) == 2 and row["low"] < row["high"] for row in table)
    assert "source" in Table.read(DATA / "systems.ecsv").meta
