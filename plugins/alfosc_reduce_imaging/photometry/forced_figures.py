"""What a person wants to see of forced photometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.forced_fluxes import RING
from alfosc_reduce_imaging.stars.stamps import stamps_at
from alfosc_reduce_imaging.titles import title_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 8
_REACH = 8.0


def figure_of_positions(image: CCDData, table: QTable) -> Figure:
    """Return the surroundings of the first positions, with the aperture and the ring of the background."""
    from matplotlib.figure import Figure

    shown = table[:_SHOWN]
    columns = min(4, max(len(shown), 2))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.9 * rows + 0.6), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set(xticks=[], yticks=[])
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes, row in zip(panels, shown, strict=False):
        draw_position(axes, image, row, table)
    figure.suptitle(f"Forced photometry   {title_of(table.meta)}\ncircle: aperture, dashed: ring", fontsize=10)
    return figure


def draw_position(axes: Axes, image: CCDData, row: QTable.Row, table: QTable) -> None:
    """Draw the surroundings of one position."""
    from matplotlib.patches import Circle

    fwhm = table.meta["SEEINGPX"]
    half = int(np.ceil(_REACH * fwhm))
    x, y = row["x"].value, row["y"].value
    whole = np.array([round(x)]), np.array([round(y)])
    stamp = stamps_at(np.asarray(image.data, np.float64), *whole, half, np.nan)[0]
    finite = stamp[np.isfinite(stamp)]
    low, high = np.percentile(finite, [2, 99.5]) if finite.size else (0, 1)
    axes.imshow(stamp, origin="lower", cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
    centre = x - whole[0][0] + half, y - whole[1][0] + half
    axes.add_patch(Circle(centre, table.meta["APRADIUS"], fill=False, color="C3", lw=1))
    for radius in RING:
        axes.add_patch(Circle(centre, radius * fwhm, fill=False, color="C0", lw=0.8, ls="--"))
    axes.set_title(text_of(row, table), fontsize=8)


def text_of(row: QTable.Row, table: QTable) -> str:
    """Return what was found at a position in words."""
    kind = "psf" if np.isfinite(row["flux_psf"].value) else "aper"
    if "mag_limit" in table.colnames:
        if row["detected"]:
            return f"{row['name']}: {row[f'mag_{kind}'].value:.3f} ± {row[f'mag_{kind}_error'].value:.3f} mag"
        return f"{row['name']}: > {row['mag_limit'].value:.2f} mag"
    if row["detected"]:
        return f"{row['name']}: {row[f'flux_{kind}'].value:.5g} ± {row[f'flux_{kind}_error'].value:.2g}"
    return f"{row['name']}: < {row['flux_limit'].value:.3g} {table.meta['UNIT']}"
