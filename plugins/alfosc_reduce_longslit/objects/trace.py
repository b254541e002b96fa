"""Where an object runs along the dispersion: centroids in blocks of wavelength, and a smooth curve through them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_longslit.slit.profile import column_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = 32
LARGEST_DEGREE = 5
SLOPES = np.arange(-16, 16.1, 0.5)
"""Pixels along the slit from the first column to the last that a straight trace is searched with."""
SURE = 0.2
ENOUGH, SPAN = 8, 0.6
"""Sure centroids, and the share of the columns that they must cover, for a trace to stand on its own."""
GUIDED = 0.25
"""Pixels (rms) by which traces of one grism differ in shape: on the real night two objects at two places each."""
FLOOR = 0.02
"""Pixels: no centroid is trusted better."""


@dataclass(frozen=True)
class BlockProfiles:
    """The slit profile in blocks of columns.

    Attributes
    ----------
    x
        Mean column of each block, shape (blocks,).
    light, error
        Mean electrons a pixel and its standard error, shape (blocks, ny).
    """

    x: NDArray[np.float64]
    light: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class ObjectTrace:
    """One traced object.

    Attributes
    ----------
    centre
        Row at each column, shape (nx,).
    fwhm
        Full width at half maximum along the slit, pixels.
    x, y, error
        The measured centroids, shape (n,).
    used
        Which of them the curve follows.
    """

    centre: NDArray[np.float64]
    fwhm: float
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    error: NDArray[np.float64]
    used: NDArray[np.bool_]


def block_profiles(
    data: NDArray[np.floating], variance: NDArray[np.floating], good: NDArray[np.bool_], blocks: int = BLOCKS
) -> BlockProfiles:
    """Collapse blocks of columns with weights that follow columns only."""
    edges = np.unique(np.linspace(0, data.shape[1], blocks + 1).astype(int))
    weight = column_weights(variance, good)
    planes = ((good, weight), (np.where(good, data, 0), weight), (np.where(good, variance, 0), weight**2))
    sums = [np.stack([plane[:, a:b] @ w[a:b] for a, b in pairwise(edges)], axis=1) for plane, w in planes]
    total, noise = sums[0], sums[2]
    light = sums[1] / np.maximum(total, 1e-30)
    error = np.where(total > 0, np.sqrt(noise) / np.maximum(total, 1e-30), np.inf)
    return BlockProfiles((edges[:-1] + edges[1:] - 1) / 2, light.T, np.where(error > 0, error, np.inf).T)


def trace_object(profiles: BlockProfiles, row: float, width: float, nx: int) -> ObjectTrace:
    """Trace the object found at `row`.

    Parameters
    ----------
    profiles
        From `block_profiles`.
    row, width
        Where it was found, and its apparent full width at half maximum (pixels).
    nx
        Columns of the frame.
    """
    offset, slope = straight_trace(profiles, row, width, nx)
    start = offset + slope * (np.arange(nx) - (nx - 1) / 2) / max(nx - 1, 1)
    return follow(profiles, start, width)


def follow(profiles: BlockProfiles, start: NDArray[np.float64], width: float) -> ObjectTrace:
    """Trace an object near the curve `start` (nx,); where too few centroids are sure the curve itself is the trace."""
    nx = len(start)
    guess = np.interp(profiles.x, np.arange(nx), start)
    fwhm = fitted_width(profiles, guess, width)
    y, error = centroids(profiles, guess, fwhm)
    sure = error < SURE * fwhm
    if sure.sum() < 3:
        return ObjectTrace(start, fwhm, profiles.x[sure], y[sure], error[sure], np.zeros(int(sure.sum()), bool))
    x, y, error = profiles.x[sure], y[sure], np.hypot(error[sure], FLOOR)
    departure, used = smooth_curve(x, y - guess[sure], error, nx)
    centre = start + departure
    fwhm = fitted_width(profiles, np.interp(profiles.x, np.arange(nx), centre), fwhm)
    return ObjectTrace(centre, fwhm, x, y, error, used)


def follow_stiffly(profiles: BlockProfiles, start: NDArray[np.float64], width: float) -> ObjectTrace:
    """Trace a faint object whose trace has the shape of `start` (nx,): only its place along the slit is measured."""
    columns = np.arange(len(start))
    guess = np.interp(profiles.x, columns, start)
    offset = 0.0
    for _ in range(3):
        fwhm = fitted_width(profiles, guess + offset, width)
        offset += common_offset(profiles, guess + offset, fwhm)
    none = np.zeros(0)
    return ObjectTrace(start + offset, fwhm, none, none, none, np.zeros(0, bool))


def common_offset(profiles: BlockProfiles, centre: NDArray[np.float64], fwhm: float) -> float:
    """Return by how many rows, at most half the width, the light of all blocks together lies off their centres."""
    offsets = np.arange(-20, 20.01, 0.5)
    weight = 1 / np.maximum(np.median(profiles.error, axis=1), 1e-12) ** 2
    stack = sum(w * _shifted(light, c + offsets) for w, light, c in zip(weight, profiles.light, centre, strict=True))
    trials = np.arange(-0.5, 0.51, 0.05) * fwhm
    value = gaussian(offsets[None, :] - trials[:, None], fwhm) @ np.asarray(stack)
    best = int(np.clip(np.argmax(value), 1, len(trials) - 2))
    left, top, right = value[best - 1 : best + 2]
    bend = left - 2 * top + right
    return float(trials[best] + (0.5 * (left - right) / bend if bend < 0 else 0) * (trials[1] - trials[0]))


def is_well_traced(trace: ObjectTrace, nx: int) -> bool:
    """Say whether the light of an object fixes the shape of its trace, over the whole range, as well as a guide would.

    At its ends a curve of four terms through n centroids errs by about four times their error over the root of n.
    """
    seen, error = trace.x[trace.used], trace.error[trace.used]
    if len(seen) < ENOUGH or np.ptp(seen) < SPAN * nx:
        return False
    return float(4 * np.median(error) / np.sqrt(len(seen))) < GUIDED


def straight_trace(profiles: BlockProfiles, row: float, width: float, nx: int) -> tuple[float, float]:
    """Return the row at the middle column and the rise over the frame of the straight line that gathers most light.

    A slope other than 0 is taken only if it gains more than chance does.
    """
    rows = row + np.arange(-25, 25.01, 0.5)
    kernel = gaussian(np.arange(-25, 25.01, 0.5), width)
    x = (profiles.x - (nx - 1) / 2) / max(nx - 1, 1)
    weight = 1 / np.maximum(np.median(profiles.error, axis=1), 1e-12) ** 2
    best = np.empty((len(SLOPES), 2))
    for i, slope in enumerate(SLOPES):
        stack = sum(
            w * _shifted(light, rows + slope * u) for w, light, u in zip(weight, profiles.light, x, strict=True)
        )
        matched = np.convolve(stack, kernel, "same")
        near = np.flatnonzero(np.abs(rows - row) <= 6)
        k = near[np.argmax(matched[near])]
        best[i] = matched[k] / np.sqrt(weight.sum() * np.sum(kernel**2) * 2), rows[k]
    flat = int(np.argmin(np.abs(SLOPES)))
    steep = int(np.argmax(best[:, 0]))
    gained = best[steep, 0] ** 2 - max(best[flat, 0], 0) ** 2 > 9
    chosen = steep if gained else flat
    return float(best[chosen, 1]), float(SLOPES[chosen])


def centroids(
    profiles: BlockProfiles, start: NDArray[np.float64], fwhm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a Gaussian of known width in each block; return centres and their errors (infinite where none is seen)."""
    y = np.arange(profiles.light.shape[1])[None, :]
    centre = start.astype(float).copy()
    inverse = np.where(np.isfinite(profiles.error), 1 / profiles.error**2, 0)
    inverse = np.broadcast_to(np.median(inverse, axis=1, keepdims=True), inverse.shape) * (inverse > 0)
    error = np.full(len(centre), np.inf)
    for _ in range(12):
        g = gaussian(y - centre[:, None], fwhm)
        slope = g * (y - centre[:, None]) * (2.355 / fwhm) ** 2
        amplitude = np.sum(inverse * g * profiles.light, axis=1) / np.maximum(np.sum(inverse * g**2, axis=1), 1e-30)
        curvature = np.maximum(amplitude, 1e-9) * np.sum(inverse * slope**2, axis=1)
        step = np.sum(inverse * slope * profiles.light, axis=1) / np.maximum(curvature, 1e-30)
        centre = np.clip(centre + np.clip(step, -0.5 * fwhm, 0.5 * fwhm), start - 1.5 * fwhm, start + 1.5 * fwhm)
        own = np.sum(inverse**2 * slope**2 * np.where(np.isfinite(profiles.error), profiles.error, 0) ** 2, axis=1)
        error = np.where(amplitude > 0, np.sqrt(own) / np.maximum(curvature, 1e-30), np.inf)
    lost = np.abs(centre - start) > 1.4 * fwhm
    return centre, np.where(lost | (error <= 0), np.inf, error)


def fitted_width(profiles: BlockProfiles, centre: NDArray[np.float64], guess: float) -> float:
    """Return the full width at half maximum of the Gaussian that fits the straightened light best, in pixels."""
    offsets = np.arange(-40, 40.01, 0.5)
    weight = 1 / np.maximum(np.median(profiles.error, axis=1), 1e-12) ** 2
    stack = sum(w * _shifted(light, c + offsets) for w, light, c in zip(weight, profiles.light, centre, strict=True))
    widths = np.geomspace(1.2, 20, 60)
    near = np.abs(offsets) <= max(2 * guess, 6)
    kernels = np.stack([gaussian(offsets, w) for w in widths])[:, near]
    gain = (kernels @ np.asarray(stack)[near]) / np.sqrt(np.sum(kernels**2, axis=1))
    best = int(np.argmax(gain))
    if gain[best] <= 0 or best in (0, len(widths) - 1):
        return float(np.clip(guess, 1.5, 20))
    a, b, c = gain[best - 1 : best + 2]
    return float(widths[best] * (widths[best + 1] / widths[best]) ** (0.5 * (a - c) / (a - 2 * b + c)))


def smooth_curve(
    x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64], nx: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a polynomial through centroids at every column, and which of them it follows.

    The degree has the least Bayesian information criterion; deviating points lose their weight. Beyond the measured
    range the curve goes on straight.
    """
    from numpy.polynomial import Legendre

    used = np.ones(len(x), bool)
    curve = Legendre([float(np.median(y))])
    for _ in range(5):
        curve = _best_degree(x[used], y[used], error[used], nx)
        deviation = np.abs(y - curve(x)) / error
        spread = max(1.0, 1.4826 * float(np.median(deviation[used])))
        kept = deviation < 4 * spread
        if np.array_equal(kept, used) or kept.sum() < 3:
            break
        used = kept
    columns = np.arange(nx, dtype=float)
    inside = np.clip(columns, x[used].min(), x[used].max())
    centre = curve(inside) + curve.deriv()(inside) * (columns - inside)
    return np.asarray(centre, dtype=np.float64), used


def _best_degree(x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64], nx: int) -> Any:
    from numpy.polynomial import Legendre

    fits = []
    for degree in range(min(LARGEST_DEGREE, len(x) - 2) + 1):
        curve = Legendre.fit(x, y, degree, domain=[0, max(nx - 1, 1)], w=1 / error)
        chi2 = float(np.sum(((y - curve(x)) / error) ** 2))
        fits.append((chi2 + (degree + 1) * np.log(len(x)), curve))
    return min(fits, key=lambda fit: fit[0])[1]


def gaussian(offset: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return a Gaussian of peak 1 and the given full width at half maximum."""
    result: NDArray[np.float64] = np.exp(-0.5 * (offset * 2.355 / fwhm) ** 2)
    return result


def _shifted(light: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.interp(rows, np.arange(len(light)), light, left=0, right=0)
    return result
