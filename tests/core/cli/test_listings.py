"""The lists of steps and instruments, and all about one step."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from alfosc_reduce import ConfigurationError
from alfosc_reduce.cli import program


def said(*words: str) -> str:
    done = CliRunner().invoke(program, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution whose step and instrument cannot be imported."""
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    groups = "[alfosc_reduce.steps]\nbad = nowhere:Bad\n[alfosc_reduce.instruments]\nbad = nowhere:Bad\n"
    (folder / "entry_points.txt").write_text(groups)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_nothing_installed() -> None:
    assert said("steps") == "no steps are installed\n"
    assert said("instruments") == "no instruments are installed\n"


def test_steps_with_summary_and_owner(toys: SimpleNamespace) -> None:
    lines = said("steps").splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    (line,) = [line for line in lines if line.startswith("toy_prepare ")]
    assert "Add a level to an image." in line and line.endswith("[alfosc-reduce-toys 1.0]")


def test_instruments_with_their_recipes(toys: SimpleNamespace) -> None:
    assert "toy" in said("instruments") and "recipes: toy:spec" in said("instruments")


@pytest.mark.usefixtures("broken")
def test_a_broken_plugin_is_listed_with_the_reason(toys: SimpleNamespace) -> None:
    for what in ("steps", "instruments"):
        (line,) = [line for line in said(what).splitlines() if line.startswith("bad ")]
        assert "(broken: 'bad' of broken 1.0 cannot be loaded: ModuleNotFoundError" in line
    assert "toy_prepare" in said("steps")


def test_all_about_one_step(toys: SimpleNamespace) -> None:
    told = said("steps", "toy_split")
    assert "alfosc-reduce-toys 1.0" in told and "image: CCDData" in told and "sky: CCDData" in told
    told = said("steps", "toy_prepare")
    assert "level: number; default 0.0\n      What is added, ADU." in told
    assert 'label: text or none; default "none"' in told


def test_a_step_without_parameters_says_so(toys: SimpleNamespace) -> None:
    assert "Parameters\n  none" in said("steps", "toy_split")


def test_unknown_step(toys: SimpleNamespace) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'toy_split'"):
        said("steps", "toy_splitt")


def test_the_step_group_names_all(toys: SimpleNamespace) -> None:
    assert "toy_prepare, toy_split" in " ".join(said("step", "--help").split()).replace("toy_lines, ", "")
