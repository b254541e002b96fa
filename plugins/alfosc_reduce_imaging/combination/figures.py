"""The combined image, and how many frames made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.combination.grid import Area, Grid, Outline, common_grid, coverage
from alfosc_reduce_imaging.combination.header import NAME
from alfosc_reduce_imaging.registration.filelist import place_of
from alfosc_reduce_imaging.registration.geometry import corners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_SHOWN = 500


def outlines_of(filelist: QTable, image: CCDData) -> list[Outline]:
    """Return where the frames that an image was made of lie; nothing if the list does not tell their sizes."""
    used = {str(image.meta[f"FR{i:03d}"]) for i in range(1, int(image.meta["NCOMBINE"]) + 1)}
    if not {"nx", "ny", "xx", "dx"} <= set(filelist.colnames):
        return []
    rows = [row for row in filelist if str(row["file"])[:NAME] in used and row["nx"] > 0]
    return [Outline(place_of(row), (int(row["nx"]), int(row["ny"]))) for row in rows]


def figure_of_combination(image: CCDData, outlines: Sequence[Outline], area: Area) -> Figure:
    """Return the image in grey, and beside it the number of frames (where they lie not known: the error of a pixel)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    step = max(1, max(image.shape) // _SHOWN)
    _draw_image(left, image, step)
    if outlines:
        _draw_coverage(right, outlines, common_grid(outlines, area), 3 * step)
    else:
        _draw_errors(right, image, step)
    header = image.meta
    seconds = f", {float(header['EXPTIME']):.4g} s" if "EXPTIME" in header else ""
    figure.suptitle(
        f"{header.get('OBJECT', '')} {header.get('FILTER', '')}: {header['NCOMBINE']} frames{seconds}, "
        f"{header.get('COMBMETH', '')}", fontsize=10,
    )  # fmt: skip
    return figure


def _draw_image(axes: Axes, image: CCDData, step: int) -> None:
    shown = _thinned(image, np.asarray(image.data), step)
    finite = shown[np.isfinite(shown)]
    low, middle = np.percentile(finite, [16, 50]) if finite.size else (0.0, 1.0)
    sigma = max(float(middle - low), 1e-12)
    drawn = axes.imshow(
        shown, origin="lower", cmap="gray_r", vmin=middle - 2 * sigma, vmax=middle + 10 * sigma,
        extent=_extent(image.shape), interpolation="nearest",
    )  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8, label=str(image.unit))
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)")


def _draw_coverage(axes: Axes, outlines: Sequence[Outline], grid: Grid, step: int) -> None:
    from matplotlib.ticker import MaxNLocator

    number = coverage(outlines, grid, step)
    top = len(outlines)
    drawn = axes.imshow(
        number, origin="lower", cmap="viridis", vmin=0, vmax=top, extent=_extent((grid.ny, grid.nx)),
        interpolation="nearest",
    )  # fmt: skip
    for place, size in outlines:
        rim = place(corners(*size)) - [grid.x0, grid.y0]
        axes.plot(*np.vstack([rim, rim[:1]]).T, "w-", lw=0.5)
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8, label="frames", ticks=MaxNLocator(integer=True))
    axes.set(xlabel="x (pixels)", title="frames that reach a pixel")
    axes.title.set_fontsize(9)


def _draw_errors(axes: Axes, image: CCDData, step: int) -> None:
    shown = np.sqrt(np.maximum(_thinned(image, np.asarray(image.uncertainty.array), step), 0))
    finite = shown[np.isfinite(shown)]
    span = np.percentile(finite, [1, 95]) if finite.size else (0.0, 1.0)
    drawn = axes.imshow(
        shown, origin="lower", cmap="viridis", vmin=span[0], vmax=span[1], extent=_extent(image.shape),
        interpolation="nearest",
    )  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8, label=f"error of a pixel ({image.unit})")
    axes.set(xlabel="x (pixels)")


def _thinned(image: CCDData, values: NDArray[np.floating], step: int) -> NDArray[np.floating]:
    """Return every so manieth value of a plane of an image, NaN where the image must not be used."""
    part = (slice(None, None, step),) * 2
    bad = np.zeros(values[part].shape, bool) if image.mask is None else np.asarray(image.mask, bool)[part]
    return np.where(bad | ~np.isfinite(values[part]), np.float32(np.nan), values[part])


def _extent(shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    return (-0.5, shape[1] - 0.5, -0.5, shape[0] - 0.5)
