"""If what was chosen for an input fails, the next best is taken, and everybody is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.matching import Item, choose
from alfosc_reduce.ports import Port
from alfosc_reduce.recipe import Source
from alfosc_reduce.wiring import Origin, WiredInput

Reduce = Callable[..., SimpleNamespace]
BROKEN_ARC = """
[steps.touched]
uses = "toy_touch"
inputs.image = "arcs"
params.fault = "refuse"
params.victim = "{victim}"

[steps.lines]
inputs.arc = "touched"
"""


def break_arcs(night: Path, victim: str) -> None:
    recipe = night / "recipe.toml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + BROKEN_ARC.format(victim=victim), encoding="utf-8")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failed_arc_costs_no_exposure_while_there_is_another(reduce_night: Reduce, night: Path, jobs: int) -> None:
    break_arcs(night, "M 1")
    run = reduce_night(jobs=jobs)
    assert run.code == 1
    failed = [name for name, state in run.states.items() if state == "failed"]
    assert len(failed) == 1 and failed[0].startswith("touched[")
    lost = [name for name, state in run.states.items() if state == "skipped"]
    assert all(name.startswith("lines[") for name in lost) and len(lost) == 1
    assert run.states["split[toy2]"] == "done"
    remark = " ".join(run.tasks["split[toy2]"]["remarks"])
    assert "was skipped; lines[" in remark and "HZ 44" in remark and "is taken instead" in remark


def test_without_another_the_exposures_are_skipped(reduce_night: Reduce, night: Path) -> None:
    break_arcs(night, "")
    run = reduce_night()
    assert run.states["split[toy2]"] == "skipped"
    assert "lines" in run.tasks["split[toy2]"]["message"]


def test_a_mended_arc_is_taken_again(reduce_night: Reduce, night: Path) -> None:
    break_arcs(night, "M 1")
    reduce_night()
    run = reduce_night("steps.touched.params.victim=nobody")
    assert run.code == 0 and run.states["split[toy2]"] == "done"
    assert not run.tasks["split[toy2]"]["remarks"]


def test_what_is_left_out_of_the_plan_is_no_alternative(reduce_night: Reduce, night: Path) -> None:
    break_arcs(night, "M 1")
    run = reduce_night(targets=("M 1",))
    assert run.states["split[toy2]"] == "skipped"


HERE = {"grism": "G4", "slit": "1.0", "target": "M 1", "frame": "a"}
ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=8)


@given(ROWS)
def test_each_alternative_is_what_would_be_chosen_without_those_before(rows: list[tuple[str, str, int]]) -> None:
    port = Port("arc", ("CCDData",))
    source = Source.model_validate(
        {"from": "arcs", "match": ["grism"], "prefer": ["slit", "target"], "pick": "nearest"}
    )
    wired = WiredInput(port, (Origin("arcs", "result"),), source)
    found = [
        Item({"grism": "G4", "slit": s, "target": t}, float(time), task=f"{i}") for i, (s, t, time) in enumerate(rows)
    ]
    here = {**HERE, "slit": "a", "target": "a"}
    choice = choose(wired, found, here, 4.0)
    ranked = [choice.items, *choice.others]
    left = list(found)
    for item in ranked:
        assert choose(wired, left, here, 4.0).items == item
        left = [other for other in left if other is not item]
    assert not left
