"""How well a sky model fits, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.images import rows_on_slit
from alfosc_reduce_longslit.lines.positions import Strips
from alfosc_reduce_longslit.night_sky.lines import sky_lines
from alfosc_reduce_longslit.night_sky.strips import STRIPS, profile_of
from alfosc_reduce_longslit.night_sky.windows import measure_offsets, windows_of
from alfosc_reduce_longslit.slit.blank_rows import blank_rows
from alfosc_reduce_longslit.slit.part import part_on_slit
from alfosc_reduce_longslit.slit.windows import kept_windows

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution

OXYGEN = (5578.89, 6302.05)
"""[OI] night-sky lines, vacuum, Angstrom (air 5577.34, 6300.30)."""
SEEN = 0.05
"""Error in pixels to which a line must be known to be told of."""


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
    offsets = oxygen_offsets(sky, wavelengths)
    return result | {f"sky_line_{line:.0f}_offset": offsets.get(line) for line in OXYGEN}


def oxygen_offsets(sky: CCDData, wavelengths: WavelengthSolution) -> dict[float, float]:
    """Return by how many Angstrom the [OI] lines lie off on the whole slit; those that are not there are left out.

    They are measured as the arc's lines were, with the profile of the slit, blends as blends: the centre of gravity of
    a few pixels would be off by as much as the profile is lopsided.
    """
    lines, middle = sky_lines(), wavelengths(np.arange(sky.shape[1]), (sky.shape[0] - 1) / 2)
    if not np.all(np.diff(middle) > 0):
        return {}
    scale = float(np.median(np.gradient(middle)))
    limits = float(middle[0]), float(middle[-1])
    found = windows_of(lines, limits, wavelengths.fwhm * scale)
    wanted = [(line, w) for line in OXYGEN for w in found if w.wavelengths[0] < line < w.wavelengths[1]]
    if not wanted:
        return {}
    strips = _strips(sky)
    waves = wavelengths(np.arange(sky.shape[1])[None, :], strips.y[:, None])
    offsets = measure_offsets(strips, waves, lines, [window for _, window in wanted], profile_of(wavelengths))
    measured = zip(wanted, offsets.offset, offsets.error, strict=True)
    return {line: float(offset * scale) for (line, _), offset, error in measured if error < SEEN}


def _strips(sky: CCDData) -> Strips:
    """Return a sky model averaged along the slit in twelve strips, with the noise of the frame it was fitted to."""
    rows = rows_on_slit(sky)
    parts = np.array_split(np.arange(rows.start, rows.stop), STRIPS)
    mean = np.array([np.asarray(sky.data[part[0] : part[-1] + 1], np.float64).mean(axis=0) for part in parts])
    noise = (float(sky.header.get("RDNOISE", 0)) ** 2 + np.maximum(mean, 1)) / len(parts[0])
    return Strips(mean, noise, np.ones(mean.shape, bool), np.array([part.mean() for part in parts]))
