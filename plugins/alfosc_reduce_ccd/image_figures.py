"""Pictures of images of the sky for a person to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_ccd.figures import limits

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_ZOOM = 120
_PIXELS = 500


def image_hits_figure(image: CCDData, title: str) -> Figure:
    """Show an image with its cosmic rays, and the part with most of them as it was read and with them blanked."""
    from matplotlib.figure import Figure

    data = np.asarray(image.data)
    hit = (np.asarray(image.flags) & int(Flag.COSMIC_RAY)) != 0
    figure = Figure(figsize=(10, 4.6), dpi=100, layout="constrained")
    whole, read, blanked = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    y, x = np.nonzero(hit)
    step = max(1, max(data.shape) // _PIXELS)
    span = limits(data[::step, ::step], 1, 99)
    _show(whole, data[::step, ::step], (0, data.shape[1], 0, data.shape[0]), span)
    whole.plot(x, y, ",", color="red")
    whole.set_title(f"{len(x)} pixels hit (red)", fontsize=9)
    rows, columns = _busiest(hit)
    part, box = data[rows, columns], (columns.start, columns.stop, rows.start, rows.stop)
    for axes, shown, name in (
        (read, part, "as read"),
        (blanked, np.where(hit[rows, columns], np.nan, part), "blanked"),
    ):
        _show(axes, shown, box, span)
        axes.set_title(f"where most hits are, {name}", fontsize=9)
    width = f", stars {image.meta['CRFWHM']:.1f} pixels wide" if "CRFWHM" in image.meta else ""
    figure.suptitle(f"Cosmic rays   {title}{width}", fontsize=10)
    return figure


def _busiest(hit: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the part of an image with the most hits."""
    size = tuple(min(_ZOOM, length) for length in hit.shape)
    counts = [
        (int(np.count_nonzero(hit[y : y + size[0], x : x + size[1]])), y, x)
        for y in range(0, hit.shape[0] - size[0] + 1, max(1, size[0] // 2))
        for x in range(0, hit.shape[1] - size[1] + 1, max(1, size[1] // 2))
    ]
    _, y, x = max(counts)
    return slice(y, y + size[0]), slice(x, x + size[1])


def _show(axes: Axes, data: NDArray[np.floating], box: tuple[int, int, int, int], span: tuple[float, float]) -> None:
    edges = (box[0] - 0.5, box[1] - 0.5, box[2] - 0.5, box[3] - 0.5)
    axes.imshow(data, origin="lower", extent=edges, vmin=span[0], vmax=span[1], cmap="gray", interpolation="nearest")
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)", facecolor="orange")
