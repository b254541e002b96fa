"""A recipe held against what is installed: steps found, parameters validated, inputs connected, order worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pydantic import ValidationError

from alfosc_reduce.errors import ConfigurationError, suggest
from alfosc_reduce.instrument import KINDS
from alfosc_reduce.parameters import FOLDER
from alfosc_reduce.ports import Port
from alfosc_reduce.recipe import FRAMES, Recipe, Source, StepEntry
from alfosc_reduce.registry import STEPS, find, get_step, plugins
from alfosc_reduce.step import Step

INSTRUMENT = "Instrument"
"""Type name of the input that receives the instrument itself."""

_RAW = Port(FRAMES, ("CCDData",))

Place = Callable[..., str]


@dataclass(frozen=True)
class Origin:
    """One output of one step, or the raw frames (``step`` is then ``frames``); of some kinds of frames, or all."""

    step: str
    output: str = ""
    kinds: frozenset[str] | None = None

    def admits(self, coordinates: Mapping[str, str]) -> bool:
        """Say whether something with these coordinates is of the right kind; what has no kind always is."""
        return self.kinds is None or "kind" not in coordinates or coordinates["kind"] in self.kinds

    def only(self, kinds: Iterable[str]) -> Origin:
        """Return the same origin restricted further; no kinds restrict nothing."""
        wanted = frozenset(kinds)
        return replace(self, kinds=wanted if self.kinds is None else self.kinds & wanted) if wanted else self


@dataclass(frozen=True)
class WiredInput:
    """An input connected to its origins; `kinds` are those of the raw frames at their beginning."""

    port: Port
    origins: tuple[Origin, ...]
    source: Source
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class WiredStep:
    """A step of a recipe, ready to be planned.

    Attributes
    ----------
    name, uses
        Name in the recipe, and entry-point name.
    step
        The step with its parameters.
    owner, version
        The distribution that published it.
    inputs
        Connected inputs in the order of the call, the instrument not among them.
    instrument
        Name of the argument that takes the instrument, or empty.
    by
        Coordinates of a gathering step.
    """

    name: str
    uses: str
    step: Step
    owner: str
    version: str
    inputs: tuple[WiredInput, ...]
    instrument: str
    by: tuple[str, ...]

    @property
    def gathers(self) -> bool:
        """Whether the first input is a list."""
        return bool(self.inputs) and self.inputs[0].port.many


@dataclass
class _Desk:
    """What is known while a recipe is being checked."""

    recipe: Recipe
    place: Place
    folder: Path | None = None
    classes: dict[str, type[Step]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def complain(self, sentence: str, *location: str) -> None:
        self.problems.append(f"{self.place(*location)}: {sentence}")


@dataclass(frozen=True)
class Wiring:
    """All enabled steps in an order in which they can run, and what is published."""

    steps: tuple[WiredStep, ...]
    output: dict[str, tuple[Origin, ...]]


def wire(recipe: Recipe, place: Place, folder: Path | None = None) -> Wiring:
    """Return the wiring of a recipe.

    Parameters
    ----------
    recipe
        As merged from its files.
    place
        Says where a key stands, for the messages.
    folder
        The folder of the recipe, to which files named in parameters are relative.

    Raises
    ------
    ConfigurationError
        With one sentence for each mistake: unknown steps, parameters, sources and outputs, wrong types, missing inputs,
        circles.
    """
    desk = _Desk(recipe, place, folder)
    for name in recipe.steps:
        _find_class(desk, name)
    steps = {name: _wire_step(desk, name) for name in desk.classes if recipe.steps[name].enabled}
    output = {path: _all_origins(desk, source, None, ("output", path)) for path, source in recipe.output.items()}
    order = _order(desk, {n: s for n, s in steps.items() if s})
    for name in [name for name in recipe.limits if name not in recipe.steps]:
        desk.complain(f"there is no step {name!r}; {suggest(name, recipe.steps)}", "limits", name)
    if desk.problems:
        raise ConfigurationError(desk.problems)
    return Wiring(_with_kinds([step for name in order if (step := steps[name])]), output)


def _with_kinds(steps: Sequence[WiredStep]) -> tuple[WiredStep, ...]:
    """Return the steps, in an order in which they can run, with the kinds of frames of which each input is made."""
    behind: dict[str, frozenset[str]] = {}
    found = []
    for step in steps:
        inputs = tuple(replace(wired, kinds=_kinds_of(wired.origins, behind)) for wired in step.inputs)
        behind[step.name] = inputs[0].kinds if inputs else frozenset()
        found.append(replace(step, inputs=inputs))
    return tuple(found)


def _kinds_of(origins: Iterable[Origin], behind: Mapping[str, frozenset[str]]) -> frozenset[str]:
    kinds: set[str] = set()
    for origin in origins:
        all_of_it = behind.get(origin.step, frozenset())
        kinds |= all_of_it & origin.kinds if all_of_it and origin.kinds else all_of_it or origin.kinds or frozenset()
    return frozenset(kinds)


def _find_class(desk: _Desk, name: str) -> None:
    if name == FRAMES:
        desk.complain(f"a step cannot be called {FRAMES!r}, which stands for the raw frames", "steps", name)
    entry = desk.recipe.steps[name]
    if not entry.uses and name not in plugins(STEPS):
        known = {*desk.recipe.steps, *plugins(STEPS)} - {name}
        desk.complain(f"there is no step {name!r}; {suggest(name, known) or 'none is installed'}", "steps", name)
        return
    try:
        cls = get_step(desk.recipe.uses(name))
        if not [port for port in cls.inputs() if port.types != (INSTRUMENT,)] or not cls.outputs():
            raise ConfigurationError(f"{desk.recipe.uses(name)} takes no data")
        desk.classes[name] = cls
    except (ConfigurationError, TypeError) as error:
        key = ("uses",) if entry.uses else ()
        desk.complain(str(error), "steps", name, *key)


def _wire_step(desk: _Desk, name: str) -> WiredStep | None:
    entry, cls = desk.recipe.steps[name], desk.classes[name]
    step = _with_parameters(desk, name, cls, entry)
    ports = {port.name: port for port in cls.inputs()}
    instrument = next((port.name for port in ports.values() if port.types == (INSTRUMENT,)), "")
    ports.pop(instrument, None)
    for unknown in sorted(set(entry.inputs) - set(ports)):
        desk.complain(f"{desk.recipe.uses(name)} has no input {unknown!r}; {suggest(unknown, ports)}",
                      "steps", name, "inputs", unknown)  # fmt: skip
    inputs = tuple(w for port in ports.values() if (w := _wire_input(desk, name, port, entry)))
    if entry.by and inputs and not inputs[0].port.many:
        desk.complain(f"{desk.recipe.uses(name)} gathers nothing: it runs on every {inputs[0].port.name} by itself",
                      "steps", name, "by")  # fmt: skip
    plugin = find(STEPS, desk.recipe.uses(name))
    if step is None:
        return None
    return WiredStep(name, desk.recipe.uses(name), step, plugin.owner, plugin.version, inputs, instrument, entry.by)


def _with_parameters(desk: _Desk, name: str, cls: type[Step], entry: StepEntry) -> Step | None:
    try:
        return cls.model_validate(entry.params, context={FOLDER: desk.folder})
    except ValidationError as error:
        for e in error.errors():
            key = str(e["loc"][0]) if e["loc"] else ""
            if e["type"] == "extra_forbidden":
                allowed = suggest(key, cls.model_fields) or "it has none"
                text = f"{desk.recipe.uses(name)} has no parameter {key!r}; {allowed}"
            else:
                text = f"{e['msg']}, found {e['input']!r}"
            desk.complain(text, "steps", name, "params", key)
        return None


def _wire_input(desk: _Desk, name: str, port: Port, entry: StepEntry) -> WiredInput | None:
    source = entry.inputs.get(port.name)
    if source is None:
        if not port.optional:
            desk.complain(f"the input {port} has no source; give inputs.{port.name}", "steps", name)
        return None
    location = ("steps", name, "inputs", port.name)
    if source.pick == "around" and not port.many:
        desk.complain(f"pick = 'around' takes two, but the input {port} takes one; use 'nearest'", *location)
    origins = _all_origins(desk, source, port, location)
    if not origins and not port.optional and not desk.problems:
        desk.complain(f"the input {port} comes only from steps that are disabled", *location)
    return WiredInput(port, origins, source) if origins else None


def _all_origins(desk: _Desk, source: Source, port: Port | None, location: tuple[str, ...]) -> tuple[Origin, ...]:
    for kind in source.kind:
        if kind not in KINDS:
            desk.complain(f"there is no kind of frame {kind!r}; {suggest(kind, KINDS)}", *location)
    found = [origin.only(source.kind) for text in source.from_ for origin in _origins(desk, text, port, location)]
    return tuple(dict.fromkeys(found))


def _origins(
    desk: _Desk, text: str, port: Port | None, location: tuple[str, ...], passed: tuple[str, ...] = ()
) -> Iterator[Origin]:
    """Yield the origin that `text` names; for a disabled step, that of its first input if it can stand in."""
    step, _, output = text.partition(".")
    if step == FRAMES:
        if port is not None and not port.accepts(_RAW):
            desk.complain(f"takes {' | '.join(port.types)}, but frames are {' | '.join(_RAW.types)}", *location)
        yield Origin(FRAMES)
        return
    if step not in desk.recipe.steps:
        desk.complain(f"there is no step {step!r}; {suggest(step, [*desk.recipe.steps, FRAMES])}", *location)
        return
    cls = desk.classes.get(step)
    if cls is None:
        return
    outputs = {p.name: p for p in cls.outputs()}
    if not output and len(outputs) == 1:
        output = next(iter(outputs))
    if output not in outputs:
        desk.complain(f"the step {step!r} has no output {output!r}; {suggest(output, outputs)}", *location)
        return
    if port is not None and not port.accepts(outputs[output]):
        found = " | ".join(outputs[output].types)
        desk.complain(f"takes {' | '.join(port.types)}, but {step}.{output} is {found}", *location)
        return
    if desk.recipe.steps[step].enabled:
        yield Origin(step, output)
        return
    if step in passed:
        desk.complain(f"the disabled steps run in a circle: {' -> '.join((*passed, step))}", *location)
        return
    first = cls.inputs()[0]
    if not first.many and first.accepts(outputs[output]) and first.name in desk.recipe.steps[step].inputs:
        source = desk.recipe.steps[step].inputs[first.name]
        for further in source.from_:
            beyond = _origins(desk, further, port, location, (*passed, step))
            yield from (origin.only(source.kind) for origin in beyond)


def _order(desk: _Desk, steps: dict[str, WiredStep]) -> list[str]:
    needs = {n: [o.step for i in step.inputs for o in i.origins if o.step in steps] for n, step in steps.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        desk.problems.append(f"{desk.place('steps')}: the steps run in a circle: {circle}")
        return []
