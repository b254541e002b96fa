"""A plan told to a person."""

from __future__ import annotations

from collections.abc import Sequence

from alfosc_reduce.execution import Run
from alfosc_reduce.plan import Plan, Task

_LISTED = 6
"""Members of a group that are named one by one."""


def plan_text(plan: Plan, run: Run, remarks: Sequence[str] = ()) -> str:
    """Return which data each task uses and why, what is cached, and what cannot run and why."""
    lines = [*remarks, ""] if remarks else []
    previous = ""
    for task in plan.tasks:
        if task.step.name != previous:
            lines.append(f"{task.step.name} ({task.step.uses}): {type(task.step.step).summary()}")
            previous = task.step.name
        lines += _task_lines(task, run)
    if plan.blocked:
        lines += ["", "cannot run:"] + [f"  {b.name}: {b.reason}" for b in plan.blocked]
    cached = sum(result.state.value == "cached" for result in run.results.values())
    return "\n".join([*lines, "", f"{len(plan.tasks)} tasks, {cached} cached, {len(plan.blocked)} cannot run"])


def _task_lines(task: Task, run: Run) -> list[str]:
    result = run.results[task.name]
    lines = [f"  {task.label:<40} {result.state.value}{': ' + result.message if result.message else ''}"]
    for port, value in task.inputs.items():
        if isinstance(value, tuple):
            names = [item.coordinates.get("frame", item.name) for item in value]
            more = f", ... {names[-1]}" if len(names) > _LISTED else ""
            lines.append(f"      {port}: {len(names)} ({', '.join(names[:_LISTED])}{more})")
    lines += [f"      {reason}" for reason in task.reasons]
    lines += [f"      warning: {sentence}" for sentence in (*task.warnings, *result.remarks)]
    return lines
