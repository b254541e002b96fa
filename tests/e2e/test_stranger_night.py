"""A stranger's step in a recipe on a simulated night: wired, run, published and explained like ours."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest

from alfosc_reduce import get_step, load
from alfosc_reduce.images import variance_of

try:
    importlib.metadata.version("alfosc-reduce-stranger")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the stranger's package: pip install ./tests/third_party", allow_module_level=True)

RECIPE = """extends = "alfosc:spec"
input.files = ["raw"]

[steps.smooth]
uses = "stranger_smooth"
inputs.image = { from = "fluxcal_2d", kind = "object" }
params.width = "5 pix"

[steps.combine_2d]
inputs.images = "smooth"

[output]
"{target}/{frame}_smooth.fits" = "smooth"
"""


@pytest.fixture
def smoothed(night: Any) -> Any:
    (night.folder / "recipe.toml").write_text(RECIPE)
    return night


def test_from_a_recipe_and_from_python_the_same(smoothed: Any) -> None:
    ended = smoothed.run()
    assert ended.code == 0
    assert [t["task"] for t in ended.tasks.values() if t["step"] == "smooth"] == [
        f"smooth[{frame}]" for frame in smoothed.names("object")
    ]
    frame = smoothed.names("object")[0]
    reduced = smoothed.folder / "reduced"
    made = load(next(reduced.rglob(f"{frame}_smooth.fits")))
    expected = get_step("stranger_smooth")(width="5 pix")(load(next(reduced.rglob(f"{frame}_spec2d.fits"))))
    assert np.array_equal(made.data, expected.data) and np.array_equal(variance_of(made), variance_of(expected))
    combined = next(reduced.glob("TEST1002+2801/TEST1002+2801_*_spec2d.fits"))
    told = smoothed.command("explain", str(combined)).said
    assert "stranger_smooth" in told and "alfosc-reduce-stranger 0.3.0" in told


def test_its_mistakes_are_told_like_ours(smoothed: Any) -> None:
    ended = smoothed.run("--set", "steps.smooth.params.widht=3", "--set", "steps.smooth.inputs.image=traces")
    assert ended.code == 2
    assert "did you mean 'width'?" in ended.said and "there is no step 'traces'" in ended.said
    ended = smoothed.run("--set", "steps.smooth.inputs.image=response")
    assert ended.code == 2 and "takes CCDData" in ended.said
