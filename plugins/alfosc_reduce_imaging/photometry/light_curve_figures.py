"""What a person wants to see of a light curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.figure import Figure


def figure_of_light_curve(table: QTable) -> Figure:
    """Return magnitudes against time, and the offsets of the frames below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    start = float(np.floor(table["mjd"].value.min()))
    time = table["mjd"].value - start
    above.errorbar(time, table["mag"].value, table["mag_error"].value, fmt="o", ms=4, lw=0.8, color="C0")
    above.invert_yaxis()
    above.set(ylabel="magnitude" if table.meta["CALIBRATED"] else "instrumental magnitude")
    below.errorbar(time, table["offset"].value, table["offset_error"].value, fmt="o", ms=3, lw=0.8, color="0.4")
    below.set(xlabel=f"MJD - {start:.0f} (days)", ylabel="offset of the frame\n(mag, + is fainter)")
    chi2 = table.meta["CHI2"]
    words = f"a constant fits with reduced chi2 {chi2:.2f}" if chi2 is not None else "nothing measured"
    name = f"{table.meta['OBJECT']} {table.meta['FILTER']}".strip()
    above.set_title(f"Light curve   {name}   {len(table)} frames, {words}", fontsize=10)
    return figure


def figure_of_comparisons(table: QTable) -> Figure:
    """Return the scatter of the comparison stars against their magnitudes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=100, layout="constrained")
    axes = figure.subplots()
    stars = table.meta["COMPARISONS"]
    for used, colour, text in ((True, "C0", "used"), (False, "C3", "left out")):
        some = [star for star in stars if star["used"] == used]
        x, y = [star["mag"] for star in some], [star["chi2"] for star in some]
        axes.plot(x, y, "o", ms=4, color=colour, label=f"{text} ({len(some)})")
    axes.axhline(1, color="k", lw=0.5)
    axes.set(xlabel="instrumental magnitude", ylabel="reduced chi2 of a constant", yscale="log")
    axes.set_title("Comparison stars", fontsize=10)
    axes.legend(fontsize=8)
    return figure
