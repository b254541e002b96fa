"""A night from recipe to results: what ``plan`` and ``run`` do, for the command line and for scripts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from alfosc_reduce.bookkeeping import closing_table, log_text, quality_document, quality_text, write_text
from alfosc_reduce.errors import ConfigurationError, ReductionError
from alfosc_reduce.execution import Result, Run, State, execute, open_run, preview
from alfosc_reduce.frame_table import apply_edits, read_edits
from alfosc_reduce.frames import Night, find_files, observe, real_place
from alfosc_reduce.instrument import Instrument
from alfosc_reduce.limits import closing_sentences, judged
from alfosc_reduce.locking import only_run
from alfosc_reduce.plan import Plan, make_plan, restrict
from alfosc_reduce.pools import get_ready, needs_processes, opener
from alfosc_reduce.progress import progress
from alfosc_reduce.publishing import Shelf, check_output, figures, publications, safe_coordinates
from alfosc_reduce.recipe_file import RecipeFile, read_recipe
from alfosc_reduce.registry import INSTRUMENTS, get_instrument, plugins
from alfosc_reduce.report import REPORT, Story, write_report
from alfosc_reduce.wiring import Wiring, wire

STORE = ".alfosc-reduce"
REDUCED = "reduced"

_MOST = 10
"""So many files that are not there are told on the terminal."""


@dataclass(frozen=True)
class Choices:
    """What the command line may say about a run.

    Attributes
    ----------
    overrides
        ``steps.X.params.Y=value``, over the recipe.
    targets, only
        Restrict the run to targets, or to steps and what they need.
    jobs, dask
        Number of processes, or address of a Dask cluster.
    fresh
        Forget all products first.
    quiet
        Show no progress.
    """

    overrides: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    jobs: int | None = None
    dask: str | None = None
    fresh: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Prepared:
    """A recipe, read and planned on its frames."""

    file: RecipeFile
    wiring: Wiring
    night: Night
    plan: Plan
    remarks: tuple[str, ...]


def prepare(recipe: Path, choices: Choices, wired: Callable[[Path, Wiring], None] = lambda *_: None) -> Prepared:
    """Read a recipe, find and classify its frames, and plan.

    Parameters
    ----------
    recipe, choices
        As for `reduce`.
    wired
        Called with the folder and the wiring as soon as these are known.

    Raises
    ------
    ConfigurationError
        With all mistakes in the recipe, or if there are no frames.
    """
    file = read_recipe(recipe, choices.overrides)
    wiring = wire(file.recipe, file.place, file.folder)
    wired(file.folder, wiring)
    night, remarks = frames_of(file)
    plan = make_plan(wiring, night.frames)
    check_output(wiring.output, plan)
    if choices.targets or choices.only:
        plan = restrict(plan, targets=choices.targets, only=choices.only)
    return Prepared(file, wiring, night, plan, tuple(remarks))


def instruments_for(name: str) -> list[Instrument]:
    """Return the instrument called `name`, or all that are installed if it is empty."""
    return [get_instrument(n) for n in ([name] if name else plugins(INSTRUMENTS))]


def frames_of(file: RecipeFile) -> tuple[Night, list[str]]:
    """Return the frames that a recipe names, with the edits of its table, and remarks on them.

    Raises
    ------
    ConfigurationError
        If there are none.
    """
    given, folder = file.recipe.input, file.folder
    left_out = {real_place(path): path for path in find_files(given.exclude, folder)}
    paths = [path for path in find_files(given.files, folder) if real_place(path) not in left_out]
    night = observe(paths, instruments_for(file.recipe.instrument))
    remarks = [*_empty_patterns(file), *(f"{path.name}: left out (input.exclude)" for path in left_out.values())]
    if given.table:
        night, edited = apply_edits(night, read_edits(folder / given.table), folder)
        remarks += edited
    remarks += [f"{r.path.name}: no frame: {r.reason}" for r in night.rejected]
    if not night.frames:
        raise ConfigurationError(
            "\n".join([f"there are no frames in {', '.join(given.files) or 'input.files'}", *remarks])
        )
    return night, remarks


def _empty_patterns(file: RecipeFile) -> Iterator[str]:
    for key, patterns in (("files", file.recipe.input.files), ("exclude", file.recipe.input.exclude)):
        for pattern in patterns:
            if not find_files([pattern], file.folder):
                yield f"input.{key}: {pattern!r} names no file"


def look_ahead(prepared: Prepared) -> Run:
    """Return a run in which every task is said to be cached or to do; nothing is carried out."""
    run = open_run(prepared.file.folder / STORE)
    preview(prepared.plan, run)
    return run


def reduce(recipe: Path, choices: Choices) -> int:
    """Reduce a night.

    Parameters
    ----------
    recipe
        The recipe; products go into ``reduced/`` beside it.
    choices
        Of the command line.

    Returns
    -------
    int
        0 if all that was planned is done, 1 if something failed or could not run.
    """
    started = time.perf_counter()
    prepared = prepare(recipe, choices, partial(_get_ready, choices))
    open_pool, in_hand = opener(choices.jobs, choices.dask, libraries_of(prepared.wiring))
    run = open_run(prepared.file.folder / STORE)
    with only_run(run.store.folder):
        run.store.tidy()
        if choices.fresh:
            run.store.forget()
        keeper = _LogKeeper(prepared, run)
        keeper.write()
        with progress(len(prepared.plan.tasks), quiet=choices.quiet) as tell:
            execute(prepared.plan, run, open_pool, in_hand, [tell, keeper])
        problems, verdicts = publish(prepared, run, whole=not (choices.targets or choices.only))
        keeper.write([*problems, *verdicts])
    seconds = time.perf_counter() - started
    return _close(prepared, run, problems, verdicts, seconds, quiet=choices.quiet)


def _get_ready(choices: Choices, folder: Path, wiring: Wiring) -> None:
    """Start importing what workers need where all is still to be done, while frames are looked at."""
    new = choices.fresh or not (folder / STORE).exists()
    if new and needs_processes(choices.jobs, choices.dask):
        get_ready(libraries_of(wiring))


def libraries_of(wiring: Wiring) -> list[str]:
    """Return the slow libraries that the products of a recipe need beside those that all do."""
    ports = [port for step in wiring.steps for port in type(step.step).outputs()]
    return ["specutils"] if any("Spectrum" in kind for port in ports for kind in port.types) else []


class _LogKeeper:
    """Writes the log while the run goes on, at most once a second, so that a killed run leaves it too.

    A disk that is full for a while spoils none of this: only the last writing must succeed.
    """

    def __init__(self, prepared: Prepared, run: Run) -> None:
        self._prepared, self._run, self._last = prepared, run, time.monotonic()

    def __call__(self, result: Result) -> None:
        if result.state is not State.CACHED and time.monotonic() - self._last > 1:
            with suppress(ReductionError):
                self.write()

    def write(self, closing: Sequence[str] = ()) -> None:
        self._last = time.monotonic()
        opening = [f"recipe {self._prepared.file.layers[0][0]}", *self._prepared.remarks, *closing]
        path = self._prepared.file.folder / REDUCED / "log.txt"
        write_text(path, log_text(self._prepared.plan, self._run, opening))


def publish(prepared: Prepared, run: Run, *, whole: bool) -> tuple[list[str], list[str]]:
    """Bring ``reduced/`` up to date.

    Parameters
    ----------
    prepared, run
        What was planned, and how it ended.
    whole
        Whether the whole recipe ran: only then are files removed that nothing makes any more.

    Returns
    -------
    list of str, list of str
        A sentence for each file that could not be written; sentences on the numbers beyond their limits.
    """
    folder = prepared.file.folder / REDUCED
    names = safe_coordinates(prepared.night.frames)
    products, drawn = publications(prepared.wiring.output, run, names), figures(run, names)
    wanted = products + drawn
    shelf = Shelf(folder, run.store.folder / "published.json")
    problems = shelf.put(wanted, run.store)
    if whole:
        shelf.remove_others(wanted)
    file = prepared.file
    document = judged(quality_document(prepared.plan, run), file.recipe.limits, file.own_limits)
    write_text(folder / "qc.json", quality_text(document))
    story = Story(file.recipe, prepared.night, prepared.remarks, document, tuple(products), tuple(drawn))
    return [*problems, *write_report(story, run.store, folder)], closing_sentences(document)


def _close(
    prepared: Prepared, run: Run, problems: Sequence[str], verdicts: Sequence[str], seconds: float, *, quiet: bool
) -> int:
    bad = [r for r in run.results.values() if r.state in (State.FAILED, State.SKIPPED)]
    failed = bool(bad or prepared.plan.blocked or problems)
    if not quiet or failed:
        table = closing_table(prepared.plan, list(run.results.values()))
        print(table, *_lacking(prepared), *problems, *verdicts, sep="\n", file=sys.stderr)
        print(f"{seconds:.1f} s; results in {prepared.file.folder / REDUCED}, begin with {REPORT}", file=sys.stderr)
    return 1 if failed else 0


def _lacking(prepared: Prepared) -> list[str]:
    """Return a sentence for each file that was asked for and is not there, and each frame that cannot be read."""
    chosen = (": left out (", ": no frame: ")
    lines = [remark for remark in prepared.remarks if not any(words in remark for words in chosen)]
    lines += [f"no frame: {r.path.name}: {r.reason}" for r in prepared.night.rejected if r.missed or r.damaged]
    more = [f"and {len(lines) - _MOST} more files that are not there, see log.txt"] if len(lines) > _MOST else []
    return [*lines[:_MOST], *more]
