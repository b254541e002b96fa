"""The recipe as data: which steps, how wired, with which parameters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator
from pydantic_core import PydanticCustomError

FRAMES = "frames"
"""The source that stands for the raw frames."""


class Part(BaseModel):
    """A piece of a recipe: nothing beside what is declared."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(Part):
    """Where an input comes from.

    Written as ``"sky.image"`` for the output ``image`` of the step ``sky`` (``"flat"`` where there is but one), or as a
    table with these keys.
    """

    from_: tuple[str, ...] = Field(alias="from")
    """Outputs of steps, or ``frames``."""
    kind: tuple[str, ...] = ()
    """Only frames of these kinds (and what was made of them)."""
    match: tuple[str, ...] | None = None
    """Coordinates that must agree; as a rule all that both sides have."""
    prefer: tuple[str, ...] = ()
    """Coordinates that should agree, the most important first."""
    pick: Literal["nearest", "around"] | None = None
    """Of several candidates take the nearest in time, or (for an input that takes several) the nearest before and the
    nearest after."""
    missing: Literal["warn", "ignore"] = "warn"
    """What to do if an optional input is not there."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, (str, list, tuple)) else value

    @field_validator("from_", "kind", "prefer", "match", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class StepEntry(Part):
    """One step of a recipe."""

    uses: str = ""
    """Entry-point name of the step; as a rule the name of the table."""
    inputs: dict[str, Source] = {}
    """Source of each input."""
    params: dict[str, Any] = {}
    """Parameters that are not at their default."""
    by: tuple[str, ...] = ()
    """Coordinates by which a gathering step makes one task each."""
    enabled: bool = True
    """Whether the step runs; one that does not hands its first input on, if it can."""

    @field_validator("by", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class InputFiles(Part):
    """The files of a recipe."""

    files: tuple[str, ...] = ()
    """Files, folders or globs, relative to the recipe."""
    exclude: tuple[str, ...] = ()
    """Files or globs to leave out."""
    table: str = ""
    """The classification table with a person's edits, relative to the recipe."""

    @field_validator("files", "exclude", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Limit(Part):
    """Between what a number must lie (``min``, ``max``), and between what it should (``warn_min``, ``warn_max``).

    A limit that names no bound takes one of an extended recipe away.
    """

    min: FiniteFloat | None = None
    """Below this the number has failed."""
    max: FiniteFloat | None = None
    """Above this the number has failed."""
    warn_min: FiniteFloat | None = None
    """Below this the number is worth a warning."""
    warn_max: FiniteFloat | None = None
    """Above this the number is worth a warning."""
    only: dict[str, tuple[str, ...]] = {}
    """Only where these coordinates have these values: ``only.kind = "object"``, ``only.grism = "Grism_#4"``."""

    @field_validator("only", mode="before")
    @classmethod
    def _as_tuples(cls, value: Any) -> Any:
        return {k: (v,) if isinstance(v, str) else v for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _in_order(self) -> Limit:
        names = [name for name in ("min", "warn_min", "warn_max", "max") if getattr(self, name) is not None]
        for low, high in pairwise(names):
            if getattr(self, low) > getattr(self, high):
                raise PydanticCustomError("order", "{low} lies above {high}", {"low": low, "high": high})
        return self


class Recipe(Part):
    """A whole recipe, after everything that it extends."""

    extends: str = ""
    """``instrument:name`` of a shipped recipe, or a file."""
    instrument: str = ""
    """Instruments to look for, as a rule that of ``extends``."""
    input: InputFiles = InputFiles()
    """Which files."""
    steps: dict[str, StepEntry] = {}
    """The steps by name."""
    output: dict[str, Source] = {}
    """Which products go where in ``reduced/``: path with coordinates in braces, and source."""
    limits: dict[str, dict[str, Limit]] = {}
    """Limits on the numbers of each step, by step and by name of the number."""

    def uses(self, name: str) -> str:
        """Return the entry-point name of a step."""
        return self.steps[name].uses or name
