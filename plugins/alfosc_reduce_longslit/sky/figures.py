"""What a person wants to see of a sky subtraction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.images import rows_on_slit, usable
from alfosc_reduce_longslit.sky.quality import residuals_of, robust_std

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution

PIXELS = 700
"""A figure resolves about so many along either axis."""


def title_of(image: CCDData) -> str:
    """Return object, frame and exposure time for the head of a figure."""
    header = image.header
    parts = [str(header.get("OBJECT", "unknown object")), str(header.get("FILENAME", ""))]
    if "EXPTIME" in header:
        parts.append(f"{header['EXPTIME']:g} s")
    return "   ".join(part for part in parts if part)


def show_frame(axes: Axes, data: NDArray[np.floating], good: NDArray[np.bool_], label: str) -> None:
    """Draw a frame between its 1st and 99th percentile, columns along x, rows along y, thinned to what is seen."""
    ny, nx = data.shape
    thin = slice(None, None, max(1, ny // PIXELS)), slice(None, None, max(1, nx // PIXELS))
    shown = data[thin]
    low, high = np.percentile(shown[good[thin]], [1, 99]) if good[thin].any() else (0, 1)
    drawn = axes.imshow(
        shown, origin="lower", aspect="auto", cmap="gray", vmin=low, vmax=high, interpolation="nearest",
        extent=(-0.5, nx - 0.5, -0.5, ny - 0.5),
    )  # fmt: skip
    axes.set_ylabel("row along the slit")
    axes.set_title(label, loc="left", fontsize=9)
    axes.figure.colorbar(drawn, ax=axes, pad=0.01, label="electrons")


def wavelength_ticks(axes: Axes, wavelengths: WavelengthSolution) -> None:
    """Label the x axis of a frame with the wavelength at its central row."""
    ny, nx = wavelengths.shape
    centre = wavelengths(np.arange(nx), ny / 2)
    step = 1000 if np.ptp(centre) > 3000 else 200
    ticks = np.arange(np.ceil(centre[0] / step), np.floor(centre[-1] / step) + 1) * step
    axes.set_xticks(np.interp(ticks, centre, np.arange(nx)), [f"{tick:.0f}" for tick in ticks])
    axes.set_xlabel("vacuum wavelength at the central row (Å)")


def figure_of_frames(before: CCDData, after: CCDData, wavelengths: WavelengthSolution) -> Figure:
    """Return the frame before and after, on scales that show the sky and the noise."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    good = usable(after)
    show_frame(above, np.asarray(before.data), good, "before")
    show_frame(below, np.asarray(after.data), good, "sky subtracted")
    wavelength_ticks(below, wavelengths)
    figure.suptitle(f"Sky   {title_of(after)}", fontsize=10)
    return figure


def figure_of_spectrum(image: CCDData, sky: CCDData, wavelengths: WavelengthSolution) -> Figure:
    """Return the sky spectrum, and below it the scatter of residual / sigma over the blank rows of each column."""
    from matplotlib.figure import Figure

    residual, blank = residuals_of(image)
    rows = rows_on_slit(image)
    thin = slice(None, None, max(1, image.shape[1] // (2 * PIXELS)))
    residual, blank = residual[rows, thin], blank[rows, thin]
    centre = wavelengths(np.arange(image.shape[1]), (rows.start + rows.stop) / 2)[thin]
    spread = np.array([robust_std(residual[blank[:, x], x]) for x in range(residual.shape[1])])
    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    spectrum = np.median(np.asarray(sky.data)[rows, thin], axis=0)
    above.plot(centre, np.maximum(spectrum, 0.1), lw=0.8)
    above.set(yscale="log", ylabel="sky (electrons a pixel)", ylim=(max(np.percentile(spectrum, 1) / 2, 0.3), None))
    below.plot(centre, spread, ".", ms=3)
    expected = 1.17 / np.sqrt(max(int(blank.any(axis=1).sum()), 1))
    below.axhspan(1 - 2 * expected, 1 + 2 * expected, color="0.85", label="expected scatter (2 sigma)")
    below.axhline(1, color="k", lw=0.8)
    below.set(ylim=(0.6, 1.4), ylabel="residual / sigma,\nrobust std", xlabel="vacuum wavelength (Å)")
    below.legend(loc="lower left", fontsize=8)
    overall = robust_std(residual[blank])
    figure.suptitle(f"Sky   {title_of(image)}   residual / sigma {overall:.3f} over all blank pixels", fontsize=10)
    return figure
