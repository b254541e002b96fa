"""A stranger's step that breaks costs its own task and what needs it, never the night."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alfosc_reduce.store import Store

Reduce = Callable[..., SimpleNamespace]


def fault(kind: str, victim: str = "HZ 44") -> tuple[str, str]:
    return f"steps.touch.params.fault={kind}", f"steps.touch.params.victim={victim}"


SENTENCES = {
    "raise": "toy_touch of alfosc-reduce-toys 1.0 broke: KeyError",
    "refuse": "toy: nothing but zeros; leave this frame out",
    "wrong": "toy_touch of alfosc-reduce-toys returned str for result: CCDData; report it to the author",
    "change": "toy_touch of alfosc-reduce-toys 1.0 changes its input",
    "memory": "ran out of memory; use fewer --jobs",
    "exit": "toy_touch of alfosc-reduce-toys 1.0 broke: SystemExit",
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_failure_is_told_and_blocks_descendants_only(reduce_night: Reduce, kind: str) -> None:
    run = reduce_night(*fault(kind))
    found = run.states
    assert run.code == 1
    assert SENTENCES[kind] in run.tasks["touch[toy5]"]["message"]
    assert {name for name, state in found.items() if state == "failed"} == {"touch[toy5]"}
    assert {name for name, state in found.items() if state == "skipped"} == {"split[toy5]", "combine[HZ 44 G4_1.0]"}
    assert len(found) == 25 and list(found.values()).count("done") == 22
    assert (run.folder / "reduced/M_1/M_1_G4_1.0_spec2d.fits").exists()
    assert not (run.folder / "reduced/HZ_44/HZ_44_G4_1.0_spec2d.fits").exists()


def test_figures_that_an_error_brings_are_published_until_it_is_mended(reduce_night: Reduce) -> None:
    run = reduce_night(*fault("refuse"))
    figure = run.folder / "reduced/figures/HZ_44/touch_toy5_zeros.png"
    assert figure.stat().st_size > 100
    assert reduce_night(*fault("refuse")).code == 1 and figure.exists()
    assert reduce_night().code == 0 and not figure.exists()


def test_traceback_of_an_unexpected_error_is_in_the_log_and_not_on_the_terminal(
    reduce_night: Reduce, capfd: pytest.CaptureFixture[str]
) -> None:
    run = reduce_night(*fault("raise"))
    shown = capfd.readouterr().err
    log = (run.folder / "reduced/log.txt").read_text()
    assert "Traceback" not in shown and "failed: touch[toy5]: toy_touch of alfosc-reduce-toys 1.0 broke" in shown
    assert "| Traceback (most recent call last):" in log and log.index("== HZ 44") < log.index("Traceback")


@pytest.mark.parametrize("kind", ["kill", "leave"])
def test_killed_process_fails_its_task_and_no_other(reduce_night: Reduce, kind: str) -> None:
    run = reduce_night(*fault(kind), jobs=2)
    found = run.states
    assert run.code == 1
    assert "killed twice" in run.tasks["touch[toy5]"]["message"]
    assert [name for name, state in found.items() if state == "failed"] == ["touch[toy5]"]
    assert list(found.values()).count("done") == 22


def test_figures_that_fail_cost_no_product(reduce_night: Reduce) -> None:
    run = reduce_night(*fault("undrawable"))
    assert run.code == 0 and set(run.states.values()) == {"done"}
    assert [r for r in run.tasks["touch[toy5]"]["remarks"] if r.startswith("no figures: KeyError")]


def test_a_process_killed_while_drawing_costs_no_product(reduce_night: Reduce) -> None:
    run = reduce_night(*fault("kill when drawing"), jobs=2)
    assert run.code == 0 and set(run.states.values()) == {"done"}
    assert (run.folder / "reduced/HZ_44/HZ_44_G4_1.0_spec2d.fits").exists()


def test_what_a_step_says_is_in_log_and_record(reduce_night: Reduce) -> None:
    run = reduce_night(*fault("speak", ""))
    told = {name: task["remarks"] for name, task in run.tasks.items() if task["remarks"]}
    assert told == {f"touch[toy{n}]": ["WARNING: the lamp was weak"] for n in (2, 3, 5)}
    assert (run.folder / "reduced/log.txt").read_text().count("WARNING: the lamp was weak") == 3


def test_a_failed_task_is_tried_again_and_mended_by_the_next_run(reduce_night: Reduce) -> None:
    assert reduce_night(*fault("raise")).code == 1
    run = reduce_night()
    assert run.code == 0 and set(run.states.values()) == {"done"}


def test_gathering_goes_on_without_a_failed_member(reduce_night: Reduce, night: Path, toys: SimpleNamespace) -> None:
    toys.write_frame(night / "raw/toy9.fits", "object", "M 1", 60000.2)
    raw = night / "raw/toy3.fits"
    raw.write_bytes(raw.read_bytes()[:2885])
    run = reduce_night()
    assert run.code == 0, "a truncated file is no frame, and said to be none"
    assert "toy3.fits: no frame: " in (night / "reduced/log.txt").read_text()


def test_loss_of_a_bias_frame_is_told_and_survived(reduce_night: Reduce, night: Path) -> None:
    from alfosc_reduce_toys.instrument import Toy

    read = Toy.read

    def broken(self: Any, path: Path) -> Any:
        if path.name == "toy1.fits":
            raise ValueError("odd bytes")
        return read(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Toy, "read", broken)
        run = reduce_night()
    found = run.states
    assert run.code == 1 and "cannot be read (ValueError: odd bytes)" in run.tasks["prepare[toy1]"]["message"]
    assert list(found.values()).count("failed") == 1 and "skipped" not in found.values()
    assert "frames: prepare[toy1] failed; goes on without" in (night / "reduced/log.txt").read_text()


def pipes(folder: Path) -> Path:
    import os

    for name in ("reached", "go"):
        os.mkfifo(folder / name)
    return folder


def halting(night: Path) -> tuple[str, ...]:
    return (*fault("wait"), f"steps.touch.params.places={night}")


def begin_and_halt(start: Any, night: Path, jobs: str) -> tuple[subprocess.Popen[str], int]:
    """Start a run that halts in touch[toy5]; give it and the number of the process that halts."""
    words = [word for text in halting(night) for word in ("--set", text)]
    run = start("run", str(night / "recipe.toml"), "--jobs", jobs, *words)
    return run, int((night / "reached").read_text())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killing_the_run_loses_nothing_finished_and_leaves_nothing_half(
    start: Any, reduce_night: Reduce, night: Path, jobs: str, carried_out: list[str]
) -> None:
    pipes(night)
    run, _ = begin_and_halt(start, night, jobs)
    run.kill()
    run.communicate()  # Ends only when the workers, who share the pipe, have ended too.
    before = finished(night)
    assert len(before) >= 7
    (night / "reached").unlink()
    assert reduce_night(*halting(night)).code == 0
    assert len(carried_out) == 25 - len(before)
    assert before <= finished(night)
    assert not list((night / ".alfosc-reduce/unfinished").iterdir())
    assert not [path for path in night.rglob("*") if path.name.endswith(".new")]


def finished(night: Path) -> set[str]:
    """Return the keys of what a next run keeps: products, and their figures."""
    store = Store(night / ".alfosc-reduce")
    store.tidy()
    return {path.parent.name for path in (store.folder / "products").glob("*/*/record.json")}


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_ends_at_once_with_its_code(
    start: Any, night: Path, jobs: str, told: signal.Signals, code: int
) -> None:
    pipes(night)
    run, _ = begin_and_halt(start, night, jobs)
    run.send_signal(told)
    _, said = run.communicate()
    assert run.returncode == code
    assert "Interrupted. What was finished is kept." in said and "Traceback" not in said


def test_second_run_in_a_folder_is_refused_with_the_number_of_the_first(start: Any, night: Path) -> None:
    pipes(night)
    first, halted = begin_and_halt(start, night, "1")
    second = start("run", str(night / "recipe.toml"))
    _, said = second.communicate()
    assert second.returncode == 1
    assert f"another run (process {halted}) works in {night}" in said
    (night / "go").write_text("on")
    assert first.communicate() and first.returncode == 0
