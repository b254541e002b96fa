"""Texts for a person: the log, the numbers, the provenance of a product."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.bookkeeping import quality_text, write_text
from alfosc_reduce.errors import DataError, ReductionError
from alfosc_reduce.provenance import chain, library_versions, table_hdu
from alfosc_reduce.store import Store

numbers = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), numbers, max_size=4))
def test_numbers_are_always_valid_json_and_finite(document: dict[str, Any]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(quality_text(document), parse_constant=refuse)
    assert set(found) == set(document)
    for key, value in document.items():
        if isinstance(value, float):
            assert found[key] == (value if math.isfinite(value) else None)


def test_text_is_written_whole_or_told(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b.txt", "Ångström")
    assert (tmp_path / "a/b.txt").read_text(encoding="utf-8") == "Ångström"
    (tmp_path / "file").touch()
    with pytest.raises(ReductionError, match=r"cannot write .*file/b.txt: .*file is a file, .*; move it away"):
        write_text(tmp_path / "file/b.txt", "")


def record(store: Store, key: str, **used: list[dict[str, str]]) -> None:
    with store.making(key) as folder:
        (folder / "result.fits").touch()
        store.write_record(
            folder,
            {
                "entity": {"key": key, "name": f"step[{key}]", "outputs": {"result": "CCDData"}},
                "activity": {"uses": "step", "parameters": {"width": "3 pix"}},
                "agent": {"owner": "us", "version": "1"},
                "used": used,
            },
        )


def test_ancestors_stand_before_what_was_made_of_them_and_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = lambda key: {"key": key, "output": "result", "name": f"step[{key}]"}  # noqa: E731
    record(store, "a", image=[{"file": "raw.fits", "content": "hash", "kind": "bias"}])
    record(store, "b", image=[made("a")])
    record(store, "c", frames=[made("b"), made("a")], bias=[], dark=[made("b")])
    found = chain(store, "c")
    assert [r["entity"]["key"] for r in found] == ["a", "b", "c"]
    rows = table_hdu(found).data
    assert list(rows["name"]) == ["step[a]", "step[b]", "step[c]"]
    assert json.loads(rows["inputs"][2]) == {"frames": ["step[b]", "step[a]"], "bias": [], "dark": ["step[b]"]}
    assert json.loads(rows["files"][0]) == [{"file": "raw.fits", "content": "hash"}]


def test_missing_ancestor_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the store has no product gone"):
        chain(Store(tmp_path), "gone")


def test_versions_of_libraries_are_known() -> None:
    assert {"numpy", "scipy", "astropy"} <= set(library_versions())
