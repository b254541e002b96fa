"""A recipe held against installed steps: every mistake told, disabled steps bypassed, order worked out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.recipe_file import read_recipe
from alfosc_reduce.wiring import Origin, Wiring, wire

pytestmark = pytest.mark.usefixtures("toys")
SHIPPED = 'extends = "toy:spec"\n'


def wired(folder: Path, text: str, *overrides: str) -> Wiring:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    file = read_recipe(path, overrides)
    return wire(file.recipe, file.place)


def problems(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        wired(folder, text, *overrides)
    return caught.value.problems


def step(wiring: Wiring, name: str) -> Any:
    return next(s for s in wiring.steps if s.name == name)


def test_shipped_recipe_is_ordered_by_its_wiring(tmp_path: Path) -> None:
    names = [s.name for s in wired(tmp_path, SHIPPED).steps]
    assert len(names) == 8
    for first, second in [("prepare", "bias"), ("bias", "subtract"), ("arcs", "lines"), ("lines", "split")]:
        assert names.index(first) < names.index(second)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
[steps.prepare]
uses = "toy_prepair"
[steps.subtract]
uses = "toy_subtract"
inputs.imige = "frames"
inputs.image = { from = "frames", kind = "obejct" }
params.scale = 3
[steps.arcs]
uses = "toy_stack"
inputs.frames = "subtract.result"
params.scale = "much"
[steps.lines]
uses = "toy_lines"
inputs.arc = "ark"
[steps.split]
uses = "toy_split"
inputs.image = "subtract"
inputs.lines = "arcs"
by = "target"
[steps.toy_touch]
[steps.more]
uses = "toy_touch"
inputs.image = "split.imag"
[steps.frames]
uses = "toy_touch"
inputs.image = "subtract"
""",
    )
    expected = [
        "recipe.toml:3 [steps.prepare] uses: there is no step 'toy_prepair'; did you mean 'toy_prepare'?",
        "recipe.toml:6 [steps.subtract] inputs.imige: toy_subtract has no input 'imige'; did you mean 'image'?",
        "recipe.toml:7 [steps.subtract] inputs.image: there is no kind of frame 'obejct'; did you mean 'object'?",
        "recipe.toml:8 [steps.subtract] params.scale: toy_subtract has no parameter 'scale'",
        "recipe.toml:12 [steps.arcs] params.scale: Input should be a valid number",
        "recipe.toml:15 [steps.lines] inputs.arc: there is no step 'ark'; did you mean 'arcs'?",
        "recipe.toml:19 [steps.split] inputs.lines: takes Lines, but arcs.result is CCDData",
        "recipe.toml:20 [steps.split] by: toy_split gathers nothing: it runs on every image by itself",
        "recipe.toml:21 [steps.toy_touch]: the input image: CCDData has no source; give inputs.image",
        "recipe.toml:24 [steps.more] inputs.image: the step 'split' has no output 'imag'; did you mean 'image'?",
        "recipe.toml:25 [steps.frames]: a step cannot be called 'frames', which stands for the raw frames",
    ]
    for sentence in expected:
        assert any(problem.startswith(sentence) for problem in found), f"{sentence}\n\n" + "\n".join(found)
    assert len(found) == len(expected)


def test_output_without_a_name_where_there_are_two(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SHIPPED + 'output."x.fits" = "split"\n')
    assert "[output] x.fits: the step 'split' has no output ''; Allowed are: image, sky" in found


def test_circle_is_told(tmp_path: Path) -> None:
    text = '[steps.a]\nuses = "toy_touch"\ninputs.image = "b"\n[steps.b]\nuses = "toy_touch"\ninputs.image = "a"\n'
    (found,) = problems(tmp_path, text)
    assert "the steps run in a circle: " in found and "a -> b" in found
    off = ("steps.a.enabled=false", "steps.b.enabled=false")
    reader = '[steps.c]\nuses = "toy_touch"\ninputs.image = "a"\n'
    assert "the disabled steps run in a circle: a -> b -> a" in problems(tmp_path, text + reader, *off)[0]


def test_frames_do_not_fit_everywhere(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SHIPPED, 'steps.split.inputs.lines="frames"')
    assert "takes Lines, but frames are CCDData" in found


def test_disabled_step_is_bypassed_with_its_choice_of_kinds(tmp_path: Path) -> None:
    wiring = wired(tmp_path, SHIPPED, "steps.touch.enabled=false")
    assert "touch" not in {s.name for s in wiring.steps}
    kinds = frozenset({"object", "standard"})
    assert step(wiring, "split").inputs[0].origins == (Origin("subtract", "result", kinds),)


def test_output_of_a_disabled_step_is_that_of_what_stands_in(tmp_path: Path) -> None:
    wiring = wired(tmp_path, SHIPPED + 'output."t.fits" = "touch"', "steps.touch.enabled=false")
    assert wiring.output["t.fits"] == (Origin("subtract", "result", frozenset({"object", "standard"})),)


def test_optional_input_of_a_disabled_step_is_left_open(tmp_path: Path) -> None:
    wiring = wired(tmp_path, SHIPPED, "steps.bias.enabled=false")
    assert [i.port.name for i in step(wiring, "subtract").inputs] == ["image"]


def test_required_input_of_a_disabled_step_is_told(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SHIPPED, "steps.lines.enabled=false")
    assert "[steps.split] inputs.lines: the input lines: Lines comes only from steps that are disabled" in found


def test_parameters_reach_the_step(tmp_path: Path) -> None:
    assert step(wired(tmp_path, SHIPPED, "steps.prepare.params.level=2.5"), "prepare").step.level == 2.5


def test_two_about_a_time_are_for_inputs_that_take_several(tmp_path: Path) -> None:
    lines = '{ from = "lines", match = ["grism"], pick = "around" }'
    (found,) = problems(tmp_path, SHIPPED + f"[steps.split]\ninputs.lines = {lines}\n")
    assert "pick = 'around' takes two, but the input lines" in found and found.endswith("use 'nearest'")
    frames = '{ from = "prepare", kind = "bias", pick = "around" }'
    assert wired(tmp_path, SHIPPED + f"[steps.bias]\ninputs.frames = {frames}\n").steps
