"""Starting a reduction: what is written, what is refused, and that the recipe shows the truth."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.initialisation import initialise, toml_value
from alfosc_reduce.recipe_file import read_recipe
from alfosc_reduce.reduction import Choices, prepare
from alfosc_reduce.wiring import Wiring, wire


def wired(path: Path) -> Wiring:
    file = read_recipe(path)
    return wire(file.recipe, file.place)


def start(night: Path, kind: str = "spec", **options: Any) -> list[str]:
    options.setdefault("overwrite", True)
    return initialise(kind, [str(night / "raw")], night, **options)


def test_frames_are_listed_and_files_written(night: Path) -> None:
    (night / "raw/notes.txt").write_text("clouds")
    lines = start(night)
    assert [line.split()[:2] for line in lines[:5]] == [
        ["2", "bias"], ["2", "object"], ["1", "arc"], ["1", "standard"], ["1", "arc"],
    ]  # fmt: skip
    assert "notes.txt: no frame: no FITS file (by its name)" in lines[5]
    assert lines[-1].endswith(f"next: alfosc-reduce run {night / 'recipe.toml'}")
    prepared = prepare(night / "recipe.toml", Choices())
    assert len(prepared.night.frames) == 7 and len(prepared.plan.tasks) == 25 and not prepared.plan.blocked


def test_every_parameter_stands_in_the_recipe_with_its_help(night: Path) -> None:
    start(night)
    text = (night / "recipe.toml").read_text()
    assert "# Add a level to an image.\n[steps.prepare]\n# enabled = true\n# What is added, ADU." in text
    assert "# params.level = 0.0" in text and "# params.label is not set" in text
    shipped = wired(Path(read_recipe(night / "recipe.toml").layers[1][0]))
    for step in shipped.steps:
        assert f"[steps.{step.name}]" in text
        table = text.partition(f"[steps.{step.name}]")[2].partition("\n[steps.")[0]
        assert all(f"# params.{name} " in table for name in type(step.step).model_fields)


def test_removing_every_comment_mark_changes_nothing(night: Path) -> None:
    start(night)
    path = night / "recipe.toml"
    before = wired(path)
    shown = re.sub(r"^# ((?:params\.\S+|enabled|exclude) = )", r"\1", path.read_text(), flags=re.MULTILINE)
    assert shown.count("\nparams.") == 8 and shown.count("\nenabled = true") == 8
    path.write_text(shown)
    assert wired(path) == before


def test_nothing_is_overwritten_unless_wanted(night: Path) -> None:
    (night / "recipe.toml").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"recipe.toml exist; add --overwrite to replace them"):
        start(night, overwrite=False)
    assert (night / "recipe.toml").read_text() == "mine" and not (night / "frames.ecsv").exists()


def test_folder_is_made(night: Path) -> None:
    initialise("spec", [str(night / "raw")], night / "a/b")
    assert prepare(night / "a/b/recipe.toml", Choices()).remarks == ()


def test_recipe_may_be_started_within_the_raw_folder(night: Path) -> None:
    initialise("spec", [str(night / "raw")], night / "raw")
    assert (night / "raw/frames.ecsv").exists()
    prepared = prepare(night / "raw/recipe.toml", Choices())
    assert len(prepared.night.frames) == 7


def test_files_may_be_given_one_by_one(night: Path) -> None:
    initialise("spec", [str(night / "raw/toy0.fits"), str(night / "raw/toy2.fits")], night, overwrite=True)
    assert [f.name for f in prepare(night / "recipe.toml", Choices()).night.frames] == ["toy0", "toy2"]


def test_no_frames_and_no_folder_are_told(night: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere: no such file or folder"):
        initialise("spec", [str(night / "nowhere")], night)
    (night / "empty").mkdir()
    (night / "empty/notes.txt").write_text("clouds")
    with pytest.raises(ConfigurationError, match=r"there are no frames in .*\nnotes.txt: no FITS file"):
        initialise("spec", [str(night / "empty")], night, overwrite=True)


def test_unknown_kind_of_recipe_is_told(night: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"toy has no recipe .spek.; did you mean .spec.\?"):
        start(night, "spek")


def test_unknown_instrument_is_told(night: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no instrument .toi.; did you mean .toy.\?"):
        start(night, instrument="toi")


def test_frames_of_several_instruments_need_a_choice(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alfosc_reduce_toys.instrument import Toy

    from alfosc_reduce import initialisation

    class Other(Toy):
        name = "other"

        def recognises(self, header: Any) -> bool:
            return bool(header["OBJECT"] == "HZ 44")

    known = {"other": Other(), "toy": Toy()}
    monkeypatch.setattr(initialisation, "instruments_for", lambda name: [known[name]] if name else [*known.values()])
    with pytest.raises(ConfigurationError, match="frames of several instruments: other, toy; choose one with --instr"):
        start(night)
    assert start(night, instrument="other")[0].split()[:2] == ["1", "standard"]


def test_a_copy_does_not_stop_the_start(night: Path, toys: SimpleNamespace) -> None:
    import gzip

    raw = night / "raw/toy2.fits"
    raw.with_suffix(".fits.gz").write_bytes(gzip.compress(raw.read_bytes()))
    assert any("toy2.fits.gz: no frame: a copy of" in line for line in start(night))


plain = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False),
    st.text(st.characters(blacklist_categories=("Cs",))),
)  # fmt: skip
values = st.recursive(
    plain,
    lambda v: (
        st.lists(v, max_size=3) | st.dictionaries(st.text(st.characters(blacklist_categories=("Cs",))), v, max_size=3)
    ),
    max_leaves=6,
)


def test_recipe_shows_limits_that_stay_the_same_without_comment_marks(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alfosc_reduce_toys.instrument import Toy

    shipped = tmp_path / "strict.toml"
    limit = '{ max = 150.5, warn_min = -1, only.kind = "object", only."a b" = ["x", "y"] }'
    limits = f"[limits.prepare]\nmean = {limit}\n"
    shipped.write_text(Toy().recipes()["spec"].read_text() + limits, encoding="utf-8")
    monkeypatch.setattr(Toy, "recipes", lambda self: {"spec": shipped})
    start(night)
    text = (night / "recipe.toml").read_text()
    assert "[limits.prepare]\n# mean = {" in text
    before = read_recipe(night / "recipe.toml").recipe
    (night / "recipe.toml").write_text(re.sub(r"^# (mean = )", r"\1", text, flags=re.MULTILINE))
    assert read_recipe(night / "recipe.toml").recipe == before
    assert before.limits["prepare"]["mean"].only == {"kind": ("object",), "a b": ("x", "y")}


@given(values)
def test_toml_values_round_trip(value: Any) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value
