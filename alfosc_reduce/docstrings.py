"""The strings below the attributes of a class, read from its source when somebody asks for them."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel


def parameter_texts(model: type[BaseModel]) -> dict[str, str]:
    """Return what is written below each parameter of a step, a catalogue or a part of a recipe, in one line each.

    Parameters
    ----------
    model
        Its parameters may be inherited; a description given to pydantic's ``Field`` comes first.
    """
    below: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if "__annotations__" in cls.__dict__ and cls.__module__.partition(".")[0] != "pydantic":
            below |= attribute_docstrings(cls)
    return {
        name: " ".join((field.description or below.get(name, "")).split()) for name, field in model.model_fields.items()
    }


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the strings that stand below the attributes of a class; none if its source is not at hand."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return {}
    # A class within a function stands indented, and its strings may not be: nothing is taken away from it.
    tree = ast.parse(f"if True:\n{source}" if source[0].isspace() else source)
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)).body
    return {
        _assigned(statement): str(below.value.value)
        for statement, below in pairwise(body)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def _assigned(statement: ast.stmt) -> str:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return targets[0].id if isinstance(targets[0], ast.Name) else ""
