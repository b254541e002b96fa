"""Measuring the spatial profile of an object from its own light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_longslit.extraction.profile import (
    TERMS,
    Profile,
    correction_size,
    correction_steps,
    correction_weights,
    moffat,
    scaled,
    slit_terms,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = 48
INDEX, INDEX_SPREAD = 2.7, 0.07
CORRECTION_PRIOR = 0.15


@dataclass(frozen=True)
class ProfileSamples:
    """The light along the slit relative to the spectrum, in blocks of columns.

    Attributes
    ----------
    u
        Distance of each sample from the trace, pixels, shape (rows, blocks).
    x
        Mean column of each block.
    value, error
        Fraction of the light in the pixel and its error (infinite where nothing was measured), shape (rows, blocks).
    """

    u: NDArray[np.float64]
    x: NDArray[np.float64]
    value: NDArray[np.float64]
    error: NDArray[np.float64]


def start_profile(fwhm: float, columns: int) -> Profile:
    """Return the Moffat function to begin with."""
    return Profile((fwhm, 0.0, 0.0, INDEX, 0.0, 0.0), np.zeros((correction_size(), TERMS)), columns)


def sample_profile(
    data: NDArray[np.float64],
    weight: NDArray[np.float64],
    flux: NDArray[np.float64],
    u: NDArray[np.float64],
) -> ProfileSamples:
    """Return the least-squares amplitude of the light of each row in terms of the spectrum, block by block.

    Parameters
    ----------
    data, weight
        Electrons and inverse variances (0 where not usable) in a band along the trace, shape (rows, nx).
    flux
        A smooth spectrum, shape (nx,).
    u
        Distance from the trace, shape (rows, nx).
    """
    edges = block_edges(u)
    information = np.add.reduceat(weight * flux**2, edges, axis=1)
    products = np.add.reduceat(weight * flux * data, edges, axis=1)
    places = np.add.reduceat(weight * flux**2 * u, edges, axis=1)
    plain = np.add.reduceat(u, edges, axis=1) / np.diff([*edges, data.shape[1]])
    known = information > 1e-20
    safe = np.where(known, information, 1)
    columns = np.add.reduceat(np.arange(data.shape[1], dtype=float), edges) / np.diff([*edges, data.shape[1]])
    return ProfileSamples(
        np.where(known, places / safe, plain), columns, products / safe, np.where(known, safe**-0.5, np.inf)
    )


def block_edges(u: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the first columns of blocks of about equal width, in none of which the band steps to another row.

    Where it did, a row of the block would hold light from two places a pixel apart, and the profile come out too wide.
    """
    even = np.linspace(0, u.shape[1], BLOCKS + 1).astype(np.intp)[:-1]
    steps = np.flatnonzero(np.abs(np.diff(u[0])) > 0.5) + 1
    return np.unique(np.concatenate([even, steps]))


def fit_profile(samples: ProfileSamples, start: Profile) -> Profile:
    """Return the profile that fits the samples, priors included: Moffat function first, then its correction."""
    from scipy.optimize import least_squares

    t = scaled(samples.x, start.columns)
    inverse = 1 / samples.error
    width = start.shape[0]
    lower = [0.8, -0.6 * width, -0.6 * width, 1.3, -width, -width]
    upper = [6 * width + 5, 0.6 * width, 0.6 * width, 30.0, width, width]

    def misfit(shape: NDArray[np.float64]) -> NDArray[np.float64]:
        model = moffat(samples.u, t, tuple(shape))
        scale = _block_scale(model, samples.value, inverse)
        return np.concatenate([((samples.value - scale * model) * inverse).ravel(), _shape_prior(shape, width)])

    first = np.clip(start.shape, np.array(lower) + 1e-3, np.array(upper) - 1e-3)
    found = least_squares(misfit, first, bounds=(lower, upper), x_scale=[1, 1, 1, 1, 0.3, 0.3], max_nfev=40)
    shape = tuple(float(value) for value in found.x)
    return replace(start, shape=shape, correction=_fit_correction(samples, shape, t))


def like(model: Profile, own: Profile) -> Profile:
    """Return `model` with the shift of `own`."""
    return replace(model, shape=(*model.shape[:4], *own.shape[4:]))


def move_profile(samples: ProfileSamples, start: Profile) -> Profile:
    """Return `start` shifted along the slit to fit the samples best, its shape kept: for objects that overlap."""
    from scipy.optimize import least_squares

    t = scaled(samples.x, start.columns)
    inverse = 1 / samples.error
    width = start.shape[0]

    def misfit(shift: NDArray[np.float64]) -> NDArray[np.float64]:
        model = moffat(samples.u, t, (*start.shape[:4], *shift))
        return ((samples.value - _block_scale(model, samples.value, inverse) * model) * inverse).ravel()

    found = least_squares(misfit, start.shape[4:], bounds=(-width, width), max_nfev=20)
    return replace(start, shape=(*start.shape[:4], *(float(value) for value in found.x)))


def _shape_prior(shape: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return what the Moffat parameters deviate from experience, in sigma; it decides only for the faintest objects."""
    fwhm, linear, quadratic, index, shift, tilt = shape
    return np.array([
        (fwhm - width) / (0.5 * width), linear / (0.15 * width), quadratic / (0.1 * width),
        (1 / index - 1 / INDEX) / INDEX_SPREAD,
        shift / 0.5, tilt / 0.5,
    ])  # fmt: skip


def _block_scale(
    model: NDArray[np.float64], value: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    top = np.sum(model * value * inverse**2, axis=0)
    result: NDArray[np.float64] = top / np.maximum(np.sum((model * inverse) ** 2, axis=0), 1e-30)
    return result


def _fit_correction(samples: ProfileSamples, shape: tuple[float, ...], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients of C: a linear fit to the relative deviation from the Moffat function, with a prior."""
    model = moffat(samples.u, t, shape)
    scale = _block_scale(model, samples.value, 1 / samples.error)
    use = np.isfinite(samples.error) & (scale > 0.2)
    if not use.any():
        return np.zeros((correction_size(), TERMS))
    design = _correction_design(samples.u, t, shape, use)
    weight = (scale * model / samples.error)[use]
    target = (samples.value / np.where(scale > 0.2, scale, 1) / model - 1)[use]
    terms = np.tile(np.arange(TERMS), correction_size())
    normal: NDArray[np.float64] = np.asarray((design * (weight**2)[:, None]).T @ design)
    normal.flat[:: len(terms) + 1] += ((1 + terms) / CORRECTION_PRIOR) ** 2
    solution = np.linalg.solve(normal, (design * (weight**2)[:, None]).T @ target)
    result = np.asarray(solution.reshape(correction_size(), TERMS), dtype=np.float64)
    # Splines that do not vanish at the border stay out of the profile.
    result[:3] = 0
    result[-3:] = 0
    return result


def _correction_design(
    u: NDArray[np.float64], t: NDArray[np.float64], shape: tuple[float, ...], use: NDArray[Any]
) -> NDArray[np.float64]:
    steps = correction_steps(u, t, shape)[use]
    along = slit_terms(np.broadcast_to(t, u.shape)[use])
    first = np.floor(steps).astype(int)
    weights = correction_weights(steps - first)
    design = np.zeros((len(steps), correction_size(), TERMS))
    line = np.arange(len(steps))
    inside = (first >= 0) & (first + 3 < correction_size())
    for k in range(4):
        for j in range(TERMS):
            design[line[inside], first[inside] + k, j] = (weights[k] * along[j])[inside]
    design[:, :3] = 0
    design[:, -3:] = 0
    return design.reshape(len(steps), -1)
