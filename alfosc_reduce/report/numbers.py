"""Numbers beside their limits, as tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from alfosc_reduce.limits import bounds_text, value_text
from alfosc_reduce.report.elements import Html, element, join, table
from alfosc_reduce.report.story import Entry

_ORDER = ("fail", "warning", "pass")
_FEW = 4
"""Up to so many tasks stand side by side; more stand one below the other."""


def badge(verdict: str, text: str = "") -> Html:
    """Return a verdict as a coloured word; nothing where nothing was judged."""
    return element("span", text or verdict, class_=f"badge {verdict}") if verdict else Html()


def judged_numbers(entries: Sequence[Entry]) -> Html:
    """Return a table of all numbers that have limits, the worst first; nothing if there are none."""
    rows = [(entry, name, found) for entry in entries for name, found in entry["verdicts"].items()]
    rows.sort(key=lambda row: _ORDER.index(row[2]["verdict"]))
    if not rows:
        return Html()
    heads = ("", "number", "value", "limit")
    return table(heads, (_judged_row(*row) for row in rows), class_="judged")


def _judged_row(entry: Entry, name: str, found: Mapping[str, Any]) -> tuple[Html | str, ...]:
    value = entry["quality"][name]
    return (
        badge(found["verdict"]),
        element("span", readable(name), " ", element("small", f"{entry['step']}, {entry['label']}")),
        element("b", value_text(value), title=str(value), class_="value"),
        join((element("span", part) for part in _split(bounds_text(found["limit"]))), " "),
    )


def _split(limit: str) -> list[str]:
    """Return the two halves of a limit in words, between which a line may break."""
    must, comma, aim = limit.partition(", ")
    return [must + comma.strip(), aim] if aim else [must]


def all_numbers(entries: Iterable[Entry]) -> Html:
    """Return a table of all numbers of one step: a column a task if they are few, else a row a task."""
    told = [entry for entry in entries if entry["quality"]]
    names = list(dict.fromkeys(name for entry in told for name in entry["quality"]))
    if not names:
        return Html()
    if len(told) <= _FEW:
        heads = ["", *(entry["label"] for entry in told)]
        return table(heads, ([readable(n), *(_cell(entry, n) for entry in told)] for n in names), class_="numbers")
    heads = ["", *(readable(name) for name in names)]
    return table(heads, ([entry["label"], *(_cell(entry, n) for n in names)] for entry in told), class_="numbers")


def _cell(entry: Entry, name: str) -> Html:
    if name not in entry["quality"]:
        return Html()
    value, found = entry["quality"][name], entry["verdicts"].get(name)
    shown = element("span", value_text(value), title=str(value), class_="value")
    return shown if found is None else join([shown, badge(found["verdict"])], " ")


def readable(name: str) -> str:
    """Return the stable name of a number with spaces in it, so that lines can break."""
    return name.replace("_", " ")


def sentences(lines: Iterable[str], class_: str = "") -> Html:
    """Return a list of sentences; nothing if there are none."""
    items = [element("li", line) for line in lines]
    return element("ul", items, class_=f"said {class_}".strip()) if items else Html()


def counted(number: int, word: str) -> Iterator[str]:
    """Yield ``3 frames``, ``1 frame``, or nothing for none."""
    if number:
        yield f"{number} {word}{'' if number == 1 else 's'}"
