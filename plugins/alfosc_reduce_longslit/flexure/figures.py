"""Figure of how the night-sky lines of an exposure lie against its arc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure


def offsets_figure(table: QTable, image: CCDData) -> Figure:
    """Return the offsets against wavelength with the fit, and what is left of lines that did not take part."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), dpi=100, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    used = np.asarray(table["used"], bool)
    wave, offset, error = table["wavelength"].value, np.asarray(table["offset"]), np.asarray(table["error"])
    seen = np.isfinite(error) & (error < 0.3)
    values = offset[used] if used.any() else offset[seen]
    limit = max(0.1, 1.3 * float(np.max(np.abs(values), initial=0.0)))
    for chosen, colour, label in ((used, "tab:blue", "used"), (seen & ~used, "0.6", "not used")):
        _bars(upper, wave[chosen], offset[chosen], error[chosen], colour, label)
        _bars(lower, wave[chosen], np.asarray(table["left_out"])[chosen], error[chosen], colour, None)
    _name_lines(upper, table, used, limit)
    grid = np.linspace(wave.min(), wave.max(), 2) if len(wave) else np.array([5000.0, 9000.0])
    fitted = table.meta["shift"] + table.meta["slope"] * (grid - table.meta["reference"]) / 1000
    upper.plot(grid, fitted, color="tab:red", lw=1)
    upper.set(ylim=(-limit, limit), ylabel="offset from the arc (pixels)")
    upper.legend(fontsize=8, loc="lower left", ncols=2)
    lower.set(ylim=(-0.15, 0.15), ylabel="left of lines foretold\nwithout their band (px)")
    lower.set_xlabel("vacuum wavelength (Angstrom)")
    for axes in (upper, lower):
        axes.axhline(0, color="k", lw=0.6)
    name, seconds = image.header.get("FILENAME", ""), float(image.header.get("EXPTIME", 0))
    title = f"Night-sky lines   {image.header.get('OBJECT', '')}   {name}   {seconds:g} s"
    figure.suptitle(f"{title}\n{_told(table)}", fontsize=10)
    return figure


def _bars(axes: Any, x: Any, y: Any, error: Any, colour: str, label: str | None) -> None:
    if len(x):
        axes.errorbar(x, y, error, fmt="o", ms=3, lw=0.8, color=colour, label=label)


def _name_lines(axes: Any, table: QTable, used: Any, limit: float) -> None:
    """Write the name of every system once, over the first of its lines."""
    named: set[str] = set()
    for row in table[used]:
        name = str(row["lines"])
        if name not in named:
            axes.text(row["wavelength"].value, 0.86 * limit, name, fontsize=6.5, rotation=90, ha="center", va="center")
        named.add(name)


def _told(table: QTable) -> str:
    meta = table.meta
    if meta["kind"] in ("none", "tilt"):
        told = "agree with the arc" if meta.get("agrees") else "do not tell"
        return f"nothing applied: the lines {told}" + (
            f", but lean by {meta['tilt']:+.3f} px" if meta.get("tilt") else ""
        )
    text = f"{meta['shift']:+.3f} ± {meta['shift_error']:.3f} px at {meta['reference']:.0f} Å"
    slope = f", {meta['slope']:+.3f} ± {meta['slope_error']:.3f} px in 1000 Å" if meta["kind"] != "shift" else ""
    tilt = f"\n{meta['tilt']:+.3f} ± {meta['tilt_error']:.3f} px more at the last row" if meta.get("tilt") else ""
    return f"applied: {text}{slope}{tilt}"
