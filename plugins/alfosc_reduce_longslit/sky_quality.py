"""How well a sky model fits, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.images import rows_on_slit
from alfosc_reduce_longslit.sky_rows import blank_rows
from alfosc_reduce_longslit.slit_part import part_on_slit
from alfosc_reduce_longslit.slit_windows import kept_windows

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution

OXYGEN = (5578.89, 6302.05)
"""[OI] night-sky lines, vacuum, Angstrom (air 5577.34, 6300.30)."""


def residuals_of(image: CCDData) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return residual / sigma of a sky-subtracted frame and where it is blank, usable sky (both (ny, nx))."""
    part = part_on_slit(image)
    residual = np.zeros(image.shape, np.float32)
    blank = np.zeros(image.shape, bool)
    residual[part.rows] = part.data / np.sqrt(np.maximum(part.variance, 1e-12))
    chosen = kept_windows(image.header, len(image.data))
    rows = blank_rows(residual[part.rows], part.good) if chosen is None else chosen[part.rows]
    blank[part.rows] = part.good & rows[:, None]
    return residual, blank


def robust_std(values: NDArray[np.floating]) -> float:
    """Return 1.4826 times the median absolute deviation, NaN of nothing."""
    if values.size == 0:
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def strong_lines(sky: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return the columns where the sky stands out of its neighbourhood (101 pixels) by more than a factor 1.5."""
    from scipy.ndimage import percentile_filter

    spectrum = np.median(sky, axis=0)
    return np.asarray(spectrum > 1.5 * np.maximum(percentile_filter(spectrum, 30, 101), 1))


def quality_of_sky(
    image: CCDData, sky: CCDData, wavelengths: WavelengthSolution
) -> dict[str, float | int | str | bool | None]:
    """Return the numbers of `SubtractSky.quality`, in electrons and sigma."""
    residual, blank = residuals_of(image)
    rows = rows_on_slit(image)
    model = np.asarray(sky.data)[rows]
    lines = strong_lines(model)
    middle = (rows.start + rows.stop - 1) // 2
    centre = wavelengths(np.arange(image.shape[1]), middle)
    optical = (centre > 3500) & (centre < 9100)
    result: dict[str, float | int | str | bool | None] = {
        "sky_residual_std": robust_std(residual[:, optical][blank[:, optical]]),
        "sky_residual_std_lines": robust_std(residual[:, lines][blank[:, lines]]),
        "sky_residual_std_continuum": robust_std(residual[:, ~lines][blank[:, ~lines]]),
        "sky_rows_used": int(blank.any(axis=1).sum()),
        "sky_level_median": float(np.median(model)),
    }
    for line in OXYGEN:
        result[f"sky_line_{line:.0f}_offset"] = line_offset(centre, np.asarray(sky.data[middle], np.float64), line)
    return result


def line_offset(wavelength: NDArray[np.float64], flux: NDArray[np.float64], line: float) -> float | None:
    """Return by how many Angstrom the centroid of a line (seven pixels) lies off, or None if it is not there."""
    near = np.flatnonzero(np.abs(wavelength - line) < 25)
    if len(near) < 7 or near[0] < 8 or near[-1] > len(flux) - 9:
        return None
    peak = near[np.argmax(flux[near])]
    part = slice(peak - 3, peak + 4)
    base = np.median(flux[peak - 8 : peak + 9])
    light = np.maximum(flux[part] - base, 0)
    if light.max() < 0.5 * base:
        return None
    return float(np.sum(light * wavelength[part]) / light.sum() - line)
