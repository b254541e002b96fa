"""Which rows of a long-slit frame show nothing but sky."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = 8
SCALES = (3, 9, 31)
LEAST = 0.2
LARGEST = 6.0
"""Times the formal noise: structure that is larger is an object, however much of the slit it fills."""
WINGS = (1.5, 2.0, 3.0)
_log = logging.getLogger(__name__)


def blank_rows(
    residual: NDArray[np.floating], usable: NDArray[np.bool_], threshold: float = 5, *, quiet: bool = False
) -> NDArray[np.bool_]:
    """Return true for rows without an object, shape (ny,).

    Parameters
    ----------
    residual
        (data - sky) / sigma, shape (ny, nx).
    usable
        Pixels that may be used.
    threshold
        Rows (means over eight ranges of wavelength, at three scales along the slit) that stand out of the common level
        by more than this many robust standard deviations hold an object; so do their neighbours down to 1.5 to 3 sigma.
    quiet
        Whether to say nothing where objects leave hardly any row.
    """
    from scipy.ndimage import binary_dilation, binary_propagation

    profiles = levelled(slit_profiles(residual, usable))
    masked = np.zeros(len(residual), bool)
    for scale, wing in zip(SCALES, WINGS, strict=True):
        smooth = np.abs(_running_mean(profiles, scale))
        sigma = np.maximum(_robust_std(_running_mean(profiles, scale)), 1.2 / np.sqrt(scale))
        sigma = np.minimum(sigma, LARGEST / np.sqrt(scale))[:, None]
        for strength in smooth / sigma:
            masked |= binary_propagation(strength > threshold, mask=strength > wing)
    blank: NDArray[np.bool_] = ~binary_dilation(masked, iterations=3)
    if blank.mean() >= LEAST:
        return blank
    if not quiet:
        _log.warning(
            "Objects fill %.0f %% of the slit: the sky is taken from its faintest rows and may hold their light. Say "
            "with windows where the sky is, or take it from another exposure.",
            100 * (1 - blank.mean()),
        )
    level = _running_mean(profiles[-1:], 9)[0]
    return np.asarray(level <= np.quantile(level, LEAST + 0.1))


def slit_profiles(residual: NDArray[np.floating], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return mean residuals along the slit in units of their formal sigma, for ranges of wavelength and for all.

    Shape (ranges + 1, ny); residuals beyond 5 sigma count as 5, so that no cosmic ray makes an object.
    """
    limited = np.where(usable, np.clip(residual, -5, 5), 0)
    edges = np.linspace(0, residual.shape[1], BLOCKS + 1).astype(int)
    sums = np.add.reduceat(limited, edges[:-1], axis=1, dtype=np.float64).T
    counts = np.add.reduceat(usable, edges[:-1], axis=1, dtype=np.int64).T
    total = sums.sum(axis=0) / np.sqrt(np.maximum(counts.sum(axis=0), 1))
    profiles = np.vstack([sums / np.sqrt(np.maximum(counts, 1)), total])
    return np.asarray(profiles - np.median(profiles, axis=1, keepdims=True))


def levelled(profiles: NDArray[np.float64], degree: int = 2) -> NDArray[np.float64]:
    """Return slit profiles less the polynomial that most of their rows follow.

    A sky fitted to few rows goes astray in the others; without this, rows once masked would stay so.
    """
    from numpy.polynomial.legendre import legvander

    basis = legvander(np.linspace(-1, 1, profiles.shape[1]), degree)
    kept = np.ones(profiles.shape, bool)
    rest = profiles
    for _ in range(6):
        kept = np.abs(rest) <= 2.5 * np.maximum(_robust_std(rest), 0.5)[:, None]
        normal = np.einsum("by,yi,yj->bij", kept, basis, basis, optimize=True) + 1e-6 * np.eye(degree + 1)
        right = np.einsum("by,yi->bi", kept * profiles, basis)
        rest = profiles - np.linalg.solve(normal, right[..., None])[..., 0] @ basis.T
    return np.asarray(rest)


def _running_mean(profiles: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter1d

    result: NDArray[np.float64] = uniform_filter1d(profiles, width, axis=1, mode="nearest")
    return result


def _robust_std(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centre = np.median(values, axis=1, keepdims=True)
    return np.asarray(1.4826 * np.median(np.abs(values - centre), axis=1))
