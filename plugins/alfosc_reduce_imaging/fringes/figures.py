"""Pictures of fringes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.images import usable
from alfosc_reduce_imaging.flats.blocks import in_blocks
from alfosc_reduce_imaging.fringes.exposures import smooth_sky

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

_BLOCKS = 450


def pattern_figure(fringes: CCDData) -> Figure:
    """Show the pattern of fringes."""
    from matplotlib.figure import Figure

    header = fringes.meta
    blocks = in_blocks(fringes.data, np.asarray(fringes.flags) == 0, _size(fringes))
    figure = Figure(figsize=(7, 6), dpi=100, layout="constrained")
    axes = figure.subplots()
    span = float(np.nanpercentile(np.abs(blocks), 99)) if np.isfinite(blocks).any() else 1.0
    figure.colorbar(_show(axes, blocks, fringes.shape, span), ax=axes, label="pattern (root mean square 1)")
    filt = str(header.get("FILTER", "")).strip()
    axes.set_title(f"Fringes {filt} of {header['NCOMBINE']} exposures: {100 * header['FRNGREL']:.2f} % of the sky, "
                   f"{header['FRNGSIG']:.0f} sigma", fontsize=10)  # fmt: skip
    return figure


def subtraction_figure(image: CCDData, result: CCDData) -> Figure:
    """Show the sky of an image, less its smooth part, before and after the fringes are subtracted."""
    from matplotlib.figure import Figure

    header = result.meta
    figure = Figure(figsize=(9, 4.5), dpi=100, layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    span = 2.5 * abs(float(header["FRNGAMP"])) or 1.0
    for axes, frame, title in zip(panels, (image, result), ("before", "after"), strict=True):
        blocks = in_blocks(np.asarray(frame.data), usable(frame), _size(frame))
        drawn = _show(axes, blocks - smooth_sky(blocks), frame.shape, span)
        axes.set_title(title, fontsize=9)
    figure.colorbar(drawn, ax=panels.tolist(), label=f"above the smooth sky ({image.unit})", shrink=0.8)
    name = str(header.get("FILENAME", "")).partition(".")[0]
    figure.suptitle(f"{name}: fringes of {header['FRNGAMP']:.2f} ± {header['FRNGERR']:.2f} {image.unit} (rms), "
                    f"{abs(header['FRNGRES']):.2f} left", fontsize=10)  # fmt: skip
    return figure


def _size(image: CCDData) -> int:
    return max(1, int(max(image.shape)) // _BLOCKS)


def _show(axes: Axes, blocks: NDArray[np.floating], shape: tuple[int, ...], span: float) -> AxesImage:
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)", facecolor="0.85")
    return axes.imshow(
        blocks, origin="lower", extent=(-0.5, shape[1] - 0.5, -0.5, shape[0] - 0.5), vmin=-span, vmax=span,
        cmap="RdBu_r", interpolation="nearest",
    )  # fmt: skip
