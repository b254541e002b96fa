"""The demo night in small, reduced: what the examples in the documentation are about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest


def small_demo(folder: Path) -> None:
    """Simulate the demo night with fewer columns and calibrations (frames have the same names), and reduce it."""
    from alfosc_reduce_simulate import Readout, demo_night, simulate_night

    from alfosc_reduce import get_instrument, save
    from alfosc_reduce.initialisation import initialise
    from alfosc_reduce.reduction import Choices, reduce

    night = demo_night(get_instrument("alfosc"))
    window = Readout((931, 1090, 1, 2102), (1, 2))
    target = replace(night.targets[1], sources=(replace(night.targets[1].sources[0], position=-5.0),), nod=8.0)
    small = replace(night, targets=(night.targets[0], target), readout=window, n_bias=4, n_flat=3)
    save(simulate_night(small, folder / "raw"), folder / "truth.fits")
    initialise("spec", [str(folder / "raw")], folder)
    assert reduce(folder / "recipe.toml", Choices(jobs=1, quiet=True)) == 0


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the reduced night; nobody writes into it."""
    folder = tmp_path_factory.mktemp("demo") / "night"
    small_demo(folder)
    return folder


def small_image_demo(folder: Path) -> None:
    """Simulate the demo night of images binned and with fewer calibrations, and reduce it."""
    from alfosc_reduce_simulate import Readout
    from alfosc_reduce_simulate.imaging import ImagingDemo, demo_imaging_night
    from alfosc_reduce_simulate.imaging.demo import write_imaging_night

    from alfosc_reduce.initialisation import initialise
    from alfosc_reduce.reduction import Choices, reduce

    night = demo_imaging_night()
    write_imaging_night(replace(night, readout=Readout(binning=(2, 2)), n_bias=4, n_flat=3, seeing=1.3), folder)
    initialise("phot", [str(folder / "raw")], folder)
    ImagingDemo().adapt(folder)
    assert reduce(folder / "recipe.toml", Choices(jobs=1, quiet=True)) == 0


@pytest.fixture(scope="session")
def image_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the reduced night of images; nobody writes into it."""
    folder = tmp_path_factory.mktemp("image-demo") / "night"
    small_image_demo(folder)
    return folder


@pytest.fixture
def in_demo(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the folder that a page is about (images, if its name says so) as the current folder."""
    of_images = "images" in request.node.callspec.params["page"].name
    demo: Path = request.getfixturevalue("image_demo" if of_images else "demo")
    place = tmp_path / ("alfosc-demo-phot" if of_images else "alfosc-demo-spec")
    shutil.copytree(demo, place, ignore=shutil.ignore_patterns("products"))
    shutil.copytree(demo / ".alfosc-reduce/products", place / ".alfosc-reduce/products", copy_function=os.link)
    monkeypatch.chdir(place)
    return place
