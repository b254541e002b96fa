"""A stranger's package is found, loaded and used exactly like ours."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from click.testing import CliRunner

from alfosc_reduce import get_catalog, get_instrument, get_step, load
from alfosc_reduce.cli import program
from alfosc_reduce.images import make_image
from alfosc_reduce.registry import CATALOGS, STEPS, find
from alfosc_reduce.testing import CatalogContract, StepContract

try:
    importlib.metadata.version("alfosc-reduce-stranger")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the stranger's package: pip install ./tests/third_party", allow_module_level=True)


def raw_frame(path: Path, **cards: Any) -> Path:
    rng = np.random.default_rng(1)
    header = fits.Header({"INSTRUME": "STRANGER", "OBSTYPE": "SKY", "EXPTIME": 10.0, "MJD-OBS": 60000.0, **cards})
    fits.writeto(path, rng.normal(100, 10, (12, 30)).astype(np.float32), header)
    return path


class TestStrangerSmooth(StepContract):
    @property
    def step(self) -> Any:  # type: ignore[override]
        return get_step("stranger_smooth")(width="5 pix")

    def inputs(self) -> dict[str, Any]:
        flags = np.zeros((6, 20), np.int16)
        flags[2, 3] = 8
        data = np.random.default_rng(3).normal(100, 5, (6, 20))
        return {"image": make_image(data, unit="electron", header=fits.Header(), variance=25.0, flags=flags)}


class TestStrangerStars(CatalogContract):
    @property
    def catalog(self) -> Any:  # type: ignore[override]
        return get_catalog("stranger_stars")(faintest=5.0)

    def cone(self) -> Any:
        return SkyCoord(165.7, 59.0, unit="deg"), 7 * u.deg


def test_owner_is_told() -> None:
    plugin = find(STEPS, "stranger_smooth")
    assert (plugin.owner, plugin.version) == ("alfosc-reduce-stranger", "0.3.0")


def test_smoothing_reduces_the_noise_as_its_variance_says() -> None:
    step = get_step("stranger_smooth")(width="5 pix")
    data = np.random.default_rng(3).normal(0, 5, (40, 500))
    result = step(make_image(data, unit="electron", header=fits.Header(), variance=25.0))
    inner = result.data[:, 3:-3] / np.sqrt(result.uncertainty.array[:, 3:-3])
    assert abs(inner.std() - 1) < 0.03


def test_instrument_reads_a_raw_frame(tmp_path: Path) -> None:
    image = get_instrument("stranger").read(raw_frame(tmp_path / "a.fits", OBJECT="M 31"))
    assert image.unit == "adu" and image.meta["FRAMEKND"] == "object" and image.shape == (12, 30)


def test_step_alone_on_a_raw_frame(tmp_path: Path) -> None:
    raw, out = raw_frame(tmp_path / "a.fits"), tmp_path / "b.fits"
    result = CliRunner().invoke(
        program, ["step", "stranger_smooth", str(raw), "-o", str(out), "--width", "5 pix"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    expected = get_step("stranger_smooth")(width="5 pix")(get_instrument("stranger").read(raw))
    assert np.array_equal(load(out).data, expected.data)


def test_steps_command_lists_and_explains_it() -> None:
    listed = CliRunner().invoke(program, ["steps"]).output
    assert "stranger_smooth" in listed and "alfosc-reduce-stranger 0.3.0" in listed
    told = CliRunner().invoke(program, ["steps", "stranger_smooth"]).output
    assert "running weighted mean" in told and json.dumps("3.0 pix") in told


def test_instruments_command_lists_it() -> None:
    assert "The Stranger's Spectrograph" in CliRunner().invoke(program, ["instruments"]).output


def test_catalogue_is_found_listed_and_fetched_from(tmp_path: Path) -> None:
    assert find(CATALOGS, "stranger_stars").owner == "alfosc-reduce-stranger"
    listed = CliRunner().invoke(program, ["catalog", "list"], catch_exceptions=False).output
    assert "The Stranger's Stars; bands: V; the Great Bear" in listed and "alfosc-reduce-stranger 0.3.0" in listed
    image = make_image(np.ones((9, 9)), unit="adu", header=fits.Header({"RA": 165.9, "DEC": 61.7, "PIXSCALE": 1.0}))
    step = get_step("fetch_catalog")(catalogs=[{"name": "stranger_stars", "faintest": 2.0}], radius="9 deg", minimum=1)
    assert type(step).model_validate_json(step.model_dump_json()) == step
    assert list(step(image)["source_id"]) == ["Dubhe"]
    fetched = CliRunner().invoke(
        program, ["catalog", "fetch", "--catalog", "stranger_stars", "--at", "165.9 58", "--radius", "9 deg"]
    )
    assert fetched.exit_code == 0 and fetched.output.splitlines()[-1].split()[-1] == "2"
