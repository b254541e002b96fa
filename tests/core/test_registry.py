"""Plugins are found by entry point alone, and whatever is wrong with one is a sentence."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alfosc_reduce import ConfigurationError, Step, get_instrument, get_step, registry

Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions, the only one there is."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = set(sys.modules)

    def only(**wanted: str) -> importlib.metadata.EntryPoints:
        found = [entry for d in importlib.metadata.distributions(path=[str(tmp_path)]) for entry in d.entry_points]
        return importlib.metadata.EntryPoints(found).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", only)
    monkeypatch.setattr("stevedore._cache.get_group_all", lambda group: list(only(group=group)))
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("fake_"):
            del sys.modules[name]


def install(site: Path, owner: str, code: str, *, group: str = registry.STEPS, name: str = "smooth") -> None:
    """Put a distribution in `site` that publishes ``Thing`` of a module with this code."""
    module = f"fake_{owner.replace('-', '_')}"
    (site / f"{module}.py").write_text(code)
    folder = site / f"{module}-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:Thing\n")


STEP = """
from alfosc_reduce import Step
class Thing(Step):
    "Do it."
    def __call__(self, image): return image
"""


def test_a_plugin_is_found_with_owner_and_version(site: Path) -> None:
    install(site, "owner-a", STEP)
    (plugin,) = registry.plugins(registry.STEPS).values()
    assert (plugin.name, plugin.owner, plugin.version) == ("smooth", "owner-a", "1.2")
    assert issubclass(get_step("smooth"), Step) and get_step("smooth")().model_dump() == {}


def test_listing_imports_nothing(site: Path) -> None:
    install(site, "owner-a", "raise RuntimeError('imported')")
    assert list(registry.plugins(registry.STEPS)) == ["smooth"]


def test_two_owners_of_one_name_are_refused(site: Path) -> None:
    install(site, "owner-a", STEP)
    install(site, "owner-b", STEP)
    with pytest.raises(ConfigurationError, match=r"'smooth' is published by both owner-\w .* and owner-\w .*uninstall"):
        registry.plugins(registry.STEPS)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("1 / 0", "ZeroDivisionError"),
        ("Other = 3", "AttributeError"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_broken_plugin_names_its_owner(site: Path, code: str, words: str) -> None:
    install(site, "owner-a", code)
    with pytest.raises(ConfigurationError, match=r"'smooth' of owner-a 1.2 cannot be loaded") as error:
        get_step("smooth")
    assert words in str(error.value)


@pytest.mark.parametrize("code", ["Thing = 3", "class Thing: pass", "def Thing(): pass"])
def test_what_is_no_step_is_refused(site: Path, code: str) -> None:
    install(site, "owner-a", code)
    with pytest.raises(ConfigurationError, match=r"'smooth' of owner-a is no Step class"):
        get_step("smooth")


def test_what_is_no_instrument_is_refused(site: Path) -> None:
    install(site, "owner-a", STEP, group=registry.INSTRUMENTS, name="camera")
    with pytest.raises(ConfigurationError, match=r"'camera' of owner-a is no Instrument class"):
        get_instrument("camera")


def test_unknown_name_gets_the_nearest_spelling(site: Path) -> None:
    install(site, "owner-a", STEP)
    with pytest.raises(ConfigurationError, match=r"there is no step 'smoth'.*did you mean 'smooth'"):
        get_step("smoth")


def test_empty_registry_says_so(site: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no instrument 'alfosc'.*none is installed"):
        get_instrument("alfosc")
