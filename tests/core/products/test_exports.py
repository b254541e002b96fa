"""Tables for other programs."""

from __future__ import annotations

import re
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from alfosc_reduce import ReductionError
from alfosc_reduce.products.exports import export, regions
from alfosc_reduce.products.foreign import read_table


def stars() -> QTable:
    table = QTable({"ra": [10.5, 11.25] * u.deg, "dec": [75.0, -0.5] * u.deg, "name": ["SN 1", "b"]})
    table.meta["FILTER"] = "V"
    return table


@pytest.mark.parametrize("name", ["t.ecsv", "t.csv", "t.vot"])
def test_a_table_survives_every_format(tmp_path: Path, name: str) -> None:
    found = read_table(export(stars(), tmp_path / name))
    assert np.allclose(np.asarray(found["ra"]), [10.5, 11.25]) and [str(n) for n in found["name"]] == ["SN 1", "b"]


def test_ecsv_keeps_units_and_what_is_said_of_the_table(tmp_path: Path) -> None:
    found = read_table(export(stars(), tmp_path / "t.ecsv"))
    assert found["ra"].unit == u.deg and found.meta["FILTER"] == "V"


def test_ecsv_can_be_read_and_edited_by_a_person(tmp_path: Path) -> None:
    lines = export(stars(), tmp_path / "t.ecsv").read_text().splitlines()
    assert "# - {name: ra, unit: deg, datatype: float64}" in lines and len(lines) < 15
    assert stars()["ra"].unit == u.deg, "the table itself stays as it is"


def test_regions_lie_where_the_rows_say(tmp_path: Path) -> None:
    text = export(stars(), tmp_path / "t.reg").read_text()
    found = [tuple(map(float, m)) for m in re.findall(r"circle\(([\d.]+),([-\d.]+),", text)]
    assert found == [(10.5, 75.0), (11.25, -0.5)]
    assert "icrs" in text and "text={SN 1}" in text


def test_regions_of_pixels_count_from_one() -> None:
    table = QTable({"x": [0.0], "y": [4.0], "color": ["red"]})
    lines = list(regions(table))
    assert "image" in lines and lines[-1].startswith("circle(1.000,5.000,") and lines[-1].endswith("color=red")


def test_further_circles_have_radius_and_label() -> None:
    table = stars()
    table.meta["CIRCLES"] = [[10.0, 75.0, 180.0, "BAT"]]
    assert (
        list(regions(table))[-1].startswith('circle(10.0000000,75.0000000,180.00")')
        and "BAT" in list(regions(table))[-1]
    )


def test_what_has_no_positions_makes_no_regions(tmp_path: Path) -> None:
    with pytest.raises(ReductionError, match="makes no regions"):
        export(QTable({"a": [1]}), tmp_path / "t.reg")
    assert not list(tmp_path.iterdir())


def test_only_tables_become_text(tmp_path: Path) -> None:
    with pytest.raises(ReductionError, match="only tables"):
        export(np.zeros(3), tmp_path / "t.ecsv")  # type: ignore[arg-type]
