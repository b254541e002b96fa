"""What brings exposures of one object to one level: a factor, or a smooth curve where the colour differs.

Light lost at the slit depends on the wavelength: seeing and refraction do. For most spectra one factor is all that the
noise supports; for bright ones it leaves differences of many sigma, that the outlier rejection would take for damage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_longslit.combination.mean import Combined, pulls, robust_scale, robust_std, running_median

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.combination.grid import Stack

SCALE_ERROR = 0.1
"""An exposure is not scaled if the ratio to the best one is not known better than this."""

DISAGREEMENT = 1.3
"""Exposures disagree if the robust scatter of their difference is so many times its error."""

_BLOCKS = 24
_DEMANDED = 25.0
_BLOCK_ERROR = 0.1


class Light(NamedTuple):
    """Light of one object against wavelength: values, variances, and where they may be used, shape (nx,)."""

    flux: NDArray[np.float64]
    variance: NDArray[np.float64]
    good: NDArray[np.bool_]


def scale_curve(light: Light, reference: Light) -> NDArray[np.float64] | None:
    """Return what to multiply `light` with to agree with `reference`, shape (nx,); None if it is too faint to tell.

    A factor from all pixels. Ratios in blocks of wavelength decide about more: a quadratic in the logarithm is taken
    if it lowers chi squared by 25 after the errors are widened to what the quadratic itself leaves.
    """
    common = light.good & reference.good
    if not common.any():
        return None
    grey, error = robust_scale(light.flux, reference.flux, light.variance, reference.variance, common)
    if not (grey > 0 and error < SCALE_ERROR * grey):
        return None
    shape = _shape(light, reference, common, grey)
    return grey * (np.ones(len(common)) if shape is None else np.exp(shape))


def _shape(light: Light, reference: Light, common: NDArray[np.bool_], grey: float) -> NDArray[np.float64] | None:
    """Return the logarithm of the smooth curve beyond the factor, or None if the noise does not demand one."""
    keep, shape = common, None
    for _ in range(3):
        shape = _quadratic(light, reference, keep, grey)
        curve = grey * (np.ones(len(common)) if shape is None else np.exp(shape))
        noise = np.sqrt(np.maximum(reference.variance + curve**2 * light.variance, np.finfo(float).tiny))
        pull = np.abs(reference.flux - curve * light.flux) / noise
        new = common & (pull < 5 * max(1.0, 1.4826 * float(np.median(pull[common]))))
        if np.array_equal(new, keep):
            break
        keep = new
    return shape


def _quadratic(light: Light, reference: Light, common: NDArray[np.bool_], grey: float) -> NDArray[np.float64] | None:
    ratio, error, middle = _block_ratios(light, reference, common, grey)
    known = (ratio > 0) & (error < _BLOCK_ERROR * np.abs(ratio))
    if known.sum() < 8:
        return None
    where = np.linspace(-1, 1, len(common))
    x, y, sigma = where[middle[known]], np.log(ratio[known]), error[known] / ratio[known]
    coefficients = np.polynomial.polynomial.polyfit(x, y, 2, w=1 / sigma)
    rest = float(np.sum(((y - np.polynomial.polynomial.polyval(x, coefficients)) / sigma) ** 2))
    constant = np.sum(y / sigma**2) / np.sum(1 / sigma**2)
    gained = float(np.sum(((y - constant) / sigma) ** 2)) - rest
    if gained < _DEMANDED * max(1.0, rest / (len(x) - 3)):
        return None
    # Beyond the outermost blocks a quadratic is a guess; its last value is not.
    inside = np.clip(where, (3 * x[0] - x[1]) / 2, (3 * x[-1] - x[-2]) / 2)
    return np.asarray(np.polynomial.polynomial.polyval(inside, coefficients), np.float64)


def _block_ratios(
    light: Light, reference: Light, common: NDArray[np.bool_], grey: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Return reference over scaled light in blocks of equal numbers of good pixels, the error, and the middle pixel."""
    positions = np.flatnonzero(common)
    blocks = [block for block in np.array_split(positions, _BLOCKS) if len(block)]
    noise = reference.variance + grey**2 * light.variance
    weight = 1 / np.maximum(running_median(noise, common, 101), np.finfo(float).tiny)
    below = np.array([np.sum(weight[b] * grey * light.flux[b]) for b in blocks])
    above = np.array([np.sum(weight[b] * reference.flux[b]) for b in blocks])
    error = np.array([np.sqrt(np.sum(weight[b] ** 2 * noise[b])) for b in blocks])
    below = np.where(below == 0, np.finfo(float).tiny, below)
    return above / below, error / np.abs(below), np.array([b[len(b) // 2] for b in blocks])


def disagreement(stack: Stack, found: Combined, one: int, other: int) -> tuple[float, float] | None:
    """Return by how many times their errors, and how many percent of the flux, two scaled exposures differ.

    None if they agree (`DISAGREEMENT`), are the same, or overlap in fewer than 50 pixels.
    """
    pair = [one, other]
    both = found.used[pair].all(axis=0)
    if one == other or both.sum() < 50:
        return None
    flux = (stack.flux * found.scales)[pair]
    variance = (stack.variance * found.scales**2)[pair]
    scatter = robust_std(pulls(flux, variance, found.used[pair]))
    if scatter is None or scatter < DISAGREEMENT:
        return None
    percent = robust_std(100 * (flux[0] - flux[1])[both] / np.maximum(np.abs(flux[1][both]), np.finfo(float).tiny))
    return scatter, percent or 0.0
