"""The plan: which task on which data, and what cannot run and why, worked out before a pixel is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alfosc_reduce.errors import ConfigurationError, suggest
from alfosc_reduce.frames import Frame
from alfosc_reduce.matching import Choice, Item, MatchError, choose
from alfosc_reduce.recipe import FRAMES
from alfosc_reduce.wiring import WiredInput, WiredStep, Wiring

Inputs = Mapping[str, Item | tuple[Item, ...] | None]


@dataclass(frozen=True)
class Task:
    """One step on definite data.

    Attributes
    ----------
    step
        The wired step.
    inputs
        What goes into each input: an item, several, or None.
    coordinates
        Those of the first input, or of the group.
    time
        Mean time of the first input, MJD.
    reasons
        Why each calibration was chosen, a sentence each.
    warnings
        What the user should know before it runs.
    twin
        Tells tasks of one step from each other whose coordinates read alike; 0 as a rule.
    alternatives
        What goes into an input instead if the task that makes what was chosen fails; the best first.
    """

    step: WiredStep
    inputs: Inputs
    coordinates: Mapping[str, str]
    time: float
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    twin: int = 0
    alternatives: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The frame, or the coordinates of the group, that tell this task from others of its step."""
        where = self.coordinates
        own = [where["frame"]] if "frame" in where else [value for value in where.values() if value]
        return " ".join([*own, f"({self.twin})"] if self.twin else own) or "all"

    @property
    def name(self) -> str:
        """Unique name, e.g. ``sky[ALDc200205]``."""
        return f"{self.step.name}[{self.label}]"

    def items(self) -> list[Item]:
        """Return everything that goes in, flat."""
        flat: list[Item] = []
        for value in self.inputs.values():
            flat.extend(value if isinstance(value, tuple) else [value] if value else [])
        return flat


@dataclass(frozen=True)
class Blocked:
    """A task that cannot run, and why; `needs` names another that cannot, if that is the only reason."""

    name: str
    target: str
    reason: str
    needs: str = ""


@dataclass
class Plan:
    """All tasks in an order in which they can run, and those that cannot."""

    tasks: list[Task] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)

    def task(self, name: str) -> Task:
        """Return a task by its name."""
        return next(task for task in self.tasks if task.name == name)

    def urgency(self) -> dict[str, tuple[int, int]]:
        """Return by task how many tasks at most must follow it one after another, and how much goes into it.

        What gathers much takes long, and may keep all that follows waiting.
        """
        after = dict.fromkeys((task.name for task in self.tasks), 0)
        for task in reversed(self.tasks):
            for item in task.items():
                if item.task:
                    after[item.task] = max(after[item.task], after[task.name] + 1)
        return {task.name: (after[task.name], len(task.items())) for task in self.tasks}


def make_plan(wiring: Wiring, frames: Sequence[Frame]) -> Plan:
    """Work out all tasks of a recipe on the frames of a night.

    Parameters
    ----------
    wiring
        The recipe, held against what is installed.
    frames
        In time order.

    Raises
    ------
    ConfigurationError
        If the recipe groups or matches by a coordinate that no frame has.
    """
    plan = Plan()
    made: dict[str, list[Item]] = {FRAMES: [_frame_item(frame) for frame in frames]}
    _check_coordinates(wiring, made[FRAMES])
    for step in wiring.steps:
        made[step.name] = []
        for inputs in _groups(step, made):
            _plan_task(plan, step, inputs, made)
    return plan


def _frame_item(frame: Frame) -> Item:
    return Item(frame.coordinates, frame.info.time, frame=frame)


def _check_coordinates(wiring: Wiring, frames: Sequence[Item]) -> None:
    known = {name for item in frames for name in item.coordinates}
    if not known:
        return
    problems = []
    for step in wiring.steps:
        used = {*step.by, *(c for i in step.inputs for c in (*(i.source.match or ()), *i.source.prefer))}
        problems += [
            f"steps.{step.name}: no frame has a coordinate {c!r}; {suggest(c, known)}" for c in sorted(used - known)
        ]
    if problems:
        raise ConfigurationError(problems)


def candidates(wired: WiredInput, made: Mapping[str, list[Item]]) -> list[Item]:
    """Return all items that may go into an input, of the right kinds."""
    return [
        item.of(origin.output)
        for origin in wired.origins
        for item in made.get(origin.step, [])
        if origin.admits(item.coordinates)
    ]


def _groups(step: WiredStep, made: Mapping[str, list[Item]]) -> Iterable[tuple[Item, ...]]:
    """Yield the items of the first input for each task: one at a time, or all of a group."""
    if not step.inputs:
        return
    items = candidates(step.inputs[0], made)
    if not step.gathers:
        yield from ((item,) for item in items)
        return
    groups: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        groups.setdefault(tuple(item.coordinates.get(c, "") for c in step.by), []).append(item)
    for members in groups.values():
        yield tuple(sorted(members, key=lambda i: (i.time, i.coordinates.get("frame", ""))))


def _plan_task(plan: Plan, step: WiredStep, first: tuple[Item, ...], made: dict[str, list[Item]]) -> None:
    alive = tuple(item for item in first if not item.blocked)
    here = dict(first[0].coordinates) if not step.gathers else {c: first[0].coordinates.get(c, "") for c in step.by}
    time = sum(item.time for item in first) / len(first)
    task = _named(Task(step, {}, here, time), made[step.name])
    try:
        if not alive:
            raise MatchError(f"needs {first[0].name}, which cannot run", needs=first[0].name)
        inputs, choices = _join(step, alive, here, time, made)
    except MatchError as error:
        plan.blocked.append(Blocked(task.name, here.get("target", ""), f"{step.name}: {error}", error.needs))
        made[step.name].append(Item(here, time, task=task.name, blocked=True))
        return
    warnings = [f"{name}: {choice.warning}" for name, choice in choices.items() if choice.warning]
    warnings += [f"{item.name} is left out: it cannot run" for item in first if item.blocked]
    reasons = tuple(f"{name}: {choice.reason}" for name, choice in choices.items() if choice.reason)
    others = {name: choice.others for name, choice in choices.items() if choice.others}
    plan.tasks.append(replace(task, inputs=inputs, reasons=reasons, warnings=tuple(warnings), alternatives=others))
    made[step.name].append(Item(here, time, task=task.name))


def _named(task: Task, others: Sequence[Item]) -> Task:
    """Return a task with a name that no other has, even where the same frame came in two ways."""
    taken = {item.task for item in others}
    while task.name in taken:
        task = replace(task, twin=max(task.twin, 1) + 1)
    return task


def _join(
    step: WiredStep, first: tuple[Item, ...], here: Mapping[str, str], time: float, made: Mapping[str, list[Item]]
) -> tuple[dict[str, Item | tuple[Item, ...] | None], dict[str, Choice]]:
    """Return what goes into each input, and how all but the first were chosen."""
    primary, *others = step.inputs
    choices = {wired.port.name: choose(wired, candidates(wired, made), here, time) for wired in others}
    inputs: dict[str, Item | tuple[Item, ...] | None] = {primary.port.name: first if step.gathers else first[0]}
    return inputs | {name: choice.items for name, choice in choices.items()}, choices


def ancestors(plan: Plan, names: Iterable[str]) -> set[str]:
    """Return the names of tasks and of all that they need."""
    by_name = {task.name: task for task in plan.tasks}
    wanted, found = list(names), set()
    while wanted:
        name = wanted.pop()
        if name in found or name not in by_name:
            continue
        found.add(name)
        wanted += [item.task for item in by_name[name].items() if item.task]
    return found


def restrict(plan: Plan, *, targets: Sequence[str] = (), only: Sequence[str] = ()) -> Plan:
    """Return the part of a plan that concerns some targets or some steps, with all that they need.

    Raises
    ------
    ConfigurationError
        If there is no such target or step.
    """
    known = {task.coordinates.get("target", "") for task in plan.tasks} | {b.target for b in plan.blocked}
    steps = {task.step.name for task in plan.tasks} | {b.name.partition("[")[0] for b in plan.blocked}
    problems = [f"--target {t!r}: no such target; {suggest(t, known - {''})}" for t in targets if t not in known]
    problems += [f"--only {s!r}: no such step; {suggest(s, steps)}" for s in only if s not in steps]
    if problems:
        raise ConfigurationError(problems)
    chosen = [
        task.name
        for task in plan.tasks
        if (not targets or task.coordinates.get("target") in targets) and (not only or task.step.name in only)
    ]
    keep = ancestors(plan, chosen)
    blocked = [
        b
        for b in plan.blocked
        if (not targets or b.target in targets) and (not only or b.name.partition("[")[0] in only)
    ]
    return Plan([_within(task, keep) for task in plan.tasks if task.name in keep], _with_reasons(plan, blocked))


def _within(task: Task, keep: set[str]) -> Task:
    """Return a task whose alternatives are made by the tasks of `keep`."""
    kept = {n: tuple(i for i in items if not i.task or i.task in keep) for n, items in task.alternatives.items()}
    return replace(task, alternatives={name: items for name, items in kept.items() if items})


def _with_reasons(plan: Plan, chosen: Sequence[Blocked]) -> list[Blocked]:
    """Return blocked tasks with those that block them."""
    by_name = {blocked.name: blocked for blocked in plan.blocked}
    wanted = [blocked.name for blocked in chosen]
    for name in wanted:
        if (needed := by_name[name].needs) and needed not in wanted:
            wanted.append(needed)
    return [blocked for blocked in plan.blocked if blocked.name in wanted]
