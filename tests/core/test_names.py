"""Names from headers are harmless as names of files, and stay distinct."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alfosc_reduce.names import distinct_names, plain_ascii, safe_name, stem

headers = st.text(max_size=150)


@given(headers)
@example("..")
@example("../../etc/passwd")
@example("a" * 300)
@example("C:\\nul")
def test_safe_names_are_single_harmless_components(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name) <= 100 and name.isascii()
    assert not name.startswith(".") and not set(name) & set(" /\\:*?\"'<>|$&;`\n\t\0")
    assert len(Path(name).parts) == 1


@given(headers)
def test_safe_names_are_safe_already(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@given(st.lists(headers, unique=True, max_size=20))
@example(["a b", "a_b", "a/b", "A B"])
@example(["", "..", "/"])
@example(["星", "月"])
def test_distinct_texts_get_distinct_names_even_where_case_does_not_count(texts: list[str]) -> None:
    names = distinct_names(texts)
    assert list(names) == texts
    assert len({name.lower() for name in names.values()}) == len(texts)


def test_a_name_that_looks_like_anothers_hash_stays_distinct() -> None:
    first = distinct_names(["a b", "a_b"])["a b"]
    assert len(set(distinct_names(["a b", "a_b", first]).values())) == 3


def test_names_do_not_depend_on_order_and_readable_ones_stay() -> None:
    assert distinct_names(["M 1", "NGC 7"]) == {"M 1": "M_1", "NGC 7": "NGC_7"}
    assert distinct_names(["a b", "a/b"]) == dict(reversed(distinct_names(["a/b", "a b"]).items()))


@pytest.mark.parametrize("name", ["a.fits", "a.FITS", "a.fits.gz", "a.fit", "a.fts.bz2", "a.fits.fz", "a"])
def test_stem_has_no_endings(name: str) -> None:
    assert stem(Path("/raw") / name) == "a"


def test_accents_go_and_letters_stay() -> None:
    assert plain_ascii("Müller's é") == "Muller's e"
