"""Pictures of frames for a person to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, usable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_ccd.overscan import Overscan
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


def show_image(axes: Axes, data: NDArray[np.floating], label: str, *, span: tuple[float, float] | None = None) -> None:
    """Draw an image with a colour bar, its longer axis across the page; thinned to what a figure resolves."""
    tall = data.shape[0] > data.shape[1]
    shown = data.T if tall else data
    step = [max(1, size // _PIXELS) for size in shown.shape]
    bottom, top = span or limits(data)
    extent = (-0.5, shown.shape[1] - 0.5, -0.5, shown.shape[0] - 0.5)
    drawn = axes.imshow(
        shown[:: step[0], :: step[1]], origin="lower", aspect="auto", extent=extent, vmin=bottom, vmax=top,
        cmap="viridis", interpolation="nearest",
    )  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, label=label, pad=0.01)
    names = ("y (pixels)", "x (pixels)") if tall else ("x (pixels)", "y (pixels)")
    axes.set(xlabel=names[0], ylabel=names[1])


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


def master_figure(image: CCDData, title: str, label: str) -> Figure:
    """Show an image, and its medians along both axes."""
    figure = new_figure(6)
    top, *bottom = figure.subplot_mosaic([["image", "image"], ["x", "y"]], height_ratios=[2, 1]).values()
    data = np.where(usable(image), image.data, np.nan)
    show_image(top, data, label, span=limits(data, 2, 98))
    top.set_title(f"{title}: {np.count_nonzero(np.isnan(data))} unusable pixels")
    for axes, axis, name in zip(bottom, (0, 1), "xy", strict=True):
        profile = np.median(np.asarray(image.data), axis=axis)
        axes.plot(profile, lw=0.8)
        axes.set(xlabel=f"{name} (pixels)", ylabel=label, ylim=limits(profile, 1, 99))
        axes.margins(x=0)
    return figure


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


def frame_figure(image: CCDData, title: str, label: str) -> Figure:
    """Show one frame with its unusable pixels left blank."""
    figure = new_figure(4)
    axes = figure.subplots()
    show_image(axes, np.where(usable(image), image.data, np.nan), label)
    axes.set_title(title)
    return figure


def flat_figure(flat: CCDData) -> Figure:
    """Show the response of the pixels, and its rows' scatter along the wavelength."""
    figure = new_figure(6)
    top, bottom = figure.subplots(2, height_ratios=[2, 1])
    flags = flags_of(flat)
    unknown = (flags & int(Flag.NO_FLAT)) != 0
    data = np.where(unknown | ~usable(flat), np.nan, flat.data)
    span = limits(data, 1, 99)
    show_image(top, data, "response", span=span)
    share, bad = 100 * np.mean(unknown), np.count_nonzero(flags & Flag.BAD_PIXEL)
    top.set_title(f"Flat of {flat.meta['NCOMBINE']} frames: {share:.0f} % without lamp light (blank), {bad} bad pixels")
    middle = data[data.shape[0] // 2]
    bottom.plot(middle, lw=0.6, label=f"row {data.shape[0] // 2}")
    bottom.set(xlabel="x (pixels)", ylabel="response", xlim=(0, data.shape[1]), ylim=limits(middle, 0.2, 99.8))
    bottom.legend()
    return figure


def cosmic_ray_figure(image: CCDData, title: str) -> Figure:
    """Show a frame, and below it the same with cosmic rays marked."""
    figure = new_figure(6)
    top, bottom = figure.subplots(2, sharex=True, sharey=True)
    hit = (flags_of(image) & int(Flag.COSMIC_RAY)) != 0
    span = limits(image.data, 0.5, 99)
    show_image(top, np.asarray(image.data), "electron / pixel", span=span)
    show_image(bottom, np.where(hit, np.nan, image.data), "electron / pixel", span=span)
    y, x = np.nonzero(hit)
    bottom.plot(x, y, ",", color="red")
    top.set(title=f"{title}: as read", xlabel="")
    bottom.set_title(f"{np.count_nonzero(hit)} pixels hit by cosmic rays (red)")
    return figure
