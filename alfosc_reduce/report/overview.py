"""The night at a glance: what is wrong first, then targets, what was done, and every frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from alfosc_reduce.frames import Frame
from alfosc_reduce.limits import Verdict, broken
from alfosc_reduce.report.elements import Html, element, join, table, unfolding
from alfosc_reduce.report.numbers import badge, sentences
from alfosc_reduce.report.story import Section, Story, summary_of, warnings_of
from alfosc_reduce.report.troubles import wrong_and_lost

_MJD_ZERO = datetime(1858, 11, 17)


def moment(mjd: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a Modified Julian Date (UTC) as text."""
    return (_MJD_ZERO + timedelta(days=mjd)).strftime(form)


def title_of(story: Story) -> str:
    """Return the dates and instruments of the frames, those of the targets if there are any."""
    frames = [f for f in story.night.frames if f.coordinates.get("target")] or list(story.night.frames)
    nights = sorted({moment(frame.info.time - 0.5, "%Y-%m-%d") for frame in frames})
    instruments = sorted({frame.instrument.upper() for frame in frames})
    return f"{' and '.join(instruments)}, night of {' to '.join(dict.fromkeys((nights[0], nights[-1])))}"


def overview(story: Story) -> Html:
    """Return the first part of the page."""
    return element(
        "section",
        element("h1", (element("span", word, " ") for word in title_of(story).split())),
        _tiles(story),
        _failures(story),
        _warnings(story),
        element("h2", "Targets"),
        _targets(story),
        unfolding("What was done", _steps(story)),
        unfolding(f"Frames ({len(story.night.frames)})", _frames(story)),
        id="night",
    )


def _tiles(story: Story) -> Html:
    """Return the few numbers that say how the night went."""
    states = Counter(entry["state"] for entry in story.document["tasks"])
    verdicts = story.document["verdicts"]
    tiles = [
        ("tasks done", states["done"], "pass"),
        ("failed", states["failed"], "fail"),
        ("skipped or not possible", states["skipped"] + len(story.document["cannot_run"]), "fail"),
        ("limits broken", verdicts["fail"], "fail"),
        ("warnings", verdicts["warning"] + len(list(_said(story))), "warning"),
        ("numbers within limits", verdicts["pass"], "pass"),
    ]
    return element("div", (_tile(*tile) for tile in tiles), class_="tiles")


def _tile(text: str, number: int, verdict: str) -> Html:
    return element("div", element("b", str(number)), f" {text}", class_=f"tile {verdict if number else 'none'}")


def _failures(story: Story) -> Html:
    """Return what failed and why, what that cost, then broken limits; a word of relief if there is nothing."""
    parts = list(wrong_and_lost(story.document["tasks"], story.document["cannot_run"]))
    if lines := [line for section in story.sections for line in _beyond(section, Verdict.FAIL, "limit broken")]:
        parts.append(element("ul", lines, class_="said fail"))
    if not parts:
        return element("p", badge("pass", "pass"), " Everything that was planned is done, and no limit is broken.")
    return join([element("h2", "What went wrong"), *parts])


def _beyond(section: Section, verdict: Verdict, word: str) -> Iterator[Html]:
    for sentence in broken({"tasks": section.entries}, verdict):
        link = element("a", section.title, href=f"#{section.anchor}")
        yield element("li", badge(verdict.value, word), " ", link, f" {sentence}")


def _warnings(story: Story) -> Html:
    lines = [element("li", sentence) for sentence in _said(story)]
    lines += [line for section in story.sections for line in _beyond(section, Verdict.WARNING, "beyond aim")]
    return join([element("h2", "Warnings"), element("ul", lines, class_="said warning")]) if lines else Html()


def _said(story: Story) -> Iterator[str]:
    yield from story.remarks
    yield from story.document["idle_limits"]
    for frame in story.night.frames:
        yield from (f"{frame.name}: {remark}" for remark in frame.info.remarks)
    for entry in story.document["tasks"]:
        yield from (f"{entry['task']}: {sentence}" for sentence in warnings_of(entry))


def _targets(story: Story) -> Html:
    return table(("", "target", "kind", "frames", "setup", "tasks"), (_target_row(s) for s in story.sections))


def _target_row(section: Section) -> tuple[str, ...]:
    states = Counter(entry["state"] for entry in section.entries)
    frames = Counter(frame.info.kind for frame in section.frames)
    states["cannot run"] = len(section.cannot_run)
    ended = [f"{states[word]} {word}" for word in ("done", "failed", "skipped", "cannot run") if states[word]]
    return (
        badge(section.worst or "pass"),
        element("a", section.title, href=f"#{section.anchor}"),
        ", ".join(kind for kind in frames if kind in ("object", "standard", "image")),
        ", ".join(f"{number} {kind}" for kind, number in frames.items()),
        ", ".join(dict.fromkeys(f.coordinates.get("setup", "") for f in section.frames if section.name)),
        ", ".join(ended),
    )


def _steps(story: Story) -> Html:
    states = ("done", "failed", "skipped", "cannot run")
    rows = (
        (step, *(str(row.get(state, "-")) for state in states), summary_of(story.recipe.uses(step)))
        for step, row in story.counts().items()
    )
    return table(("step", *states, "what it does"), rows, class_="steps")


def _frames(story: Story) -> Html:
    heads = ("frame", "kind", "object", "exposure", "middle (UTC)", "setup", "binning", "window")
    out = [f"{rejected.path.name}: {rejected.reason}" for rejected in story.night.rejected]
    return join([table(heads, map(_frame_row, story.night.frames), class_="frames"), sentences(out)])


def _frame_row(frame: Frame) -> tuple[str, ...]:
    info = frame.info
    setup = info.coordinates.get("setup", "")
    exposure = f"{info.exposure:g} s"
    return frame.name, info.kind, info.object, exposure, moment(info.time), setup, info.binning, info.window
