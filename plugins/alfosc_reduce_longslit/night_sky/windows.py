"""How far night-sky lines lie from where the arc puts them, window by window of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.lines.positions import Strips
    from alfosc_reduce_longslit.lines.profile import LineProfile
    from alfosc_reduce_longslit.night_sky.lines import SkyLines

GAP = 1.2
"""Lines further apart than this many line widths may be measured separately."""
FAINT = 0.1
"""Lines below this share of the brightest of their system start no window of their own."""
FREEDOM = 0.2
"""Relative error of a line's listed strength within its system."""
ABSORBED = ((6865.0, 6950.0), (7590.0, 7705.0))
"""Bands of O2 (vacuum, Angstrom) that eat into the lines of the sky."""
UNSURE = "NaI"
"""System that no window is made for: the ratio of its doublet changes, and town light adds to it."""
STEPS = 6
SETTLED = 0.2
"""A fit whose last step is larger than this part of its error has found nothing."""
LARGEST_STEP = 0.5
REACH = 5.0
"""Largest shift looked for, in pixels."""
SURE = 8.0
"""By how many times its noise the sky must agree better with its lines where they are shifted, to begin there."""


@dataclass(frozen=True)
class Window:
    """A stretch of the spectrum with lines that are measured together.

    Attributes
    ----------
    wavelengths
        First and last in Angstrom, margins included.
    lines
        Indices of the lines that reach into it.
    centre
        Mean of the wavelengths of its own lines, weighted with their strength.
    name
        The system of its strongest line.
    """

    wavelengths: tuple[float, float]
    lines: NDArray[np.intp]
    centre: float
    name: str


@dataclass(frozen=True)
class Offsets:
    """Measured offsets, one a window.

    Attributes
    ----------
    wavelength
        Of the window in Angstrom, shape (n,).
    offset
        Observed place less the one the wavelength solution gives, in pixels, shape (n,).
    error
        Standard error in pixels, enlarged where the lines do not fit; infinite where nothing was found, shape (n,).
    name
        The system that gives most of the light, shape (n,).
    tilt, tilt_error
        How much larger the offset is at the last row than in the middle of the slit, in pixels, and its standard error;
        shape (n,). Empty if not measured.
    slit
        The middle row, and how many rows further the last one is.
    """

    wavelength: NDArray[np.float64]
    offset: NDArray[np.float64]
    error: NDArray[np.float64]
    name: NDArray[np.str_]
    tilt: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    tilt_error: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    slit: tuple[float, float] = (0.0, 1.0)


def windows_of(lines: SkyLines, limits: tuple[float, float], fwhm: float) -> list[Window]:
    """Return the windows between `limits` (Angstrom) for lines of width `fwhm` (Angstrom)."""
    brightest = {name: lines.strength[lines.system == name].max() for name in np.unique(lines.system)}
    top = np.array([brightest[name] for name in lines.system])
    lead = np.flatnonzero((lines.strength > FAINT * top) & (lines.system != UNSURE) & ~_absorbed(lines.wavelength))
    found = []
    for part in np.split(lead, np.flatnonzero(np.diff(lines.wavelength[lead]) > GAP * fwhm) + 1):
        if not len(part):
            continue
        low, high = lines.wavelength[part[0]] - GAP * fwhm, lines.wavelength[part[-1]] + GAP * fwhm
        near = np.flatnonzero((lines.wavelength > low - 1.5 * fwhm) & (lines.wavelength < high + 1.5 * fwhm))
        centre = float(np.average(lines.wavelength[part], weights=lines.strength[part]))
        name = str(lines.system[part[lines.strength[part].argmax()]])
        if low > limits[0] and high < limits[1]:
            found.append(Window((low, high), near, centre, name))
    return found


def _absorbed(wavelength: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside = [(wavelength > low) & (wavelength < high) for low, high in ABSORBED]
    return np.asarray(np.logical_or.reduce(inside), bool)


def measure_offsets(
    strips: Strips, waves: NDArray[np.float64], lines: SkyLines, windows: list[Window], profile: LineProfile
) -> Offsets:
    """Measure every window.

    Parameters
    ----------
    strips
        The sky without objects, cut along the slit.
    waves
        Wavelength at each pixel of each strip, shape (n strips, nx).
    lines
        Of the sky.
    windows
        Indices into `lines`.
    profile
        Of a line.
    """
    level = np.array([np.mean(row[good]) for row, good in zip(strips.data, strips.good, strict=True)])
    light = level / max(float(level.mean()), 1e-9)
    start = coarse_shift(strips, waves, lines, profile)
    found = np.array(
        [_measured(strips, light, waves, lines.take(window.lines), window, profile, start) for window in windows]
    ).reshape(-1, 4)
    return Offsets(
        np.array([window.centre for window in windows]),
        found[:, 0],
        found[:, 1],
        np.array([window.name for window in windows], dtype=str),
        found[:, 2],
        found[:, 3],
        (float(strips.y.mean()), max(float(np.ptp(strips.y)), 1.0) / 2),
    )


def coarse_shift(strips: Strips, waves: NDArray[np.float64], lines: SkyLines, profile: LineProfile) -> float:
    """Return the shift in pixels at which the sky looks most like its lines; 0 if that is not much better than there.

    Light is compressed to its square root: the systems' brightness is not known.
    """
    from scipy.ndimage import percentile_filter

    pixel = np.arange(waves.shape[1], dtype=np.float64)
    trials = np.arange(-REACH, REACH + 0.1, 0.25)
    value = np.zeros(len(trials))
    for data, variance, good, wave in zip(strips.data, strips.variance, strips.good, waves, strict=True):
        floor = percentile_filter(data, 30, size=int(30 * profile.fwhm))
        light = np.where(good, np.clip(data - floor, 0, None), 0)
        noise = np.sqrt(np.median(variance[good])) if good.any() else np.inf
        model = _rough(np.interp(lines.wavelength, wave, pixel), lines.strength, profile, len(pixel))
        moved = np.stack([np.interp(pixel - trial, pixel, model) for trial in trials])
        value += (moved - moved.mean(axis=1, keepdims=True)) @ np.sqrt(light / noise)
    value /= np.sqrt(max(float(np.sum(np.square(model - model.mean()))), 1e-9) * len(strips.data))
    best = int(value.argmax())
    return float(trials[best]) if value[best] - value[len(trials) // 2] > SURE else 0.0


def _rough(
    place: NDArray[np.float64], strength: NDArray[np.float64], profile: LineProfile, count: int
) -> NDArray[np.float64]:
    """Return the square root of the light of lines at pixels, those at the very ends left out, to half a pixel."""
    inside = (place > 1) & (place < count - 2)
    half = np.bincount(np.round(2 * place[inside]).astype(np.intp), strength[inside], minlength=2 * count)
    kernel = profile(np.arange(-12, 12.5, 0.5))
    return np.asarray(np.sqrt(np.maximum(np.convolve(half, kernel, mode="same")[: 2 * count : 2], 0)), np.float64)


def _measured(
    strips: Strips,
    light: NDArray[np.float64],
    waves: NDArray[np.float64],
    lines: SkyLines,
    window: Window,
    profile: LineProfile,
    start: float,
) -> tuple[float, float, float, float]:
    """Return the common shift of the lines of one window in pixels and its error, and the same of its tilt.

    The tilt is what the last row shows more than the middle of the slit. Systems are free in brightness, lines within
    them to `FREEDOM`; every strip has its own straight continuum.
    """
    inside = (waves > window.wavelengths[0]) & (waves < window.wavelengths[1])
    strip, column = np.nonzero(inside & strips.good)
    if len(column) < 2 * len(light) + 8:
        return 0.0, np.inf, 0.0, np.inf
    pixel = np.arange(waves.shape[1], dtype=np.float64)
    place = np.stack([np.interp(lines.wavelength, row, pixel) for row in waves])
    distance = column[:, None] - place[strip]
    weight = 1 / np.sqrt(strips.variance[strip, column])
    data = strips.data[strip, column] * weight
    floor = _continuum(strip, (column - column.mean()) / max(float(np.ptp(column)), 1.0), len(light))
    members = (lines.system[:, None] == np.unique(lines.system)[None, :]).astype(np.float64)
    along = (strips.y - strips.y.mean()) / (max(float(np.ptp(strips.y)), 1.0) / 2)
    moved, error, brightness = np.array([start, 0.0]), np.full(2, np.inf), np.zeros(len(lines))
    for _ in range(STEPS):
        place_now = distance - (moved[0] + moved[1] * along[strip])[:, None]
        shape = profile(place_now) * lines.strength * light[strip, None]
        move = -(profile.slope(place_now) * lines.strength * light[strip, None]) @ brightness
        design = np.column_stack([move, move * along[strip], floor, shape @ members, shape]) * weight[:, None]
        allowed = FREEDOM * members @ (members.T @ brightness / members.sum(axis=0))
        solved, error = _solved(design, data, allowed)
        brightness = members @ solved[-len(lines) - members.shape[1] : -len(lines)] + solved[-len(lines) :]
        moved = moved + np.clip(solved[:2], -LARGEST_STEP, LARGEST_STEP)
    error = np.where(np.abs(solved[:2]) < np.maximum(SETTLED * error, 1e-3), error, np.inf)
    return float(moved[0]), float(error[0]), float(moved[1]), float(error[1])


def _continuum(strip: NDArray[np.intp], place: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return a constant and a slope for each strip, one row a pixel."""
    mine = (strip[:, None] == np.arange(count)[None, :]).astype(np.float64)
    return np.hstack([mine, mine * place[:, None]])


def _solved(
    design: NDArray[np.float64], data: NDArray[np.float64], allowed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve for all columns, the last ones held near 0 within `allowed`; return the errors of the first two too."""
    count = design.shape[1]
    held = np.zeros(count)
    held[count - len(allowed) :] = 1 / np.square(np.maximum(allowed, 1e-4 * max(float(allowed.max()), 1e-9)))
    normal = design.T @ design + np.diag(held)
    size = np.sqrt(np.maximum(np.diag(normal), 1e-30))
    inverse = np.linalg.inv(normal / size[:, None] / size + 1e-10 * np.eye(count)) / size[:, None] / size
    solved = inverse @ (design.T @ data)
    chi = np.sum(np.square(data - design @ solved)) / max(len(data) - count + len(allowed), 1)
    seen = np.any(design[:, :2], axis=0)
    error = np.where(seen, np.sqrt(np.diag(inverse)[:2] * max(float(chi), 1.0)), np.inf)
    return solved, error
