"""What the documentation shows works: every command, every piece of Python, every recipe.

A block is taken as it stands, in the order of the page, in the folder of a finished demo. A block whose fence says
more than the language (```` ```sh elsewhere ````) needs something that a test has not: a network, a person's own data.
"""

from __future__ import annotations

import doctest
import pkgutil
import re
import shlex
import tomllib
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest

import alfosc_reduce
from alfosc_reduce.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "reference" not in p.parts)]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.xdist_group("docs")


@dataclass(frozen=True)
class Block:
    """A piece of code on a page."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = [(m[1], m[2].strip(), m[3], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]
    return [Block(language, code, line) for language, rest, code, line in found if not rest]


def called(line: str) -> list[str] | None:
    """Return the arguments of a line that calls this program."""
    words = shlex.split(line, comments=True)
    if words[:1] != ["alfosc-reduce"]:
        return None
    return [*words[1:], "--jobs", "1"] if words[1] == "run" and "--jobs" not in words else words[1:]


def run_shell(block: Block, page: Path) -> None:
    for number, line in enumerate(block.text.replace("\\\n", "").splitlines(), block.line):
        if (arguments := called(line)) is not None:
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            assert not ended.value.code, f"{page.name}:{number}: {line} ended with {ended.value.code}"


def plan_with(block: Block) -> None:
    """Check a piece of TOML; one of a recipe also against what is installed and the frames at hand."""
    data = tomllib.loads(block.text)
    if not data.keys() & {"input", "steps", "limits"}:
        return
    kind = Path.cwd().name.rpartition("-")[2]
    head = "" if "extends" in data else f'extends = "alfosc:{kind}"\n'
    if "files" not in data.get("input", {}):
        block = replace(block, text=block.text.replace("[input]\n", "") if "input" in data else block.text)
        head += '[input]\nfiles = ["raw"]\ntable = "frames.ecsv"\n'
    Path("example.toml").write_text(head + block.text, "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["plan", "example.toml"])
    assert not ended.value.code, block.text


def python_of(block: Block, page: Path) -> object:
    return compile("\n" * (block.line - 1) + block.text, str(page), "exec")


WITH_CODE = [page for page in PAGES if {b.language for b in blocks(page)} & {"sh", "python", "toml"}]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_page_work(page: Path, in_demo: Path) -> None:
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks(page):
        match block.language:
            case "sh":
                run_shell(block, page)
            case "python":
                exec(python_of(block, page), names)
            case "toml":
                plan_with(block)


MODULES = sorted(m.name for m in pkgutil.walk_packages(alfosc_reduce.__path__, "alfosc_reduce."))


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("__main__")])
def test_examples_in_docstrings_say_what_happens(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_examples_are_fenced_and_named() -> None:
    """An indented block would not be run, and not be coloured."""
    bare = [
        f"{p.name}: {line}"
        for p in PAGES
        for line in p.read_text("utf-8").splitlines()
        if line.startswith("    alfosc-reduce")
    ]
    assert not bare
