"""A chapter a target: the spectrum, the numbers beside their limits, the files, and each step with its figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alfosc_reduce.errors import ReductionError
from alfosc_reduce.publishing import Publication
from alfosc_reduce.report.elements import Html, element, join, unfolding
from alfosc_reduce.report.fields import fields_of
from alfosc_reduce.report.numbers import all_numbers, badge, counted, judged_numbers, readable, sentences
from alfosc_reduce.report.pictures import size_of
from alfosc_reduce.report.spectra import is_spectrum, spectra_of
from alfosc_reduce.report.story import Section, StepPart, told_of, warnings_of
from alfosc_reduce.report.troubles import wrong_and_lost
from alfosc_reduce.store import Store

Pictures = Mapping[Path, str]
"""Figures by file, as addresses of themselves."""


def chapter(section: Section, store: Store, pictures: Pictures) -> Html:
    """Return the chapter of a target, or of the calibrations."""
    return element(
        "section",
        element("h2", section.title, " ", badge(section.worst)),
        element("p", ", ".join(_in_short(section)), class_="quiet"),
        wrong_and_lost(section.entries, section.cannot_run),
        _spectrum(section, store),
        _field(section, store),
        _judged(section),
        unfolding(f"Files ({len(section.products)})", _files(section.products)) if section.products else "",
        element("h3", "Step by step") if section.steps else "",
        (_step(part, pictures) for part in section.steps),
        id=section.anchor,
        class_="chapter",
    )


def _in_short(section: Section) -> Iterator[str]:
    for kind in dict.fromkeys(frame.info.kind for frame in section.frames):
        names = [frame.name for frame in section.frames if frame.info.kind == kind]
        many = f"{names[0]} to {names[-1]} ({len(names)})" if len(names) > 3 else ", ".join(names)
        yield f"{kind} {many}"


def _judged(section: Section) -> Html:
    numbers = judged_numbers(section.entries)
    return join([element("h3", "Numbers beside their limits"), numbers]) if numbers else Html()


def _spectrum(section: Section, store: Store) -> Html:
    """Return the place where the script draws the spectra, with their data."""
    return _drawn("spectrum", "plot", section, lambda: spectra_of(p for p in section.products if is_spectrum(p, store)))


def _field(section: Section, store: Store) -> Html:
    """Return the place where the script draws the images of the sky, with their data."""
    return _drawn("image", "field", section, lambda: fields_of(section.products, store))


def _drawn(what: str, kind: str, section: Section, read: Callable[[], list[dict[str, Any]]]) -> Html:
    try:
        found = read()
    except (OSError, KeyError, ValueError, ReductionError) as error:
        return sentences([f"the {what} cannot be shown: {error}"], "warning")
    if not found:
        return Html()
    without = element("noscript", f"The {what} is drawn by a script, which is switched off here.")
    return element("div", _script_data(found), without, class_=kind, data_name=section.title)


def _script_data(value: Any) -> Html:
    """Return data for the script; no text in it can end the element it stands in."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    return Html(f'<script type="application/json">{text}</script>')


def _files(products: Sequence[Publication]) -> Html:
    return element("ul", (element("li", element("a", p.path, href=quote(p.path))) for p in products))


def _step(part: StepPart, pictures: Pictures) -> Html:
    about = [*counted(len(part.entries), "task"), *counted(len(part.figures), "figure")]
    summary = element("small", f"{part.summary} ({', '.join(about)})")
    head = join([element("b", part.name), badge(part.worst), summary], " ")
    return unfolding(head, _remarks(part), all_numbers(part.entries), _figures(part.figures, pictures), class_="step")


def _remarks(part: StepPart) -> Html:
    warned = [f"{entry['label']}: {text}" for entry in part.entries for text in warnings_of(entry)]
    told = [f"{entry['label']}: {text}" for entry in part.entries for text in told_of(entry)]
    return join([sentences(warned, "warning"), sentences(told)])


def _figures(figures: Iterable[Publication], pictures: Pictures) -> Html:
    shown = [_figure(figure, pictures.get(figure.source, "")) for figure in figures]
    return element("div", shown, class_="figures") if shown else Html()


def _figure(figure: Publication, address: str) -> Html:
    """Return a figure, or a link to its file where there was no room for it."""
    what = f"{readable(figure.source.stem)}, {figure.result.task.label}"
    if not address:
        return element("p", element("a", f"{what} (beside this page)", href=quote(figure.path)))
    width, height = size_of(figure.source)
    image = element("img", src=Html(address), alt=f"{figure.result.task.step.name}: {what}", loading="lazy",
                    decoding="async", width=str(width), height=str(height))  # fmt: skip
    return element("figure", element("a", image, href=quote(figure.path)), element("figcaption", what))
