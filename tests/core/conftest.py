"""The core stands alone: its tests see no installed step and no installed instrument, only toys they bring along."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoints, entry_points
from typing import Any

import pytest
from stevedore import ExtensionManager

from alfosc_reduce import registry

HIDDEN = {"alfosc-reduce", "alfosc-reduce-stranger"}


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def visible(**wanted: Any) -> EntryPoints:
        return EntryPoints(e for e in entry_points(**wanted) if e.dist is None or e.dist.name not in HIDDEN)

    monkeypatch.setattr(registry, "entry_points", visible)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    ExtensionManager.ENTRY_POINT_CACHE.clear()
    for function in (registry.plugins, registry.load_plugin):
        function.cache_clear()
