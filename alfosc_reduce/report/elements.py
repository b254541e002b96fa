"""HTML by construction: text is escaped unless it is known to be markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


_VOID = {"img", "meta", "input", "br"}


def html(child: str) -> Html:
    """Return `child` as markup, escaped unless it is markup already."""
    return child if isinstance(child, Html) else Html(escape(child, quote=True))


def join(children: Iterable[str], between: str = "") -> Html:
    """Return children one after the other as markup."""
    return Html(html(between).join(html(child) for child in children))


def element(tag: str, *children: str | Iterable[str], **attributes: str | bool | None) -> Html:
    """Return an element.

    Parameters
    ----------
    tag
        Its name.
    *children
        Text, markup, or several of them.
    **attributes
        ``class_`` stands for ``class``, ``data_x`` for ``data-x``; those that are False, None or empty are left out.
    """
    words = [tag, *(_attribute(name, value) for name, value in attributes.items() if value)]
    opening = f"<{' '.join(words)}>"
    if tag in _VOID:
        return Html(opening)
    content = "".join(html(child) if isinstance(child, str) else join(child) for child in children)
    return Html(f"{opening}{content}</{tag}>")


def _attribute(name: str, value: str | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    return name if value is True else f'{name}="{html(str(value))}"'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], **attributes: str) -> Html:
    """Return a table that scrolls sideways where it is too wide."""
    head = element("tr", (element("th", cell, scope="col") for cell in heads))
    body = (element("tr", (element("td", cell) for cell in row)) for row in rows)
    return element("div", element("table", element("thead", head), element("tbody", body), **attributes), class_="wide")


def unfolding(summary: str, *children: str | Iterable[str], open_: bool = False, **attributes: str) -> Html:
    """Return a part that opens when its summary is clicked."""
    return element("details", element("summary", summary), *children, open=open_, **attributes)
