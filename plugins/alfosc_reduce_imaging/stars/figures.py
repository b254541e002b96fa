"""What a person wants to see of the stars on a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.images import usable
from alfosc_reduce_imaging.stars.peaks import binned
from alfosc_reduce_imaging.titles import title_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_PIXELS = 700
_SHAPED = 50
"""Significance from which the shape of a single star is worth drawing."""


def show_field(axes: Axes, image: CCDData, label: str = "") -> None:
    """Draw an image of the sky in a stretch that shows faint sources, thinned to what a figure resolves.

    With a colour bar if there is a `label` for it.
    """
    step = max(1, -(-max(image.shape) // _PIXELS))
    known = usable(image)
    number = binned(known.astype(np.float32), step)
    light = binned(np.where(known, image.data, 0).astype(np.float32), step)
    shown = np.divide(light, number, out=np.full_like(light, np.nan), where=number > 0)
    finite = shown[np.isfinite(shown)]
    low, middle, high = np.percentile(finite, [1, 50, 99.7]) if finite.size else (0.0, 0.5, 1.0)
    high = max(high, middle + 2 * (middle - low), low + 1e-6)
    ny, nx = image.shape
    drawn = axes.imshow(
        shown, origin="lower", extent=(-0.5, nx - 0.5, -0.5, ny - 0.5), vmin=low, vmax=high, cmap="gray_r",
        interpolation="nearest",
    )  # fmt: skip
    if label:
        axes.figure.colorbar(drawn, ax=axes, label=label, pad=0.01)
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)", xlim=(-0.5, nx - 0.5), ylim=(-0.5, ny - 0.5))


def figure_of_stars(image: CCDData, stars: QTable) -> Figure:
    """Return the frame with its stars, those that tell the seeing in the colours of their widths, and what tells it.

    Lines through these stars lie along their major axes, as long as they are elliptic; beside it widths against flux.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.2), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    show_field(left, image)
    chosen = np.asarray(stars["star"], bool)
    x, y = (stars[name].value[~chosen] for name in ("x", "y"))
    left.plot(x, y, "o", mfc="none", color="C1", ms=7, mew=0.8, label=f"detected ({len(x)})")
    draw_shapes(left, stars)
    left.legend(fontsize=8, loc="upper right")
    left.set_title(f"{len(stars)} detections", fontsize=9)
    draw_locus(right, stars["flux"].value, stars["fwhm"].value, chosen, stars.meta)
    figure.suptitle(f"{title_of(stars.meta)}: seeing {seeing_text(stars.meta)}", fontsize=10)
    return figure


def draw_locus(
    axes: Axes, flux: NDArray[Any], fwhm: NDArray[Any], chosen: NDArray[np.bool_], meta: dict[str, Any]
) -> None:
    """Draw width against flux: stars lie on a line, galaxies above it, cosmic rays below."""
    positive = (flux > 0) & np.isfinite(fwhm)
    for mask, colour, text in ((~chosen, "0.6", "others"), (chosen, "C0", "stars that tell the seeing")):
        axes.plot(flux[positive & mask], fwhm[positive & mask], ".", ms=5, color=colour, label=text)
    seeing = meta.get("SEEINGPX", np.nan)
    if np.isfinite(seeing):
        axes.axhline(seeing, color="C3", lw=0.8, label=f"seeing {seeing:.2f} pixels")
        axes.set_ylim(0, 3 * seeing)
    axes.set(xscale="log", xlabel=f"flux ({meta.get('UNIT', '')})", ylabel="FWHM (pixels)")
    axes.legend(fontsize=8, loc="upper right")


def draw_shapes(axes: Axes, stars: QTable) -> None:
    """Draw the stars that tell the seeing in the colours of their widths, with lines along their major axes."""
    chosen = np.asarray(stars["star"], bool)
    x, y, fwhm = (stars[name].value[chosen] for name in ("x", "y", "fwhm"))
    if len(x) == 0:
        return
    dots = axes.scatter(
        x, y, c=fwhm, s=50, lw=1.5, cmap="viridis", vmin=np.percentile(fwhm, 2), vmax=np.percentile(fwhm, 98),
        label=f"stars that tell the seeing ({len(x)})",
    )  # fmt: skip
    dots.set(facecolor="none", edgecolor=None)  # rings in the colours, not discs that hide the stars
    axes.figure.colorbar(dots, ax=axes, label="FWHM (pixels)", pad=0.01)
    sure = np.asarray(stars["significance"])[chosen] > _SHAPED
    angle, length = (
        np.radians(stars["theta"].value[chosen][sure]),
        np.asarray(stars["ellipticity"], float)[chosen][sure],
    )
    arrows = axes.quiver(
        x[sure], y[sure], length * np.cos(angle), length * np.sin(angle), pivot="middle", headwidth=0, headlength=0,
        headaxislength=0, width=0.003, color="C3", scale=3, scale_units="width",
    )  # fmt: skip
    axes.quiverkey(arrows, 0.85, 1.03, 0.2, "ellipticity 0.2", labelpos="W", fontproperties={"size": 8})


def seeing_text(meta: dict[str, Any]) -> str:
    """Return the seeing in words."""
    if not np.isfinite(meta.get("SEEINGPX", np.nan)):
        return "not known"
    sky = f'{meta["SEEING"]:.2f}" = ' if np.isfinite(meta["SEEING"]) else ""
    return f"{sky}{meta['SEEINGPX']:.2f} pixels, ellipticity {meta['ELLIPTIC']:.2f}"
