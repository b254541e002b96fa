"""Carrying out one order: load, call the step, check, save, draw. Runs in a worker process."""

from __future__ import annotations

import logging
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from alfosc_reduce.drawing import draw
from alfosc_reduce.errors import DataError, ReductionError
from alfosc_reduce.names import plain_ascii
from alfosc_reduce.orders import Input, Order, ProductInput, RawInput
from alfosc_reduce.pools import give_back_memory
from alfosc_reduce.provenance import make_record
from alfosc_reduce.registry import get_instrument, get_step
from alfosc_reduce.step import Step
from alfosc_reduce.store import Store


@dataclass(frozen=True)
class Outcome:
    """How an order ended.

    Attributes
    ----------
    key
        Of the order.
    error
        Empty if all went well, else the sentence for the user.
    trace
        Traceback of an unexpected error, for the log.
    seconds
        Wall time.
    figures
        Files that show why it failed.
    """

    key: str
    error: str = ""
    trace: str = ""
    seconds: float = 0.0
    figures: tuple[str, ...] = ()


Announce = Callable[[Outcome], None]


class Loader(Sequence[Any]):
    """The members of a gathering input, each read from disk when it is looked at."""

    def __init__(self, store: Store, inputs: Sequence[Input]) -> None:
        self._store, self._inputs = store, inputs

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Loader(self._store, self._inputs[index])
        return load_input(self._store, self._inputs[index], memmap=True)


def load_input(store: Store, item: Input, *, memmap: bool = False) -> Any:
    """Return one input, its arrays write-protected: a step that changes its input fails where it does so."""
    from alfosc_reduce.products import load

    if isinstance(item, RawInput):
        product = _read_raw(item)
    else:
        product = load(store.product(item.task, item.output), memmap=memmap)
    protect(product)
    return product


def _read_raw(item: RawInput) -> Any:
    instrument = get_instrument(item.instrument)
    try:
        product = instrument.read(Path(item.path))
    except ReductionError:
        raise
    except Exception as error:
        raise DataError(f"{item.path}: cannot be read ({type(error).__name__}: {error}); leave it out") from error
    product.meta["FRAMEKND"], product.meta["OBJECT"] = item.kind, plain_ascii(item.object)
    return product


def protect(product: Any) -> None:
    """Make the arrays of a product read-only, in lists, tables, columns and uncertainties too."""
    import numpy as np

    if isinstance(product, np.ndarray):
        product.flags.writeable = False
    for member in _members(product):
        protect(member)


def _members(product: Any) -> Iterable[Any]:
    bases = {base.__name__ for base in type(product).__mro__}
    if "Header" in bases:
        return ()  # of FITS: no arrays, and to ask for all values would parse them all
    if isinstance(product, Mapping):
        return product.values()
    if isinstance(product, (list, tuple)):
        return product
    if "Table" in bases:
        return list(product.columns.values())
    if bases & {"NDData", "NDUncertainty"} or is_dataclass(product):
        return list(getattr(product, "__dict__", {}).values())
    return ()


def _nobody(outcome: Outcome) -> None:
    """Tell nobody."""


def carry_out(order: Order, store_folder: str, announce: Announce = _nobody) -> Outcome:
    """Carry out an order; never raises, so that one bad frame never ends the night.

    Parameters
    ----------
    order, store_folder
        What to do, and where.
    announce
        Called as soon as the products are there for others, before the figures are drawn.
    """
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    store = Store(Path(store_folder))
    try:
        # One thread for linear algebra everywhere: sums in another order are other bits.
        with remarks() as said, warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            _carry_out(order, store, said, lambda seconds: announce(Outcome(order.key, seconds=seconds)))
    except ReductionError as error:
        figures = _evidence(error, store, order)
        return Outcome(order.key, str(error), seconds=time.perf_counter() - started, figures=figures)
    except MemoryError:
        return Outcome(order.key, "ran out of memory; use fewer --jobs", seconds=time.perf_counter() - started)
    except (Exception, SystemExit) as error:
        return Outcome(order.key, _sentence(error, order), traceback.format_exc(), time.perf_counter() - started)
    return Outcome(order.key, seconds=time.perf_counter() - started)


def _evidence(error: ReductionError, store: Store, order: Order) -> tuple[str, ...]:
    """Save the figures that an error brings and return their files; the first that fails is the last tried."""
    files: list[str] = []
    with suppress(Exception):
        for figure in getattr(error, "figures", ()):
            folder = store.scrap(order.key)
            files += [str(folder / f"{name}.png") for name in draw([figure], folder)]
    return tuple(files)


def _sentence(error: BaseException, order: Order) -> str:
    owner = f"{order.uses} of {order.facts.get('owner')} {order.facts.get('version')}"
    if isinstance(error, ValueError) and "read-only" in str(error):
        return f"{owner} changes its input, which steps must not do ({error}); report it to the author"
    return f"{owner} broke: {type(error).__name__}: {error}; the traceback is in the log"


def _carry_out(order: Order, store: Store, said: list[str], ready: Callable[[float], None]) -> None:
    started = time.perf_counter()
    step = get_step(order.uses)(**order.parameters)
    inputs = {
        name: Loader(store, value) if isinstance(value, tuple) else load_input(store, value) if value else None
        for name, value in order.inputs.items()
    }
    name, argument = order.instrument
    arguments = {**inputs, argument: get_instrument(name)} if argument else inputs
    result = step(**arguments)
    outputs = named_outputs(step, result, order)
    with store.making(order.key) as folder:
        _save(outputs, folder, order, _files_of(order, inputs, store))
        quality = _attempt("quality numbers", said, lambda: dict(step.quality(result, **arguments)), {})
        record = make_record(order, outputs, quality, said, time.perf_counter() - started)
        store.write_record(folder, record)
        if draws := type(step).figures is not Step.figures:
            store.await_figures(folder)
    ready(time.perf_counter() - started)
    if draws:
        give_back_memory()
        _add_figures(order.key, store, lambda: step.figures(result, **arguments), record, said)


def _add_figures(key: str, store: Store, make: Callable[[], Any], record: dict[str, Any], said: list[str]) -> None:
    """Draw what there is to see of products that are in use already."""
    with store.drawing(key) as folder:
        names = _attempt("figures", said, lambda: draw(make(), folder), [])
        store.add_figures(key, folder, {**record, "figures": names, "remarks": list(said)})


def named_outputs(step: Step, result: Any, order: Order) -> dict[str, Any]:
    """Return the outputs of a call by name; raises `ReductionError` if they are not of the promised types."""
    ports = step.outputs()
    values = [result] if len(ports) == 1 and not _is_named(result, ports[0].name) else list(result)
    outputs = dict(zip((port.name for port in ports), values, strict=True))
    for port in ports:
        names = {base.__name__ for base in type(outputs[port.name]).__mro__}
        if not names & set(port.types) and "Any" not in port.types:
            raise ReductionError(
                f"{order.uses} of {order.facts.get('owner')} returned {type(outputs[port.name]).__name__} for {port}; "
                "report it to the author"
            )
    return outputs


def _is_named(result: Any, name: str) -> bool:
    return getattr(result, "_fields", ()) == (name,)


def _files_of(order: Order, inputs: Mapping[str, Any], store: Store) -> list[tuple[Any, Path]]:
    """Return the single inputs that are stored products, with their files."""
    return [
        (inputs[name], store.product(value.task, value.output))
        for name, value in order.inputs.items()
        if isinstance(value, ProductInput)
    ]


def _save(outputs: Mapping[str, Any], folder: Path, order: Order, files: Sequence[tuple[Any, Path]]) -> None:
    """Write what a step returned; an input that it returned as it is gets another name, as long as the disk can."""
    from alfosc_reduce.products import save

    for name, product in outputs.items():
        place = folder / f"{name}.fits"
        same = next((file for given, file in files if given is product), None)
        if same is None or not _linked(same, place):
            save(product, place, cards={"PROVKEY": order.key})


def _linked(file: Path, place: Path) -> bool:
    try:
        place.hardlink_to(file)
    except (OSError, NotImplementedError):
        return False
    return True


def _attempt(what: str, said: list[str], make: Any, otherwise: Any) -> Any:
    """Return what `make` makes; a failure costs the figures or the numbers, never the product."""
    try:
        return make()
    except Exception as error:
        said.append(f"no {what}: {type(error).__name__}: {error}")
        return otherwise


class remarks:  # noqa: N801 - used as a context manager, like a function
    """Collect what steps say through `logging` during the block, as ``LEVEL: sentence``."""

    def __enter__(self) -> list[str]:
        said: list[str] = []
        here = threading.get_ident()

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                # A Dask worker carries out several tasks in threads: each hears only itself.
                if record.thread == here:
                    said.append(f"{record.levelname}: {record.getMessage()}")

        self._handler = Handler(logging.INFO)
        self._root = logging.getLogger()
        self._level = self._root.level
        self._root.addHandler(self._handler)
        self._root.setLevel(logging.INFO)
        return said

    def __exit__(self, *details: object) -> None:
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._level)
