"""What a night's report tells, gathered by target and by step in the order of the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from alfosc_reduce.errors import ReductionError
from alfosc_reduce.frames import Frame, Night
from alfosc_reduce.publishing import Publication
from alfosc_reduce.recipe import Recipe
from alfosc_reduce.registry import get_step

Entry = Mapping[str, Any]
"""A task of the judged ``qc.json``."""

_RANK = ("fail", "warning", "pass")


@dataclass(frozen=True)
class StepPart:
    """What one step did for one target.

    Attributes
    ----------
    name, summary
        The step's name in the recipe, and the first line of its documentation.
    entries
        Its tasks.
    figures
        Their figures.
    """

    name: str
    summary: str
    entries: tuple[Entry, ...]
    figures: tuple[Publication, ...]

    @property
    def worst(self) -> str:
        """The worst verdict on a number, ``fail`` also if a task failed; empty where nothing was judged."""
        return worst(self.entries)


@dataclass(frozen=True)
class Section:
    """A target, or the calibrations (without a name).

    Attributes
    ----------
    name, anchor
        The target, and the name of the place in the page.
    frames
        Its raw frames in time order.
    steps
        What was done, in the order of the recipe.
    products
        Published files.
    cannot_run
        Tasks that the plan refused.
    """

    name: str
    anchor: str
    frames: tuple[Frame, ...]
    steps: tuple[StepPart, ...]
    products: tuple[Publication, ...]
    cannot_run: tuple[Entry, ...]

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.name or "Calibrations"

    @property
    def entries(self) -> list[Entry]:
        """All its tasks."""
        return [entry for step in self.steps for entry in step.entries]

    @property
    def worst(self) -> str:
        """The worst verdict, ``fail`` also if something failed or could not run."""
        return "fail" if self.cannot_run else worst(self.entries)


def worst(entries: Iterable[Entry]) -> str:
    """Return the worst verdict in tasks: a task that is not done has failed, one with remarks earns a warning."""
    found = {verdict for entry in entries for verdict in _verdicts(entry)}
    return next((word for word in _RANK if word in found), "")


def _verdicts(entry: Entry) -> Iterable[str]:
    yield from (verdict["verdict"] for verdict in entry["verdicts"].values())
    if entry["state"] != "done":
        yield "fail"
    if warnings_of(entry):
        yield "warning"


_SAID = "INFO: "


def warnings_of(entry: Entry) -> list[str]:
    """Return the remarks on a task that warn."""
    return [text.removeprefix("WARNING: ") for text in entry["remarks"] if not text.startswith(_SAID)]


def told_of(entry: Entry) -> list[str]:
    """Return the remarks on a task that merely tell something."""
    return [text.removeprefix(_SAID) for text in entry["remarks"] if text.startswith(_SAID)]


@dataclass(frozen=True)
class Story:
    """Everything that a report is made from.

    Attributes
    ----------
    recipe
        Merged.
    night, remarks
        The frames, and what was left out and why.
    document
        The contents of ``qc.json``, judged.
    products, figures
        What is published.
    """

    recipe: Recipe
    night: Night
    remarks: tuple[str, ...]
    document: Mapping[str, Any]
    products: tuple[Publication, ...]
    figures: tuple[Publication, ...]

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The targets in the order of observation, then the calibrations."""
        seen = [frame.coordinates.get("target", "") for frame in self.night.frames]
        found = [*seen, *(entry["target"] for entry in self.document["tasks"]), *self._blocked_targets()]
        names = [name for name in dict.fromkeys(found) if name]
        sections = [self._section(name, f"t{i}") for i, name in enumerate(names, 1)]
        return tuple(s for s in [*sections, self._section("", "calibrations")] if s.steps or s.cannot_run)

    def _blocked_targets(self) -> list[str]:
        return [entry["target"] for entry in self.document["cannot_run"]]

    def _section(self, name: str, anchor: str) -> Section:
        return Section(
            name,
            anchor,
            tuple(f for f in self.night.frames if f.coordinates.get("target", "") == name),
            tuple(part for step in self.recipe.steps if (part := self._part(step, name)).entries),
            tuple(sorted((p for p in self.products if _target(p) == name), key=lambda p: p.path)),
            tuple(entry for entry in self.document["cannot_run"] if entry["target"] == name),
        )

    def _part(self, step: str, target: str) -> StepPart:
        entries = [e for e in self.document["tasks"] if e["step"] == step and e["target"] == target]
        order = {entry["task"]: i for i, entry in enumerate(entries)}
        drawn = [figure for figure in self.figures if figure.result.task.name in order]
        drawn.sort(key=lambda figure: order[figure.result.task.name])
        return StepPart(step, summary_of(self.recipe.uses(step)), tuple(entries), tuple(drawn))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many tasks of each step ended in each state, ``cannot run`` among them."""
        found: dict[str, dict[str, int]] = {step: {} for step in self.recipe.steps}
        blocked = [(entry["task"].partition("[")[0], "cannot run") for entry in self.document["cannot_run"]]
        for step, state in [*((e["step"], e["state"]) for e in self.document["tasks"]), *blocked]:
            row = found[step]
            row[state] = row.get(state, 0) + 1
        return {step: row for step, row in found.items() if row}


def _target(publication: Publication) -> str:
    return publication.result.task.coordinates.get("target", "")


def summary_of(uses: str) -> str:
    """Return what a step says of itself in one line; nothing if it cannot be asked."""
    try:
        return get_step(uses).summary()
    except ReductionError:
        return ""


def troubles(entries: Iterable[Entry], cannot_run: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return what went wrong by itself, and what was lost only because of that; each with its state.

    Parameters
    ----------
    entries
        Tasks.
    cannot_run
        Tasks that the plan refused.
    """
    left = [entry for entry in entries if entry["state"] != "done"]
    wrong = [entry for entry in left if entry["state"] == "failed"]
    lost = [entry for entry in left if entry["state"] != "failed"]
    for entry in cannot_run:
        (lost if entry["follows"] else wrong).append({**entry, "state": "cannot run"})
    return wrong, lost
