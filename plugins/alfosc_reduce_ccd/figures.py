"""Pictures of frames for a person to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import UNUSABLE, Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_ccd.overscan_sections import Overscan
    from alfosc_reduce_ccd.products import DetectorNoise

_PIXELS = 600


def new_figure(height: float = 5.0) -> Figure:
    """Return an empty figure of the project's size, without pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(8, height), dpi=100, layout="constrained")


def limits(values: NDArray[np.floating], low: float = 0.5, high: float = 99.5) -> tuple[float, float]:
    """Return display limits from percentiles of the finite values; never equal."""
    finite = np.asarray(values)[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    bottom, top = (float(v) for v in np.percentile(finite[:: max(1, finite.size // 100_000)], [low, high]))
    return (bottom, top) if top > bottom else (bottom - 0.5, bottom + 0.5)


def show_image(
    axes: Axes,
    data: NDArray[np.floating],
    label: str,
    *,
    blank: NDArray[np.bool_] | None = None,
    span: tuple[float, float] | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
) -> tuple[float, float]:
    """Draw an image with a colour bar, its longer axis across the page; thinned to what a figure resolves.

    Pixels that are `blank` stay so. Returns the limits of the colours: `span`, or percentiles of what is drawn.
    """
    tall = data.shape[0] > data.shape[1]
    step = tuple(slice(None, None, max(1, size // _PIXELS)) for size in data.shape)
    shown = np.asarray(data[step])
    if blank is not None:
        shown = np.where(blank[step], np.nan, shown)
    bottom, top = span or limits(shown, *percentiles)
    nx, ny = data.shape if tall else data.shape[::-1]
    drawn = axes.imshow(
        shown.T if tall else shown, origin="lower", aspect="auto", extent=(-0.5, nx - 0.5, -0.5, ny - 0.5),
        vmin=bottom, vmax=top, cmap="viridis", interpolation="nearest",
    )  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, label=label, pad=0.01)
    names = ("y (pixels)", "x (pixels)") if tall else ("x (pixels)", "y (pixels)")
    axes.set(xlabel=names[0], ylabel=names[1])
    return bottom, top


def overscan_figure(scans: Sequence[Overscan], name: str) -> Figure:
    """Show what each overscan section says along its long axis, and the model subtracted."""
    figure = new_figure(2.5 + 2 * len(scans))
    for axes, scan in zip(np.atleast_1d(figure.subplots(len(scans))), scans, strict=True):
        pixel = scan.start + np.arange(len(scan.profile))
        axes.plot(pixel, scan.profile, ".", ms=3, color="0.5", label="mean of the overscan")
        axes.plot(pixel, scan.model, color="C3", label="subtracted")
        inner = scan.profile[len(scan.profile) // 50 :]
        axes.set_ylim(inner.min() - 5, inner.max() + 5)
        axes.set(xlabel=f"{'yx'[scan.axis]} (pixels)", ylabel="ADU")
        axes.set_title(f"{name}: overscan {scan.level:.1f} ± {scan.error:.1f} ADU, noise {scan.noise:.1f} ADU")
        axes.legend()
    return figure


def master_figure(image: CCDData, title: str, label: str, frames: Sequence[CCDData] = ()) -> Figure:
    """Show a master bias or dark, its means along both axes, and the overscan of the frames it was made of."""
    figure = new_figure(6)
    levels = overscan_levels(frames)
    panels = "iii;xyl" if levels.size else "ii;xy"
    top, *bottom = figure.subplot_mosaic(panels, height_ratios=[2, 1]).values()
    blank = np.asarray(image.mask)
    show_image(top, image.data, label, blank=blank, percentiles=(2, 98))
    top.set_title(f"{title}: {np.count_nonzero(blank)} unusable pixels")
    for axes, axis, name in zip(bottom, (0, 1), "xy", strict=False):
        thin = np.asarray(image.data)[_thin(axis, image.shape)]
        profile = np.median(thin, axis=axis)
        axes.plot(profile, lw=0.8)
        axes.set(xlabel=f"{name} (pixels)", ylabel=label, ylim=limits(profile, 1, 99))
        axes.margins(x=0)
    if levels.size:
        show_levels(bottom[-1], levels)
    return figure


def _thin(axis: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return every so manieth line along the axis over which a median is taken: 300 are enough for a figure."""
    step = slice(None, None, max(1, shape[axis] // 300))
    return (step, slice(None)) if axis == 0 else (slice(None), step)


def overscan_levels(frames: Sequence[CCDData]) -> NDArray[np.float64]:
    """Return level and noise of the overscan of each frame that knows them, ADU, shape (frames, 2)."""
    headers = [frames[i].meta for i in range(len(frames))]
    known = [(h["OVSCLEV"], h["OVSCNOIS"]) for h in headers if "OVSCLEV" in h and "OVSCNOIS" in h]
    return np.array(known, np.float64).reshape(-1, 2)


def show_levels(axes: Axes, levels: NDArray[np.float64]) -> None:
    """Draw the level of the overscan of each frame, in their order, and say how much it drifts."""
    axes.plot(np.arange(len(levels)) + 1, levels[:, 0], "o-", ms=3, lw=0.6)
    axes.set(xlabel="frame", ylabel="overscan (ADU)")
    axes.set_title(f"drift {np.ptp(levels[:, 0]):.1f} ADU, noise {np.median(levels[:, 1]):.1f} ADU", fontsize=9)
    axes.margins(y=0.2)


def transfer_figure(noise: DetectorNoise) -> Figure:
    """Show the photon transfer curve: variance against light, with the measured gain and that of the header."""
    figure = new_figure()
    axes = figure.subplots()
    level = np.array(noise.levels)
    photons = np.array(noise.variances) - (noise.measured_read_noise / noise.gain) ** 2
    axes.plot(level / 1e3, level / photons, ".", ms=4, color="0.7", label="blocks of the flats")
    groups = np.array_split(np.argsort(level), 10)
    means = [level[g].sum() / photons[g].sum() for g in groups]
    axes.plot([level[g].mean() / 1e3 for g in groups], means, "o", color="k", label="ten means")
    found = f"measured at no light: {noise.measured_gain:.4f} ± {noise.measured_gain_error:.4f}"
    axes.axhline(noise.measured_gain, color="C3", label=found)
    axes.axhline(noise.header_gain, color="C0", ls="--", label=f"header: {noise.header_gain:.4f}")
    bottom, top = limits(level / photons, 1, 99)
    axes.set_ylim(min(bottom, noise.header_gain) - 0.005, max(top, noise.header_gain) + 0.005)
    axes.set(xlabel="light (1000 ADU)", ylabel="level / photon variance (electron/ADU)")
    axes.set_title(f"Gain {noise.gain:.4f} e-/ADU ({noise.gain_source}), "
                   f"read noise {noise.read_noise:.2f} e- ({noise.read_noise_source})")  # fmt: skip
    axes.legend()
    return figure


def flat_figure(flat: CCDData) -> Figure:
    """Show the response of the pixels, and that of one row along the wavelength."""
    figure = new_figure(6)
    top, bottom = figure.subplots(2, height_ratios=[2, 1])
    flags = np.asarray(flat.flags)
    blank = (flags & int(Flag.NO_FLAT | UNUSABLE)) != 0
    show_image(top, flat.data, "response", blank=blank, percentiles=(1, 99))
    top.set_title(_flat_title(flat, flags))
    row = flat.shape[0] // 2
    middle = np.where(blank[row], np.nan, flat.data[row])
    bottom.plot(middle, lw=0.6, label=f"row {row}")
    bottom.set(xlabel="x (pixels)", ylabel="response", xlim=(0, flat.shape[1]), ylim=limits(middle, 0.2, 99.8))
    bottom.legend()
    return figure


def _flat_title(flat: CCDData, flags: NDArray[np.integer]) -> str:
    outside = (flags & int(Flag.OUTSIDE_FIELD)) != 0
    share = 100 * np.mean((flags[~outside] & int(Flag.NO_FLAT)) != 0) if not outside.all() else 100.0
    bad = np.count_nonzero(flags & int(Flag.BAD_PIXEL))
    text = f"Flat of {flat.meta['NCOMBINE']} frames: {share:.0f} % without lamp light (blank), {bad} bad pixels"
    if "SLITROW1" in flat.meta:
        text += f"\nslit from row {flat.meta['SLITROW1']} to {flat.meta['SLITROW2']} of {flat.shape[0]}"
    return text


def cosmic_ray_figure(image: CCDData, title: str) -> Figure:
    """Show a frame, and below it the same with cosmic rays marked."""
    figure = new_figure(6)
    top, bottom = figure.subplots(2, sharex=True, sharey=True)
    y, x = np.nonzero((np.asarray(image.flags) & int(Flag.COSMIC_RAY)) != 0)
    span = show_image(top, image.data, "electron / pixel", percentiles=(0.5, 99))
    show_image(bottom, image.data, "electron / pixel", span=span)
    if image.shape[0] > image.shape[1]:
        x, y = y, x
    bottom.plot(x, y, ",", color="red")
    top.set(title=f"{title}: as read", xlabel="")
    bottom.set_title(f"{len(x)} pixels hit by cosmic rays (red)")
    return figure
