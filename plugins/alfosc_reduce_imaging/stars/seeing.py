"""The seeing: which of the detections are stars, and how wide a star is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.background import MAD_TO_SIGMA
from alfosc_reduce_imaging.stars.moments import angle_of, axes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.moments import Moments

_LOCUS = 1.10
"""Sizes of stars agree within this factor."""
_POINTLIKE = 0.75
"""Pixels: smaller detections are cosmic rays, not stars."""
_BRIGHT, _FAINT = 20.0, 8.0
"""Significance from which a star tells the seeing; the second where fewer than five have the first."""
_FITTED = 40
_MODEL_ERROR = 0.02
_FIRST_BETA = 3.0


@dataclass(frozen=True)
class Seeing:
    """The image of a star, as it falls on the pixels.

    Attributes
    ----------
    fwhm
        Full width at half maximum of the Moffat profile fitted to the pixel values, pixels: geometric mean of its axes.
        It includes the width of the pixel. NaN if there is no star.
    size
        Standard deviation of the matching Gaussian (`adaptive_moments`), pixels: what belongs to that `fwhm`.
    ellipticity
        1 - minor axis / major axis, of the mean star: noise does not make it larger.
    theta
        Angle of the major axis, degrees from +x towards +y.
    beta
        Exponent of the Moffat profile.
    number
        Stars that it was measured on.
    """

    fwhm: float
    size: float
    ellipticity: float
    theta: float
    beta: float
    number: int


NO_SEEING = Seeing(float("nan"), float("nan"), float("nan"), float("nan"), float("nan"), 0)


def measure_seeing(
    stamps: NDArray[np.floating], variance: NDArray[np.floating], moments: Moments, usable: NDArray[np.bool_],
    significance: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], Seeing]:  # fmt: skip
    """Return which detections are stars fit for measuring the seeing, and the seeing.

    Parameters
    ----------
    stamps, variance
        Light above the background and its variance around each detection, shape (n, side, side).
    moments
        Centres and shapes of the detections.
    usable
        False for detections that are saturated, hit by a cosmic ray, at the edge, or close to another one.
    significance
        Sigma of the detections.
    """
    is_star = stellar_locus(moments, usable, significance)
    if not is_star.any():
        return is_star, NO_SEEING
    number = np.flatnonzero(is_star)
    size = float(np.median(moments.size[number]))
    mean = [float(np.median(value[number])) for value in (moments.xx, moments.xy, moments.yy)]
    brightest = number[np.argsort(-significance[number], kind="stable")][:_FITTED]
    fwhm, beta = fit_moffat(
        stamps[brightest], variance[brightest], moments.dx[brightest], moments.dy[brightest], mean
    )  # fmt: skip
    if not fwhm < stamps.shape[-1]:  # no star: residues of cosmic rays in a blank frame
        return np.zeros_like(is_star), NO_SEEING
    fwhm *= size / float(np.median(moments.size[brightest]))
    major, minor = axes_of(*(np.array([value]) for value in mean))
    theta = angle_of(*(np.array([value]) for value in mean))
    return is_star, Seeing(fwhm, size, float(1 - minor[0] / major[0]), float(theta[0]), beta, len(number))


def stellar_locus(moments: Moments, usable: NDArray[np.bool_], significance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the detections in the narrow range of sizes where most of the bright ones lie: the stars.

    Galaxies are larger, each by another factor, cosmic rays smaller.
    """
    candidate = usable & moments.settled & (moments.size > _POINTLIKE)
    bright = candidate & (significance > _BRIGHT)
    if np.count_nonzero(bright) < 5:
        bright = candidate & (significance > _FAINT)
    if not bright.any():
        return bright
    logs = np.log(np.maximum(moments.size, 1e-3))
    sizes = np.sort(logs[bright])
    width = 2 * np.log(_LOCUS)
    count = np.searchsorted(sizes, sizes + width, side="right") - np.arange(len(sizes))
    start = int(np.argmax(count))
    middle = float(np.median(sizes[start : start + count[start]]))
    kept = bright & (np.abs(logs - middle) < np.log(_LOCUS))
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(logs[kept] - np.median(logs[kept]))))
    return np.asarray(kept & (np.abs(logs - np.median(logs[kept])) <= max(4 * scatter, 0.03)))


def fit_moffat(
    stamps: NDArray[np.floating], variance: NDArray[np.floating], dx: NDArray[np.float64], dy: NDArray[np.float64],
    mean: list[float],
) -> tuple[float, float]:  # fmt: skip
    """Fit one elliptical Moffat profile to stars, each with its own flux.

    Parameters
    ----------
    stamps, variance
        Light above the background and its variance, shape (n, side, side).
    dx, dy
        Centres of the stars from those of the stamps, pixels.
    mean
        Their typical Gaussian covariance (xx, xy, yy), to start from.

    Returns
    -------
    fwhm, beta : float
        Geometric mean of the axes' full widths at half maximum in pixels, and the exponent.
    """
    from scipy.optimize import least_squares

    half = stamps.shape[-1] // 2
    grid = np.arange(-half, half + 1)
    x, y = grid[None, None, :] - dx[:, None, None], grid[None, :, None] - dy[:, None, None]
    first = np.array([np.log(1.1 * (mean[0] * mean[2] - mean[1] ** 2) ** 0.25), 0, 0, np.log(_FIRST_BETA)])
    trace = mean[0] + mean[2]
    first[1:3] = (mean[0] - mean[2]) / trace, 2 * mean[1] / trace
    peak = np.maximum(stamps.max((1, 2), keepdims=True), 1e-30)
    weight = 1 / np.sqrt(np.maximum(variance, 1e-30) + (_MODEL_ERROR * np.maximum(stamps, 0.05 * peak)) ** 2)

    def residuals(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        model = moffat(x, y, parameters) * weight
        light = stamps * weight
        amplitude = np.einsum("nyx,nyx->n", model, light) / np.einsum("nyx,nyx->n", model, model)
        return np.asarray((light - amplitude[:, None, None] * model).ravel(), np.float64)

    solution = least_squares(residuals, first, loss="soft_l1", f_scale=3.0, max_nfev=40)
    return 2 * float(np.exp(solution.x[0])), float(np.exp(solution.x[3]))


def moffat(x: NDArray[np.floating], y: NDArray[np.floating], parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an elliptical Moffat profile of height 1.

    Parameters
    ----------
    x, y
        Offsets from its centre; they broadcast.
    parameters
        Logarithm of the half width at half maximum (geometric mean of the axes), the two components of the
        elongation (a^2 - b^2) / (a^2 + b^2) along x and the diagonal, logarithm of the exponent.
    """
    size, plus, cross, beta = parameters
    strength = np.hypot(plus, cross)
    if strength > 0.995:
        plus, cross = 0.995 * plus / strength, 0.995 * cross / strength
    scale = np.exp(-2 * size) / np.sqrt(1 - plus**2 - cross**2)
    squared = scale * ((1 - plus) * x * x - 2 * cross * x * y + (1 + plus) * y * y)
    exponent = np.exp(np.clip(beta, 0.1, 4.0))
    return np.asarray((1 + (2 ** (1 / exponent) - 1) * squared) ** -exponent)
