"""The numbers of a reduction held against their limits: what passes, what is worth a warning, what has failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from math import isfinite
from typing import Any

from alfosc_reduce.errors import suggest
from alfosc_reduce.plan import Plan
from alfosc_reduce.recipe import Limit

Limits = Mapping[str, Mapping[str, Limit]]
"""By step and by name of the number."""

Written = Mapping[str, Iterable[str]]
"""By step the names of numbers."""


class Verdict(Enum):
    """How a number stands to its limit."""

    PASS = "pass"
    WARNING = "warning"
    FAIL = "fail"


def judge(value: Any, limit: Limit) -> Verdict:
    """Return how a number stands to its limit; what is no finite number cannot be relied on and earns a warning."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return Verdict.WARNING
    if _beyond(value, limit.min, limit.max):
        return Verdict.FAIL
    return Verdict.WARNING if _beyond(value, limit.warn_min, limit.warn_max) else Verdict.PASS


def _beyond(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def judged(document: Mapping[str, Any], limits: Limits, written: Written | None = None) -> dict[str, Any]:
    """Return the contents of ``qc.json`` with limits and verdicts.

    Parameters
    ----------
    document
        With the numbers; limits and verdicts that it holds already are replaced.
    limits
        Of the recipe.
    written
        Those that a person wrote; of the others nobody needs to know that they judged nothing. None: all.

    Returns
    -------
    dict
        As `document`; each task has ``verdicts`` by number (``verdict``, ``limit``), and at the top stand ``verdicts``
        (how many of each) and ``idle_limits`` (a sentence for each limit that judged nothing though its step ran).
    """
    tasks = [{**entry, "verdicts": _verdicts(entry, limits.get(entry["step"], {}))} for entry in document["tasks"]]
    found = [verdict["verdict"] for entry in tasks for verdict in entry["verdicts"].values()]
    counts = {verdict.value: found.count(verdict.value) for verdict in Verdict}
    idle = list(_idle(tasks, limits, limits if written is None else written))
    return {**document, "tasks": tasks, "verdicts": counts, "idle_limits": idle}


def _verdicts(entry: Mapping[str, Any], limits: Mapping[str, Limit]) -> dict[str, dict[str, Any]]:
    return {
        name: {"verdict": judge(entry["quality"][name], limit).value, "limit": plain(limit)}
        for name, limit in limits.items()
        if name in entry["quality"] and has_bounds(limit) and applies(limit, entry)
    }


def plain(limit: Limit) -> dict[str, Any]:
    """Return a limit as the recipe says it."""
    return limit.model_dump(mode="json", exclude_defaults=True)


def has_bounds(limit: Limit) -> bool:
    """Say whether a limit limits anything."""
    return any(bound is not None for bound in (limit.min, limit.max, limit.warn_min, limit.warn_max))


def applies(limit: Limit, entry: Mapping[str, Any]) -> bool:
    """Say whether a limit is meant for the numbers of this task, by its coordinates and the kinds of its frames."""
    return all(
        set(allowed) & set(entry["kinds"] if name == "kind" else [entry["coordinates"].get(name, "")])
        for name, allowed in limit.only.items()
    )


def _idle(tasks: Sequence[Mapping[str, Any]], limits: Limits, written: Written) -> Iterator[str]:
    """Yield a sentence for each limit that names a number or a coordinate that the step's tasks do not have."""
    for step, all_members in limits.items():
        members = {name: limit for name, limit in all_members.items() if name in written.get(step, ())}
        mine = [entry for entry in tasks if entry["step"] == step and entry["quality"]]
        known = {name for entry in mine for name in entry["quality"]}
        where = {"kind"}.union(*(entry["coordinates"] for entry in mine))
        for name, limit in members.items() if mine else ():
            if name not in known and has_bounds(limit):
                yield f"limits.{step}.{name}: the step gave no such number; {suggest(name, known)}"
            for word in sorted(limit.only.keys() - where):
                yield f"limits.{step}.{name}: its tasks have no coordinate {word!r}; {suggest(word, where)}"


def kinds_of(plan: Plan) -> dict[str, list[str]]:
    """Return the kinds of the raw frames behind the first input of each task, by its name."""
    found: dict[str, list[str]] = {}
    for task in plan.tasks:
        first = next(iter(task.inputs.values()), None)
        items = first if isinstance(first, tuple) else (first,) if first else ()
        kinds = {k for i in items for k in ([i.frame.info.kind] if i.frame else found.get(i.task, []))}
        found[task.name] = sorted(kinds)
    return found


def bounds_text(limit: Mapping[str, Any]) -> str:
    """Return a limit (as `plain` gives it) in words: ``0.95 to 1.05, aim 0.97 to 1.03``."""
    must = _range_text(limit.get("min"), limit.get("max"))
    should = _range_text(limit.get("warn_min"), limit.get("warn_max"))
    return ", ".join(part for part in (must, f"aim {should}" if should else "") if part)


def _range_text(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f">= {low:g}"
    return f"<= {high:g}" if high is not None else ""


def value_text(value: Any) -> str:
    """Return a number as short as it is clear: four significant digits, whole numbers whole."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1e4 else _large_text(value)


def _large_text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def broken(document: Mapping[str, Any], verdict: Verdict = Verdict.FAIL) -> list[str]:
    """Return a sentence for each number with this verdict, from a judged document."""
    return [
        f"{entry['task']}: {name} = {value_text(entry['quality'][name])} ({bounds_text(found['limit'])})"
        for entry in document["tasks"]
        for name, found in entry["verdicts"].items()
        if found["verdict"] == verdict.value
    ]


def closing_sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what a run says at its end: each broken limit, how many numbers earn a warning, limits that are idle."""
    doubtful = document["verdicts"][Verdict.WARNING.value]
    lines = [f"limit broken: {sentence}" for sentence in broken(document)]
    lines += [f"{doubtful} number{'s' if doubtful > 1 else ''} beyond what is aimed at"] if doubtful else []
    lines += document["idle_limits"]
    return [*lines, "'alfosc-reduce qc' shows all numbers beside their limits"] if lines else []
