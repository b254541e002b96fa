"""Pictures of imaging flats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_imaging.flats.blocks import in_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

_MOST_FRAMES = 6
_PIXELS = 350


def flat_figure(flat: CCDData) -> Figure:
    """Show the response, with what is masked, and its distribution."""
    from matplotlib.figure import Figure

    size = max(1, max(flat.shape) // _PIXELS)
    flags = np.asarray(flat.flags)
    good = (flags & int(Flag.BAD_PIXEL | Flag.OUTSIDE_FIELD | Flag.NO_FLAT)) == 0
    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    _show(left, in_blocks(flat.data, good, size), flat.shape, "response")
    _mark(left, flags, Flag.BAD_PIXEL, "red", "bad pixel or column")
    _mark(left, flags, Flag.NO_FLAT, "orange", "no flat: response of the surroundings")
    left.set(xlabel="x (pixels)", ylabel="y (pixels)", title=_title(flat, flags))
    values = np.asarray(flat.data)[good][:: max(1, flat.data.size // 200_000)]
    if values.size:
        low, high = (float(v) for v in np.percentile(values, [0.1, 99.9]))
        right.hist(values, bins=100, range=(low, max(high, low + 1e-6)), color="0.4")
    right.set(xlabel="response", ylabel="pixels (a sample)", title="distribution inside the field")
    return figure


def ratio_figure(flat: CCDData, frames: Sequence[CCDData]) -> Figure:
    """Show the first frames over the flat: gradients of the sky, and the stars that were left out."""
    from matplotlib.figure import Figure

    number = min(len(frames), _MOST_FRAMES)
    columns = min(number, 3)
    rows = -(-number // columns)
    # A layout worked out by matplotlib would cost more than all of the rest.
    figure = Figure(figsize=(9, 1 + 3 * rows), dpi=100)
    figure.subplots_adjust(0.03, 0.03, 0.86, 1 - 0.75 / (1 + 3 * rows), 0.05, 0.12)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[number:]:
        axes.set_axis_off()
    for i in range(number):
        ratio = _ratio(flat, frames[i])
        drawn = _image(panels[i], ratio, flat.shape, (0.98, 1.02))
        panels[i].set(xticks=[], yticks=[])
        low, high = np.nanpercentile(ratio, [2, 98]) if np.isfinite(ratio).any() else (np.nan, np.nan)
        panels[i].set_title(f"{_name(frames[i])}: 96 % within {100 * (high - low):.2f} %", fontsize=9)
    figure.colorbar(drawn, cax=figure.add_axes((0.88, 0.1, 0.02, 0.7)), label="frame over flat, middle = 1")
    left_out = flat.meta.get("NLEFTOUT", 0)
    figure.suptitle(f"Frames over their flat ({len(frames)} frames, {left_out} left out)", fontsize=10)
    return figure


def _ratio(flat: CCDData, frame: CCDData) -> NDArray[np.float32]:
    size = max(1, max(flat.shape) // 200)
    good = ~mask_of(np.asarray(flat.flags))
    if frame.flags is not None:
        good &= ~mask_of(np.asarray(frame.flags))
    ratio = in_blocks(np.asarray(frame.data) / np.asarray(flat.data), good, size)
    ny, nx = ratio.shape
    middle = ratio[ny // 4 : ny - ny // 4, nx // 4 : nx - nx // 4]
    level = float(np.nanmedian(middle)) if np.isfinite(middle).any() else 1.0
    return ratio / np.float32(level or 1.0)


def _show(axes: Axes, blocks: NDArray[np.floating], shape: tuple[int, ...], label: str) -> None:
    known = blocks[np.isfinite(blocks)]
    low, high = (float(v) for v in np.percentile(known, [1, 99])) if known.size else (0.0, 1.0)
    axes.figure.colorbar(_image(axes, blocks, shape, (low, max(high, low + 1e-6))), ax=axes, label=label, pad=0.01)


def _image(axes: Axes, blocks: NDArray[np.floating], shape: tuple[int, ...], span: tuple[float, float]) -> AxesImage:
    axes.set_facecolor("0.85")
    return axes.imshow(
        blocks, origin="lower", extent=(-0.5, shape[1] - 0.5, -0.5, shape[0] - 0.5), vmin=span[0], vmax=span[1],
        cmap="viridis", interpolation="nearest",
    )  # fmt: skip


def _mark(axes: Axes, flags: NDArray[np.integer], flag: Flag, colour: str, label: str) -> None:
    y, x = np.nonzero(((flags & int(flag)) != 0) & ((flags & int(Flag.OUTSIDE_FIELD)) == 0))
    if x.size:
        step = max(1, x.size // 20_000)
        axes.plot(x[::step], y[::step], ",", color=colour)
        axes.plot([], [], "s", color=colour, ms=4, label=f"{label} ({x.size})")
        axes.legend(fontsize=7, loc="upper center")


def _title(flat: CCDData, flags: NDArray[np.integer]) -> str:
    share = 100 * float(np.mean((flags & int(Flag.OUTSIDE_FIELD)) == 0))
    filt = str(flat.meta.get("FILTER", "")).strip()
    return f"Flat {filt} of {flat.meta['NCOMBINE']} frames: {share:.1f} % inside the field".replace("  ", " ")


def _name(frame: CCDData) -> str:
    return str(frame.meta.get("FILENAME", "frame")).partition(".")[0]
