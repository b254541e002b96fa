"""Pictures of trails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce.images import flags_of
from alfosc_reduce_imaging.trails.decimation import cell_means

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_CELLS = 420
_ZOOM = 160


def trail_figure(image: CCDData, flagged: NDArray[np.bool_]) -> Figure:
    """Show an image with its trails, what was flagged, and a piece of the first trail.

    Parameters
    ----------
    image
        With ``NTRAILS`` and ``TRAIL1`` and so on in its header.
    flagged
        True under the trails, shape (ny, nx).
    """
    from matplotlib.figure import Figure

    data = np.asarray(image.data)
    factor = max(1, -(-max(data.shape) // _CELLS))
    good = ~mask_of(flags_of(image) & np.int16(~int(Flag.COSMIC_RAY)))
    seen, known = cell_means(data, good, factor)
    blank, lit = cell_means(data, good & ~flagged, factor)
    seen, blank = np.where(known, seen, np.nan), np.where(lit, blank, np.nan)
    span = _span(blank if lit.any() else seen)
    figure = Figure(figsize=(11, 4.3), dpi=100, layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, shown, title in zip(panels, (seen, blank), ("as read", "flagged pixels left out"), strict=False):
        _show(axes, shown, (0, 0, shown.shape[1] * factor, shown.shape[0] * factor), span)
        axes.set_title(title, fontsize=9)
    _piece(panels[2], data, image.meta)
    header = image.meta
    name = ", ".join(str(header[key]).partition(".")[0] for key in ("OBJECT", "FILENAME") if header.get(key))
    widths = ", ".join(str(header[f"TRAIL{i}"]).split()[-1] for i in range(1, header["NTRAILS"] + 1))
    figure.suptitle(f"Trails of satellites   {name}: {header['NTRAILS']}, {widths} pixels wide, "
                    f"{100 * flagged.mean():.2f} % of the image", fontsize=10)  # fmt: skip
    return figure


def _piece(axes: Axes, data: NDArray[np.floating], header: Any) -> None:
    """Show the middle of the first trail, with its ends' direction."""
    x0, y0, x1, y1, _ = (float(number) for number in str(header["TRAIL1"]).split())
    ny, nx = data.shape
    share = np.linspace(0, 1, 101)
    x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
    inside = np.flatnonzero((x >= 0) & (x < nx) & (y >= 0) & (y < ny))
    middle = int(inside[len(inside) // 2]) if len(inside) else 50
    left = int(np.clip(x[middle] - _ZOOM / 2, 0, max(nx - _ZOOM, 0)))
    low = int(np.clip(y[middle] - _ZOOM / 2, 0, max(ny - _ZOOM, 0)))
    part = data[low : low + _ZOOM, left : left + _ZOOM]
    box = (left, low, left + part.shape[1], low + part.shape[0])
    _show(axes, part, box, _span(part))
    axes.plot((x0, x1), (y0, y1), color="red", lw=0.6, ls=":")
    axes.set(xlim=(box[0] - 0.5, box[2] - 0.5), ylim=(box[1] - 0.5, box[3] - 0.5))
    axes.set_title("a piece of the first (its middle dotted)", fontsize=9)


def _span(shown: NDArray[np.floating]) -> tuple[float, float]:
    """Return limits that show the sky: from its first to its last few percent, by the scatter."""
    values = shown[np.isfinite(shown)]
    if not len(values):
        return 0.0, 1.0
    low, middle, high = np.percentile(values, [16, 50, 84])
    width = max(float(high - low) / 2, 1e-6)
    return float(middle - 3 * width), float(middle + 6 * width)


def _show(axes: Axes, shown: NDArray[np.floating], box: tuple[int, int, int, int], span: tuple[float, float]) -> None:
    extent = (box[0] - 0.5, box[2] - 0.5, box[1] - 0.5, box[3] - 0.5)
    axes.imshow(shown, origin="lower", extent=extent, vmin=span[0], vmax=span[1], cmap="gray", interpolation="nearest")
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)", facecolor="orange")
