"""The core of alfosc-reduce: steps, instruments, recipes, plans and the store. It knows no step and no instrument.

A notebook needs little of it: ``from alfosc_reduce import get_step, get_instrument``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alfosc_reduce.products.loaders import announce

__version__ = "0.1.0"

__all__ = [
    "Catalog",
    "ConfigurationError",
    "DataError",
    "Flag",
    "Instrument",
    "ReductionError",
    "Step",
    "get_catalog",
    "get_instrument",
    "get_step",
    "load",
    "save",
]

if TYPE_CHECKING:
    from alfosc_reduce.catalog import Catalog
    from alfosc_reduce.errors import ConfigurationError, DataError, ReductionError
    from alfosc_reduce.flags import Flag
    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce.products import load, save
    from alfosc_reduce.registry import get_catalog, get_instrument, get_step
    from alfosc_reduce.step import Step

_HOMES = {
    "Catalog": "catalog",
    "ConfigurationError": "errors",
    "DataError": "errors",
    "Flag": "flags",
    "Instrument": "instrument",
    "ReductionError": "errors",
    "Step": "step",
    "get_catalog": "registry",
    "get_instrument": "registry",
    "get_step": "registry",
    "load": "products",
    "save": "products",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that ``--help`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


announce()
