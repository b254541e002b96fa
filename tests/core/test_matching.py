"""Which candidate is chosen, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.matching import Item, MatchError, choose
from alfosc_reduce.ports import Port
from alfosc_reduce.recipe import Source
from alfosc_reduce.wiring import Origin, WiredInput


def wired(*, optional: bool = False, many: bool = False, **source: Any) -> WiredInput:
    port = Port("arc", ("CCDData",), many=many, optional=optional)
    return WiredInput(port, (Origin("arcs", "result"),), Source.model_validate({"from": "arcs", **source}))


def item(name: str, time: float = 0.0, *, blocked: bool = False, **where: str) -> Item:
    return Item(where, time, task=name, blocked=blocked)


HERE = {"grism": "G4", "slit": "1.0", "target": "M 1", "frame": "a", "sequence": "7", "kind": "object", "setup": "s"}
ARC = wired(match=["grism"], prefer=["slit", "target"], pick="nearest")


def chosen(found: Any) -> str:
    assert isinstance(found.items, Item)
    return found.items.name


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(-10, 10))
def test_nearest_in_time_is_really_nearest(times: list[float], time: float) -> None:
    found = [item(f"arc{i}", t, grism="G4") for i, t in enumerate(times)]
    best = choose(wired(match=["grism"], pick="nearest"), found, HERE, time).items
    assert isinstance(best, Item) and abs(best.time - time) == min(abs(t - time) for t in times)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=8))
def test_preferences_come_before_nearness_in_their_order(rows: list[tuple[str, str, int]]) -> None:
    found = [item(f"{i}", float(t), grism="G4", slit=s, target=g) for i, (s, g, t) in enumerate(rows)]
    best = choose(ARC, found, {**HERE, "slit": "a", "target": "a"}, 0.0).items
    assert isinstance(best, Item)
    key = lambda i: (i.coordinates["slit"] != "a", i.coordinates["target"] != "a", i.time, i.name)  # noqa: E731
    assert best == min(found, key=key)


AROUND = wired(many=True, optional=True, match=["grism"], pick="around")
TIMES = st.lists(st.integers(-9, 9), min_size=1, max_size=8, unique=True)


@given(TIMES, st.integers(-10, 10))
def test_around_takes_the_nearest_on_either_side(times: list[int], time: int) -> None:
    found = [item(f"arc{t}", float(t), grism="G4") for t in times]
    before, after = [t for t in times if t <= time], [t for t in times if t > time]
    expected = [float(t) for t in (*sorted(before)[-1:], *sorted(after)[:1])]
    items = choose(AROUND, found, HERE, float(time)).items
    assert isinstance(items, tuple) and [i.time for i in items] == expected


@given(TIMES, st.integers(-10, 10))
def test_what_is_nearest_of_all_is_among_those_around(times: list[int], time: int) -> None:
    found = [item(f"arc{t}", float(t), grism="G4") for t in times]
    around = choose(AROUND, found, HERE, float(time)).items
    one = choose(wired(many=True, match=["grism"], pick="nearest"), found, HERE, float(time)).items
    assert isinstance(around, tuple) and isinstance(one, tuple) and len(one) == 1
    assert abs(one[0].time - time) == min(abs(i.time - time) for i in around)


def test_around_says_what_was_chosen_and_takes_preferences_first() -> None:
    found = [item("x", 1.0, grism="G4", slit="1.3"), item("y", -2.0, grism="G4", slit="1.0"), item("z", grism="G7")]
    both = choose(AROUND, found, HERE, 0.0)
    assert both.reason == "y (48.0 h before) and x (24.0 h after)"
    same = wired(many=True, match=["grism"], prefer="slit", pick="around")
    alone = choose(same, found, HERE, 0.0)
    assert isinstance(alone.items, tuple) and [i.name for i in alone.items] == ["y"] and not alone.reason


def test_another_grism_is_never_taken_and_told() -> None:
    found = [item("x", grism="G7"), item("y", grism="G7"), item("z", grism="G5")]
    with pytest.raises(MatchError) as caught:
        choose(ARC, found, HERE, 0.0)
    assert str(caught.value) == (
        "arc: no arcs matches grism=G4 (there are: G5, G7 (2)); add such frames, or disable the step"
    )


def test_none_in_the_whole_night_is_told() -> None:
    with pytest.raises(MatchError, match="there is none in this night"):
        choose(ARC, [], HERE, 0.0)


def test_equal_coordinates_by_default_but_for_private_ones() -> None:
    same = item("same", frame="a", grism="G4", sequence="1", kind="arc", setup="t")
    other = item("other", frame="b", grism="G4", sequence="7")
    assert chosen(choose(wired(), [other, same], HERE, 0.0)) == "same"


def test_ambiguous_is_refused() -> None:
    with pytest.raises(MatchError, match=r"arc: 2 candidates \(x, y\); set match, or pick = 'nearest'"):
        choose(wired(match=["grism"]), [item("x", grism="G4"), item("y", grism="G4")], HERE, 0.0)


def test_optional_warns_or_is_silent() -> None:
    told = choose(wired(optional=True), [item("x", grism="G7")], HERE, 0.0)
    assert told.items is None and told.warning == "no arcs matches grism=G4 (there are: G7); goes on without"
    assert choose(wired(optional=True, missing="ignore"), [], HERE, 0.0).warning == ""


def test_blocked_candidate_blocks_or_is_done_without() -> None:
    blocked = item("x", blocked=True, grism="G4")
    with pytest.raises(MatchError, match=r"arc: needs x, which cannot run$"):
        choose(wired(match=["grism"]), [blocked], HERE, 0.0)
    assert choose(wired(optional=True, match=["grism"]), [blocked], HERE, 0.0).warning == (
        "needs x, which cannot run; goes on without"
    )
    assert chosen(choose(ARC, [blocked, item("y", 5.0, grism="G4")], HERE, 0.0)) == "y"


def test_reason_and_compromise_are_sentences() -> None:
    found = [item("x", 1 / 24, grism="G4", slit="1.3", target="M 1"), item("y", 0.5, grism="G4", slit="1.3", target="")]
    best = choose(ARC, found, HERE, 0.0)
    assert best.reason == "x (same target, 60 min after)"
    assert best.warning == "x has slit '1.3' instead of '1.0'"
    assert choose(ARC, [found[1]], HERE, 1.0).reason == "y (12.0 h before)"


def test_what_was_made_of_the_frame_itself_needs_no_reason() -> None:
    found = [item("sky[a]", frame="a"), item("sky[b]", frame="b")]
    best = choose(wired(), found, HERE, 0.0)
    assert chosen(best) == "sky[a]" and not best.reason


def test_gathering_takes_all_that_match_in_time_order() -> None:
    found = [item("c", 3, grism="G4"), item("a", 1, grism="G4"), item("b", 2, grism="G7")]
    items = choose(wired(many=True, match=["grism"]), found, HERE, 0.0).items
    assert isinstance(items, tuple) and [i.name for i in items] == ["a", "c"]
