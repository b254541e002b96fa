"""The numbers of a response: how well it brings the standard back to its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.response.atmosphere import TELLURIC_BANDS, balmer_regions, inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import Response

RANGE = (4000.0, 8800.0)
"""Where a standard is compared with its table, Angstrom."""


def response_quality(response: Response) -> dict[str, float | int | str | bool | None]:
    """Return range, rms (plain and cross-validated, of the best frame and of all), depths of bands, slit losses."""
    points = response.points
    best = str(response.frames["frame"][int(np.argmax(response.frames["scale"]))])
    wavelength, width = np.asarray(points["wavelength"]), np.asarray(points["width"])
    low, high = wavelength - width / 2, wavelength + width / 2
    every = (wavelength > RANGE[0]) & (wavelength < RANGE[1]) & ~inside(low, high, TELLURIC_BANDS)
    clear = every & (np.asarray(points["frame"]) == best)
    balmer = inside(low, high, balmer_regions())
    predicted, residual = np.asarray(points["predicted_residual"]), np.asarray(points["residual"])
    numbers: dict[str, float | int | str | bool | None] = {
        "best_frame": best,
        "frames_used": int(np.sum(response.frames["used"])),
        "first_angstrom": float(response.wavelengths[0]),
        "last_angstrom": float(response.wavelengths[1]),
        "spline_pieces": int(points.meta.get("pieces", 0)),
        "points_used": int(np.sum(points["used"])),
        "rms_percent": _rms(residual[clear & ~balmer]),
        "rms_cross_validated_percent": _rms(predicted[clear & ~balmer]),
        "rms_cross_validated_all_percent": _rms(_together(response, predicted, every & ~balmer)[0]),
        "frames_differ_percent": _rms(_together(response, residual, every & ~balmer)[1]),
        "rms_with_balmer_percent": _rms(residual[clear]),
        "rms_balmer_percent": _rms(residual[clear & balmer]),
        "extinction_scale": float(points.meta.get("extinction_scale", 1.0)),
        "error_median_percent": 100 * float(np.median(response.error)),
        "lowest_scale": float(np.min(response.frames["scale"])),
    }
    numbers |= _bands(response)
    for row in response.frames:
        numbers[f"scale_{_safe(str(row['frame']))}"] = float(row["scale"])
    return numbers


def _together(
    response: Response, residual: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what all used frames of a star leave together of each bin, and their scatter in it, as of one frame.

    The mean holds the error of the table and of the curve, the scatter that of the frames alone; NaN in bins with one
    frame only.
    """
    points, frames = response.points, response.frames
    stars = {str(row["frame"]): str(row["star"]) for row in frames if row["used"]}
    names = np.array([f"{stars.get(str(r['frame']))} {r['wavelength']:.2f}" for r in points])
    chosen = chosen & np.isfinite(residual) & np.isin(points["frame"], list(stars))
    values = [residual[chosen & (names == name)] for name in np.unique(names[chosen])]
    scatter = [np.std(own, ddof=1) if len(own) > 1 else np.nan for own in values]
    return np.array([np.mean(own) for own in values]), np.array(scatter)


def _bands(response: Response) -> dict[str, float | int | str | bool | None]:
    table = response.telluric
    if table is None:
        return {}
    depths = {name: np.asarray(table["depth"][table["molecule"] == name]) for name in ("O2", "H2O")}
    return {
        f"deepest_{name.lower()}_percent": 100 * float(-np.expm1(-depth.max())) if depth.size else None
        for name, depth in depths.items()
    }


def _rms(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return 100 * float(np.sqrt(np.mean(np.square(known)))) if known.size else None


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.split(".")[0]).lower()
