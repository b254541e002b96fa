"""What a run leaves for a person to read: the log by target, the numbers, the closing table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import alfosc_reduce
from alfosc_reduce.errors import ReductionError
from alfosc_reduce.execution import Result, Run, State
from alfosc_reduce.plan import Blocked, Plan

CALIBRATIONS = "Calibrations"


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; raises `ReductionError` with the reason if that fails."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ReductionError(f"cannot write {path}: {error.strerror or error}") from error


def log_text(plan: Plan, run: Run, opening: Sequence[str]) -> str:
    """Return the whole log: what concerns the night, then a section for the calibrations and one for each target."""
    sections: dict[str, list[str]] = {}
    for result in run.results.values():
        sections.setdefault(target_of(result), []).extend(_lines(result, run))
    for blocked in plan.blocked:
        sections.setdefault(blocked.target or CALIBRATIONS, []).append(f"CANNOT RUN {blocked.name}: {blocked.reason}")
    order = sorted(sections, key=lambda name: (name != CALIBRATIONS, name))
    parts = ["\n".join([f"alfosc-reduce {alfosc_reduce.__version__}", *opening])]
    parts += ["\n".join([f"== {name} ".ljust(80, "="), *sections[name]]) for name in order]
    return "\n\n".join(parts) + "\n"


def target_of(result: Result) -> str:
    """Return the section to which a task belongs."""
    return result.task.coordinates.get("target", "") or CALIBRATIONS


def _lines(result: Result, run: Run) -> list[str]:
    task = result.task
    lines = [f"{task.name}: {result.state.value}" + (f" in {result.seconds:.2f} s" if result.seconds else "")]
    lines += [f"    {reason}" for reason in task.reasons]
    lines += [f"    WARNING: {sentence}" for sentence in (*task.warnings, *result.remarks)]
    if result.message:
        lines.append(f"    ERROR: {result.message}")
    if result.trace:
        lines += [f"    | {line}" for line in result.trace.splitlines()]
    if result.state in (State.DONE, State.CACHED):
        record = run.store.record(result.key)
        lines += [f"    {remark}" for remark in record["remarks"]]
        numbers = ", ".join(f"{name} = {_short(value)}" for name, value in record["quality"].items())
        lines += [f"    {numbers}"] if numbers else []
    return lines


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def quality_document(plan: Plan, run: Run) -> dict[str, Any]:
    """Return everything that goes into ``qc.json``: how each task ended, and its numbers under stable names."""
    tasks = []
    for result in run.results.values():
        entry: dict[str, Any] = {
            "task": result.task.name,
            "step": result.task.step.name,
            "label": result.task.label,
            "target": result.task.coordinates.get("target", ""),
            "state": "done" if result.state is State.CACHED else result.state.value,
            "message": result.message,
            "quality": {},
            "remarks": [*result.task.warnings, *result.remarks],
        }
        if result.state in (State.DONE, State.CACHED):
            record = run.store.record(result.key)
            entry["quality"] = record["quality"]
            entry["remarks"] += record["remarks"]
        tasks.append(entry)
    blocked = [{"task": b.name, "target": b.target, "message": b.reason} for b in plan.blocked]
    return {"version": alfosc_reduce.__version__, "tasks": tasks, "cannot_run": blocked}


def quality_text(document: Mapping[str, Any]) -> str:
    """Return `document` as JSON; numbers that are not finite become null."""
    return json.dumps(_finite(document), indent=1, default=str) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(member) for member in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def closing_table(plan: Plan, results: Iterable[Result]) -> str:
    """Return a table of what was done, cached, failed and skipped by step, and a line for each failure."""
    counts: dict[str, dict[State, int]] = {}
    troubles = []
    for result in results:
        row = counts.setdefault(result.task.step.name, dict.fromkeys(State, 0))
        row[result.state] += 1
        if result.state in (State.FAILED, State.SKIPPED):
            troubles.append(f"{result.state.value}: {result.task.name}: {result.message}")
    troubles += [f"cannot run: {b.name}: {b.reason}" for b in plan.blocked]
    cannot = _count_blocked(plan.blocked)
    for name in cannot:
        counts.setdefault(name, dict.fromkeys(State, 0))
    lines = [f"{'step':<20}{'done':>7}{'cached':>8}{'failed':>8}{'skipped':>9}{'cannot run':>12}"]
    for name, row in counts.items():
        numbers = (row[State.DONE], row[State.CACHED], row[State.FAILED], row[State.SKIPPED], cannot.get(name, 0))
        lines.append("{:<20}{:>7}{:>8}{:>8}{:>9}{:>12}".format(name, *(n or "-" for n in numbers)))
    return "\n".join([*lines, *troubles])


def _count_blocked(blocked: Iterable[Blocked]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for b in blocked:
        name = b.name.partition("[")[0]
        counts[name] = counts.get(name, 0) + 1
    return counts
