"""``catalog list`` and ``catalog fetch``: what is installed, and every field of a night ahead of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from astropy.io import fits
from click.testing import CliRunner, Result

from alfosc_reduce import ConfigurationError
from alfosc_reduce.cli import main, program


def run(*words: str) -> Result:
    return CliRunner().invoke(program, ["catalog", *words], catch_exceptions=False, standalone_mode=False)


@pytest.fixture
def images(toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of raw images: two dithers of one field, one of another, one that does not say where it looked."""
    raw = tmp_path / "raw"
    raw.mkdir()
    places: list[dict[str, Any]] = [
        {"RA": 10.0, "DEC": 20.0},
        {"RA": 10.01, "DEC": 20.0},
        {"RA": 200.0, "DEC": 80.0},
        {},
    ]
    for number, place in enumerate(places):
        path = raw / f"toy{number}.fits"
        toys.write_frame(path, "image", "M 1" if number < 2 else "NGC 188", 60000 + number / 100)
        with fits.open(path, mode="update") as hdus:
            hdus[0].header.update(place | {"PIXSCALE": 20.0})
    toys.write_frame(raw / "toy9.fits", "bias", "bias", 60001.0)
    monkeypatch.chdir(tmp_path)
    return raw


def test_nothing_installed() -> None:
    assert run("list").output == "no catalogues are installed\n"


def test_list(toys: SimpleNamespace) -> None:
    lines = {line.split()[0]: line for line in run("list").output.splitlines()}
    assert lines["toy"].endswith("Three stars; bands: V; the northern sky  [alfosc-reduce-toys 1.0]")
    assert "(broken: 'step' of alfosc-reduce-toys is no Catalog class" in lines["step"]


def test_positions(toys: SimpleNamespace) -> None:
    done = run("fetch", "--catalog", "toy", "--at", "10 20", "--at", "10:00:00 -20:00:00", "--radius", "3 arcmin")
    head, first, second = done.output.splitlines()
    assert done.return_value == 0 and head.split() == ["field", "centre", "(deg)", "radius", "catalogue", "sources"]
    assert first.split() == ["10", "20", "10.00000", "+20.00000", "3.0'", "toy", "3"]
    assert second.endswith("toy               -  covers only the northern sky")


def test_fields_of_raw_frames(images: Path) -> None:
    done = run("fetch", "raw", "--catalog", "toy", "--margin", "1 arcmin")
    lines = done.output.splitlines()
    fields = [line for line in lines if line.endswith(" 3")]
    assert [line.split()[0] for line in fields] == ["M", "NGC"] and done.return_value == 0
    assert "toy3.fits: left out: " in done.output and "no RA and DEC" in done.output


def test_one_field_holds_its_dithered_frames(images: Path) -> None:
    def radius(*sources: str) -> float:
        line = next(line for line in run("fetch", *sources, "--catalog", "toy").output.splitlines() if "M 1" in line)
        return float(line.split()[4].rstrip("'"))

    assert radius("raw/toy0.fits") < radius("raw/toy0.fits", "raw/toy1.fits") < radius("raw/toy0.fits") + 0.7


def test_catalogues_of_a_recipe(images: Path) -> None:
    recipe = images.parent / "recipe.toml"
    recipe.write_text(
        'instrument = "toy"\ninput.files = ["raw"]\n[steps.toy_look_up]\ninputs.image = "frames"\n'
        'params.others = ["toy:5", "toy:99"]\n'
    )
    done = run("fetch", "recipe.toml")
    assert done.return_value == 1
    assert done.output.count(" 3\n") == 4, "two fields, two catalogues that answer"
    assert done.output.count("failed  the toy catalogue is on strike") == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no field of an image"),
        (["--at", "10 20"], "name a catalogue with --catalog; installed are: nickname, step, toy"),
        (["--at", "10 20", "--catalog", "tyo"], "--catalog: there is no catalog 'tyo'; did you mean 'toy'"),
        (["--at", "10 20", "--catalog", "toy", "--radius", "5"], "--radius: '5' is not in arcmin"),
        (["raw", "--catalog", "toy", "--margin", "wide"], "--margin: 'wide' is not a number with a unit"),
        (["nowhere", "--catalog", "toy"], "no field of an image"),
        (["a.toml", "b.toml"], "name one recipe, or raw frames"),
    ],
    ids=str,
)
def test_impossible_requests(images: Path, words: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        run("fetch", *words)
    assert told in str(error.value)


def test_exit_codes(toys: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in ((["--catalog", "toy"], 0), (["--catalog", "toy:99"], 1), (["--catalog", "tyo"], 2)):
        with pytest.raises(SystemExit) as ended:
            main(["catalog", "fetch", "--at", "10 20", *words])
        assert ended.value.code == code
    assert "on strike" in capsys.readouterr().out
