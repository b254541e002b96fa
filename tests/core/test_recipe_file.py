"""Recipes: layers are merged, and every mistake is told at once, with its place and what is allowed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.recipe_file import line_of, merged, parse_override, read_recipe


def recipe(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_recipe(path, overrides)
    return caught.value.problems


def test_all_mistakes_are_told_with_place_and_nearest_spelling(tmp_path: Path) -> None:
    path = recipe(
        tmp_path,
        """colour = "red"
[input]
flies = ["raw"]
[steps.sky]
use = "subtract_sky"
by = 3
inputs.image = { frm = "cosmics" }
[steps.sky.inputs.wavelengths]
from = "wavelengths"
pick = "farthest"
[steps.arcs]
enabled = "perhaps"
[output]
"{target}/{frame}.fits" = 5
""",
    )
    found = problems(path)
    expected = [
        "recipe.toml:1 colour: there is no key 'colour' here; Allowed are: extends",
        "recipe.toml:3 [input] flies: there is no key 'flies' here; did you mean 'files'?",
        "recipe.toml:5 [steps.sky] use: there is no key 'use' here; did you mean 'uses'?",
        "recipe.toml:6 [steps.sky] by: input should be a valid tuple, found 3",
        "recipe.toml:7 [steps.sky] inputs.image.frm: there is no key 'frm' here; did you mean 'from'?",
        "recipe.toml:7 [steps.sky] inputs.image.from: field required",
        "recipe.toml:10 [steps.sky] inputs.wavelengths.pick: input should be 'nearest' or 'around', found 'farthest'",
        "recipe.toml:12 [steps.arcs] enabled: input should be a valid boolean",
        "recipe.toml:14 [output] {target}/{frame}.fits: input should be a valid dictionary",
    ]
    for sentence in expected:
        assert any(problem.startswith(sentence) for problem in found), f"{sentence}\n\n" + "\n".join(found)
    assert len(found) == len(expected)


def test_mistake_in_an_extended_file_names_that_file(tmp_path: Path) -> None:
    recipe(tmp_path, "\n[steps.sky]\nuse = 'x'\n", "base.toml")
    found = problems(recipe(tmp_path, "extends = 'base.toml'\n[steps.sky]\nenabled = true\n"))
    assert [p.partition(" ")[0] for p in found] == ["base.toml:3"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[input", "recipe.toml: not TOML: "),
        ("extends = 'gone.toml'", "extends = 'gone.toml': there is no file "),
        ("extends = 'recipe.toml'", "extends itself"),
        ("extends = 'toi:spec'", "there is no instrument 'toi'; did you mean 'toy'?"),
        ("extends = 'toy:spek'", "toy has no such recipe; did you mean 'spec'?"),
        ("extends = 5", "recipe.toml:1 extends: input should be a valid string"),
        ("steps = 5", "recipe.toml:1 [steps]: input should be a valid dictionary"),
    ],
)
def test_hopeless_recipe_says_why(tmp_path: Path, toys: SimpleNamespace, text: str, sentence: str) -> None:
    (found,) = problems(recipe(tmp_path, text))
    assert sentence in found


def test_missing_recipe_and_folder_instead_of_recipe(tmp_path: Path) -> None:
    assert "no such recipe; make one with 'alfosc-reduce init'" in problems(tmp_path / "recipe.toml")[0]
    assert "cannot be read: Is a directory" in problems(tmp_path)[0]
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    assert "not TOML" in problems(tmp_path / "a.toml")[0]


def test_circle_by_way_of_folders_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    recipe(tmp_path / "a", "extends = '../a/../recipe.toml'", "other.toml")
    assert "extends itself by way of" in problems(recipe(tmp_path, "extends = 'a/other.toml'"))[0]


def test_layers_merge_and_sources_are_replaced_whole(tmp_path: Path) -> None:
    recipe(
        tmp_path,
        """[steps.sky]
inputs.image = { from = "cosmics", kind = "object", pick = "nearest" }
params = { degree = 2, knots = 5 }
by = "target"
""",
        "base.toml",
    )
    path = recipe(tmp_path, "extends = 'base.toml'\n[steps.sky]\ninputs.image = 'flat'\nparams.degree = 3\n")
    sky = read_recipe(path, ["steps.sky.params.knots=7"]).recipe.steps["sky"]
    assert sky.params == {"degree": 3, "knots": 7}
    assert sky.by == ("target",)
    assert sky.inputs["image"].from_ == ("flat",) and not sky.inputs["image"].kind and sky.inputs["image"].pick is None


def test_instrument_follows_from_what_is_extended(tmp_path: Path, toys: SimpleNamespace) -> None:
    recipe(tmp_path, "extends = 'toy:spec'", "base.toml")
    assert read_recipe(recipe(tmp_path, "extends = 'base.toml'")).recipe.instrument == "toy"


@pytest.mark.parametrize("text", ["degree", "=3", "steps..x=3", " = "])
def test_malformed_override_says_how_to_write_it(tmp_path: Path, text: str) -> None:
    assert "write it as steps.NAME.params.PARAMETER=VALUE" in problems(recipe(tmp_path, ""), text)[0]


def test_override_with_a_wrong_key_says_what_is_allowed(tmp_path: Path) -> None:
    (found,) = problems(recipe(tmp_path, ""), "steps.sky.parms.degree=3")
    assert "[steps.sky] parms: there is no key 'parms' here; did you mean 'params'?" in found


scalars = st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False))


@given(scalars)
def test_overrides_keep_numbers(value: bool | int | float) -> None:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    found = parse_override(f"steps.a.params.b={text}")["steps"]["a"]["params"]["b"]
    assert found == value and type(found) is type(value)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"))))
def test_any_value_is_taken_as_toml_or_as_it_stands(text: str) -> None:
    found = parse_override(f"a.b={text}")["a"]["b"]
    assert not isinstance(found, str) or found.strip("\"'") in text


@pytest.mark.parametrize(
    ("text", "value"), [("3 arcsec", "3 arcsec"), ("[1, 2]", [1, 2]), ("'a=b'", "a=b"), ("a=b", "a=b"), ("", "")]
)
def test_override_values(text: str, value: object) -> None:
    assert parse_override(f"steps.a.params.b={text}") == {"steps": {"a": {"params": {"b": value}}}}


keys = st.sampled_from(["a", "b", "c"])
tables = st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(keys, tables), st.dictionaries(keys, tables), st.dictionaries(keys, tables))
def test_merging_is_associative_and_the_upper_layer_wins(a: dict, b: dict, c: dict) -> None:  # type: ignore[type-arg]
    assert merged(merged(a, {}), a) == a
    assert merged(a, b) | b == merged(a, b) | b
    for key, value in b.items():
        if not isinstance(value, dict):
            assert merged(a, b)[key] == value
    flat = {k: v for k, v in c.items() if not isinstance(v, dict)}
    assert merged(merged(a, b), flat) == merged(a, merged(b, flat))


def test_lines_are_found_in_every_way_to_write_a_key() -> None:
    text = """# [steps.a]
[steps.a]
params.x = 1
inputs = { image = "b" }
[steps."b c".params]
"y z" = [
  1,
]
[output]
"{target}/a b.fits" = "a"
"""
    assert line_of(text, ("steps", "a", "params", "x")) == 3
    assert line_of(text, ("steps", "a", "inputs", "image")) == 4
    assert line_of(text, ("steps", "b c", "params", "y z")) == 6
    assert line_of(text, ("output", "{target}/a b.fits")) == 10
    assert line_of(text, ("nothing",)) is None
