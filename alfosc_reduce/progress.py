"""Telling how far a run is: a bar on a terminal, plain lines elsewhere, nothing if asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alfosc_reduce.execution import Result, State


@contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Callable[[Result], None]]:
    """Give a function that is told each result.

    Parameters
    ----------
    total
        Number of tasks.
    quiet
        Say nothing but failures.
    """
    if quiet:
        yield _only_failures
    elif sys.stderr.isatty():
        with _bar(total) as tell:
            yield tell
    else:
        yield _Lines(total)


def _only_failures(result: Result) -> None:
    if result.state is State.FAILED:
        print(f"failed: {result.task.name}: {result.message}", file=sys.stderr)


class _Lines:
    """A line a task that ran or failed; cached ones are only counted."""

    def __init__(self, total: int) -> None:
        self._total, self._count = total, 0

    def __call__(self, result: Result) -> None:
        self._count += 1
        if result.state is State.CACHED:
            return
        end = f": {result.message}" if result.message else f" ({result.seconds:.1f} s)"
        print(f"[{self._count}/{self._total}] {result.state.value} {result.task.name}{end}", file=sys.stderr)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Result], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task("starting", total=total)

        def tell(result: Result) -> None:
            bar.update(row, advance=1, description=f"{result.task.step.name} {result.task.label}")
            if result.state is State.FAILED:
                bar.console.print(f"failed: {result.task.name}: {result.message}", style="red", markup=False)

        yield tell
