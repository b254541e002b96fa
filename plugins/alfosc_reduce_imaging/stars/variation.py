"""How the image of a star changes over the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.background import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST = 8


@dataclass(frozen=True)
class Variation:
    """A plane through the widths of stars.

    Attributes
    ----------
    share
        Largest less smallest FWHM over the field, as a share of the mean; NaN with fewer than eight stars.
    error
        Its standard error.
    scatter
        Of single stars about the plane, as a share.
    """

    share: float
    error: float
    scatter: float


def width_variation(
    x: NDArray[np.floating], y: NDArray[np.floating], fwhm: NDArray[np.floating], shape: tuple[int, int]
) -> Variation:
    """Fit a plane to the logarithm of the widths of stars, outliers left out.

    Parameters
    ----------
    x, y, fwhm
        Of the stars, pixels.
    shape
        Of the image (ny, nx).
    """
    if len(x) < _FEWEST:
        return Variation(float("nan"), float("nan"), float("nan"))
    design = np.column_stack([np.ones(len(x)), x / shape[1] - 0.5, y / shape[0] - 0.5])
    logs = np.log(fwhm)
    kept = np.ones(len(x), bool)
    for _ in range(3):
        found = np.linalg.lstsq(design[kept], logs[kept], rcond=None)[0]
        left = logs - design @ found
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(left[kept])))
        kept = np.abs(left) <= max(4 * scatter, 1e-6)
    corners = np.array([[a, b] for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    ends = corners @ found[1:]
    covariance = np.linalg.pinv(design[kept].T @ design[kept]) * scatter**2
    across = corners[np.argmax(ends)] - corners[np.argmin(ends)]
    error = float(np.sqrt(across @ covariance[1:, 1:] @ across))
    return Variation(float(np.ptp(ends)), error, scatter)
