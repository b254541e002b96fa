"""What a person wants to see of the sources of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.sources.flags import UNSAFE, SourceFlag
from alfosc_reduce_imaging.stars.figures import seeing_text, show_field
from alfosc_reduce_imaging.stars.psf_record import psf_of
from alfosc_reduce_imaging.stars.stamps import stamps_at
from alfosc_reduce_imaging.titles import title_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_NAMED = 60
_ELLIPSES = 2000
_GROWN = 40
_STAMPS = 4


def figure_of_field(image: CCDData, sources: QTable) -> Figure:
    """Return the image with an ellipse around each source, in colours by what it is, the brightest with its number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), dpi=100, layout="constrained")
    axes = figure.subplots()
    show_field(axes, image, f"{image.unit} / pixel")
    shown = sources[:_ELLIPSES]
    unsafe = (shown["source_flags"] & int(UNSAFE)) != 0
    stellar = ~unsafe & (np.nan_to_num(shown["class_star"], nan=1.0) > 0.1)
    for mask, colour, text in (
        (stellar, "C0", "width of a star"),
        (~unsafe & ~stellar, "C2", "other width"),
        (unsafe, "C3", "edge, saturated, masked, cosmic ray"),
    ):
        part = shown[mask]
        draw_ellipses(axes, part, colour)
        axes.plot([], [], "o", mfc="none", color=colour, label=f"{text} ({len(part)})")
    for row in shown[:_NAMED]:
        axes.annotate(str(row["id"]), (row["x"].value, row["y"].value), (4, 4), textcoords="offset points", fontsize=6)
    axes.legend(fontsize=8, loc="upper right")
    axes.set_title(f"{title_of(sources.meta)}: {len(sources)} sources, seeing {seeing_text(sources.meta)}", fontsize=10)
    return figure


def draw_ellipses(axes: Axes, sources: QTable, colour: str) -> None:
    """Draw an ellipse around each source, wider than the source so that it stays visible."""
    from matplotlib.collections import EllipseCollection

    width, height = (5 + 5 * sources[name].value for name in ("a", "b"))
    centres = np.column_stack([sources["x"].value, sources["y"].value])
    ellipses = EllipseCollection(
        width, height, sources["theta"].value, units="xy", offsets=centres, offset_transform=axes.transData
    )
    ellipses.set(facecolor="none", edgecolor=colour, linewidth=0.8)
    axes.add_collection(ellipses)


def figure_of_photometry(sources: QTable) -> Figure:
    """Return growth of stars, errors against flux, widths against flux, and fit against aperture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), dpi=100, layout="constrained")
    (growth, error), (width, ratio) = figure.subplots(2, 2)
    draw_growth(growth, sources)
    draw_errors(error, sources)
    draw_widths(width, sources)
    draw_ratio(ratio, sources)
    figure.suptitle(f"Photometry   {title_of(sources.meta)}", fontsize=10)
    return figure


def good_stars(sources: QTable, least: float) -> NDArray[np.bool_]:
    """Return the clean sources of the width of a star with at least this signal to noise."""
    return np.asarray(
        (sources["source_flags"] == 0) & (np.nan_to_num(sources["class_star"]) > 0.1) & (sources["snr"] > least)
    )


def draw_growth(axes: Axes, sources: QTable) -> None:
    """Draw the light of bright stars within each aperture over their total light."""
    radii = np.array(sources.meta["APERTURES"])
    stars = sources[good_stars(sources, 50.0)][:_GROWN]
    curves = np.array([stars[f"flux_aper_{i + 1}"] / stars["flux_aper"] for i in range(len(radii))])
    if len(stars):
        axes.plot(radii, curves, color="0.7", lw=0.6)
        axes.plot(radii, np.median(curves, axis=1), "o-", ms=4, label=f"median of {len(stars)} bright stars")
        axes.legend(fontsize=8)
    axes.axvline(sources.meta["APMAIN"], color="C3", lw=0.8, ls="--")
    axes.axhline(1, color="k", lw=0.5)
    axes.set(xlabel="radius (pixels)", ylabel="light within / total light", ylim=(0, 1.1))
    axes.set_title(
        f"aperture correction {sources.meta['APCOR']:.3f} ± {sources.meta['APCORERR']:.3f}", fontsize=9
    )  # fmt: skip


def draw_errors(axes: Axes, sources: QTable) -> None:
    """Draw the error of magnitudes against flux, with the depth."""
    for name, colour in (("flux_aper", "C0"), ("flux_psf", "C1")):
        flux, error = sources[name].value, sources[f"{name}_error"].value
        good = (flux > 0) & np.isfinite(error)
        axes.plot(flux[good], 1.0857 * error[good] / flux[good], ".", ms=3, color=colour, label=name)
    depth = sources.meta["DEPTH5"]
    if np.isfinite(depth) and depth > 0:
        axes.axvline(depth, color="C3", lw=0.8, ls="--", label=f"5 sigma: {depth:.3g}")
    axes.set(xscale="log", yscale="log", xlabel=f"flux ({sources.meta['UNIT']})", ylabel="error (mag)")
    axes.set_title("depth of empty apertures", fontsize=9)
    axes.legend(fontsize=8)


def draw_widths(axes: Axes, sources: QTable) -> None:
    """Draw widths against flux: stars lie on a line, galaxies above it, cosmic rays below."""
    flux, fwhm = sources["flux_aper_3"].value, sources["fwhm"].value
    unsafe = (sources["source_flags"] & int(UNSAFE | SourceFlag.BLENDED | SourceFlag.NEIGHBOUR)) != 0
    for mask, colour, text in ((unsafe, "0.7", "blended or flagged"), (~unsafe, "C0", "clean")):
        use = mask & (flux > 0) & np.isfinite(fwhm)
        axes.plot(flux[use], fwhm[use], ".", ms=3, color=colour, label=text)
    seeing = sources.meta["SEEINGPX"]
    if np.isfinite(seeing):
        axes.axhline(seeing, color="C3", lw=0.8)
        axes.set_ylim(0, 3 * seeing)
    axes.set(xscale="log", xlabel=f"flux ({sources.meta['UNIT']})", ylabel="FWHM (pixels)")
    axes.set_title(f"seeing {seeing_text(sources.meta)}", fontsize=9)
    axes.legend(fontsize=8)


def draw_ratio(axes: Axes, sources: QTable) -> None:
    """Draw how the two total fluxes of stars agree."""
    stars = sources[good_stars(sources, 10.0)]
    good = np.isfinite(stars["flux_psf"].value) & (stars["flux_psf"].value > 0)
    flux = stars["flux_aper"].value[good]
    difference = -2.5 * np.log10(stars["flux_psf"].value[good] / flux)
    axes.plot(flux, difference, ".", ms=3)
    axes.axhline(0, color="k", lw=0.5)
    spread = max(0.05, 3 * float(np.std(difference))) if len(difference) else 0.1
    axes.set(xscale="log", xlabel=f"flux_aper ({sources.meta['UNIT']})", ylabel="PSF - aperture (mag)",
             ylim=(-min(spread, 0.5), min(spread, 0.5)))  # fmt: skip
    bright = stars["snr"][good] > 50
    if bright.any():
        axes.set_title(f"stars above S/N 50: median {float(np.median(difference[bright])):+.4f} mag", fontsize=9)


def figure_of_psf(image: CCDData, sources: QTable) -> Figure:
    """Return bright stars, and what the point spread function leaves of each, in sigma."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), dpi=100, layout="constrained")
    grid = figure.subplots(2, _STAMPS, squeeze=False)
    stars = sources[good_stars(sources, 20.0)][:_STAMPS]
    light, left = residual_stamps(image, stars)
    for i, (above, below) in enumerate(grid.T):
        for panel in (above, below):
            panel.set(xticks=[], yticks=[])
        if i < len(stars):
            above.imshow(light[i], origin="lower", cmap="gray_r", interpolation="nearest")
            shown = below.imshow(left[i], origin="lower", cmap="RdBu_r", vmin=-5, vmax=5, interpolation="nearest")
            above.set_title(f"source {stars['id'][i]}, S/N {stars['snr'][i]:.0f}", fontsize=9)
            below.set_title(f"chi2 {stars['chi2_psf'][i]:.2f}", fontsize=9)
    if len(stars):
        figure.colorbar(shown, ax=grid[1], label="residual (sigma)")
    number = sources.meta["PSFSTARS"]
    figure.suptitle(f"Point spread function from {number} stars   {title_of(sources.meta)}", fontsize=10)
    return figure


def residual_stamps(image: CCDData, stars: QTable) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the light around stars, and what is left of it after the fit in units of its noise."""
    meta = stars.meta
    psf = psf_of(meta["PSF"])
    radius = int(np.ceil(2.5 * psf.fwhm))
    x, y = stars["x_psf"].value, stars["y_psf"].value
    whole = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    light = stamps_at(np.asarray(image.data, np.float64), *whole, radius, np.nan)
    light = light - stars["background"].value[:, None, None]
    model = stars["flux_psf"].value[:, None, None] * psf.stamps(x, y, radius, whole)
    return light, (light - model) / np.sqrt(meta["SKYNOISE"] ** 2 + meta["PHOTON"] * np.maximum(model, 0))
