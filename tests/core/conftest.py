"""The core stands alone: its tests see no installed step and no installed instrument."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoints

import pytest

from alfosc_reduce import registry


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: EntryPoints())
    for function in (registry.plugins, registry.load_plugin):
        function.cache_clear()
    yield
    monkeypatch.undo()
    for function in (registry.plugins, registry.load_plugin):
        function.cache_clear()
