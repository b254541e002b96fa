"""What a step says of itself."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any, Literal

import astropy.units as u
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.help_text import documentation_of, parameters_of, toml_of
from alfosc_reduce.parameters import Arcsec


class Everything(Step):
    """Has parameters of all kinds.

    And a second paragraph.
    """

    needed: float
    """Must be given."""
    width: Arcsec = 3 * u.arcsec
    """With a unit,
    on two lines."""
    how: Literal["mean", "median"] = "mean"
    """A choice."""
    count: Annotated[int, Field(ge=1, lt=9)] = 3
    """With limits."""
    parts: tuple[str, ...] = ("a", "b")
    """A list."""
    pair: tuple[float, float] | None = None
    """A pair or nothing."""
    weights: dict[str, float] = Field(default_factory=lambda: {"a": 1.0})
    """A table."""
    use: bool = False
    """A switch."""


class Inherits(Everything):
    pass


FOUND = {parameter.name: parameter for parameter in parameters_of(Everything)}


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("needed", "number", None),
        ("width", "quantity in arcsec or pix", '"3.0 arcsec"'),
        ("how", '"mean" or "median"', '"mean"'),
        ("count", "integer >= 1 < 9", "3"),
        ("parts", "list of text", '["a", "b"]'),
        ("pair", "[number, number] or none", '"none"'),
        ("weights", "value", "{ a = 1.0 }"),
        ("use", "true or false", "false"),
    ],
)
def test_kinds_and_defaults(name: str, kind: str, default: str | None) -> None:
    assert (FOUND[name].kind, FOUND[name].default) == (kind, default)


def test_docstrings_in_one_line_and_in_order() -> None:
    assert FOUND["width"].text == "With a unit, on two lines."
    assert list(FOUND) == list(Everything.model_fields)


def test_documentation_is_a_steps_own() -> None:
    assert documentation_of(Everything) == "Has parameters of all kinds.\n\nAnd a second paragraph."
    assert documentation_of(Inherits) == ""


plain = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"\A[a-z]{1,5}\Z"), inner, max_size=3),
)  # fmt: skip


@given(plain)
def test_defaults_are_written_as_toml(value: Any) -> None:
    assert tomllib.loads(f"x = {toml_of(value)}")["x"] == value
