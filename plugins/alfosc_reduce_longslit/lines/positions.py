"""Where each arc line lies in each strip of the slit: batched least squares with the slit's profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_longslit.lines.profile import LineProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMBERS = 6
"""Most lines in one blend."""
_LARGEST_STEP = 0.7
NOTHING = 1e-12
"""Terms that weigh this much less than the weightiest are not in the fit: they have no light on good pixels."""
FAINTEST_TIE = 1e-6
"""Errors of light smaller than this are those of a line without any."""


@dataclass(frozen=True)
class Strips:
    """An arc cut into strips along the slit.

    Attributes
    ----------
    data, variance
        Mean of the rows of each strip and its variance, shape (n strips, nx).
    good
        False where a pixel must not be used (saturated, bad), same shape.
    y
        Mean row of each strip, shape (n strips,).
    """

    data: NDArray[np.float64]
    variance: NDArray[np.float64]
    good: NDArray[np.bool_]
    y: NDArray[np.float64]

    def some(self, count: int) -> Strips:
        """Return at most `count` of the strips, evenly spread."""
        few = np.linspace(0, len(self.y) - 1, min(count, len(self.y))).astype(np.intp)
        return Strips(self.data[few], self.variance[few], self.good[few], self.y[few])


@dataclass(frozen=True)
class Groups:
    """Blends of lines that move together, each led by its strongest member.

    Attributes
    ----------
    x
        Pixel of the leader, shape (n,).
    offset
        Of the members from the leader in pixels, shape (n, at most `MEMBERS`); NaN where there is none; the leader's
        is 0.
    ratio, slack
        What is known of the light of each member over the leader's, and its error, same shape: members too close to
        tell apart could else pretend any shift. The slack is infinite where nothing is known.
    """

    x: NDArray[np.float64]
    offset: NDArray[np.float64]
    ratio: NDArray[np.float64]
    slack: NDArray[np.float64]

    def take(self, index: NDArray[Any]) -> Groups:
        """Return some of the groups."""
        return Groups(self.x[index], self.offset[index], self.ratio[index], self.slack[index])

    def trimmed(self) -> Groups:
        """Return the groups without columns that no group uses."""
        used = max(int(np.isfinite(self.offset).sum(axis=1).max(initial=1)), 1)
        return Groups(self.x, self.offset[:, :used], self.ratio[:, :used], self.slack[:, :used])


@dataclass(frozen=True)
class Positions:
    """Fitted centres of the leaders of the groups, shape (n groups, n strips) each.

    Attributes
    ----------
    x
        Centre in pixels.
    error
        Its standard error from the noise; infinite where the fit failed or a pixel of the core is not good.
    amplitude
        Sum of the light of the leader.
    chi
        Root of the reduced chi square of the fit.
    """

    x: NDArray[np.float64]
    error: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    chi: NDArray[np.float64]


def measure_positions(
    strips: Strips, groups: Groups, start: NDArray[np.float64], profile: LineProfile, sweeps: int = 5
) -> Positions:
    """Fit all groups in all strips, each with its neighbours subtracted, until they agree.

    Parameters
    ----------
    strips
        The arc.
    groups
        What to fit.
    start
        First centres of the leaders, shape (n groups, n strips).
    profile
        Of a line.
    sweeps
        How often to go over all groups.
    """
    half, groups = int(np.ceil(profile.fwhm / 2 + 2.5)), groups.trimmed()
    x = start.copy()
    amplitude = np.zeros((*x.shape, groups.offset.shape[1]))
    error, chi = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
    for sweep in range(sweeps):
        model = _model(strips.data.shape, groups, x, amplitude, profile, half)
        x, amplitude, error, chi = _refit(strips, groups, x, amplitude, model, profile, half, free=sweep > 0)
    moved = np.abs(x - start) > _LARGEST_STEP * 2
    error[moved] = np.inf
    return Positions(x, error, amplitude[..., 0], chi)


def _offsets(
    x: NDArray[np.float64], groups: Groups, half: int, nx: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return pixel indices (G, S, W) around each leader and their offsets from each member (G, S, W, members)."""
    reach = np.nan_to_num(groups.offset)
    low, high = reach.min(axis=1), reach.max(axis=1)
    width = int(2 * half + 1 + np.ceil((high - low).max(initial=0)))
    first = np.round(x + low[:, None]).astype(np.intp) - half
    index = first[..., None] + np.arange(width)
    offset = index[..., None] - x[..., None, None] - groups.offset[:, None, None, :]
    inside = (index <= np.round(x + high[:, None]).astype(np.intp)[..., None] + half) & (index >= 0) & (index < nx)
    return np.where(inside, index, -1), offset


def _model(
    shape: tuple[int, ...],
    groups: Groups,
    x: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    profile: LineProfile,
    half: int,
) -> NDArray[np.float64]:
    """Return the light of all groups, shape (n strips, nx)."""
    index, offset = _offsets(x, groups, half + 2, shape[1])
    light = np.nansum(profile(offset) * amplitude[:, :, None, :], axis=-1)
    strip = np.broadcast_to(np.arange(shape[0])[None, :, None], index.shape)
    good = index >= 0
    flat = np.bincount((strip * shape[1] + index)[good], light[good], minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), np.float64)


def _refit(
    strips: Strips,
    groups: Groups,
    x: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    model: NDArray[np.float64],
    profile: LineProfile,
    half: int,
    *,
    free: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """One linearised fit of every group: amplitudes, a constant, and (if `free`) the shift."""
    index, offset = _offsets(x, groups, half, strips.data.shape[1])
    shape = np.nan_to_num(profile(offset))
    own = np.sum(shape * amplitude[:, :, None, :], axis=-1)
    strip = np.arange(strips.data.shape[0])[None, :, None]
    good = (index >= 0) & strips.good[strip, index]
    weight = np.where(good, 1 / strips.variance[strip, index], 0)
    target = np.where(good, strips.data[strip, index] - model[strip, index] + own, 0)
    slope = -np.sum(np.nan_to_num(profile.slope(offset)) * amplitude[:, :, None, :], axis=-1, keepdims=True)
    design = np.concatenate([shape, slope if free else np.zeros_like(slope), np.ones_like(slope)], axis=-1)
    solution, covariance = _solve(design, target, weight, _ties(groups, amplitude[..., 0]))
    step = np.clip(solution[..., -2], -_LARGEST_STEP, _LARGEST_STEP)
    residual = target - np.sum(design * solution[..., None, :], axis=-1)
    freedom = np.maximum(good.sum(axis=-1) - np.isfinite(groups.offset).sum(axis=1)[:, None] - 2, 1)
    chi = np.sqrt(np.sum(weight * np.square(residual), axis=-1) / freedom)
    error = np.sqrt(covariance[..., -2, -2])
    enough = good.sum(axis=-1) >= np.isfinite(groups.offset).sum(axis=1)[:, None] + 3
    core = (np.abs(offset[..., 0]) < profile.fwhm / 2) & (index >= 0)
    whole = ~np.any(core & ~good, axis=-1)
    usable = enough & whole & (solution[..., 0] > 0) & free
    seen = np.any(core & good, axis=-1)[..., None]
    light = np.where(seen, solution[..., :-2], 0.0)
    return x + np.where(enough, step, 0), light, np.where(usable, error, np.inf), chi


def _ties(groups: Groups, leader: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal matrix of what is known of the members' light, given a first leader's, (G, S, terms, terms)."""
    error = groups.slack[:, None, :] * np.maximum(leader, 0)[..., None]
    known = (error > FAINTEST_TIE) & np.isfinite(error)
    tie = np.where(known, 1 / np.square(np.where(known, error, 1)), 0.0)
    ratio = np.nan_to_num(groups.ratio)[:, None, :]
    columns = groups.offset.shape[1]
    matrix = np.zeros((*leader.shape, columns + 2, columns + 2))
    member = np.arange(1, columns)
    matrix[..., member, member] = tie[..., 1:]
    matrix[..., 0, member] = matrix[..., member, 0] = -(tie * ratio)[..., 1:]
    matrix[..., 0, 0] = np.sum((tie * np.square(ratio))[..., 1:], axis=-1)
    return matrix


def _solve(
    design: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64], ties: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted linear least squares of many small systems, `ties` added; unused columns come out 0."""
    weighted = design * weight[..., None]
    normal = np.swapaxes(weighted, -1, -2) @ design + ties
    right = np.sum(weighted * target[..., None], axis=-2)
    size = np.sqrt(np.einsum("...ii->...i", normal))
    size = np.where(size > NOTHING * size.max(axis=-1, keepdims=True), size, 1)
    scaled = normal / size[..., None] / size[..., None, :] + 1e-9 * np.eye(normal.shape[-1])
    inverse = np.linalg.inv(scaled) / size[..., None] / size[..., None, :]
    return np.einsum("...ij,...j->...i", inverse, right), inverse


def with_core(strips: Strips, x: NDArray[np.float64], fwhm: float) -> NDArray[np.bool_]:
    """Return whether all pixels within half a line width of centres `x` are good, both of shape (n, n strips)."""
    reach = np.arange(-int(np.ceil(fwhm / 2)), int(np.ceil(fwhm / 2)) + 1)
    column = np.clip(np.round(x).astype(np.intp)[..., None] + reach, 0, strips.data.shape[1] - 1)
    row = np.arange(len(strips.y))[None, :, None]
    return np.asarray(strips.good[row, column].all(axis=-1), bool)


def fit_profile(strips: Strips, groups: Groups, start: NDArray[np.float64], width: float) -> LineProfile:
    """Return the profile, of boxes and blurs around `width`, that fits lines best.

    The mean of the logarithms of the misfits is made least: what stands unknown beside some lines leaves a misfit
    there whatever the profile, and lines that stand free then decide.

    Parameters
    ----------
    strips, groups, start
        As for `measure_positions`; strong lines.
    width
        First guess of the box's width in pixels.
    """
    from scipy.optimize import minimize

    def cost(parameters: NDArray[np.float64]) -> float:
        profile = LineProfile(float(np.exp(parameters[0])), float(np.exp(parameters[1])))
        fitted = measure_positions(strips, groups, start, profile, sweeps=4)
        return float(np.mean(np.log(np.hypot(fitted.chi, 1.0))))

    first = np.log([max(width, 0.8), 0.4])
    simplex = np.array([first, first + np.array([0.15, 0.0]), first + np.array([0.0, 0.4])])
    best = minimize(
        cost, first, method="Nelder-Mead", options={"maxfev": 40, "xatol": 0.01, "initial_simplex": simplex}
    )
    return LineProfile(float(np.exp(best.x[0])), float(np.clip(np.exp(best.x[1]), 0.05, width)))
