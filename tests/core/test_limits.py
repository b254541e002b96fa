"""Limits: what passes, what warns, what fails; how recipes set them, and how they are asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.cli import program
from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.limits import Verdict, bounds_text, broken, judge, judged, plain, value_text
from alfosc_reduce.recipe import Limit
from alfosc_reduce.recipe_file import read_recipe

Reduce = Callable[..., SimpleNamespace]
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
bounds = st.lists(numbers, min_size=4, max_size=4).map(sorted)
RANK = [Verdict.PASS, Verdict.WARNING, Verdict.FAIL]


def limit_of(values: list[float]) -> Limit:
    return Limit(min=values[0], warn_min=values[1], warn_max=values[2], max=values[3])


@given(bounds, numbers)
def test_verdict_follows_from_where_the_number_lies(values: list[float], number: float) -> None:
    low, warn_low, warn_high, high = values
    expected = Verdict.PASS if warn_low <= number <= warn_high else Verdict.WARNING
    expected = expected if low <= number <= high else Verdict.FAIL
    assert judge(number, limit_of(values)) is expected


@given(bounds, st.sets(st.sampled_from(["min", "max", "warn_min", "warn_max"])), numbers)
def test_fewer_bounds_never_judge_harder(values: list[float], kept: set[str], number: float) -> None:
    whole = limit_of(values)
    part = Limit(**{name: getattr(whole, name) for name in kept})
    assert RANK.index(judge(number, part)) <= RANK.index(judge(number, whole))


@given(bounds)
def test_limit_survives_being_written(values: list[float]) -> None:
    assert Limit(**json.loads(json.dumps(plain(limit_of(values))))) == limit_of(values)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "many", True])
def test_what_is_no_number_is_not_relied_on(value: Any) -> None:
    assert judge(value, Limit(max=5)) is Verdict.WARNING


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({"min": 0.95, "max": 1.05, "warn_min": 0.97, "warn_max": 1.03}, "0.95 to 1.05, aim 0.97 to 1.03"),
        ({"max": 0.09}, "<= 0.09"),
        ({"min": 30, "warn_min": 40}, ">= 30, aim >= 40"),
        ({"warn_max": 2}, "aim <= 2"),
        ({}, ""),
    ],
)
def test_limit_in_words(limit: dict[str, float], text: str) -> None:
    assert bounds_text(limit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0309913, "0.03099"), (41, "41"), (123456, "123456"), (11789.464, "11789.5"), (1.5e-12, "1.5e-12"),
     (None, "none"), (True, "yes"), ("He+Ne", "He+Ne")],
)  # fmt: skip
def test_value_in_words(value: Any, text: str) -> None:
    assert value_text(value) == text


def entry(step: str, quality: dict[str, Any], **coordinates: str) -> dict[str, Any]:
    kinds = [coordinates.pop("kind", "object")]
    return {"task": f"{step}[a]", "step": step, "quality": quality, "coordinates": coordinates, "kinds": kinds}


def test_limit_judges_only_where_it_is_meant_to() -> None:
    document = {"tasks": [entry("sky", {"std": 2.0}, kind=k, grism=g) for k in ("object", "arc") for g in ("4", "7")]}
    limits = {"sky": {"std": Limit(max=1, only={"kind": "object", "grism": ("7", "8")})}}
    found = judged(document, limits)
    assert [bool(task["verdicts"]) for task in found["tasks"]] == [False, True, False, False]
    assert found["verdicts"] == {"pass": 0, "warning": 0, "fail": 1}
    assert broken(found) == ["sky[a]: std = 2 (<= 1)"]


def test_limit_without_a_number_is_told_with_the_nearest_name() -> None:
    document = {"tasks": [entry("sky", {"residual_std": 1.0})]}
    limits = {"sky": {"residual_sdt": Limit(max=1), "off": Limit()}, "dark": {"level": Limit(max=1)}}
    (sentence,) = judged(document, limits)["idle_limits"]
    assert sentence.startswith("limits.sky.residual_sdt: the step gave no such number; did you mean 'residual_std'?")


def test_coordinate_that_is_not_there_is_told() -> None:
    document = {"tasks": [entry("sky", {"std": 1.0}, grism="4")]}
    found = judged(document, {"sky": {"std": Limit(max=0, only={"grsm": "4"})}})
    assert found["verdicts"]["fail"] == 0
    (sentence,) = found["idle_limits"]
    assert sentence == (
        "limits.sky.std: its tasks have no coordinate 'grsm'; did you mean 'grism'? Allowed are: grism, kind"
    )


def test_of_limits_that_nobody_wrote_none_is_told_to_be_idle() -> None:
    document = {"tasks": [entry("sky", {"std": 1.0})]}
    limits = {"sky": {"shipped": Limit(max=1), "mine": Limit(max=1)}}
    (sentence,) = judged(document, limits, {"sky": {"mine": {"max": 1}}, "dark": {}})["idle_limits"]
    assert sentence.startswith("limits.sky.mine: ")


def test_judging_again_replaces_what_stands_there() -> None:
    document = {"tasks": [entry("sky", {"std": 2.0})]}
    strict, mild = ({"sky": {"std": Limit(max=top)}} for top in (1, 3))
    assert judged(judged(document, strict), mild) == judged(document, mild)


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_mistakes_in_limits_are_told_at_once(tmp_path: Path) -> None:
    text = """[limits.sky]
std = { max = 1, warn_max = 2 }
level = { maximum = 3 }
lines = { min = "few" }
noise = { max = nan }
"""
    with pytest.raises(ConfigurationError) as caught:
        read_recipe(recipe(tmp_path, text))
    told = caught.value.problems
    expected = [
        "recipe.toml:2 [limits.sky] std: warn_max lies above max",
        "recipe.toml:3 [limits.sky] level.maximum: there is no key 'maximum' here; did you mean 'max'?",
        "recipe.toml:4 [limits.sky] lines.min: input should be a valid number",
        "recipe.toml:5 [limits.sky] noise.max: input should be a finite number",
    ]
    assert len(told) == len(expected)
    for sentence in expected:
        assert any(problem.startswith(sentence) for problem in told), f"{sentence}\n\n" + "\n".join(told)


def test_recipe_replaces_a_limit_of_what_it_extends_and_keeps_the_others(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[limits.sky]\nstd = { max = 1, warn_max = 0.5 }\nlines = { min = 3 }\n")
    own = recipe(tmp_path, "extends = 'base.toml'\n[limits.sky]\nstd = { max = 0.2 }\n")
    assert read_recipe(own).recipe.limits["sky"] == {"std": Limit(max=0.2), "lines": Limit(min=3)}
    assert read_recipe(own, ["limits.sky.std.max=7"]).recipe.limits["sky"]["std"] == Limit(max=7)


def limited(night: Path, text: str) -> None:
    path = night / "recipe.toml"
    path.write_text('extends = "toy:spec"\ninput.files = ["raw"]\n' + text, encoding="utf-8")


def test_limit_of_an_unknown_step_is_told_before_any_work(
    reduce_night: Reduce, night: Path, carried_out: list[str]
) -> None:
    limited(night, "limits.prepair.mean.max = 5\n")
    with pytest.raises(ConfigurationError, match=r"there is no step 'prepair'; did you mean 'prepare'"):
        reduce_night()
    assert not carried_out


def test_broken_limit_is_told_but_the_run_has_done_its_work(
    reduce_night: Reduce, night: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    limited(night, "[limits.prepare]\nmean = { max = 1, only.kind = 'arc' }\ncount = { min = 24, warn_min = 25 }\n")
    run = reduce_night()
    said, log = capfd.readouterr().err, (night / "reduced/log.txt").read_text()
    assert run.code == 0
    for text in (said, log):
        assert text.count("limit broken: prepare[toy4]: mean = ") == 1 and "limit broken: prepare[toy2]" not in text
        assert "7 numbers beyond what is aimed at" in text
    verdicts = {name: {n: v["verdict"] for n, v in task["verdicts"].items()} for name, task in run.tasks.items()}
    assert verdicts["prepare[toy4]"] == {"mean": "fail", "count": "warning"}
    assert verdicts["prepare[toy2]"] == {"count": "warning"}
    assert run.tasks["bias[full]"]["kinds"] == ["bias"] and run.tasks["combine[M 1 G4_1.0]"]["kinds"] == ["object"]


def asked(*words: str) -> Any:
    return CliRunner().invoke(program, ["qc", *words])


def test_qc_prints_numbers_beside_limits_and_exits_by_them(reduce_night: Reduce, night: Path) -> None:
    assert "there are no numbers yet" in str(asked(str(night / "recipe.toml")).exception)
    limited(night, "[limits.prepare]\nmean = { max = 1 }\ncount = { max = 30 }\nbad = { max = 1 }\n")
    reduce_night()
    for source in (night / "recipe.toml", night / "reduced/qc.json"):
        told = asked(str(source))
        lines = told.output.splitlines()
        assert told.exit_code == 1 and lines[0].split() == ["task", "number", "value", "limit"]
        assert [line.split()[0] for line in lines[1:22]] == ["fail"] * 7 + ["warning"] * 7 + ["pass"] * 7
        assert lines[23] == "7 pass, 7 warning, 7 fail"
    limited(night, "[limits.prepare]\nmean = { max = 1000 }\n")
    assert asked(str(night / "recipe.toml")).exit_code == 0, "the recipe's present limits, without another run"
    assert asked(str(night / "reduced/qc.json")).exit_code == 1, "the limits of the run"


def test_qc_tells_what_failed(reduce_night: Reduce, night: Path) -> None:
    reduce_night("steps.touch.params.fault=refuse", "steps.touch.params.victim=HZ 44")
    told = asked(str(night / "recipe.toml"))
    assert told.exit_code == 0 and "no number has a limit" in told.output
    assert "touch[toy5]: failed: toy: nothing but zeros" in told.output


@pytest.mark.parametrize("content", ["{", "[]", '{"tasks": [{}]}', '{"tasks": 5}', '{"version": "0.0"}'])
def test_qc_of_something_else_is_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qc.json"
    path.write_text(content)
    assert "run 'alfosc-reduce run' again" in str(asked(str(path)).exception)
