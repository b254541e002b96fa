"""The step: immutable parameters, and one call from data to data."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from alfosc_reduce.ports import Port, inputs_of, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matplotlib.figure import Figure


class Step(BaseModel):
    """A pure function with documented parameters.

    Subclasses declare parameters as annotated fields, each followed by its docstring, and define ``__call__`` with
    annotated products: ``T`` is mapped over, ``list[T]`` gathers, ``T | None = None`` is optional, an argument
    annotated ``Instrument`` receives the instrument; a ``NamedTuple`` return means several outputs.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_default=True
    )

    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules that the call imports and that take long to import: a process with nothing else to do does it ahead."""

    if TYPE_CHECKING:
        __call__: Callable[..., Any]

    def figures(self, result: Any, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield figures that a person would look at, as (short name, figure).

        Parameters
        ----------
        result
            What the call returned.
        **inputs
            What it was called with.
        """
        return ()

    def quality(self, result: Any, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the numbers behind the figures, by stable names; they go to ``qc.json``."""
        return {}

    @classmethod
    def inputs(cls) -> tuple[Port, ...]:
        """Return the inputs in the order of the call."""
        return inputs_of(cls.__call__)

    @classmethod
    def outputs(cls) -> tuple[Port, ...]:
        """Return the outputs in the order of the returned tuple."""
        return outputs_of(cls.__call__)

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the documentation."""
        return (inspect.getdoc(cls) or "").partition("\n")[0]
