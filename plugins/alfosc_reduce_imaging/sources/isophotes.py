"""What the pixels of each source add up to: area, flux, extent, centre and second moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PIXEL = 1 / 12
"""Variance of a pixel along an axis: the least that a source can have."""


@dataclass(frozen=True, eq=False)
class Isophotes:
    """Sums over the pixels of each source; arrays of shape (n,).

    Attributes
    ----------
    area
        Pixels.
    xmin, xmax, ymin, ymax
        First and last column and row.
    flux
        Sum of the light.
    variance
        Of that sum, noise of the light included.
    peak
        Highest pixel.
    x, y
        Light-weighted centre.
    xx, xy, yy
        Light-weighted second moments about it, square pixels.
    """

    area: NDArray[np.int64]
    xmin: NDArray[np.int64]
    xmax: NDArray[np.int64]
    ymin: NDArray[np.int64]
    ymax: NDArray[np.int64]
    flux: NDArray[np.float64]
    variance: NDArray[np.float64]
    peak: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    xx: NDArray[np.float64]
    xy: NDArray[np.float64]
    yy: NDArray[np.float64]


def isophotes(
    labels: NDArray[np.int32], light: NDArray[np.float32], sky: NDArray[np.float32], photon: float, number: int
) -> Isophotes:
    """Return the sums over the pixels of sources 1 to `number`.

    Parameters
    ----------
    labels
        Which source each pixel belongs to, 0 for none; shape (ny, nx).
    light
        Above the background, 0 where not known; same shape.
    sky
        Variance of the background; same shape.
    photon
        Variance a unit of light.
    number
        Of sources.
    """
    from photutils.segmentation import SegmentationImage, SourceCatalog

    if number == 0:
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return Isophotes(*5 * (whole,), *8 * (real,))
    found = SourceCatalog(light, SegmentationImage(labels), error=np.sqrt(sky))
    xmin, xmax, ymin, ymax = (np.asarray(getattr(found, f"bbox_{end}")) for end in ("xmin", "xmax", "ymin", "ymax"))
    # Where no light is positive, as in unusable pixels, there is no centre but that of the pixels.
    x, y = (
        np.where(np.isfinite(centre), centre, (first + last) / 2)
        for centre, first, last in ((found.x_centroid, xmin, xmax), (found.y_centroid, ymin, ymax))
    )
    spread = np.asarray(found.covariance.value)
    spread = np.where(np.isfinite(spread), spread, _PIXEL * np.eye(2))
    flux = np.asarray(found.segment_flux, np.float64)
    return Isophotes(
        np.asarray(found.area.value, np.int64), xmin, xmax, ymin, ymax, flux,
        np.square(found.segment_flux_err, dtype=np.float64) + photon * np.maximum(flux, 0),
        np.asarray(found.max_value, np.float64), x, y, spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1],
    )  # fmt: skip
