"""A catalogue as a plugin and as a parameter: written in three ways, read back, refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alfosc_reduce import Catalog, ConfigurationError, DataError, get_catalog, get_step, load, save
from alfosc_reduce.catalog import bands_of, check_reference, in_cone, make_reference
from alfosc_reduce.cli.step_inputs import parse_parameters
from alfosc_reduce.explanation import ancestors_of, story
from alfosc_reduce.help_text import parameters_of
from alfosc_reduce.parameters import BY_CONTENT

Reduce = Callable[..., SimpleNamespace]
CENTRE = SkyCoord(10, 20, unit="deg")

pytestmark = pytest.mark.usefixtures("toys")


@pytest.mark.parametrize(
    ("written", "brightest"),
    [
        ("toy", 12.0),
        (" toy ", 12.0),
        ("toy:9.5", 9.5),
        ({"name": "toy"}, 12.0),
        ({"name": "toy", "brightest": 3}, 3.0),
        ("{name = 'toy', brightest = 4.5}", 4.5),
    ],
)
def test_three_ways_to_write_one(written: object, brightest: float) -> None:
    step = get_step("toy_look_up")(catalog=written)
    assert isinstance(step.catalog, Catalog) and step.catalog.brightest == brightest
    again = type(step).model_validate(step.model_dump(mode="json"))
    assert again == step and type(step).model_validate_json(step.model_dump_json()) == step
    with pytest.raises(ValidationError, match="frozen"):
        step.catalog.brightest = 1.0


@settings(deadline=None, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_parameters_come_back_exactly(brightest: float) -> None:
    step = get_step("toy_look_up")(
        catalog={"name": "toy", "brightest": brightest}, others=["toy", f"toy:{brightest!r}"]
    )
    again = type(step).model_validate_json(step.model_dump_json())
    assert again == step and again.others[1].brightest == brightest


def test_what_is_written_is_what_a_person_would_write() -> None:
    step = get_step("toy_look_up")(others=["toy", "toy:3"])
    assert step.model_dump(mode="json") == {"catalog": "toy", "others": ["toy", {"name": "toy", "brightest": 3.0}]}
    first, second = parameters_of(get_step("toy_look_up"))
    assert (first.kind, first.default, second.kind) == ("catalogue", '"toy"', "list of catalogue")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("tyo", "there is no catalog 'tyo'; did you mean 'toy'"),
        ("step", "'step' of alfosc-reduce-toys is no Catalog class"),
        ("nickname", "the catalogue 'nickname' of alfosc-reduce-toys calls itself 'toy'"),
        ({"name": "toy", "brightets": 1}, "the catalogue 'toy' has no parameter 'brightets'; did you mean 'brightest'"),
        ({"name": "toy", "brightest": "much"}, "the catalogue 'toy': brightest: Input should be a valid number"),
        ({"name": "toy", "path": "nowhere.txt"}, r"the catalogue 'toy': path: there is no file .*nowhere\.txt"),
        ({"brightest": 1}, "is not a catalogue; write"),
        (3, "3 is not a catalogue"),
        ("{name = ", "is not a TOML table"),
        ("", "there is no catalog ''"),
    ],
    ids=str,
)
def test_a_mistake_is_a_sentence(written: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as error:
        get_step("toy_look_up")(catalog=written)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("toy", 1),
        ('["toy", "toy:3"]', 2),
        ("['toy', {name = 'toy', brightest = 2}]", 2),
        ("{name='toy'}", 1),
        ("[]", 0),
    ],
)
def test_lists_on_the_command_line(text: str, number: int) -> None:
    step = parse_parameters(get_step("toy_look_up"), {"others": text, "catalog": "{name = 'toy', brightest = 7}"})
    assert len(step.others) == number and step.catalog.brightest == 7
    with pytest.raises(ConfigurationError, match=r"--others: there is no catalog 'tyo'.*did you mean 'toy'"):
        parse_parameters(get_step("toy_look_up"), {"others": '["tyo"]'})


def test_a_changed_file_is_another_result_and_a_moved_one_is_not(tmp_path: Path) -> None:
    def key(path: Path) -> Any:
        step = get_step("toy_look_up")(catalog={"name": "toy", "path": str(path)})
        return step.model_dump(mode="json", context=BY_CONTENT)

    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("15 16")
    second.write_text("15 16")
    assert key(first) == key(second)
    second.write_text("15 17")
    assert key(first) != key(second)


def test_the_code_of_the_catalogue_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from alfosc_reduce import catalog_choice

    step = get_step("toy_look_up")()
    before = step.model_dump(mode="json", context=BY_CONTENT)
    monkeypatch.setattr(catalog_choice, "code_of", lambda plugin: "other")
    assert step.model_dump(mode="json", context=BY_CONTENT) != before


def recipe_with(folder: Path, catalog: str) -> None:
    text = (folder / "recipe.toml").read_text()
    text += f'[steps.toy_look_up]\ninputs.image = "bias"\nparams.catalog = {catalog}\n'
    (folder / "recipe.toml").write_text(text)


def test_a_file_named_in_a_recipe_lies_beside_it_and_counts_by_content(
    night: Path, reduce_night: Reduce, carried_out: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe_with(night, '{ name = "toy", path = "more.txt" }')
    (night / "more.txt").write_text("15 16")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (look_up,) = [name for name in reduce_night().tasks if name.startswith("toy_look_up")]
    assert reduce_night().tasks[look_up]["quality"] == {"stars": 5}
    del carried_out[:]
    assert reduce_night().code == 0 and carried_out == []
    (night / "more.txt").write_text("15 16 17")
    assert reduce_night().tasks[look_up]["quality"] == {"stars": 6} and carried_out == [look_up]


def test_a_file_named_in_a_recipe_is_on_record(night: Path, reduce_night: Reduce) -> None:
    recipe_with(night, '{ name = "toy", path = "more.txt" }')
    text = (night / "recipe.toml").read_text()
    (night / "recipe.toml").write_text(f'{text}[output]\n"stars_{{readout}}.fits" = "toy_look_up"\n')
    (night / "more.txt").write_text("15 16")
    assert reduce_night().code == 0
    (product,) = (night / "reduced").glob("stars_*.fits")
    assert ancestors_of(product)[-1].named == ["more.txt"]
    told = story(product)
    assert "   read: more.txt" in told and "raw frames: more.txt" not in told


def test_a_missing_file_is_told_before_anything_runs(night: Path, reduce_night: Reduce, carried_out: list[str]) -> None:
    recipe_with(night, '{ name = "toy", path = "more.txt" }')
    with pytest.raises(ConfigurationError, match=r"recipe\.toml:\d+ \[steps\.toy_look_up\] params\.catalog: .*no file"):
        reduce_night()
    assert carried_out == []


def test_a_catalogue_that_cannot_be_had_blocks_only_what_needs_it(night: Path, reduce_night: Reduce) -> None:
    recipe_with(night, '"toy:99"')
    done = reduce_night()
    assert done.code == 1
    failed = {name: task["message"] for name, task in done.tasks.items() if task["state"] == "failed"}
    assert [*failed.values()] == ["the toy catalogue is on strike; come back tomorrow"]
    assert all(state == "done" for name, state in done.states.items() if name not in failed)
    recipe = (night / "recipe.toml").read_text().replace("toy:99", "toy:9")
    (night / "recipe.toml").write_text(recipe)
    assert reduce_night().code == 0


def reference(**changes: Any) -> QTable:
    given: dict[str, Any] = {
        "ra": [10.0, 10.001, 359.0], "dec": [20.0, 20.001, 20.0], "epoch": 2016.0,
        "magnitudes": {"V": ([12.0, np.nan, 14.0], [0.01, np.nan, 0.02]), "g": ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1])},
        "systems": {"V": "Vega", "g": "AB"}, "catalog": "mine", "centre": CENTRE, "radius": 1 * u.arcmin,
        "pmra": [1.0, np.nan, 3.0], "pmdec": [1.0, 2.0, 3.0], "extended": np.array([False, True, False]),
    } | changes  # fmt: skip
    return make_reference(**given)


def test_the_table_has_one_form(tmp_path: Path) -> None:
    table = reference()
    check_reference(table)
    assert list(table["source_id"]) == ["1", "2"] and bands_of(table) == ["V", "g"]
    assert table["ra"].unit == u.deg and table["pmra"].unit == u.mas / u.yr and table["epoch"].unit == u.yr
    assert list(table["pm_known"]) == [True, False] and list(table["pmra"].value) == [1.0, 0.0]
    assert np.isnan(table["mag_V"][1]) and list(table["extended"]) == [False, True]
    assert table.meta["MAGSYS"] == {"V": "Vega", "g": "AB"} and table.meta["COMPLETE"] is True
    back = load(save(table, tmp_path / "table.fits"))
    check_reference(back)
    assert back.meta == table.meta and back.colnames == table.colnames


def test_an_empty_table_has_the_same_form() -> None:
    table = in_cone(reference(), SkyCoord(200, -20, unit="deg"), 1 * u.arcmin)
    check_reference(table)
    assert len(table) == 0 and table.meta["RA"] == 200


places_around = st.lists(st.tuples(st.floats(0, 360), st.floats(0, 2)))


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 359.999), st.floats(-90, 90), st.floats(0.01, 3), places_around)
def test_a_cone_is_round_everywhere(ra: float, dec: float, radius: float, places: list[tuple[float, float]]) -> None:
    """Sources at a known angle and distance from the centre: inside if the distance is below the radius."""
    centre = SkyCoord(ra, dec, unit="deg")
    apart = [share * radius for _, share in places if abs(share - 1) > 1e-6]
    angles = [angle for angle, share in places if abs(share - 1) > 1e-6]
    sources = centre.directional_offset_by(angles * u.deg, apart * u.deg)
    table = reference(
        ra=sources.ra.deg, dec=sources.dec.deg, magnitudes={}, systems={}, centre=centre, radius=radius * u.deg,
        pmra=np.zeros(len(apart)), pmdec=np.zeros(len(apart)), extended=np.zeros(len(apart), bool),
    )  # fmt: skip
    assert {int(name) - 1 for name in table["source_id"]} == {n for n, d in enumerate(apart) if d <= radius}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.remove_column("pmra"), "no column pmra"),
        (lambda t: t.remove_column("mag_V_error"), "no column mag_V_error"),
        (lambda t: t.meta.pop("COMPLETE"), "meta has no COMPLETE"),
        (lambda t: t.meta.update(MAGSYS={"V": "Vega", "g": "ST"}), "does not say whether g is AB or Vega"),
        (lambda t: t.replace_column("ra", t["ra"].value), "ra has the unit None, not deg"),
    ],
)
def test_a_stranger_s_table_is_checked(spoil: Callable[[QTable], Any], words: str) -> None:
    table = reference()
    spoil(table)
    with pytest.raises(DataError, match=words):
        check_reference(table)


def test_get_catalog_by_name() -> None:
    catalog = get_catalog("toy")(brightest=5)
    assert len(catalog.sources(CENTRE, 1 * u.arcmin)) == 3
    with pytest.raises(ConfigurationError, match="did you mean 'toy'"):
        get_catalog("tpy")
