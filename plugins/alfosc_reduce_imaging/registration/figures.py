"""How well the stars of the frames agree, and under which sky the frames were taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_imaging.registration.alignment import Alignment, refine, targets_of
from alfosc_reduce_imaging.registration.filelist import place_of
from alfosc_reduce_imaging.registration.geometry import corners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.registration.star_lists import StarList

_ARROWS = 150
_FRAMES = 12
"""Of many frames a choice is drawn star by star."""
_COLOURS = tuple(f"C{i}" for i in range(10))


def residuals_figure(filelist: QTable, frames: Sequence[StarList]) -> Figure:
    """Return the frames' outlines with residual vectors of their stars, and each frame's scatter.

    Parameters
    ----------
    filelist
        From `RegisterImages`.
    frames
        The star lists, in the order of its rows.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5), dpi=100, layout="constrained")
    field, scatter = figure.subplots(1, 2, width_ratios=[1.25, 1])
    reference = str(filelist.meta["REFERENCE"])
    target = targets_of(next(frame for frame in frames if frame.name == reference))
    used = [int(i) for i in np.flatnonzero(np.asarray(filelist["use"], bool))]
    others = [i for i in used if frames[i].name != reference]
    shown = set(others[:: -(-len(others) // _FRAMES) or 1])
    found = {i: refine(frames[i], target, place_of(filelist[i])) if i in shown else None for i in others}
    _draw_field(field, filelist, used, found)
    _draw_scatter(scatter, filelist, found)
    number = f"{len(used)} of {len(filelist)} frames"
    figure.suptitle(f"{_title(filelist)}{number} laid on {reference}", fontsize=10)
    return figure


def _title(filelist: QTable) -> str:
    name = str(filelist.meta.get("FILTER", ""))
    return f"{name}: " if name else ""


def _draw_field(axes: Axes, filelist: QTable, used: Sequence[int], found: dict[int, Alignment | None]) -> None:
    for i in used:
        outline = place_of(filelist[i])(corners(int(filelist["nx"][i]), int(filelist["ny"][i])))
        axes.plot(*np.vstack([outline, outline[:1]]).T, "-", lw=0.6, color="0.5")
    pairs = [(k, one) for k, one in found.items() if one is not None and len(one.places)]
    lengths = [np.hypot(*one.residuals.T) for _, one in pairs]
    typical = float(np.percentile(np.concatenate(lengths), 80)) if lengths else 0.0
    width = float(np.ptp(axes.get_xlim()))
    for number, (_, one) in enumerate(pairs):
        step = max(1, len(one.places) * len(pairs) // _ARROWS)
        axes.quiver(
            *one.places[::step].T, *one.residuals[::step].T, angles="xy", scale_units="xy", width=0.003,
            scale=max(typical, 1e-4) / (width / 30), color=_COLOURS[number % 10],
        )  # fmt: skip
    axes.set(aspect="equal", xlabel="x of the reference (pixels)", ylabel="y of the reference (pixels)")
    axes.set_title(f"outlines; arrows of 1/30 of the width are misses of {typical:.3f} pixels", fontsize=9)


def _draw_scatter(axes: Axes, filelist: QTable, found: dict[int, Alignment | None]) -> None:
    names = []
    for number, (i, one) in enumerate(found.items()):
        names.append(_short(str(filelist["file"][i])))
        if one is not None and len(one.residuals):
            spread = number + np.linspace(-0.25, 0.25, len(one.residuals))
            axes.plot(spread, np.hypot(*one.residuals.T), ".", ms=2, color="0.6")
        axes.plot(number, float(filelist["rms"][i].value), "o", color=_COLOURS[number % 10])
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7 if len(names) < 25 else 4)
    top = max((3.5 * float(filelist["rms"][i].value) for i in found), default=0.1)
    axes.set(ylabel="distance of a star from its place (pixels)", ylim=(0, max(top, 0.01)))
    axes.set_title("stars (grey) and rms in one coordinate", fontsize=9)


def _short(name: str) -> str:
    """Return the end of a long name: its beginning is that of all frames."""
    return name if len(name) <= 16 else f"…{name[-15:]}"


def conditions_figure(filelist: QTable) -> Figure:
    """Return seeing, transparency and sky of each frame; frames that are not used are crosses."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    use = np.asarray(filelist["use"], bool)
    scale = np.isfinite(np.asarray(filelist["seeing"].value, float)).any()
    shape = ("seeing", "seeing (arcsec)") if scale else ("fwhm", "seeing (pixels)")
    _points(panels[0], filelist[shape[0]], use, shape[1])
    _points(panels[1], filelist["zero_point_offset"], use, "fainter by (mag)", filelist["zero_point_error"])
    panels[1].invert_yaxis()
    seconds = np.asarray(filelist["exposure_time"].value, float)
    sky = np.asarray(getattr(filelist["sky"], "value", filelist["sky"]), float)
    unit = str(getattr(filelist["sky"], "unit", None) or "").partition("/")[0].strip() or "counts"
    _points(panels[2], sky / np.where(seconds > 0, seconds, 1), use, f"sky ({unit} / s / pixel)")
    names = [_short(str(name)) for name in filelist["file"]]
    panels[2].set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8 if len(names) < 25 else 5)
    reference = filelist.meta["REFERENCE"]
    title = f"{_title(filelist)}conditions ({reference} is the reference; crosses are not used)"
    panels[0].set_title(title, fontsize=10)
    return figure


def _points(axes: Axes, values: Any, use: NDArray[np.bool_], label: str, error: Any = None) -> None:
    numbers = np.asarray(getattr(values, "value", values), float)
    index = np.arange(len(numbers))
    if error is not None:
        size = np.nan_to_num(np.asarray(getattr(error, "value", error), float), posinf=0)
        axes.errorbar(index[use], numbers[use], size[use], fmt="none", ecolor="C0", lw=1)
    axes.plot(index[use], numbers[use], "o", color="C0")
    axes.plot(index[~use], numbers[~use], "x", color="C3")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
