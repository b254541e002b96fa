"""What stands below a parameter is found wherever the class stands."""

from __future__ import annotations

from pydantic import BaseModel, Field

from alfosc_reduce import Step
from alfosc_reduce.docstrings import attribute_docstrings, parameter_texts


class Parent(Step):
    """A step."""

    width: float = 3.0
    """Of the window,
    in pixels."""
    rounds: int = 2
    """How often."""
    bare: int = 0


class Child(Parent):
    """A step that says something else of one parameter and adds another."""

    rounds: int = 4
    """How often, more often."""
    limit: float = Field(5.0, description="In sigma.")
    """Not this."""


def test_texts_are_inherited_and_replaced_one_by_one() -> None:
    assert parameter_texts(Child) == {
        "width": "Of the window, in pixels.",
        "rounds": "How often, more often.",
        "bare": "",
        "limit": "In sigma.",
    }


def test_a_class_within_a_function_is_read_too() -> None:
    class Inner(Step):
        note: str = """
no indentation here
"""
        """A text."""

    assert parameter_texts(Inner) == {"note": "A text."}


def test_a_class_without_source_has_no_texts() -> None:
    made = type("Made", (BaseModel,), {"__annotations__": {"x": int}, "__module__": "nowhere"})
    assert parameter_texts(made) == {"x": ""}
    assert attribute_docstrings(made) == {}
