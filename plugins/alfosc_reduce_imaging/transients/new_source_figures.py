"""What a person wants to see of new sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.images import usable
from alfosc_reduce_imaging.photometry.columns import numbers
from alfosc_reduce_imaging.transients.error_circles import ErrorCircle, outline
from alfosc_reduce_imaging.transients.new_source_scene import wcs_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


LARGEST = 700
"""Pixels on a side that the field is shown with."""
CUT_OUTS = 12
HALF = 20
NAMES = ("0: in no circle", "1: consistent with BAT (or with one of two)", "2: consistent with XRT (and BAT)")


def figure_of_new(
    image: CCDData,
    new: QTable,
    rejected: QTable,
    sources: QTable,
    circles: tuple[ErrorCircle | None, ErrorCircle | None],
) -> Figure:
    """Return the field with numbered new sources in the colours of their classes, and the circles of BAT and XRT."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7.5), dpi=100, layout="constrained")
    axes = figure.subplots()
    _show_field(axes, image)
    axes.scatter(numbers(rejected, "x"), numbers(rejected, "y"), s=25, marker="x", color="0.4", lw=0.5,
                 label=f"{len(rejected)} without a counterpart, rejected")  # fmt: skip
    for kind, name in enumerate(NAMES):
        rows = [int(row) for row in np.flatnonzero(np.asarray(new["class"]) == kind)]
        if rows:
            x, y, colour = numbers(new, "x")[rows], numbers(new, "y")[rows], str(new["color"][rows[0]])
            axes.scatter(x, y, s=90, facecolors="none", edgecolors=colour, lw=1.3, label=f"{len(rows)} class {name}")
            for i, row in enumerate(rows):
                text = f" {new['number'][row]}{_magnitude(new, row)}"
                axes.annotate(text, (x[i], y[i]), xytext=(5, 5), textcoords="offset points", color=colour, fontsize=8)
    _draw_circles(axes, image, circles)
    axes.set(
        xlim=(-0.5, image.shape[1] - 0.5), ylim=(-0.5, image.shape[0] - 0.5), xlabel="x (pixels)", ylabel="y (pixels)"
    )
    axes.legend(fontsize=8, loc="upper right")
    axes.set_title(f"New sources   {_title(image)}   {len(new)} new of {len(sources)} sources", fontsize=10)
    return figure


def _show_field(axes: Any, image: CCDData) -> None:
    step = max(1, int(np.ceil(max(image.shape) / LARGEST)))
    shape = image.shape[0] // step * step, image.shape[1] // step * step
    good = usable(image)[: shape[0], : shape[1]]
    data = np.where(good, np.asarray(image.data, np.float32)[: shape[0], : shape[1]], np.nan)
    blocks = data.reshape(shape[0] // step, step, shape[1] // step, step)
    count = np.maximum(np.isfinite(blocks).sum(axis=(1, 3)), 1)
    small = np.nansum(blocks, axis=(1, 3)) / count
    low, high = _limits(small)
    axes.imshow(small, origin="lower", cmap="gray_r", vmin=low, vmax=high, interpolation="nearest",
                extent=(-0.5, shape[1] - 0.5, -0.5, shape[0] - 0.5))  # fmt: skip


def _limits(data: NDArray[np.floating[Any]]) -> tuple[float, float]:
    known = data[np.isfinite(data)]
    if not len(known):
        return 0.0, 1.0
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - middle))) or 1.0
    return middle - 2 * spread, middle + 8 * spread


def _draw_circles(axes: Any, image: CCDData, circles: tuple[ErrorCircle | None, ErrorCircle | None]) -> None:
    wcs = wcs_of(image)
    for circle, name, style in zip(circles, ("BAT", "XRT"), (":", "--"), strict=True):
        if circle is not None and wcs is not None:
            x, y = wcs.all_world2pix(*outline(circle), 0, quiet=True)
            axes.plot(x, y, ls=style, color="C0", lw=1.2, label=f"{name}, 90 % radius {_radius(circle)}")


def _radius(circle: ErrorCircle) -> str:
    return f"{circle.radius / 60:.3g}'" if circle.radius >= 60 else f'{circle.radius:.3g}"'


def _magnitude(table: QTable, row: int) -> str:
    value = float(numbers(table, "magnitude")[row])
    return f": {value:.2f}" if np.isfinite(value) else ""


def _title(image: CCDData) -> str:
    words = (image.meta.get("OBJECT"), image.meta.get("MAGBAND") or image.meta.get("FILTER"))
    return " ".join(str(word) for word in words if word)


def figure_of_cutouts(image: CCDData, sources: QTable) -> Figure:
    """Return a piece of the image about each of the first new sources."""
    from matplotlib.figure import Figure

    new = sources[:CUT_OUTS]
    columns = min(4, len(new))
    rows = -(-len(new) // columns)
    figure = Figure(figsize=(2.2 * columns + 0.6, 2.4 * rows + 0.5), dpi=100, layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    data, good = np.asarray(image.data), usable(image)
    for axes in panels[len(new) :]:
        axes.axis("off")
    for i in range(len(new)):
        x, y = round(float(numbers(new, "x")[i])), round(float(numbers(new, "y")[i]))
        part = (slice(max(0, y - HALF), y + HALF + 1), slice(max(0, x - HALF), x + HALF + 1))
        piece = np.where(good[part], data[part], np.nan)
        low, high = _limits(piece)
        axes = panels[i]
        extent = (part[1].start - 0.5, part[1].start + piece.shape[1] - 0.5, part[0].start - 0.5,
                  part[0].start + piece.shape[0] - 0.5)  # fmt: skip
        axes.imshow(piece, origin="lower", cmap="gray_r", vmin=low, vmax=high, extent=extent)
        axes.set_title(f"{new['number'][i]}{_magnitude(new, i)}  class {new['class'][i]}", fontsize=8,
                       color=str(new["color"][i]))  # fmt: skip
        axes.tick_params(labelsize=6)
    figure.suptitle(f"New sources   {_title(image)}   (columns and rows in pixels)", fontsize=9)
    return figure
