"""Which of several candidates belongs to a task: equal coordinates, preferences, nearness in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alfosc_reduce.frames import Frame
from alfosc_reduce.wiring import WiredInput

_PRIVATE = {"sequence", "lamp", "kind", "setup"}
"""Coordinates by which nothing is matched unless the recipe says so."""


class MatchError(Exception):
    """Nothing matches a required input; the text says what was sought and what there is.

    Attributes
    ----------
    needs
        Name of a task that matches, but cannot run itself; empty if nothing matches.
    """

    def __init__(self, sentence: str, *, needs: str = "") -> None:
        super().__init__(sentence)
        self.needs = needs


@dataclass(frozen=True)
class Item:
    """Something that can go into a task: a raw frame, or the output of a planned task.

    Attributes
    ----------
    coordinates
        What is known of it.
    time
        MJD.
    frame
        The raw frame, if it is one.
    task, output
        Name of the task that makes it, and which of its outputs.
    blocked
        True if that task cannot run.
    """

    coordinates: Mapping[str, str]
    time: float
    frame: Frame | None = field(default=None, compare=False)
    task: str = ""
    output: str = ""
    blocked: bool = False

    @property
    def name(self) -> str:
        """For a person."""
        return self.task or (self.frame.name if self.frame else "nothing")

    def of(self, output: str) -> Item:
        """Return the same item with one of the outputs chosen."""
        return replace(self, output=output)


@dataclass(frozen=True)
class Choice:
    """What was chosen for an input, and why.

    Attributes
    ----------
    items
        An item, several, or None.
    reason, warning
        For a person.
    others
        What would be chosen next, should the task that makes the item fail; the best first.
    """

    items: Item | tuple[Item, ...] | None
    reason: str = ""
    warning: str = ""
    others: tuple[Item, ...] = ()


def choose(wired: WiredInput, found: Sequence[Item], here: Mapping[str, str], time: float) -> Choice:
    """Choose for one input of a task.

    Parameters
    ----------
    wired
        The input and its source.
    found
        All candidates.
    here, time
        Coordinates and time of the task.

    Raises
    ------
    MatchError
        If a required input has no candidate, or more than one where one is needed.
    """
    matching = [item for item in found if _agrees(item, here, wired.source.match)]
    alive = [item for item in matching if not item.blocked]
    if not alive:
        return _nothing(wired, found, matching, here)
    preferred, missed = _prefer(alive, here, wired.source.prefer)
    if wired.port.many:
        return _several(wired, alive if wired.source.pick is None else preferred, here, time)
    if len(preferred) > 1 and wired.source.pick is None:
        names = ", ".join(item.name for item in preferred)
        raise MatchError(f"{wired.port.name}: {len(preferred)} candidates ({names}); set match, or pick = 'nearest'")
    best = nearest(preferred, time)
    own = "frame" in best.coordinates and best.coordinates.get("frame") == here.get("frame")
    chosen = not own and (len(found) > 1 or bool(wired.source.prefer))
    others = () if own or wired.source.pick is None else _next_best(best, alive, here, time, wired.source.prefer)
    return Choice(best, _reason(best, here, time, wired) if chosen else "", _compromise(best, here, missed), others)


def _next_best(
    best: Item, items: Iterable[Item], here: Mapping[str, str], time: float, prefer: tuple[str, ...]
) -> tuple[Item, ...]:
    """Return all items but the best, in the order in which they would be chosen."""

    def rank(item: Item) -> tuple[list[bool], float, str]:
        return [item.coordinates.get(n) != here.get(n) for n in prefer], abs(item.time - time), item.name

    return tuple(sorted((item for item in items if item is not best), key=rank))


def _several(wired: WiredInput, items: list[Item], here: Mapping[str, str], time: float) -> Choice:
    """Return all items in time order, or those of them that `pick` asks for."""
    if wired.source.pick == "nearest":
        items = [nearest(items, time)]
    elif wired.source.pick == "around":
        sides = [item for item in items if item.time <= time], [item for item in items if item.time > time]
        items = [nearest(side, time) for side in sides if side]
    chosen = tuple(sorted(items, key=lambda item: (item.time, item.name)))
    choosy = wired.source.pick is not None and len(chosen) > 1
    reasons = [_reason(item, here, time, wired) for item in chosen] if choosy else []
    return Choice(chosen, " and ".join(reasons))


def nearest(items: Iterable[Item], time: float) -> Item:
    """Return the item nearest in time, of equally near ones the first by name."""
    return min(items, key=lambda item: (abs(item.time - time), item.name))


def _agrees(item: Item, here: Mapping[str, str], match: tuple[str, ...] | None) -> bool:
    if match is None:
        names: Iterable[str] = (set(item.coordinates) & set(here)) - _PRIVATE
    else:
        names = match
    return all(item.coordinates.get(name) == here.get(name) for name in names)


def _prefer(items: list[Item], here: Mapping[str, str], order: tuple[str, ...]) -> tuple[list[Item], list[str]]:
    missed = []
    for name in order:
        better = [item for item in items if item.coordinates.get(name) == here.get(name)]
        if better:
            items = better
        else:
            missed.append(name)
    return items, missed


def _reason(item: Item, here: Mapping[str, str], time: float, wired: WiredInput) -> str:
    same = [name for name in wired.source.prefer if item.coordinates.get(name) == here.get(name)]
    words = f"same {' and '.join(same)}" if same else ""
    hours = abs(item.time - time) * 24
    when = f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"
    side = "before" if item.time < time else "after"
    return f"{item.name} ({', '.join(part for part in (words, f'{when} {side}') if part)})"


def _compromise(item: Item, here: Mapping[str, str], missed: list[str]) -> str:
    parts = [f"{n} {item.coordinates.get(n)!r} instead of {here.get(n)!r}" for n in missed if n not in ("target",)]
    return f"{item.name} has {', '.join(parts)}" if parts else ""


def _nothing(wired: WiredInput, found: Sequence[Item], matching: Sequence[Item], here: Mapping[str, str]) -> Choice:
    source = " or ".join(dict.fromkeys(o.step for o in wired.origins))
    if matching:
        sentence = f"needs {matching[0].name}, which cannot run"
    else:
        names = wired.source.match or sorted({n for i in found for n in i.coordinates} & set(here) - _PRIVATE)
        wanted = " ".join(f"{name}={here.get(name)}" for name in names)
        sentence = f"no {source} matches {wanted or 'this task'} ({_there_are(found, names)})"
    if not wired.port.optional:
        kinds = " or ".join(sorted(wired.kinds))
        missing = f"; it is made of frames of kind {kinds}: add such frames" if kinds else "; add such frames"
        advice = "" if matching else f"{missing}, or disable the step"
        raise MatchError(f"{wired.port.name}: {sentence}{advice}", needs=matching[0].name if matching else "")
    return Choice(None, warning=f"{sentence}; goes on without" if wired.source.missing == "warn" else "")


def _there_are(found: Sequence[Item], names: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for item in found:
        text = " ".join(item.coordinates.get(name, "-") for name in names)
        counts[text] = counts.get(text, 0) + 1
    listed = ", ".join(f"{text} ({n})" if n > 1 else text for text, n in sorted(counts.items()))
    return f"there are: {listed}" if listed else "there is none in this night"
