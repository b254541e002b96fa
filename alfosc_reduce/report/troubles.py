"""What went wrong, and what that cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alfosc_reduce.report.elements import Html, element, unfolding
from alfosc_reduce.report.numbers import badge
from alfosc_reduce.report.story import Entry, troubles


def wrong_and_lost(entries: Iterable[Entry], cannot_run: Iterable[Entry]) -> Iterator[Html]:
    """Yield a list of what went wrong with the reasons, and folded below it what was not done for that alone."""
    wrong, lost = troubles(entries, cannot_run)
    if wrong:
        yield element("ul", map(_line, wrong), class_="said fail")
    if lost:
        yield unfolding(f"Not done because of this ({len(lost)})", element("ul", map(_line, lost), class_="said"))


def _line(entry: Entry) -> Html:
    return element("li", badge("fail", entry["state"]), f" {entry['task']}: {entry['message']}")
