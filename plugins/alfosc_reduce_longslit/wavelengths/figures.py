"""Figures of an arc and its wavelength solution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution


_LETTERS = 0.0125
"""Height of the letters that name a line, over the width of a panel."""


def _figure(title: str, height: float = 5.0) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def arc_image(arc: CCDData) -> Figure:
    """Return an arc frame as an image on a compressed scale."""
    figure = _figure(
        f"Arc {arc.meta.get('OBJECT', '')}: {arc.meta.get('LAMP', '?')} through {arc.meta.get('GRISM', '?')}"
    )
    axes = figure.subplots()
    data = np.asarray(arc.data, np.float64)[:: max(arc.shape[0] // 400, 1), :: max(arc.shape[1] // 1000, 1)]
    low = float(np.percentile(data, 20))
    image = np.arcsinh((data - low) / max(float(np.percentile(data, 90)) - low, 1e-9))
    axes.imshow(image, origin="lower", aspect="auto", cmap="gray_r", extent=(0, arc.shape[1], 0, arc.shape[0]))
    axes.set_xlabel("pixel along the dispersion")
    axes.set_ylabel("pixel along the slit")
    return figure


def identified_lines(solution: WavelengthSolution, spectrum: NDArray[np.float64], header: Header) -> Figure:
    """Return the arc's central spectrum with its lines: used ones labelled, others marked."""
    figure = _figure(f"Arc {solution.lines.meta.get('object', '')}: lines", height=7.0)
    wave = solution(np.arange(len(spectrum)), (solution.shape[0] - 1) / 2)
    floor = max(float(np.percentile(spectrum, 30)), 1e-9)
    light = np.arcsinh(np.maximum(spectrum, 0) / max(floor, float(spectrum.max()) * 1e-4))
    for axes, part in zip(figure.subplots(3, 1), np.array_split(np.arange(len(spectrum)), 3), strict=True):
        axes.plot(wave[part], light[part], color="0.2", lw=0.8)
        low, high = float(wave[part].min()), float(wave[part].max())
        margin = _LETTERS * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(0, float(light.max()) * 1.45)
        axes.set_yticks([])
        _label_lines(axes, solution, float(light.max()), (low, high))
    figure.supxlabel("vacuum wavelength (Angstrom); blue: used in the fit, orange: measured but not used", fontsize=9)
    figure.supylabel("light (compressed scale)", fontsize=9)
    return figure


def _label_lines(axes: Any, solution: WavelengthSolution, top: float, part: tuple[float, float]) -> None:
    """Mark lines; their names stand side by side, where lines are too close a little aside."""
    place = solution(np.asarray(solution.lines["x"]), (solution.shape[0] - 1) / 2)
    low, high = part
    free = low
    for i in np.argsort(place):
        line, where = solution.lines[i], float(place[i])
        if not low <= where < high:
            continue
        colour = "tab:blue" if line["used"] else "tab:orange"
        axes.plot([where, where], [top * 1.02, top * 1.07], color=colour, lw=1)
        if line["used"]:
            text = f"{str(line['ion']).split()[0]} {line['wavelength'].value:.1f}"
            aside = max(where, free)
            axes.text(aside, top * 1.09, text, rotation=90, fontsize=5.5, color=colour, ha="center", va="bottom")
            free = aside + (high - low) * _LETTERS


def residuals(solution: WavelengthSolution) -> Figure:
    """Return the residuals of the line positions against wavelength and along the slit."""
    meta = solution.lines.meta
    used = np.asarray(solution.lines["used"], bool)
    figure = _figure(
        f"Arc {meta.get('object', '')}: {int(used.sum())} lines\nrms {solution.rms:.3f} px, "
        f"a line left out {meta['leave_one_out']:.3f} px, degree {meta['degree'][0]} x {meta['degree'][1]}"
    )
    upper, lower = figure.subplots(2, 1)
    points = solution.points
    if points is not None:
        good = np.asarray(points["used"], bool)
        wave = solution.lines["wavelength"].value[np.asarray(points["line"])]
        residual = np.asarray(points["residual"])
        upper.plot(wave[good], residual[good], ".", ms=2, color="0.75", label="each strip of the slit")
        lower.plot(np.asarray(points["y"])[good], residual[good], ".", ms=2, color="0.4")
    wave = solution.lines["wavelength"].value[used]
    upper.plot(wave, np.asarray(solution.lines["residual"])[used], "o", ms=4, color="tab:blue", label="mean of a line")
    upper.plot(
        wave, np.asarray(solution.lines["left_out"])[used], "x", ms=4, color="tab:red", label="predicted without it"
    )
    limit = max(5 * solution.rms, 0.05)
    for axes, label in ((upper, "vacuum wavelength (Angstrom)"), (lower, "pixel along the slit")):
        axes.axhline(0, color="k", lw=0.6)
        axes.set_ylim(-limit, limit)
        axes.set_xlabel(label)
        axes.set_ylabel("residual (pixels)")
    upper.legend(fontsize=7, ncols=3, loc="upper center")
    return figure


def tilt(solution: WavelengthSolution) -> Figure:
    """Return how far lines run from a straight column, over the frame, the wavelengths' error, and the line width."""
    figure = _figure(f"Arc {solution.lines.meta.get('object', '')}: tilt of the lines, error of the wavelengths")
    grid = figure.add_gridspec(2, 2)
    _draw_tilt(figure, figure.add_subplot(grid[:, 0]), solution)
    nx = solution.shape[1]
    wave = solution(np.arange(nx), (solution.shape[0] - 1) / 2)
    above, below = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    if len(solution.error):
        above.semilogy(wave, solution.error, color="tab:blue")
    above.set_ylabel("standard error (Å)")
    if len(solution.resolution):
        below.plot(wave, solution.resolution, color="tab:blue")
    below.set_ylabel("line width, FWHM (Å)")
    for axes in (above, below):
        for edge in solution.wavelengths:
            axes.axvline(edge, color="0.6", ls="--", lw=0.8)
    below.set_xlabel("vacuum wavelength (Å); dashed: last lines")
    return figure


def _draw_tilt(figure: Figure, axes: Any, solution: WavelengthSolution) -> None:
    ny, nx = solution.shape
    x, y = np.linspace(0, nx - 1, 60), np.linspace(0, ny - 1, 40)
    middle = solution(x, (ny - 1) / 2)
    shift = -(solution(x[None, :], y[:, None]) - middle) / np.gradient(middle, x)
    image = axes.imshow(shift, origin="lower", aspect="auto", extent=(0, nx, 0, ny), cmap="RdBu_r")
    figure.colorbar(image, ax=axes, label="line's shift from the middle row (pixels)", shrink=0.8)
    axes.set_xlabel("pixel along the dispersion")
    axes.set_ylabel("pixel along the slit")
