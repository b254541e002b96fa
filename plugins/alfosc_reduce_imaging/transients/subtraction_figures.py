"""What a person wants to see of a subtraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.images import usable

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

LARGEST = 500


def figure_of_difference(image: CCDData, difference: CCDData) -> Figure:
    """Return image and difference side by side, and the difference over its error as a histogram."""
    from matplotlib.figure import Figure

    header = difference.meta
    figure = Figure(figsize=(11, 4.2), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 0.8])
    good = usable(difference)
    error = np.sqrt(np.asarray(difference.uncertainty.array))
    noise = float(np.median(error[good])) if good.any() else 1.0
    data = np.asarray(image.data)
    level = float(np.median(data[usable(image)])) if usable(image).any() else 0.0
    for axes, values, used, low, high, title in (
        (left, data, usable(image), level - 2 * noise, level + 10 * noise, "image"),
        (middle, np.asarray(difference.data), good, -5 * noise, 5 * noise, "difference"),
    ):
        axes.imshow(_small(values, used), origin="lower", cmap="gray_r", vmin=low, vmax=high,
                    extent=(-0.5, values.shape[1] - 0.5, -0.5, values.shape[0] - 0.5))  # fmt: skip
        axes.set(xlabel="x (pixels)", ylabel="y (pixels)", title=title)
    _histogram(right, np.asarray(difference.data)[good] / np.maximum(error[good], 1e-9))
    name = image.meta.get("OBJECT") or image.meta.get("FILENAME") or ""
    figure.suptitle(
        f"Difference   {name} less {header['DIFFREF']}   flux ratio {header['DIFFRAT']:.4f}, "
        f"{header['DIFFSTAR']} stars, the {header['DIFFCONV']} convolved", fontsize=10,
    )  # fmt: skip
    return figure


def _small(values: NDArray[Any], used: NDArray[np.bool_]) -> NDArray[Any]:
    step = max(1, int(np.ceil(max(values.shape) / LARGEST)))
    return np.asarray(np.where(used, values, np.nan)[::step, ::step])


def _histogram(axes: Any, pull: NDArray[np.floating[Any]]) -> None:
    if not len(pull):
        return
    sample = pull[:: max(1, len(pull) // 200_000)]
    edges = np.linspace(-6, 6, 61)
    axes.hist(sample, edges, density=True, histtype="stepfilled", color="0.75", label="difference / error")
    axes.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), color="C3", lw=1, label="normal")
    axes.set(yscale="log", ylim=(1e-5, 1), xlabel="difference / error", title="noise")
    axes.legend(fontsize=8)
