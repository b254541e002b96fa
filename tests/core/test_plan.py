"""Which task on which data, and what cannot run and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.frames import Frame, in_sequence
from alfosc_reduce.instrument import FrameInfo
from alfosc_reduce.matching import Item
from alfosc_reduce.plan import Plan, ancestors, make_plan, restrict
from alfosc_reduce.recipe_file import read_recipe
from alfosc_reduce.wiring import Wiring, wire

pytestmark = pytest.mark.usefixtures("toys")


def frame(name: str, kind: str, target: str, time: float, **where: str) -> Frame:
    setup = {"readout": "full", "grism": "G4", "slit": "1.0", "filter": "Open", "lamp": "", **where}
    coordinates = {**setup, "target": target, "setup": f"{setup['grism']}_{setup['slit']}"}
    return Frame(Path(f"{name}.fits"), "toy", FrameInfo(kind, target, 1.0, time, coordinates))


def night(*extra: Frame) -> tuple[Frame, ...]:
    usual = [
        frame("b1", "bias", "", 0.0), frame("b2", "bias", "", 0.1), frame("m1", "object", "M 1", 1.0),
        frame("m2", "object", "M 1", 1.1), frame("ma", "arc", "M 1", 1.2), frame("h1", "standard", "HZ 44", 2.0),
        frame("ha", "arc", "HZ 44", 2.1),
    ]  # fmt: skip
    return in_sequence([*usual, *extra])


def wiring(folder: Path, *overrides: str, text: str = "") -> Wiring:
    path = folder / "recipe.toml"
    path.write_text('extends = "toy:spec"\n' + text, encoding="utf-8")
    file = read_recipe(path, overrides)
    return wire(file.recipe, file.place)


def names(plan: Plan, step: str) -> list[str]:
    return [task.label for task in plan.tasks if task.step.name == step]


def used(plan: Plan, task: str, port: str) -> Any:
    value = plan.task(task).inputs[port]
    return [item.name for item in value] if isinstance(value, tuple) else value.name if value else None


def test_usual_night(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), night())
    assert not plan.blocked and len(plan.tasks) == 25
    assert names(plan, "prepare") == ["b1", "b2", "m1", "m2", "ma", "h1", "ha"]
    assert names(plan, "bias") == ["full"]
    assert names(plan, "lines") == ["full G4 1.0 Open M 1 3", "full G4 1.0 Open HZ 44 5"]
    assert used(plan, "bias[full]", "frames") == ["prepare[b1]", "prepare[b2]"]
    assert used(plan, "split[m1]", "lines") == "lines[full G4 1.0 Open M 1 3]"
    assert used(plan, "split[h1]", "lines") == "lines[full G4 1.0 Open HZ 44 5]"
    assert used(plan, "combine[M 1 G4_1.0]", "frames") == ["split[m1]", "split[m2]"]
    assert plan.task("split[m1]").reasons == (
        "lines: lines[full G4 1.0 Open M 1 3] (same slit and target and filter, 4.8 h after)",
    )


def test_tasks_stand_after_what_they_need_and_have_names_of_their_own(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), night())
    before: set[str] = set()
    for task in plan.tasks:
        assert {item.task for item in task.items() if item.task} <= before
        assert task.name not in before
        before.add(task.name)


def test_readouts_are_never_mixed(tmp_path: Path) -> None:
    other = [frame("c1", "bias", "", 0.2, readout="window"), frame("w1", "object", "M 1", 1.3, readout="window"),
             frame("wa", "arc", "M 1", 1.4, readout="window")]  # fmt: skip
    plan = make_plan(wiring(tmp_path), night(*other))
    assert names(plan, "bias") == ["full", "window"]
    assert used(plan, "subtract[w1]", "bias") == "bias[window]"
    assert used(plan, "subtract[m1]", "bias") == "bias[full]"
    assert used(plan, "split[w1]", "lines").startswith("lines[window")


def test_bias_of_another_window_is_not_used_but_warned_of(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), night(frame("w1", "object", "M 1", 1.3, readout="window")))
    assert used(plan, "subtract[w1]", "bias") is None
    assert plan.task("subtract[w1]").warnings == (
        "bias: no bias matches readout=window (there are: full); goes on without",
    )
    assert [b.name for b in plan.blocked] == ["split[w1]"]


def test_arc_of_another_grism_blocks_its_descendants_only(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), night(frame("g1", "object", "NGC 7", 3.0, grism="G8")))
    assert [(b.name, b.target) for b in plan.blocked] == [("split[g1]", "NGC 7"), ("combine[NGC 7 G8_1.0]", "NGC 7")]
    assert plan.blocked[0].reason == (
        "split: lines: no lines matches readout=full grism=G8 (there are: full G4 (2)); "
        "it is made of frames of kind arc: add such frames, or disable the step"
    )
    assert plan.blocked[1].reason == "combine: needs split[g1], which cannot run"
    assert len(plan.tasks) == 25 + 3


def test_group_goes_on_without_a_blocked_member_and_says_so(tmp_path: Path) -> None:
    other = frame("w1", "object", "M 1", 1.3, readout="window")
    plan = make_plan(wiring(tmp_path), night(other))
    assert used(plan, "combine[M 1 G4_1.0]", "frames") == ["split[m1]", "split[m2]"]
    assert plan.task("combine[M 1 G4_1.0]").warnings == ("split[w1] is left out: it cannot run",)


def test_no_arcs_and_no_bias(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), in_sequence([frame("m1", "object", "M 1", 1.0)]))
    assert [task.name for task in plan.tasks] == ["prepare[m1]", "subtract[m1]", "touch[m1]"]
    assert "there is none in this night" in plan.blocked[0].reason


def test_unknown_coordinates_are_all_told(tmp_path: Path) -> None:
    text = '[steps.bias]\nby = ["readuot"]\n[steps.split.inputs.lines]\nfrom = "lines"\nmatch = ["moon"]\n'
    with pytest.raises(ConfigurationError) as caught:
        make_plan(wiring(tmp_path, text=text), night())
    first, second = caught.value.problems
    assert first.startswith("steps.bias: no frame has a coordinate 'readuot'; did you mean 'readout'?")
    assert second.startswith("steps.split: no frame has a coordinate 'moon'; ")


def test_groups_that_read_alike_stay_two(tmp_path: Path) -> None:
    twins = [frame("x1", "object", "A B", 3.0, grism="C"), frame("x2", "object", "A", 3.1, grism="B C")]
    text = '[steps.all]\nuses = "toy_stack"\ninputs.frames = "touch"\nby = ["target", "grism"]\n'
    plan = make_plan(wiring(tmp_path, text=text), night(*twins))
    found = [task for task in plan.tasks if task.step.name == "all"]
    assert [t.label for t in found] == ["M 1 G4", "HZ 44 G4", "A B C", "A B C (2)"]
    assert used(plan, "all[A B C (2)]", "frames") == ["touch[x2]"]


def test_restricted_to_a_target_with_all_that_it_needs(tmp_path: Path) -> None:
    plan = restrict(make_plan(wiring(tmp_path), night()), targets=["HZ 44"])
    targets = {task.coordinates.get("target", "") for task in plan.tasks}
    assert targets == {"HZ 44", ""} and names(plan, "combine") == ["HZ 44 G4_1.0"]
    assert names(plan, "bias") == ["full"] and names(plan, "prepare") == ["b1", "b2", "h1", "ha"]


def test_restricted_to_steps_with_all_that_they_need(tmp_path: Path) -> None:
    plan = restrict(make_plan(wiring(tmp_path), night()), only=["bias", "lines"])
    assert {task.step.name for task in plan.tasks} == {"prepare", "bias", "subtract", "arcs", "lines"}
    assert names(plan, "prepare") == ["b1", "b2", "ma", "ha"]


def test_restricted_to_nothing_that_exists(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        restrict(make_plan(wiring(tmp_path), night()), targets=["M 2"], only=["bais"])
    assert caught.value.problems[0].startswith("--target 'M 2': no such target; did you mean 'M 1'?")
    assert caught.value.problems[1].startswith("--only 'bais': no such step; did you mean 'bias'?")


def test_restriction_to_a_blocked_target_still_says_why(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), night(frame("g1", "object", "NGC 7", 3.0, grism="G8")))
    part = restrict(plan, targets=["NGC 7"])
    assert [b.name for b in part.blocked] == ["split[g1]", "combine[NGC 7 G8_1.0]"]
    assert restrict(plan, targets=["M 1"]).blocked == []


frames_strategy = st.lists(
    st.tuples(
        st.sampled_from(["bias", "arc", "object", "standard"]), st.sampled_from(["A", "B"]),
        st.sampled_from(["G4", "G7"]), st.sampled_from(["full", "half"]), st.integers(0, 99),
    ), max_size=12,
)  # fmt: skip


@given(frames_strategy)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_night_is_planned_soundly(tmp_path: Path, rows: list[tuple[str, str, str, str, int]]) -> None:
    found = [frame(f"f{i}", k, t, float(m), grism=g, readout=r) for i, (k, t, g, r, m) in enumerate(rows)]
    plan = make_plan(wiring(tmp_path), in_sequence(found))
    done: dict[str, Any] = {}
    for task in plan.tasks:
        for item in task.items():
            assert not item.blocked
            assert item.frame is not None or item.task in done
            assert_same(item, task.coordinates, "readout")
        if task.step.name == "split":
            assert_same(task.inputs["lines"], task.coordinates, "grism")
            arcs = [t for t in done.values() if t.step.name == "lines" and same(t, task, "readout", "grism")]
            own = [t for t in arcs if same(t, task, "target")] or arcs
            assert task.inputs["lines"].time in nearest(own, task.time)  # type: ignore[union-attr]
        done[task.name] = task
    assert len(done) == len(plan.tasks)
    assert not set(done) & {b.name for b in plan.blocked}
    assert ancestors(plan, done) == set(done)
    spectra = [f for f in found if f.info.kind in ("object", "standard")]
    told = {n for n in (*done, *(b.name for b in plan.blocked)) if n.startswith("split[")}
    assert told == {f"split[{f.name}]" for f in spectra}, "every spectrum is either reduced or explained"


def same(a: Any, b: Any, *which: str) -> bool:
    return all(a.coordinates[c] == b.coordinates[c] for c in which)


def nearest(tasks: list[Any], time: float) -> set[float]:
    least = min(abs(t.time - time) for t in tasks)
    return {t.time for t in tasks if abs(t.time - time) == least}


def assert_same(item: Any, here: Any, name: str) -> None:
    assert isinstance(item, Item)
    assert item.coordinates.get(name, "") == here.get(name, item.coordinates.get(name, ""))


def test_restriction_to_a_blocked_step_says_what_blocks_it(tmp_path: Path) -> None:
    without_arcs = [frame for frame in night() if frame.info.kind != "arc"]
    part = restrict(make_plan(wiring(tmp_path), without_arcs), only=["combine"])
    first = {blocked.name.partition("[")[0] for blocked in part.blocked if not blocked.needs}
    assert first == {"split"} and {b.name.partition("[")[0] for b in part.blocked} == {"split", "combine"}


def test_urgent_is_what_most_must_follow(tmp_path: Path) -> None:
    plan = make_plan(wiring(tmp_path), night())
    urgency = plan.urgency()
    assert set(urgency) == {task.name for task in plan.tasks}
    for task in plan.tasks:
        after = [t.name for t in plan.tasks if task.name in {item.task for item in t.items()}]
        assert urgency[task.name] == (max((urgency[name][0] + 1 for name in after), default=0), len(task.items()))
    assert urgency["prepare[b1]"] > urgency["prepare[m1]"]
