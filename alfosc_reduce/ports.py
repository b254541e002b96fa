"""What goes into a step and what comes out, read from the annotations of its call.

Annotations are read as text, so that describing a step imports none of the heavy packages that its products need.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

GATHERING = {"list", "List", "Sequence", "tuple"}


@dataclass(frozen=True)
class Port:
    """One input or output of a step.

    Attributes
    ----------
    name
        The argument's name; for the single output of a step, ``result``.
    types
        Names of the product types, without modules, e.g. ``("CCDData",)``.
    many
        True if the argument gathers a list of products.
    optional
        True if the step also works without it.
    """

    name: str
    types: tuple[str, ...]
    many: bool = False
    optional: bool = False

    def __str__(self) -> str:
        kind = " | ".join(self.types)
        return f"{self.name}: {f'list[{kind}]' if self.many else kind}{' (optional)' if self.optional else ''}"

    def accepts(self, other: Port) -> bool:
        """Say whether the product of the output `other` may be given to this input."""
        return bool(set(self.types) & set(other.types)) or "Any" in self.types or "Any" in other.types


def inputs_of(call: Callable[..., Any]) -> tuple[Port, ...]:
    """Return the inputs of a step's ``__call__``, in their order; an argument without annotation is ``Any``."""
    parameters = list(inspect.signature(call).parameters.values())[1:]
    return tuple(_port(p.name, p.annotation, p.default is None) for p in parameters)


def outputs_of(call: Callable[..., Any]) -> tuple[Port, ...]:
    """Return the outputs of a step's ``__call__``: the fields of its ``NamedTuple``, or one named ``result``."""
    annotation = inspect.signature(call).return_annotation
    found = call.__globals__.get(annotation) if isinstance(annotation, str) else annotation
    if inspect.isclass(found) and issubclass(found, tuple) and hasattr(found, "_fields"):
        return tuple(_port(name, found.__annotations__[name], False) for name in found._fields)
    return (_port("result", annotation, False),)


def _port(name: str, annotation: object, optional: bool) -> Port:
    if annotation is inspect.Parameter.empty:
        return Port(name, ("Any",), optional=optional)
    text = annotation if isinstance(annotation, str) else _text(annotation)
    types, many = _types(ast.parse(text, mode="eval").body)
    return Port(name, tuple(t for t in types if t != "None"), many, optional or "None" in types)


def _text(annotation: object) -> str:
    if inspect.isclass(annotation) and not getattr(annotation, "__args__", None):
        return annotation.__name__
    return getattr(annotation, "__forward_arg__", None) or str(annotation).replace("NoneType", "None")


def _types(node: ast.expr) -> tuple[list[str], bool]:
    """Return the names in an annotation, and whether they stand in a list."""
    match node:
        case ast.BinOp(left=left, right=right):
            (a, many_a), (b, many_b) = _types(left), _types(right)
            return a + b, many_a or many_b
        case ast.Subscript(value=value, slice=inner):
            outer = _types(value)[0][0]
            names, many = _types(inner)
            return ([*names, "None"], many) if outer == "Optional" else (names, many or outer in GATHERING)
        case ast.Tuple(elts=elements):
            found = [name for element in elements for name in _types(element)[0]]
            return [name for name in found if name != "Ellipsis"], False
        case ast.Constant(value=value):
            return ([repr(value)], False) if not isinstance(value, str) else _types(ast.parse(value, mode="eval").body)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return [name], False
    raise TypeError(f"the annotation {ast.unparse(node)!r} is not one of T, list[T], T | None")
