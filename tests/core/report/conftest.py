"""A toy night with spectra and limits, reduced, and its report parsed."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

RECIPE = """extends = "toy:spec"
input.files = ["raw"]

[steps.collapse]
uses = "toy_collapse"
inputs.image = "split.image"

[output]
"{target}/{frame}_spec1d.fits" = "collapse"

[limits.prepare]
mean = { max = 150, warn_max = 145 }

[limits.collapse]
signal_to_noise = { min = 10 }
"""

_VOID = {"img", "meta", "input", "br", "link"}


class Page(HTMLParser):
    """All elements of a page; fails where one is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def seen(self) -> str:
        """What a person reads."""
        return " ".join(text for tag, text in self.texts if tag not in ("script", "style"))

    def attributes(self, name: str) -> list[str]:
        return [found for _, attributes in self.elements if (found := attributes.get(name)) is not None]


@pytest.fixture
def spectral_night(night: Path) -> Path:
    (night / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return night


@pytest.fixture
def report(spectral_night: Path, reduce_night: Callable[..., SimpleNamespace]) -> Callable[..., SimpleNamespace]:
    """Reduce the night and parse the report; gives exit code, path, text and page."""

    def make(*overrides: str, **choices: Any) -> SimpleNamespace:
        run = reduce_night(*overrides, **choices)
        path = spectral_night / "reduced/report.html"
        text = path.read_text(encoding="utf-8")
        return SimpleNamespace(code=run.code, path=path, text=text, page=Page(text), tasks=run.tasks)

    return make


FIELD_RECIPE = (
    RECIPE
    + """
[steps.point]
uses = "toy_point"
inputs.image = "split.image"
"""
)


@pytest.fixture
def field_report(spectral_night: Path, report: Callable[..., SimpleNamespace]) -> Callable[..., SimpleNamespace]:
    """Reduce the night with images of the sky and tables of their sources."""
    products = """
"{target}/{frame}.fits" = "point.image"
"{target}/{frame}_sources.fits" = "point.sources"
"{target}/{frame}_sources.ecsv" = "point.sources"
"""
    text = FIELD_RECIPE.replace('"collapse"\n\n[limits.prepare]', f'"collapse"{products}\n[limits.prepare]')
    (spectral_night / "recipe.toml").write_text(text, encoding="utf-8")
    return report


@pytest.fixture
def parse() -> type[Page]:
    return Page
