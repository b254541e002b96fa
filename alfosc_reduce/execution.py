"""Running a plan: what is done stays done, what fails blocks only what needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from alfosc_reduce.errors import DataError
from alfosc_reduce.fingerprint import FileHashes
from alfosc_reduce.frames import Frame
from alfosc_reduce.labour import Outcome, carry_out
from alfosc_reduce.matching import Item
from alfosc_reduce.orders import Input, Order, ProductInput, RawInput, make_order
from alfosc_reduce.plan import Plan, Task
from alfosc_reduce.pools import Opener, import_ahead, start
from alfosc_reduce.store import Store


class State(Enum):
    """How a task ended."""

    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    SKIPPED = "skipped"
    PLANNED = "to do"


@dataclass(frozen=True)
class Result:
    """What became of a task.

    Attributes
    ----------
    task
        The task.
    state
        How it ended.
    key
        Under which its products are stored; empty if there are none.
    message
        Why it failed or was skipped.
    trace
        Traceback of an unexpected error.
    seconds
        How long it took.
    remarks
        What was left out of its inputs because it failed before.
    figures
        Files that show why it failed.
    """

    task: Task
    state: State
    key: str = ""
    message: str = ""
    trace: str = ""
    seconds: float = 0.0
    remarks: tuple[str, ...] = ()
    figures: tuple[Path, ...] = ()

    @property
    def available(self) -> bool:
        """Whether there are products, now or when the plan is run."""
        return self.state in (State.DONE, State.CACHED, State.PLANNED)


@dataclass
class Run:
    """The state of a run: everything that the scheduler knows."""

    store: Store
    hashes: FileHashes
    results: dict[str, Result] = field(default_factory=dict)
    orders: dict[str, tuple[Task, Order, tuple[str, ...]]] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)


Listeners = Sequence[Callable[[Result], None]]


def execute(plan: Plan, run: Run, open_pool: Opener, in_hand: int, listeners: Listeners) -> None:
    """Carry out a plan.

    Parameters
    ----------
    plan
        What to do; tasks stand in an order in which they can run.
    run
        Receives the results.
    open_pool, in_hand
        Opens the executor when the first task must really run; how many tasks to submit ahead.
    listeners
        Called with each result as it comes.
    """
    waiting, urgency = list(plan.tasks), plan.urgency()
    pool: Executor | None = None
    flying: dict[Future[Outcome], str] = {}
    ahead: set[str] = set()
    try:
        while waiting or flying or run.orders:
            waiting = _settle(waiting, run, flying, listeners)
            alone = bool(run.breaks.keys() & run.orders.keys())
            for name in _next(run, flying, urgency, 1 if alone else in_hand):
                pool = pool or open_pool()
                flying[_submit(pool, run, name)] = name
            if pool is not None and len(flying) < in_hand - 1:
                _import_ahead(pool, _next_up(waiting, run, flying), ahead)
            if flying:
                pool = _collect(flying, pool, run, listeners)
    except BaseException:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        raise
    if pool is not None:
        pool.shutdown(wait=True)
    run.hashes.remember()


def preview(plan: Plan, run: Run) -> None:
    """Work out for every task whether it is cached, carrying out nothing."""
    for task in plan.tasks:
        prepared = _prepare(task, run)
        if isinstance(prepared, Result):
            run.results[task.name] = prepared
        else:
            state = State.CACHED if prepared[0].key in run.store else State.PLANNED
            run.results[task.name] = Result(task, state, prepared[0].key, remarks=prepared[1])


def _next(run: Run, flying: Mapping[Any, str], urgency: Mapping[str, tuple[int, int]], in_hand: int) -> list[str]:
    """Return the orders to submit now: the most urgent, in the order of the plan where they are alike.

    After a process was killed tasks go one at a time, to learn which it was.
    """
    ready = [name for name in run.orders if name not in flying.values()]
    ready.sort(key=lambda name: (name in run.breaks, urgency[name]), reverse=True)
    return ready[: max(0, in_hand - len(flying))]


def _settle(waiting: list[Task], run: Run, flying: Mapping[Any, str], listeners: Listeners) -> list[Task]:
    """Turn tasks whose inputs are known into results (cached, skipped) or orders; return those still waiting."""
    left = []
    for task in waiting:
        if any(item.task and item.task not in run.results for item in _needed(task, run)):
            left.append(task)
            continue
        prepared = _prepare(task, run)
        if isinstance(prepared, Result):
            _note(run, prepared, listeners)
        elif prepared[0].key in run.store:
            _note(run, Result(task, State.CACHED, prepared[0].key, remarks=prepared[1]), listeners)
        else:
            run.orders[task.name] = (task, *prepared)
    return left


def _next_up(waiting: Sequence[Task], run: Run, flying: Mapping[Any, str]) -> Iterator[Task]:
    """Yield the tasks that wait for nothing but what is being made."""
    for task in waiting:
        if all(not item.task or item.task in run.results or item.task in flying.values() for item in task.items()):
            yield task


def _import_ahead(pool: Executor, tasks: Iterator[Task], done: set[str]) -> None:
    """Let an idle process import a library that tasks will need soon, each once."""
    libraries = (library for task in tasks for library in type(task.step.step).libraries)
    if library := next((library for library in libraries if library not in done), None):
        done.add(library)
        import_ahead(pool, library)


def _needed(task: Task, run: Run) -> list[Item]:
    """Return what must be settled before a task: its inputs, and for one that is lost the next best."""
    needed = task.items()
    for name, others in task.alternatives.items():
        chosen = task.inputs[name]
        for item in others if isinstance(chosen, Item) and _is_lost(chosen, run) else ():
            needed.append(item)
            if not _is_lost(item, run):
                break
    return needed


def _is_lost(item: Item, run: Run) -> bool:
    result = run.results.get(item.task)
    return result is not None and not result.available


def _with_next_best(task: Task, run: Run) -> tuple[Task, list[str]]:
    """Return a task with the next best for each input that is lost, and what was exchanged."""
    told = []
    for name, others in task.alternatives.items():
        chosen = task.inputs[name]
        found = next((item for item in others if not _is_lost(item, run)), None)
        if isinstance(chosen, Item) and found and _is_lost(chosen, run):
            told.append(f"{name}: {_fate(chosen, run)}; {found.name} is taken instead")
            kept = tuple(reason for reason in task.reasons if not reason.startswith(f"{name}: "))
            task = replace(task, inputs={**task.inputs, name: found}, reasons=(*kept, told[-1]))
    return task, told


def _fate(item: Item, run: Run) -> str:
    return f"{item.task} {'failed' if run.results[item.task].state is State.FAILED else 'was skipped'}"


def _note(run: Run, result: Result, listeners: Listeners) -> None:
    run.results[result.task.name] = result
    for listener in listeners:
        listener(result)


def _prepare(task: Task, run: Run) -> tuple[Order, tuple[str, ...]] | Result:
    """Return the order for a task whose inputs are settled, or the result if it cannot run."""
    inputs: dict[str, Input | tuple[Input, ...] | None] = {}
    task, remarks = _with_next_best(task, run)
    ports = {wired.port.name: wired.port for wired in task.step.inputs}
    try:
        for name, value in task.inputs.items():
            members, lost = _resolve(value if isinstance(value, tuple) else (value,) if value else (), run)
            if lost and not members and not ports[name].optional:
                return Result(task, State.SKIPPED, message=f"{name}: {lost[0]}")
            remarks += [f"{name}: {sentence}; goes on without" for sentence in lost]
            inputs[name] = tuple(members) if ports[name].many else members[0] if members else None
            if ports[name].many and not members:
                inputs[name] = None
    except DataError as error:
        return Result(task, State.FAILED, message=str(error))
    return make_order(task, inputs, _instrument(task, run)), tuple(remarks)


def _resolve(items: Sequence[Item], run: Run) -> tuple[list[Input], list[str]]:
    members: list[Input] = []
    lost: list[str] = []
    for item in items:
        if item.frame is not None:
            members.append(_raw(item.frame, run))
            continue
        result = run.results[item.task]
        if result.available:
            members.append(ProductInput(result.key, item.output, item.task))
        else:
            lost.append(_fate(item, run))
    return members, lost


def _raw(frame: Frame, run: Run) -> RawInput:
    return RawInput(str(frame.path), frame.instrument, frame.info.kind, frame.info.object, run.hashes[frame.path])


def _instrument(task: Task, run: Run) -> str:
    """Return the instrument of the frames behind a task."""
    for item in task.items():
        if item.frame is not None:
            return item.frame.instrument
        made = run.results[item.task].task
        if found := _instrument(made, run):
            return found
    return ""


def _submit(pool: Executor, run: Run, name: str) -> Future[Outcome]:
    try:
        return start(pool, carry_out, run.orders[name][1], str(run.store.folder))
    except BrokenProcessPool as error:
        future: Future[Outcome] = Future()
        future.set_exception(error)
        return future


def _collect(
    flying: dict[Future[Outcome], str], pool: Executor | None, run: Run, listeners: Listeners
) -> Executor | None:
    """Wait for at least one task; return the pool, or None if it broke and must be opened anew."""
    finished, _ = wait(list(flying), return_when=FIRST_COMPLETED)
    for future in finished:
        name = flying.pop(future)
        task, order, remarks = run.orders[name]
        try:
            outcome = future.result()
        except BrokenProcessPool:
            pool = None
            run.breaks[name] = run.breaks.get(name, 0) + 1
            if run.breaks[name] < 2:
                continue
            outcome = Outcome(order.key, "its process was killed twice (out of memory?); use fewer --jobs")
        except Exception as error:
            # On a cluster a task goes down with another that kills their worker: it is tried once more, alone.
            run.breaks[name] = run.breaks.get(name, 0) + 1
            if run.breaks[name] < 2:
                continue
            outcome = Outcome(order.key, f"its process was lost ({type(error).__name__}: {error})")
        del run.orders[name]
        state = State.FAILED if outcome.error else State.DONE
        key = "" if outcome.error else outcome.key
        drawn = tuple(Path(path) for path in outcome.figures)
        _note(run, Result(task, state, key, outcome.error, outcome.trace, outcome.seconds, remarks, drawn), listeners)
    return pool


def failures(run: Run) -> Iterator[Result]:
    """Yield the results of tasks that failed."""
    return (result for result in run.results.values() if result.state is State.FAILED)


def open_run(folder: Path) -> Run:
    """Return a run on the store in `folder`."""
    return Run(Store(folder), FileHashes(folder / "files.json"))
