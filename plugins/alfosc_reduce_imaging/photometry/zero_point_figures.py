"""What a person wants to see of a zero point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.photometry.zero_point_measurement import Measurement


def figure_of_residuals(image: CCDData, measured: Measurement) -> Figure:
    """Return the residuals of the stars against magnitude, and the differences against colour with the fit."""
    from matplotlib.figure import Figure

    stars, fit, calibration = measured.stars, measured.fit, measured.calibration
    figure = Figure(figsize=(9, 6.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1)
    limit = _limit(measured)
    groups = (
        (~stars.good, "0.7", ".", "matched, not asked (saturated, blended, faint, ...)"),
        (stars.good & ~fit.used, "C3", "x", "rejected"),
        (fit.used, "C0", "o", "used"),
    )
    for which, colour, marker, label in groups:
        if which.any():
            error = fit.sigma[which] if label == "used" else None
            style = {"fmt": marker, "color": colour, "ms": 4, "elinewidth": 0.6, "label": f"{which.sum()} {label}"}
            above.errorbar(stars.catalogue[which], np.clip(fit.residual[which], -limit, limit), error, **style)
            term = (calibration.colour_term or 0.0) * stars.colour[which]
            height = calibration.zero_point + np.clip(fit.residual[which], -limit, limit) + term
            below.errorbar(stars.colour[which], height, error, **style)
    above.axhline(0, color="k", lw=0.6)
    above.set(xlabel=f"{calibration.band} in the catalogue (mag {calibration.system})", ylim=(-limit, limit),
              ylabel="catalogue less fit (mag)", xlim=_range(stars.catalogue[stars.good]))  # fmt: skip
    above.legend(fontsize=8)
    _colour_panel(below, measured, limit)
    figure.suptitle(f"Zero point   {_title(image, measured)}", fontsize=10)
    return figure


def _colour_panel(axes: Any, measured: Measurement, limit: float) -> None:
    stars, calibration = measured.stars, measured.calibration
    known = stars.colour[stars.good & np.isfinite(stars.colour)]
    low, high = _range(known)
    x = np.array([low, high])
    y = calibration.zero_point + (calibration.colour_term or 0.0) * x
    if calibration.colour_term is None:
        label = measured.fit.remark
    else:
        label = (
            f"{calibration.zero_point:.3f} + ({calibration.colour_term:.4f} ± {calibration.colour_error:.4f}) colour"
        )
    axes.plot(x, y, color="k", lw=0.8, label=label)
    axes.set(xlim=(low, high), ylim=(y.min() - limit, y.max() + limit), ylabel="catalogue less instrumental (mag)",
             xlabel=f"{calibration.colour or 'colour'} in the catalogue (mag)")  # fmt: skip
    axes.legend(fontsize=8)


def figure_of_field(image: CCDData, sources: QTable, measured: Measurement) -> Figure:
    """Return the residuals of the stars used over the field: a gradient would tell of the flat."""
    from matplotlib.figure import Figure

    stars, fit = measured.stars, measured.fit
    rows = stars.source[fit.used]
    figure = Figure(figsize=(7, 6), dpi=100, layout="constrained")
    axes = figure.subplots()
    limit = max(0.02, 2.5 * float(np.std(fit.residual[fit.used])))
    dots = axes.scatter(numbers(sources, "x")[rows], numbers(sources, "y")[rows], c=fit.residual[fit.used],
                        cmap="RdBu_r", vmin=-limit, vmax=limit, s=40, edgecolors="0.4", linewidths=0.4)  # fmt: skip
    figure.colorbar(dots, label="catalogue less fit (mag)")
    ny, nx = image.shape
    axes.set(xlim=(0, nx - 1), ylim=(0, ny - 1), aspect="equal", xlabel="x (pixels)", ylabel="y (pixels)")
    axes.set_title(f"Zero point over the field   {_title(image, measured)}", fontsize=9)
    return figure


def _limit(measured: Measurement) -> float:
    used = measured.fit.residual[measured.fit.used]
    return max(0.05, 6 * float(np.std(used)))


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return -0.5, 2.0
    margin = 0.05 * float(np.ptp(known)) + 0.05
    return float(known.min() - margin), float(known.max() + margin)


def _title(image: CCDData, measured: Measurement) -> str:
    calibration = measured.calibration
    name = image.meta.get("OBJECT") or image.meta.get("FILENAME") or ""
    return (
        f"{name} {calibration.band}   {calibration.zero_point:.3f} ± {calibration.error:.3f} mag {calibration.system}, "
        f"{calibration.stars} stars\nscatter beyond errors {measured.fit.scatter:.3f} mag; {calibration.catalogue}"
    )
