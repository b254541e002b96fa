"""The core stands alone: its tests see no installed step and no installed instrument, only toys they bring along.

The toys are a package of their own, published by a distribution of their own that worker processes see too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stevedore import ExtensionManager

from alfosc_reduce import registry

TOYS = Path(__file__).with_name("toys")
HIDDEN = {"alfosc-reduce", "alfosc-reduce-stranger"}


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def visible(**wanted: Any) -> EntryPoints:
        return EntryPoints(e for e in entry_points(**wanted) if e.dist is None or e.dist.name not in HIDDEN)

    monkeypatch.setattr(registry, "entry_points", visible)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    ExtensionManager.ENTRY_POINT_CACHE.clear()
    for function in (registry.plugins, registry.load_plugin):
        function.cache_clear()


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, _empty_registry: None) -> SimpleNamespace:
    """The toy package installed; gives what tests use of it."""
    monkeypatch.syspath_prepend(str(TOYS))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), *filter(None, [os.environ.get("PYTHONPATH")])]))
    _forget()
    from alfosc_reduce_toys.instrument import Toy, write_frame

    return SimpleNamespace(write_frame=write_frame, instrument=Toy())


@pytest.fixture
def night(toys: SimpleNamespace, tmp_path: Path) -> Path:
    """A folder with a night of the toy and a recipe: 2 biases, 2 targets with an arc each, 2 and 1 exposures."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for number, (kind, target) in enumerate(
        [("bias", "bias"), ("bias", "bias"), ("object", "M 1"), ("object", "M 1"), ("arc", "M 1"),
         ("standard", "HZ 44"), ("arc", "HZ 44")]
    ):  # fmt: skip
        toys.write_frame(raw / f"toy{number}.fits", kind, target, 60000 + number / 100)
    (tmp_path / "recipe.toml").write_text('extends = "toy:spec"\ninput.files = ["raw"]\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def reduce_night(night: Path) -> Callable[..., SimpleNamespace]:
    """Run the recipe of `night` from this process; gives the exit code, and the entries of qc.json by task."""
    from alfosc_reduce.reduction import Choices, reduce

    def run(*overrides: str, jobs: int = 1, **choices: Any) -> SimpleNamespace:
        code = reduce(night / "recipe.toml", Choices(overrides, jobs=jobs, **choices))
        document = json.loads((night / "reduced/qc.json").read_text(encoding="utf-8"))
        tasks = {task["task"]: task for task in document["tasks"]}
        states = {name: task["state"] for name, task in tasks.items()}
        return SimpleNamespace(code=code, folder=night, tasks=tasks, states=states, cannot_run=document["cannot_run"])

    return run


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tasks that really run in this process from now on."""
    from alfosc_reduce import execution

    names: list[str] = []
    carry_out = execution.carry_out

    def noted(order: Any, place: str) -> Any:
        names.append(order.name)
        return carry_out(order, place)

    monkeypatch.setattr(execution, "carry_out", noted)
    return names


@pytest.fixture
def start(toys: SimpleNamespace) -> Callable[..., subprocess.Popen[str]]:
    """Start the command line in a process of its own."""

    def begin(*words: str, **options: Any) -> subprocess.Popen[str]:
        program = "from alfosc_reduce.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip

    return begin
