"""Every installed step has a page, every page a step, and all pages say what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from alfosc_reduce.cli import COMMANDS
from alfosc_reduce.registry import STEPS, plugins

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date(generator: ModuleType) -> None:
    assert generator.outdated() == [], "run: python docs/generate.py"


def test_every_step_has_a_page_and_every_page_a_step() -> None:
    installed = {name for name, plugin in plugins(STEPS).items() if plugin.owner == "alfosc-reduce"}
    assert {path.stem for path in (DOCS / "reference" / "steps").glob("*.md")} == installed


def test_writing_mends_what_is_out_of_date(generator: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "gone.md").write_text("old")
    (tmp_path / "README.md").write_text("old")
    told = generator.outdated(tmp_path)
    assert "steps/gone.md is of nothing that is installed" in told and "README.md is out of date" in told
    generator.write(tmp_path)
    assert generator.outdated(tmp_path) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_docs_exist(page: Path) -> None:
    named = set(re.findall(r"^\s*(?:\$ )?alfosc-reduce ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named <= set(COMMANDS), named - set(COMMANDS)


def test_every_command_is_told_of() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert not [name for name in COMMANDS if f"alfosc-reduce {name}" not in text]
