"""What a run leaves for a person to read: the log by target, the numbers, the closing table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import alfosc_reduce
from alfosc_reduce.errors import ReductionError
from alfosc_reduce.execution import Result, Run, State
from alfosc_reduce.limits import kinds_of
from alfosc_reduce.plan import Plan
from alfosc_reduce.replacement import replacing, why_not

CALIBRATIONS = "Calibrations"


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; raises `ReductionError` with the reason if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReductionError(f"cannot write {path}: {why_not(path, error)}") from error


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
    """Return everything that goes into ``qc.json``: how each task ended, and its numbers under stable names.

    Numbers that are not finite become None.
    """
    tasks, kinds = [], kinds_of(plan)
    for result in (run.results[task.name] for task in plan.tasks if task.name in run.results):
        entry: dict[str, Any] = {
            "task": result.task.name,
            "step": result.task.step.name,
            "label": result.task.label,
            "target": result.task.coordinates.get("target", ""),
            "coordinates": dict(result.task.coordinates),
            "kinds": kinds[result.task.name],
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
    blocked = [
        {"task": b.name, "target": b.target, "message": b.reason, "follows": bool(b.needs)} for b in plan.blocked
    ]
    found: dict[str, Any] = _finite({"version": alfosc_reduce.__version__, "tasks": tasks, "cannot_run": blocked})
    return found


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


def closing_table(plan: Plan, results: Sequence[Result]) -> str:
    """Return a table of what became of the tasks of each step, and what went wrong or had to be done without.

    What was lost only because something else failed is counted, not told one by one: the log has it.
    """
    counts: dict[str, dict[State, int]] = {}
    for result in results:
        counts.setdefault(result.task.step.name, dict.fromkeys(State, 0))[result.state] += 1
    cannot = Counter(blocked.name.partition("[")[0] for blocked in plan.blocked)
    for name in cannot:
        counts.setdefault(name, dict.fromkeys(State, 0))
    lines = [f"{'step':<20}{'done':>7}{'cached':>8}{'failed':>8}{'skipped':>9}{'cannot run':>12}"]
    for name, row in counts.items():
        numbers = (row[State.DONE], row[State.CACHED], row[State.FAILED], row[State.SKIPPED], cannot[name])
        lines.append("{:<20}{:>7}{:>8}{:>8}{:>9}{:>12}".format(name, *(n or "-" for n in numbers)))
    return "\n".join([*lines, *_troubles(plan, results)])


def _troubles(plan: Plan, results: Sequence[Result]) -> list[str]:
    failed: dict[str, list[str]] = {}
    barred: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    for result in results:
        if result.state is State.FAILED:
            failed.setdefault(result.message, []).append(result.task.name)
        for sentence in (*result.task.warnings, *result.remarks):
            warned.setdefault(sentence, []).append(result.task.name)
    for blocked in plan.blocked:
        if not blocked.needs:
            barred.setdefault(blocked.reason, []).append(blocked.name)
    return [
        *(f"failed: {_listed(names)}: {why}" for why, names in failed.items()),
        *(f"cannot run: {_listed(names)}: {why}" for why, names in barred.items()),
        *_lost(plan, results),
        *(f"warning: {_listed(names)}: {why}" for why, names in warned.items()),
    ]


def _lost(plan: Plan, results: Sequence[Result]) -> Iterator[str]:
    names = [result.task.step.name for result in results if result.state is State.SKIPPED]
    names += [blocked.name.partition("[")[0] for blocked in plan.blocked if blocked.needs]
    if names:
        yield f"what needs them was not done: {', '.join(dict.fromkeys(names))} ({len(names)}, see log.txt)"


def _listed(names: Sequence[str]) -> str:
    """Return one name, or a few and how many there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
