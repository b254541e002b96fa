"""Steps, instruments and catalogues, found only through entry points: ours the same way as a stranger's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import ConfigurationError, suggest

if TYPE_CHECKING:
    from alfosc_reduce.catalog import Catalog
    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce.step import Step

STEPS = "alfosc_reduce.steps"
INSTRUMENTS = "alfosc_reduce.instruments"
CATALOGS = "alfosc_reduce.catalogs"


@dataclass(frozen=True)
class Plugin:
    """An entry point: its name, and the distribution and version that own it."""

    name: str
    owner: str
    version: str
    entry: EntryPoint


@cache
def plugins(group: str) -> dict[str, Plugin]:
    """Return the installed plugins of a group by name, without importing any.

    Raises
    ------
    ConfigurationError
        If two distributions publish the same name: neither is chosen in silence.
    """
    found: dict[str, Plugin] = {}
    for entry in entry_points(group=group):
        owner = entry.dist.name if entry.dist else "unknown"
        plugin = Plugin(entry.name, owner, entry.dist.version if entry.dist else "0", entry)
        other = found.setdefault(entry.name, plugin)
        if other.entry.value != entry.value:
            raise ConfigurationError(
                f"{group}: the name {entry.name!r} is published by both {other.owner} ({other.entry.value}) and "
                f"{owner} ({entry.value}); uninstall one of them"
            )
    return dict(sorted(found.items()))


def find(group: str, name: str) -> Plugin:
    """Return one plugin; raises `ConfigurationError` with the nearest spelling if there is none."""
    installed = plugins(group)
    if name not in installed:
        what = group.rpartition(".")[2].removesuffix("s")
        raise ConfigurationError(f"there is no {what} {name!r}; {suggest(name, installed) or 'none is installed'}")
    return installed[name]


@cache
def load_plugin(group: str, name: str) -> Any:
    """Import a plugin's object; a broken plugin becomes a `ConfigurationError` that names its owner."""
    from stevedore import DriverManager

    plugin = find(group, name)
    try:
        return DriverManager(group, name).driver
    except Exception as error:
        raise ConfigurationError(
            f"{name!r} of {plugin.owner} {plugin.version} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def get_step(name: str) -> type[Step]:
    """Return the class of a step by its entry-point name."""
    from alfosc_reduce.step import Step

    cls: type[Step] = _checked(STEPS, name, load_plugin(STEPS, name), Step)
    return cls


def get_instrument(name: str) -> Instrument:
    """Return an instrument by its entry-point name, e.g. ``get_instrument("alfosc")``."""
    from alfosc_reduce.instrument import Instrument

    cls = _checked(INSTRUMENTS, name, load_plugin(INSTRUMENTS, name), Instrument)
    instrument: Instrument = cls()
    return instrument


def get_catalog(name: str) -> type[Catalog]:
    """Return the class of a reference catalogue by its entry-point name, e.g. ``get_catalog("gaia")()``."""
    from alfosc_reduce.catalog import Catalog

    cls: type[Catalog] = _checked(CATALOGS, name, load_plugin(CATALOGS, name), Catalog)
    if getattr(cls, "name", "") != name:
        owner = find(CATALOGS, name).owner
        raise ConfigurationError(f"the catalogue {name!r} of {owner} calls itself {getattr(cls, 'name', '')!r}")
    return cls


def _checked(group: str, name: str, found: Any, base: type) -> Any:
    if not (isinstance(found, type) and issubclass(found, base)):
        owner = find(group, name).owner
        raise ConfigurationError(f"{name!r} of {owner} is no {base.__name__} class, but {found!r}")
    return found
