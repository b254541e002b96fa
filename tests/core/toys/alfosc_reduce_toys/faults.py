"""A stranger's step that breaks in a chosen way on a chosen frame."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alfosc_reduce import DataError, Step
from alfosc_reduce.images import make_image

if TYPE_CHECKING:
    from astropy.nddata import CCDData


class Touch(Step):
    """Hand an image on, or break."""

    fault: str = ""
    """How to break."""
    victim: str = ""
    """Object of the frames on which to break; empty for all."""
    places: str = ""
    """Folder with the pipes ``reached`` and ``go``, for the fault ``wait``."""

    def __call__(self, image: CCDData) -> CCDData:
        if self.fault and self.victim in ("", image.meta["OBJECT"]):
            return FAULTS[self.fault](image, self.places)
        return make_image(image.data, unit="electron", header=image.meta, variance=image.uncertainty.array)

    def figures(self, result: CCDData, **inputs: Any) -> Iterator[tuple[str, Any]]:
        if self.victim in ("", result.meta["OBJECT"]):
            DRAWING_FAULTS.get(self.fault, _nothing)(result, "")
        yield from ()


def _nothing(image: CCDData, places: str) -> Any:
    return make_image(image.data, unit="electron", header=image.meta, variance=image.uncertainty.array)


def _raise(image: CCDData, places: str) -> Any:
    raise KeyError("no such thing")


def _refuse(image: CCDData, places: str) -> Any:
    raise DataError("toy: nothing but zeros; leave this frame out", _evidence())


def _evidence() -> Iterator[tuple[str, Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1), dpi=50)
    figure.subplots().plot([0, 1])
    yield "zeros", figure
    raise ValueError("the second figure fails")


def _wrong(image: CCDData, places: str) -> Any:
    return "an image"


def _change(image: CCDData, places: str) -> Any:
    image.data[0, 0] = 1
    return image


def _kill(image: CCDData, places: str) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave(image: CCDData, places: str) -> Any:
    os._exit(3)


def _exit(image: CCDData, places: str) -> Any:
    sys.exit(3)


def _memory(image: CCDData, places: str) -> Any:
    raise MemoryError


def _speak(image: CCDData, places: str) -> Any:
    logging.getLogger(__name__).warning("the lamp was weak")
    return make_image(image.data, unit="electron", header=image.meta, variance=image.uncertainty.array)


def _wait(image: CCDData, places: str) -> Any:
    """Say that this point is reached, then wait until told to go on; pipes block, so that nobody need sleep."""
    if (Path(places) / "reached").exists():
        (Path(places) / "reached").write_text(f"{os.getpid()}\n")
        (Path(places) / "go").read_text()
    return make_image(image.data, unit="electron", header=image.meta, variance=image.uncertainty.array)


FAULTS = {
    "raise": _raise,
    "refuse": _refuse,
    "wrong": _wrong,
    "change": _change,
    "kill": _kill,
    "leave": _leave,
    "exit": _exit,
    "memory": _memory,
    "speak": _speak,
    "wait": _wait,
    "undrawable": _nothing,
    "kill when drawing": _nothing,
}
DRAWING_FAULTS = {"undrawable": _raise, "kill when drawing": _kill}
