"""How a rectified frame looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.rectification.axis import grid_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure

PIXELS = 700
"""A figure resolves about so many along the slit, and twice as many along the wavelength."""


def rectified_figure(image: CCDData, title: str = "rectified") -> Figure:
    """Return a picture of a rectified frame with its wavelength and slit axes, unusable pixels grey."""
    from matplotlib.figure import Figure

    grid = grid_of(image.meta, image.shape[1])
    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    height = image.shape[0] * float(image.meta.get("CDELT2", 1.0))
    edges = grid.edges()
    # A logarithmic axis bends less than a pixel on this picture only if drawn by its own edges.
    rows, y = thinned(np.linspace(0, height, image.shape[0] + 1), PIXELS)
    columns, x = thinned(edges, 2 * PIXELS)
    shown = np.ma.masked_array(image.data[rows, columns], np.asarray(image.mask, bool)[rows, columns])
    low, high = limits_of(shown.data[~shown.mask & _quiet(image, rows, columns)])
    mesh = axes.pcolorfast(x, y, shown, cmap="viridis", vmin=low, vmax=high)
    axes.set_facecolor("0.6")
    axes.set(xlabel="wavelength (Å, vacuum)", ylabel="along the slit (arcsec)")
    frame = image.meta.get("FILENAME", "") if int(image.meta.get("NCOMBINE", 1)) < 2 else ""
    axes.set_title(f"{image.meta.get('OBJECT', '')}  {title}  {frame}".strip(), fontsize=10)
    figure.colorbar(mesh, ax=axes, label=image.unit.to_string(), pad=0.01)
    return figure


def thinned(edges: np.ndarray, most: int) -> tuple[slice, np.ndarray]:
    """Return every so manieth pixel of an axis that no more than about `most` are drawn, and their edges."""
    step = max(1, (len(edges) - 1) // most)
    end = (len(edges) - 1) // step * step
    return slice(0, end, step), edges[: end + 1 : step]


def _quiet(image: CCDData, rows: slice, columns: slice) -> np.ndarray:
    """Return which columns are not much noisier than usual: where there is hardly light colours show nothing else."""
    if image.uncertainty is None:
        return np.array(True)
    noise = np.median(np.asarray(image.uncertainty.array)[rows, columns], axis=0)
    positive = noise[noise > 0]
    limit = 9 * np.median(positive) if positive.size else np.inf
    return np.asarray(noise <= limit)


def limits_of(values: np.ndarray) -> tuple[float, float]:
    """Return limits of the colours that show the background's noise and the objects."""
    if not values.size:
        return 0.0, 1.0
    sample = values[:: max(1, values.size // 100_000)]
    low, middle, high = np.percentile(sample, [1, 50, 99.7])
    return float(low), float(high if high > middle else low + 1)
