"""What a person wants to see of a map of the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.images import usable
from alfosc_reduce_imaging.photometry.columns import numbers, truths
from alfosc_reduce_imaging.titles import title_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PIXELS = 700
"""A figure resolves about so many along either axis."""
ARROWS = 800
"""Arrows drawn at most."""


def figure_of_residuals(image: CCDData, sources: QTable) -> Figure:
    """Return residuals over the field as arrows, and against each other, x, y and magnitude."""
    from matplotlib.figure import Figure

    summary: dict[str, Any] = sources.meta["ASTROMETRY"]
    used = truths(sources, "wcs_used")
    east, north = numbers(sources, "ra_offset"), numbers(sources, "dec_offset")
    limit = max(4.5 * 1000 * summary["rms"] / np.sqrt(2), 1.0)
    figure = Figure(figsize=(11, 6.2), dpi=100, layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=[1, 1.15])
    _arrows(parts[0].subplots(), image, sources, limit)
    (a, b), (c, d) = parts[1].subplots(2, 2)
    _cloud(a, east, north, used, limit)
    panels = ((b, numbers(sources, "x"), "x (pixel)"), (c, numbers(sources, "y"), "y (pixel)"),
              (d, _magnitudes(sources), "instrumental magnitude"))  # fmt: skip
    for axes, values, label in panels:
        _against(axes, values, east, north, used, limit)
        axes.set(xlabel=label, ylabel="image less catalogue (mas)")
    b.legend(fontsize=7, loc="upper right")
    figure.suptitle(
        f"{title_of(image.meta)}   {summary['fit']}, {summary['stars']} stars, rms {1000 * summary['rms']:.1f} mas, "
        f"left out {1000 * summary['left_out_rms']:.1f} mas", fontsize=10,
    )  # fmt: skip
    return figure


def _arrows(axes: Axes, image: CCDData, sources: QTable, limit: float) -> None:
    """Draw the residuals of the stars used, turned to the directions of the pixels."""
    used = np.flatnonzero(truths(sources, "wcs_used"))
    used = used[:: len(used) // ARROWS + 1]
    x, y = numbers(sources, "x")[used], numbers(sources, "y")[used]
    offsets = np.stack([numbers(sources, name)[used] for name in ("ra_offset", "dec_offset")])
    header = image.meta
    matrix = np.array([[header["CD1_1"], header["CD1_2"]], [header["CD2_1"], header["CD2_2"]]]) * 3.6e6
    du, dv = np.linalg.solve(matrix, offsets)
    ny, nx = image.shape
    unit = round_number(limit / 4.5 * 2)
    length = 0.06 * max(nx, ny) / unit * sources.meta["ASTROMETRY"]["scale"] * 1000
    drawn = axes.quiver(x, y, du * length, dv * length, angles="xy", scale_units="xy", scale=1, width=0.003, color="C0")
    axes.quiverkey(drawn, 0.85, 1.03, 0.06 * max(nx, ny), f"{unit:.3g} mas", labelpos="W", fontproperties={"size": 8})
    axes.plot(x, y, "k.", ms=1.5)
    axes.set(xlim=(-0.5, nx - 0.5), ylim=(-0.5, ny - 0.5), aspect="equal", xlabel="x (pixel)", ylabel="y (pixel)")
    axes.set_title("image less catalogue", loc="left", fontsize=9)


def round_number(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, the nearest to a positive number."""
    choices = np.outer([1.0, 2.0, 5.0], 10.0 ** np.arange(-3, 7)).ravel()
    return float(choices[np.argmin(np.abs(np.log(choices / value)))])


def _cloud(
    axes: Axes, east: NDArray[np.float64], north: NDArray[np.float64], used: NDArray[np.bool_], limit: float
) -> None:
    for which, colour in ((~used, "0.7"), (used, "C0")):
        axes.plot(np.clip(east[which], -limit, limit), np.clip(north[which], -limit, limit), ".", ms=4, color=colour)
    axes.axhline(0, color="k", lw=0.5)
    axes.axvline(0, color="k", lw=0.5)
    axes.set(xlim=(1.05 * limit, -1.05 * limit), ylim=(-1.05 * limit, 1.05 * limit), aspect="equal",
             xlabel="to the east (mas)", ylabel="to the north (mas)")  # fmt: skip


def _against(
    axes: Axes,
    values: NDArray[np.float64],
    east: NDArray[np.float64],
    north: NDArray[np.float64],
    used: NDArray[np.bool_],
    limit: float,
) -> None:
    rest = ~used & np.isfinite(east)
    for offsets in (east, north):
        axes.plot(values[rest], np.clip(offsets[rest], -limit, limit), ".", color="0.7", ms=3)
    axes.plot(values[used], np.clip(east[used], -limit, limit), ".", color="C0", ms=4, label="east")
    axes.plot(values[used], np.clip(north[used], -limit, limit), ".", color="C1", ms=4, label="north")
    axes.axhline(0, color="k", lw=0.5)
    axes.set(ylim=(-1.05 * limit, 1.05 * limit))


def _magnitudes(sources: QTable) -> NDArray[np.float64]:
    name = next((n for n in ("flux_aper", "flux_auto", "flux", "flux_psf") if n in sources.colnames), "")
    flux = numbers(sources, name)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(flux > 0, -2.5 * np.log10(flux), np.nan)


def figure_of_field(image: CCDData, sources: QTable, reference: QTable) -> Figure:
    """Return the image with its sources: those the map was fitted to, those in the catalogue, and the rest."""
    from matplotlib.figure import Figure

    summary: dict[str, Any] = sources.meta["ASTROMETRY"]
    figure = Figure(figsize=(8, 8), dpi=100, layout="constrained")
    axes = figure.subplots()
    show_image(axes, image)
    used = truths(sources, "wcs_used")
    matched = np.asarray(sources["source_id"]) != ""
    x, y = numbers(sources, "x"), numbers(sources, "y")
    groups = ((used, "C2", f"{used.sum()} fitted"), (matched & ~used, "C1", f"{(matched & ~used).sum()} matched"),
              (~matched, "C3", f"{(~matched).sum()} not in the catalogue"))  # fmt: skip
    for which, colour, label in groups:
        axes.scatter(x[which], y[which], s=70, facecolors="none", edgecolors=colour, lw=0.8, label=label)
    axes.legend(fontsize=8, loc="upper right")
    _compass(axes, image)
    catalogue = str(reference.meta.get("CATALOG", "catalogue"))
    axes.set_title(
        f"{title_of(image.meta)}   {catalogue}   {summary['scale']:.4f} arcsec a pixel, y at position angle "
        f"{summary['rotation']:z.2f} deg", fontsize=10,
    )  # fmt: skip
    return figure


def show_image(axes: Axes, image: CCDData) -> None:
    """Draw an image between sky and bright stars, thinned to what is seen."""
    ny, nx = image.shape
    thin = slice(None, None, max(1, ny // PIXELS)), slice(None, None, max(1, nx // PIXELS))
    shown, good = np.asarray(image.data)[thin], usable(image)[thin]
    low, high = np.percentile(shown[good], [5, 99.5]) if good.any() else (0, 1)
    extent = (-0.5, nx - 0.5, -0.5, ny - 0.5)
    axes.imshow(shown, origin="lower", cmap="gray_r", vmin=low, vmax=high, interpolation="nearest", extent=extent)
    axes.set(xlabel="x (pixel)", ylabel="y (pixel)")


def _compass(axes: Axes, image: CCDData) -> None:
    """Draw north and east in the lower left corner."""
    header = image.meta
    matrix = np.array([[header["CD1_1"], header["CD1_2"]], [header["CD2_1"], header["CD2_2"]]])
    length = 0.08 * max(image.shape)
    start = 1.9 * length
    for name, direction in (("E", (1.0, 0.0)), ("N", (0.0, 1.0))):
        step = np.linalg.solve(matrix, np.array(direction))
        step = step / np.hypot(*step) * length
        axes.annotate(
            "", (start + step[0], start + step[1]), (start, start), arrowprops={"arrowstyle": "->", "color": "C0"}
        )
        axes.text(start + 1.2 * step[0], start + 1.2 * step[1], name, color="C0", ha="center", va="center")
