"""Saving figures quickly: laid out and drawn once, with room for labels worked out from few of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alfosc_reduce.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

SMALL = 40_000
"""Bytes up to which the report takes a figure as it is."""

PACKED = ".webp"
PACKING: dict[str, Any] = {"format": "WEBP", "quality": 75, "method": 0}
"""How the report takes larger ones: the ending of the file beside the figure, and how it is made."""

_SIDES = ("left", "bottom", "right", "top")
_LINE = 1.25
"""Height of a line of text over the size of its letters."""


def draw(figures: Iterable[tuple[str, Any]], folder: Path) -> list[str]:
    """Save figures as PNG into `folder`; return their names."""
    names = []
    for name, figure in figures:
        names.append(safe_name(name))
        save_png(figure, folder / f"{names[-1]}.png")
    return names


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure, a large one also as the report takes it; it is drawn once, where ``savefig`` draws twice."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, PngImagePlugin, WebPImagePlugin  # noqa: F401 - else PIL loads all formats to find these

    canvas: Any = FigureCanvasAgg(figure)
    for axes in figure.axes:
        if axes.name == "rectilinear" and not axes.child_axes:
            # Else both passes of a constrained layout measure every label: half of all drawing.
            axes.get_tightbbox = Outline(axes)  # type: ignore[method-assign]
    canvas.draw()
    image = Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    image.save(path, format="PNG", compress_level=1)
    if path.stat().st_size > SMALL:
        image.save(path.with_suffix(PACKED), **PACKING)


class Outline:
    """Stands in for ``Axes.get_tightbbox``: the panel with room for its ticks, labels and titles.

    Of the labels of ticks only the longest is measured; titles take room above, never aside. The room is measured once:
    a layout asks again when it has made the panels smaller, which leaves labels as they are, or makes them fewer.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self._room: tuple[float, ...] | None = None

    def __call__(self, renderer: Any = None, **options: Any) -> Bbox | None:
        """Return the outline in pixels; None if the panel is not shown."""
        from matplotlib.transforms import Bbox

        axes = self._axes
        if not axes.get_visible():
            return None
        locator: Any = axes.get_axes_locator()
        axes.apply_aspect(locator(axes, renderer) if locator else None)
        self._room = self._room or _room_around(axes, renderer)
        left, bottom, right, top = self._room
        box = axes.get_window_extent(renderer)
        return Bbox.from_extents(box.x0 - left, box.y0 - bottom, box.x1 + right, box.y1 + top)


def _room_around(axes: Axes, renderer: Any) -> tuple[float, ...]:
    """Return what ticks, labels, titles and texts take to the left, below, to the right and above, in pixels."""
    room = [0.0, 0.0, 0.0, 0.0]
    box = axes.get_window_extent(renderer)
    for axis, across in ((axes.yaxis, 0), (axes.xaxis, 1)) if axes.axison else ():
        if axis.get_visible():
            room = _larger(room, _room_beside(axis, across, box, renderer))
    room[3] += _height_of_titles(axes)
    for text in axes.texts:
        if text.get_transform() == axes.transAxes and text.get_visible():
            room = _larger(room, _beyond(text.get_window_extent(renderer), box))
    return tuple(room)


def _larger(room: list[float], other: list[float]) -> list[float]:
    return [max(pair) for pair in zip(room, other, strict=True)]


def _beyond(inner: Bbox, box: Bbox) -> list[float]:
    """Return by how many pixels something reaches beyond a panel on its four sides."""
    return [box.x0 - inner.x0, box.y0 - inner.y0, inner.x1 - box.x1, inner.y1 - box.y1]


def _room_beside(axis: Axis, across: int, box: Bbox, renderer: Any) -> list[float]:
    """Return the room that ticks, their labels and the label of an axis take on the four sides of its panel."""
    pixels = renderer.points_to_pixels(1.0)
    room = [0.0, 0.0, 0.0, 0.0]
    low, high = sorted(axis.get_view_interval())
    labels = [
        text
        for text in axis.get_ticklabels(which="both")
        if text.get_text() and low <= text.get_position()[across - 1] <= high
    ]
    if labels:
        tick: Any = axis.get_major_ticks(1)[0]
        far = _extent(max(labels, key=lambda text: len(text.get_text())), renderer)[across]
        for side in _sides_with_labels(axis, across):
            room[side] = far + (tick.get_tick_padding() + tick.get_pad()) * pixels
        for text in (labels[0], labels[-1]):
            over = _beyond(text.get_window_extent(renderer), box)
            for side in (1 - across, 3 - across):
                room[side] = max(room[side], over[side])
    if axis.get_major_formatter().get_offset() and not (across == 0 and axis.axes.get_title()):
        room[3 if across == 0 else 1] += _LINE * float(axis.get_offset_text().get_fontsize()) * pixels
    if axis.get_label_text() and axis.label.get_visible():
        side = _SIDES.index(axis.get_label_position())
        room[side] += _extent(axis.label, renderer)[across] + axis.labelpad * pixels
    return room


def _sides_with_labels(axis: Axis, across: int) -> list[int]:
    how = axis.get_tick_params()
    return [side for side in (across, across + 2) if how.get(f"label{_SIDES[side]}", side < 2)]


def _extent(text: Text, renderer: Any) -> tuple[float, float]:
    box = text.get_window_extent(renderer)
    return float(box.width), float(box.height)


def _height_of_titles(axes: Axes) -> float:
    """Return the height of the highest title of a panel in pixels, its distance from the panel included."""
    titles = [title for title in (axes.get_title("left"), axes.get_title(), axes.get_title("right")) if title]
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    if not lines:
        return 0.0
    points = _LINE * lines * float(axes.title.get_fontsize()) + 6
    return float(points * axes.figure.dpi / 72)
