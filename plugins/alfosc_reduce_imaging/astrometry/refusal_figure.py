"""What a person wants to see when an image is not found on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.astrometry.tangent_plane import axes_at, project

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.astrometry.matching import Detected, Known
    from alfosc_reduce_imaging.astrometry.start import Start
    from alfosc_reduce_imaging.patterns.matching import PatternMatch


def figure_of_failure(name: str, start: Start, detected: Detected, known: Known, found: PatternMatch | None) -> Figure:
    """Return sources and catalogue on one plane, where the header puts them, and where the best vote does."""
    from matplotlib.figure import Figure

    ours = start.plane(detected.x, detected.y)
    theirs = project(known.directions, axes_at(*start.place))
    figure = Figure(figsize=(11, 5.5), dpi=100, layout="constrained")
    panels = [(ours, "where the header puts the sources")]
    if found is not None:
        label = f"where the best vote puts them: {len(found.pairs)} agree, significance {found.significance:.1f}"
        panels.append((ours @ found.matrix.T + found.offset, label))
    reach = 1.5 * float(np.nanmax(np.abs(ours), initial=1.0))
    for axes, (points, label) in zip(np.ravel(figure.subplots(1, len(panels), squeeze=False)), panels, strict=True):
        axes.scatter(*theirs.T, s=_sizes(known.flux), color="0.6", lw=0, label=f"{len(theirs)} catalogue stars")
        axes.scatter(*points.T, s=_sizes(detected.flux), facecolors="none", edgecolors="C3", lw=0.8,
                     label=f"{len(points)} sources")  # fmt: skip
        axes.set(xlim=(reach, -reach), ylim=(-reach, reach), aspect="equal", xlabel="to the east (arcsec)",
                 ylabel="to the north (arcsec)")  # fmt: skip
        axes.set_title(label, fontsize=9)
        axes.legend(fontsize=8, loc="upper right")
    figure.suptitle(f"{name}: not found on the sky around RA {start.place[0]:.4f}, Dec {start.place[1]:+.4f}")
    return figure


def _sizes(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the areas of dots: brighter is larger."""
    rank = np.argsort(np.argsort(np.nan_to_num(flux)))
    return 6.0 + 60.0 * (rank / max(len(flux) - 1, 1)) ** 6
