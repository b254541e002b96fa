"""How a response looks: points, curve with its error, and what the curve leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_longslit.response.atmosphere import MOLECULAR_BANDS, TELLURIC_BANDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alfosc_reduce_longslit.products import Response

_STYLES = {
    "": ("o", "C0", "used"),
    "telluric": ("x", "C3", "telluric band, not used"),
    "balmer": ("s", "C1", "Balmer line, not used"),
    "rejected": ("v", "k", "rejected"),
    "frame": (".", "0.6", "frame left out"),
}


def response_figure(response: Response) -> Figure:
    """Return the response with its points above, the residuals below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    _points(above, below, response)
    above.plot(response.wavelength, response.response, "k-", lw=1, zorder=3)
    above.fill_between(
        response.wavelength,
        response.response * np.exp(-response.error),
        response.response * np.exp(response.error),
        color="0.7",
        lw=0,
    )
    above.set(ylabel="e⁻ s⁻¹ Å⁻¹ / (erg s⁻¹ cm⁻² Å⁻¹)", ylim=(0, 1.25 * response.response.max()))
    above.set_title(_title(response), fontsize=10)
    above.legend(fontsize=8, ncols=2, loc="upper right")
    below.fill_between(response.wavelength, -100 * response.error, 100 * response.error, color="0.7", lw=0)
    below.axhline(0, color="k", lw=0.8)
    below.set(xlabel="wavelength (Å, vacuum)", ylabel="measured − curve (%)", ylim=(-6, 6))
    below.set_xlim(response.wavelengths[0] - 100, response.wavelengths[1] + 100)
    shade_telluric(below)
    shade_telluric(above)
    return figure


def telluric_figure(response: Response) -> Figure:
    """Return the transmission of the molecular bands at air mass 1, a panel each."""
    from matplotlib.figure import Figure

    table = response.telluric
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    if table is None:
        return figure
    x, depth, error = (np.asarray(table[name]) for name in ("wavelength", "depth", "error"))
    bands = [(name, (x > low) & (x < high)) for name, low, high in MOLECULAR_BANDS]
    bands = [(name, chosen) for name, chosen in bands if chosen.any()]
    for axes, (name, chosen) in zip(np.atleast_1d(figure.subplots(1, len(bands), sharey=True)), bands, strict=True):
        through = np.exp(-depth[chosen])
        axes.errorbar(x[chosen], through, through * error[chosen], fmt=".-", ms=3, lw=0.8, elinewidth=0.6)
        axes.axhline(1, color="k", lw=0.6)
        axes.set_title(name, fontsize=9)
        axes.set_ylim(0, 1.1)
        axes.tick_params(axis="x", labelrotation=45, labelsize=8)
    figure.supxlabel("wavelength (Å, vacuum, topocentric)", fontsize=9)
    figure.supylabel("transmission at air mass 1", fontsize=9)
    figure.suptitle(f"molecular absorption in {', '.join(sorted(set(response.frames['star'])))}", fontsize=10)
    return figure


def shade_telluric(axes: Axes) -> None:
    """Shade the telluric bands; the limits of the axis stay."""
    limits = axes.get_xlim()
    for low, high in TELLURIC_BANDS:
        axes.axvspan(low, high, color="C0", alpha=0.08, lw=0, zorder=0)
    axes.set_xlim(limits)


def _points(above: Axes, below: Axes, response: Response) -> None:
    points = response.points
    kind = np.where(np.asarray(points["used"]), "", np.asarray(points["reason"]))
    kind = np.where((kind == "") & ~np.asarray(points["used"]), "frame", kind)
    x, residual = np.asarray(points["wavelength"]), 100 * np.asarray(points["residual"])
    for name, (marker, colour, label) in _STYLES.items():
        chosen = kind == name
        if not chosen.any():
            continue
        value, error = np.asarray(points["response"])[chosen], np.asarray(points["error"])[chosen]
        style: dict[str, Any] = {"fmt": marker, "color": colour, "ms": 4, "lw": 0.8}
        above.errorbar(x[chosen], value, value * error, label=label, **style)
        below.errorbar(x[chosen], np.clip(residual[chosen], -5.8, 5.8), 100 * error, **style)


def _title(response: Response) -> str:
    """Name the frames with the light they caught, on lines that fit; of many frames the range."""
    frames = response.frames
    stars = ", ".join(sorted({str(row["star"]) for row in frames}))
    if len(frames) > 3:
        low, high = (100 * float(f(frames["scale"])) for f in (np.min, np.max))
        used = int(np.sum(frames["used"]))
        return f"Response from {used} of {len(frames)} frames of {stars}\nlight caught {low:.0f} to {high:.0f} %"
    names = [f"{r['frame']} ({100 * r['scale']:.0f} %{'' if r['used'] else ', left out'})" for r in frames]
    return f"Response from {stars}\nlight caught: {', '.join(names)}"
