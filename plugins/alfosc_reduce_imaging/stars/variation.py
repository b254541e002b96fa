"""How the image of a star changes over the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.background import MAD_TO_SIGMA
from alfosc_reduce_imaging.stars.psf import field_terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST, _CURVED = 8, 30


@dataclass(frozen=True)
class Variation:
    """A smooth surface through the widths of stars.

    Attributes
    ----------
    share
        Largest less smallest FWHM over the field, as a share of the mean; NaN with fewer than eight stars.
    error
        Its standard error.
    scatter
        Of single stars about the surface, as a share.
    """

    share: float
    error: float
    scatter: float


def width_variation(
    x: NDArray[np.floating], y: NDArray[np.floating], fwhm: NDArray[np.floating], shape: tuple[int, int]
) -> Variation:
    """Fit a surface to the logarithm of the widths of stars, outliers left out.

    Parameters
    ----------
    x, y, fwhm
        Of the stars, pixels; many give a parabola, some a plane.
    shape
        Of the image (ny, nx).
    """
    if len(x) < _FEWEST:
        return Variation(float("nan"), float("nan"), float("nan"))
    number = 6 if len(x) >= _CURVED else 3
    design, logs = field_terms(x, y, shape)[:, :number], np.log(fwhm)
    kept = np.ones(len(x), bool)
    for _ in range(3):
        found = np.linalg.lstsq(design[kept], logs[kept], rcond=None)[0]
        left = logs - design @ found
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(left[kept])))
        kept = np.abs(left) <= max(4 * scatter, 1e-6)
    ny, nx = shape
    grid = np.meshgrid(np.linspace(0, nx - 1, 9), np.linspace(0, ny - 1, 9))
    terms = field_terms(grid[0].ravel(), grid[1].ravel(), shape)[:, :number]
    values = terms @ found
    across = terms[np.argmax(values)] - terms[np.argmin(values)]
    covariance = np.linalg.pinv(design[kept].T @ design[kept]) * scatter**2
    return Variation(float(np.ptp(values)), float(np.sqrt(across @ covariance @ across)), scatter)
