"""Figures are saved with room for all that is written on them."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from alfosc_reduce.drawing import SMALL, draw, save_png
from alfosc_reduce.report.pictures import data_uri

RIM = 3
"""Pixels by which a label may come nearer to the rim of the page, or to its neighbour, than where it is measured."""


def plain(figure: Figure) -> None:
    figure.subplots().set(xlabel="x (pixels)", ylabel="counts", title="one\ntwo", ylim=(0, 123456))


def images(figure: Figure) -> None:
    for axes in figure.subplots(1, 2):
        drawn = axes.imshow(np.arange(12.0).reshape(3, 4) * 1e-3, aspect="auto")
        figure.colorbar(drawn, ax=axes, label="light\n(electron / s)", pad=0.01)
        axes.set(xlabel="x", ylabel="y")
    figure.suptitle("both of them")


def shared(figure: Figure) -> None:
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    panels[0, 0].plot([1e-5, 3e-5], [1e7, 5e7])
    panels[1, 0].set(xlabel="x", ylabel="y")
    figure.colorbar(panels[0, 0].scatter([1e-5], [1e7], c=[1.0]), ax=panels[:, 1].tolist(), label="colour")


def logarithmic(figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    left.loglog([1e-4, 1e9], [1e-12, 1])
    right.plot([0, 1], [1e8, 1e8 + 3])
    right.set(ylabel="a level", title="right")


def turned(figure: Figure) -> None:
    axes = figure.subplots()
    axes.set_xticks(range(3), ["ALDc200001", "ALDc200002", "a longer name of it"], rotation=60, ha="right")
    beside = axes.twinx()
    beside.set(ylabel="at the right", ylim=(-0.00031, 0.00012))


def square(figure: Figure) -> None:
    parts: Any = figure.subfigures(1, 2)
    parts[0].subplots().set(aspect="equal", xlabel="x", ylabel="y", xlim=(0, 2000), ylim=(0, 1000))
    for axes in parts[1].subplots(2, 1):
        axes.text(1.02, 0.5, "aside", transform=axes.transAxes)
        axes.xaxis.tick_top()
        axes.set(xlabel="above", title="still above")
        axes.xaxis.set_label_position("top")


def growing(figure: Figure) -> None:
    """Make panels that have other ticks, with longer labels, once they have their size."""
    above, below = figure.subplots(2, 1, height_ratios=[1, 4])
    above.set_axis_off()
    below.set(ylabel="measured less curve (%)", ylim=(-5.8, 5.8), xlabel="wavelength")


def less_than_a_decade(figure: Figure) -> None:
    """Make a panel whose labels are those of minor ticks."""
    figure.subplots().semilogy([0, 1], [2.2, 7.9])
    figure.axes[0].set(ylabel="sky (electrons a pixel)", xlabel="wavelength")


MAKERS = (plain, images, shared, logarithmic, turned, square, growing, less_than_a_decade)


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def maker(request: pytest.FixtureRequest) -> Any:
    return request.param


def figure_of(maker: Any) -> Figure:
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    maker(figure)
    return figure


def measured(axes: Axes) -> Any:
    """Return the outline as matplotlib measures it."""
    return Axes.get_tightbbox(axes, axes.figure.canvas.get_renderer(), for_layout_only=True)


def test_all_that_is_written_lies_on_the_page(maker: Any, tmp_path: Path) -> None:
    figure = figure_of(maker)
    save_png(figure, tmp_path / "figure.png")
    for axes in figure.axes:
        box = measured(axes)
        assert box.x0 > -RIM
        assert box.y0 > -RIM
        assert box.x1 < 700 + RIM
        assert box.y1 < 400 + RIM


def test_panels_do_not_write_over_each_other(maker: Any, tmp_path: Path) -> None:
    figure = figure_of(maker)
    save_png(figure, tmp_path / "figure.png")
    for axes in figure.axes:
        own = axes.get_window_extent()
        for other in figure.axes:
            place = other.get_subplotspec()
            if other is not axes and (place is None or place != axes.get_subplotspec()):
                box = measured(other)
                wide = min(own.x1, box.x1) - max(own.x0, box.x0)
                high = min(own.y1, box.y1) - max(own.y0, box.y0)
                assert wide < RIM or high < RIM


def test_panels_lie_where_they_would_if_all_were_measured(maker: Any, tmp_path: Path) -> None:
    figure, expected = figure_of(maker), figure_of(maker)
    save_png(figure, tmp_path / "figure.png")
    FigureCanvasAgg(expected).draw()
    for axes, same in zip(figure.axes, expected.axes, strict=True):
        np.testing.assert_allclose(axes.get_window_extent().extents, same.get_window_extent().extents, atol=25)


def test_names_of_files_are_safe_and_told(tmp_path: Path) -> None:
    names = draw([("a b", figure_of(plain)), ("c", Figure(figsize=(2, 1), dpi=50))], tmp_path)
    assert names == ["a_b", "c"]
    for name, size in (("a_b", (700, 400)), ("c", (100, 50))):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.size == size


def test_hidden_panels_take_no_room(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 3), dpi=100, layout="constrained")
    shown, off, hidden = figure.subplots(3, 1)
    off.set_axis_off()
    hidden.set_visible(False)
    shown.set(title="shown")
    save_png(figure, tmp_path / "figure.png")
    assert shown.get_window_extent().height > 50


def test_a_large_figure_is_packed_for_the_report_when_it_is_drawn(tmp_path: Path) -> None:
    noisy = Figure(figsize=(4, 3), dpi=100)
    noisy.subplots().imshow(np.random.default_rng(1).normal(size=(300, 400)), interpolation="nearest")
    draw([("plain", figure_of(plain)), ("noisy", noisy)], tmp_path)
    assert (tmp_path / "noisy.png").stat().st_size > SMALL > (tmp_path / "plain.png").stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"plain.png", "noisy.png", "noisy.webp"}
    assert b64decode(data_uri(tmp_path / "noisy.png").partition(",")[2]) == (tmp_path / "noisy.webp").read_bytes()
