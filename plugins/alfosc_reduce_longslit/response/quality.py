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
    """Return range, rms of the best frame (plain and cross-validated), depths of bands, slit losses by frame."""
    points = response.points
    best = str(response.frames["frame"][int(np.argmax(response.frames["scale"]))])
    wavelength, width = np.asarray(points["wavelength"]), np.asarray(points["width"])
    low, high = wavelength - width / 2, wavelength + width / 2
    chosen = (np.asarray(points["frame"]) == best) & (wavelength > RANGE[0]) & (wavelength < RANGE[1])
    clear = chosen & ~inside(low, high, TELLURIC_BANDS)
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
