"""Orders: a task as plain data that any process on any machine with the same files can carry out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alfosc_reduce.fingerprint import code_fingerprint, code_of, digest
from alfosc_reduce.parameters import BY_CONTENT, files_in
from alfosc_reduce.plan import Task


@dataclass(frozen=True)
class RawInput:
    """A raw frame as an input: where it is, and what it counts as."""

    path: str
    instrument: str
    kind: str
    object: str
    content: str
    """Hash of the file's content."""

    @property
    def key(self) -> str:
        """What identifies it."""
        return digest([self.content, self.instrument, self.kind, self.object])


@dataclass(frozen=True)
class ProductInput:
    """A stored product as an input."""

    task: str
    """Key of the task that made it."""
    output: str
    name: str
    """Name of that task, for a person."""

    @property
    def key(self) -> str:
        """What identifies it."""
        return f"{self.task}/{self.output}"


Input = RawInput | ProductInput


@dataclass(frozen=True)
class Order:
    """Everything that carrying out one task takes.

    Attributes
    ----------
    name
        Of the task, for a person.
    key
        Hash of all that determines the products.
    uses
        Entry-point name of the step.
    parameters
        As plain data.
    inputs
        By argument name; a tuple for a gathering input, None for a missing one.
    instrument
        Name of the instrument, and of the argument that takes it (empty if none does).
    facts
        What else goes into the record: owner, version, coordinates, label, reasons, files named in parameters.
    """

    name: str
    key: str
    uses: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Input | tuple[Input, ...] | None]
    instrument: tuple[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)


def make_order(task: Task, inputs: Mapping[str, Input | tuple[Input, ...] | None], instrument: str) -> Order:
    """Return the order for a task whose inputs are known."""
    step = task.step
    parameters = step.step.model_dump(mode="json")
    named = {
        port: [i.key for i in value] if isinstance(value, tuple) else value.key if value else None
        for port, value in inputs.items()
    }
    key = digest(
        {
            "step": step.uses,
            "owner": step.owner,
            "version": step.version,
            "code": code_of(type(step.step)),
            "parameters": step.step.model_dump(mode="json", context=BY_CONTENT),
            "inputs": named,
            "instrument": _instrument_code(instrument, inputs, bool(step.instrument)),
        }
    )
    facts = {
        "step": step.name,
        "owner": step.owner,
        "version": step.version,
        "label": task.label,
        "coordinates": dict(task.coordinates),
        "reasons": list(task.reasons),
        "files": files_in(step.step),
    }
    return Order(task.name, key, step.uses, parameters, inputs, (instrument, step.instrument), facts)


def _instrument_code(name: str, inputs: Mapping[str, Any], takes_it: bool) -> list[str] | None:
    raw = any(isinstance(i, RawInput) for v in inputs.values() for i in (v if isinstance(v, tuple) else (v,)))
    if not name or not (raw or takes_it):
        return None
    from alfosc_reduce.registry import INSTRUMENTS, load_plugin

    return [name, code_fingerprint(load_plugin(INSTRUMENTS, name).__module__.partition(".")[0])]
