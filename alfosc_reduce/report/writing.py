"""Writing the page, whole or not at all, and only when it would differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import alfosc_reduce
from alfosc_reduce.bookkeeping import write_text
from alfosc_reduce.fingerprint import code_fingerprint, digest
from alfosc_reduce.report.chapters import chapter
from alfosc_reduce.report.elements import Html, element
from alfosc_reduce.report.numbers import badge
from alfosc_reduce.report.overview import overview, title_of
from alfosc_reduce.report.pictures import data_uris
from alfosc_reduce.report.spectra import flag_table
from alfosc_reduce.report.story import Story
from alfosc_reduce.store import Store

REPORT = "report.html"
_SCRIPT = ("helpers", "drawing", "plot", "field", "page")
"""Files of the one script, in the order in which they need each other."""

_BEGINNING = 400
"""Bytes at the start of the page in which its fingerprint stands."""


def write_report(story: Story, store: Store, folder: Path) -> list[str]:
    """Bring the report up to date.

    Parameters
    ----------
    story
        What it tells.
    store
        Holds spectra and figures.
    folder
        ``reduced``.

    Returns
    -------
    list of str
        A sentence if it could not be written: whatever went wrong, the reduction itself is not lost.
    """
    path = folder / REPORT
    try:
        mark = fingerprint(story)
        if not _is_current(path, mark):
            write_text(path, page(story, store, mark))
    except Exception as error:
        return [f"{REPORT} was not written: {type(error).__name__}: {error}"]
    return []


def fingerprint(story: Story) -> str:
    """Return a hash of all that the page is made from."""
    frames = [(f.name, f.info) for f in story.night.frames]
    published = sorted((p.path, p.key) for p in (*story.products, *story.figures))
    uses = {name: story.recipe.uses(name) for name in story.recipe.steps}
    rejected = [(r.path.name, r.reason) for r in story.night.rejected]
    made_of = [code_fingerprint("alfosc_reduce"), story.document, published, frames, rejected, story.remarks, uses]
    return digest(made_of)


def _is_current(path: Path, mark: str) -> bool:
    try:
        with path.open("rb") as stream:
            return mark.encode() in stream.read(_BEGINNING)
    except OSError:
        return False


def page(story: Story, store: Store, mark: str) -> str:
    """Return the whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="fingerprint", content=mark),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title_of(story)),
        element("style", _asset("report.css")),
    )
    pictures = data_uris(f.source for section in story.sections for step in section.steps for f in step.figures)
    main = element("main", overview(story), (chapter(section, store, pictures) for section in story.sections))
    body = element("body", _navigation(story), main, _footer(), _scripts())
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _asset(name: str) -> Html:
    return Html(files(__package__).joinpath("assets", name).read_text(encoding="utf-8"))


def _navigation(story: Story) -> Html:
    links = [element("a", "Night", href="#night")]
    links += [element("a", s.title, " ", badge(s.worst), href=f"#{s.anchor}") for s in story.sections]
    return element("nav", links)


def _footer() -> Html:
    numbers, log = element("a", "qc.json", href="qc.json"), element("a", "log.txt", href="log.txt")
    version = alfosc_reduce.__version__
    return element("footer", f"alfosc-reduce {version}. All numbers: ", numbers, "; all that was said: ", log, ".")


def _scripts() -> Iterator[Html]:
    yield element("script", Html(json.dumps(flag_table())), type="application/json", id="flags")
    parts = "\n".join(_asset(f"{name}.js") for name in _SCRIPT)
    yield element("script", Html(f'(() => {{\n"use strict";\n{parts}}})();\n'))
