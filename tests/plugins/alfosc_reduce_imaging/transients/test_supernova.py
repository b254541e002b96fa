"""A real supernova, SN 2019so in NGC 4622, on a real image of another camera: it is not in the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from alfosc_reduce import get_step
from alfosc_reduce.products.foreign import read_image

COLUMNS = {"ra": "ra", "dec": "dec", "pmra": "pm_ra", "pmdec": "pm_dec", "source_id": "starid", "mag_G": "gaia_mag",
           "mag_V": "V_mag"}  # fmt: skip
PLACE, MAGNITUDE = "190.65175 -40.746331", 17.14
"""Where it is, and its published magnitude in V."""


@pytest.fixture(scope="module")
def result(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    table = Table.read(testdata / "andicam" / "photometry_2019so_04735.ecsv")
    table = table[table["starid"] > 0]
    table.rename_column("decl", "dec")
    path = tmp_path_factory.mktemp("stars") / "stars.ecsv"
    table.write(path)
    image = read_image(testdata / "andicam" / "SN2019so_20190201_V.fits.gz")
    sources = get_step("measure_sources")()(image).sources
    stars = {"name": "file", "path": str(path), "columns": COLUMNS, "epoch": 2015.5}
    reference = get_step("fetch_catalog")(catalogs=[stars])(image)
    solved = get_step("solve_wcs")()(image, sources, reference)
    calibrated = get_step("measure_zero_point")(band="V")(*solved, reference)
    step = get_step("find_new")(bat="190.65 -40.75 2", xrt=f"{PLACE} 3", limit=18.0)
    return step(*calibrated, reference)


def test_the_supernova_is_the_first_of_the_new_sources(result: Any) -> None:
    first = result.sources[0]
    assert first["class"] == 2 and first["xrt_distance"].value < 1.0
    assert first["magnitude"].value == pytest.approx(MAGNITUDE, abs=0.06)


def test_next_to_nothing_else_is_new(result: Any) -> None:
    """One star is not in the table; what the galaxy, the edges and the cosmic rays make is rejected."""
    assert len(result.sources) <= 3
    assert (np.asarray(result.sources["class"][1:]) < 2).all()
    assert {"edge", "cosmic ray", "extended"} <= set(result.rejected["reason"])
