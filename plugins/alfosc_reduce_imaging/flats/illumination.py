"""How evenly the sky lights a flat: a smooth surface a frame, by which frames differ and the detector does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TERMS = 6
EVEN = np.array([1.0, 0, 0, 0, 0, 0])
"""The surface of a frame that is lit like the mean of all."""


def coordinates(pixels: ArrayLike, size: int) -> NDArray[np.float64]:
    """Return pixel numbers along an axis of `size` pixels as -1 to 1."""
    return 2 * np.asarray(pixels, np.float64) / max(size - 1, 1) - 1


def surface(coefficients: NDArray[np.float64], v: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the surface ``a + bu + cv + du^2 + euv + fv^2``.

    Parameters
    ----------
    coefficients
        Shape (6,).
    v, u
        Coordinates of the rows, shape (ny,), and of the columns, shape (nx,), from -1 to 1.

    Returns
    -------
    array
        Shape (ny, nx).
    """
    a, b, c, d, e, f = coefficients
    rows = (a + c * v + f * v**2).astype(np.float32)[:, None]
    columns = (b * u + d * u**2).astype(np.float32)[None, :]
    return np.asarray(rows + columns + (e * v).astype(np.float32)[:, None] * u.astype(np.float32)[None, :])


def fit_surface(ratio: NDArray[np.floating], *, rounds: int = 4, clip: float = 3.0) -> NDArray[np.float64]:
    """Return the coefficients of the surface through `ratio`, outliers clipped.

    Parameters
    ----------
    ratio
        Shape (ny, nx); NaN where not known.
    rounds, clip
        How often, and at how many standard deviations, values are left out.
    """
    ny, nx = ratio.shape
    v, u = np.meshgrid(coordinates(np.arange(ny), ny), coordinates(np.arange(nx), nx), indexing="ij")
    known = np.isfinite(ratio)
    y, u, v = ratio[known].astype(np.float64), u[known], v[known]
    if y.size < 2 * TERMS:
        return EVEN * (float(np.median(y)) if y.size else 1.0)
    step = max(1, y.size // 20_000)
    y, u, v = y[::step], u[::step], v[::step]
    design = np.stack([np.ones_like(u), u, v, u**2, u * v, v**2], axis=1)
    keep, found = np.ones(y.size, bool), EVEN
    for _ in range(rounds):
        # Six terms from -1 to 1 are far enough from each other for the normal equations, of a twentieth of the time.
        kept = design[keep]
        found = np.linalg.lstsq(kept.T @ kept, kept.T @ y[keep], rcond=None)[0]
        away = y - design @ found
        away -= np.median(away)
        keep = np.abs(away) <= clip * 1.4826 * np.median(np.abs(away)) + 1e-12
    return np.asarray(found)


def unevenness(coefficients: NDArray[np.float64]) -> float:
    """Return by which fraction the surface varies from its lowest to its highest corner or edge."""
    v, u = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)
    values = surface(coefficients, v, u)
    return float(np.ptp(values) / np.mean(values))
