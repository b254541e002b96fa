"""The real ALFOSC night through the command line, held against what must be true of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import real_night

from alfosc_reduce.limits import judged
from alfosc_reduce.recipe_file import read_recipe

pytestmark = pytest.mark.xdist_group("real_night")


@pytest.fixture(scope="module")
def night(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real_night")
    real_night.reduce_night(testdata / "alfosc-longslit", folder)
    return folder


@pytest.mark.parametrize(
    "measure",
    [
        "classification", "arcs", "sky_lines", "oxygen", "places", "sky_noise", "objects", "difference_of_exposures",
        "standard_against_table", "response", "slit_loss",
    ],
)  # fmt: skip
def test_measured_on_the_real_night(night: Path, measure: str) -> None:
    found = getattr(real_night, measure)(night)
    measures = [found] if isinstance(found, real_night.Measure) else list(found)
    assert measures
    assert [str(m) for m in measures if not m.passed] == []


def test_every_product_is_where_the_documentation_says(night: Path) -> None:
    reduced = night / "reduced"
    target = reduced / "GQ125005+280041"
    setup = next(path for path in target.iterdir() if path.is_dir())
    for frame in ("ALDc200205", "ALDc200206"):
        assert (setup / f"{frame}_spec1d.fits").is_file()
        assert (setup / f"{frame}_spec2d.fits").is_file()
    assert len(list(target.glob("GQ125005+280041_*_spec1d.fits"))) == 1
    for name in ("log.txt", "qc.json", "report.html"):
        assert (reduced / name).stat().st_size > 0
    assert list((reduced / "calib").glob("bias_*.fits"))
    assert len(list((reduced / "figures").rglob("*.png"))) > 20


def test_the_lost_light_is_named_in_the_log(night: Path) -> None:
    log = (night / "reduced" / "log.txt").read_text()
    assert any("ALDc200087" in line and "slit" in line for line in log.splitlines())


def test_no_limit_is_broken_and_none_is_idle(night: Path) -> None:
    document = json.loads((night / "reduced" / "qc.json").read_text())
    broken = [
        (task["task"], name, task["quality"][name])
        for task in document["tasks"]
        for name, found in task["verdicts"].items()
        if found["verdict"] == "fail"
    ]
    limits = read_recipe(night / "recipe.toml").recipe.limits
    assert broken == [] and judged(document, limits)["idle_limits"] == []
    assert document["verdicts"]["pass"] > 20


def test_report_is_one_page_of_modest_size(night: Path) -> None:
    report = night / "reduced" / "report.html"
    assert report.stat().st_size < 15e6
    text = report.read_text(encoding="utf-8")
    assert text.count('class="plot"') == 2 and "HD84937" in text and "GQ125005+280041" in text
