"""The demo: a night is made, reduced as a person would, and judged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from alfosc_reduce import ConfigurationError, registry
from alfosc_reduce.cli import program

DEMO = """
class Demo:
    def make(self, folder):
        from alfosc_reduce_toys.instrument import write_frame
        (folder / "raw").mkdir()
        for number, kind in enumerate(["bias", "bias", "object", "arc"]):
            write_frame(folder / "raw" / f"toy{number}.fits", kind, "M 1", 60000 + number / 100)

    def adapt(self, folder):
        assert (folder / "recipe.toml").exists() and not (folder / "reduced").exists()
        return ["a line was added to the recipe"]

    def judge(self, folder):
        return [f"{len(list((folder / 'reduced').rglob('*.fits')))} files", "close to the truth"]
"""


@pytest.fixture
def _demo(toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "demo-1.0.dist-info").mkdir(parents=True)
    (site / "toy_demo.py").write_text(DEMO)
    (site / "demo-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    (site / "demo-1.0.dist-info" / "entry_points.txt").write_text("[alfosc_reduce.demos]\nspec = toy_demo:Demo\n")
    monkeypatch.syspath_prepend(str(site))
    seen = registry.entry_points
    monkeypatch.setattr("stevedore._cache.get_group_all", lambda group: list(seen(group=group)))


def demo(*words: object) -> Result:
    return CliRunner().invoke(program, ["demo", *map(str, words)], catch_exceptions=False)


@pytest.mark.usefixtures("_demo")
def test_night_is_made_reduced_and_judged(tmp_path: Path) -> None:
    place = tmp_path / "some where"
    done = demo("spec", place)
    assert done.exit_code == 0, done.output
    assert (place / "recipe.toml").exists() and (place / "frames.ecsv").exists()
    assert f"$ alfosc-reduce init spec {place / 'raw'}" in done.output
    assert f"added to the recipe\n$ alfosc-reduce run {place / 'recipe.toml'}" in done.output
    assert "Compared with the truth:" in done.output and "  close to the truth" in done.output
    assert "0 files" not in done.output and str(place / "reduced" / "figures") in done.output


@pytest.mark.usefixtures("_demo")
def test_folder_of_its_own_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo("spec").exit_code == 0
    assert (tmp_path / "alfosc-demo-spec" / "reduced").is_dir()


@pytest.mark.usefixtures("_demo")
def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already; give another folder"):
        demo("spec", tmp_path / "mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        demo("spec", tmp_path / "mine" / "notes.txt")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.usefixtures("_demo")
def test_unknown_demo(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no demo 'spek'; did you mean 'spec'"):
        demo("spek", tmp_path / "a")
