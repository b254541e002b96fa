"""How wide an unresolved line is along the spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.lines.positions import Groups, measure_positions
from alfosc_reduce_longslit.lines.profile import LineProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.wavelengths.measurement import ArcStrips, MeasuredLines

FACTORS = (0.86, 0.93, 1.0, 1.07, 1.14)
"""Trial widths of each line, in units of the common one."""
FLOOR = 0.02
"""Relative error of a width that no amount of light removes."""
WORST = 0.15
STRIPS = 5
FEWEST = 6
"""Lines for each degree of the curve."""


def widths_along(arc: ArcStrips, measured: MeasuredLines) -> NDArray[np.float64]:
    """Return the full width at half maximum of an unresolved line at each column in pixels, shape (nx,).

    Every line that helped the wavelength map is fitted with the common profile made wider and narrower; a polynomial of
    degree 2 at most follows the best widths.

    Parameters
    ----------
    arc
        The arc.
    measured
        Its lines.
    """
    used = measured.fit.lines_used
    groups = measured.groups.take(used)
    factor, error = line_widths(arc, groups, measured.profile)
    good = np.isfinite(error) & (error < WORST)
    pixel = np.arange(arc.shape[1], dtype=np.float64)
    return measured.profile.fwhm * smooth_curve(groups.x[good], factor[good], error[good], pixel)


def line_widths(
    arc: ArcStrips, groups: Groups, profile: LineProfile
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the width of each group of lines in units of that of `profile`, and its error; infinite if unknown."""
    strips = arc.strips.some(STRIPS)
    start = groups.x[:, None] + np.interp(strips.y, arc.strips.y, arc.shift)[None, :]
    freedom = max(2 * int(np.ceil(profile.fwhm / 2 + 2.5)) - 2, 1)
    square = []
    for factor in FACTORS:
        trial = measure_positions(strips, groups, start, LineProfile(factor * profile.width, factor * profile.blur))
        square.append(np.where(np.isfinite(trial.error), np.square(trial.chi), np.nan))
    known = np.all(np.isfinite(square), axis=0)
    total = np.sum(np.where(known, square, 0.0), axis=-1) * freedom
    count = known.sum(axis=1)
    bend, slope, _ = np.polyfit(np.array(FACTORS) - 1, total, 2)
    least = np.maximum(total.min(axis=0) / np.maximum(count * freedom, 1), 1.0)
    inside = (bend > 0) & (count > 0)
    best = np.where(inside, -slope / np.where(inside, 2 * bend, 1), 0.0)
    error = np.where(inside & (np.abs(best) < WORST), np.sqrt(least / np.where(inside, bend, 1)), np.inf)
    return 1 + best, np.hypot(error, FLOOR)


def smooth_curve(
    x: NDArray[np.float64], values: NDArray[np.float64], error: NDArray[np.float64], pixel: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the polynomial through `values` at `pixel`, constant beyond the last of them; 1 if there are none.

    Its degree is the largest of 0, 1, 2 for which the lines suffice and whose highest term is larger than three times
    its error. Outliers count less.
    """
    if not len(x):
        return np.ones(len(pixel))
    middle, half = float(np.mean(x)), max(float(np.ptp(x)) / 2, 1.0)
    where = np.clip((pixel - middle) / half, (x.min() - middle) / half, (x.max() - middle) / half)
    for degree in range(min(2, len(x) // FEWEST), -1, -1):
        solved, errors = _robust(np.vander((x - middle) / half, degree + 1, increasing=True), values, error)
        if degree == 0 or abs(solved[-1]) > 3 * errors[-1]:
            break
    return np.asarray(np.vander(where, len(solved), increasing=True) @ solved, np.float64)


def _robust(
    design: NDArray[np.float64], values: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weight = 1 / np.square(error)
    for _ in range(6):
        covariance = np.linalg.pinv((design.T * weight) @ design)
        solved = covariance @ (design.T @ (weight * values))
        pull = (values - design @ solved) / error
        spread = max(1.4826 * float(np.median(np.abs(pull))), 1.0)
        weight = 1 / np.square(error) / (1 + np.square(pull / (2 * spread)))
    return solved, spread * np.sqrt(np.diag(covariance))
