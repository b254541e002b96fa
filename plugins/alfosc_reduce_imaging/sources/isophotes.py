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
    y, x = np.nonzero(labels)
    own = labels[y, x] - 1
    value = light[y, x].astype(np.float64)
    positive = np.maximum(value, 0)

    def total(weights: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(own, weights, minlength=number).astype(np.float64)

    area = np.bincount(own, minlength=number)
    flux, weight = total(value), np.maximum(total(positive), 1e-30)
    cx, cy = total(positive * x) / weight, total(positive * y) / weight
    dx, dy = x - cx[own], y - cy[own]
    moments = [total(positive * product) / weight for product in (dx * dx, dx * dy, dy * dy)]
    return Isophotes(
        area, *_extent(own, x, number), *_extent(own, y, number), flux,
        total(sky[y, x]) + photon * np.maximum(flux, 0), _largest(own, value, number), cx, cy,
        np.maximum(moments[0], _PIXEL), moments[1], np.maximum(moments[2], _PIXEL),
    )  # fmt: skip


def _extent(
    own: NDArray[np.int32], place: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, last = np.full(number, np.iinfo(np.int64).max), np.full(number, -1)
    np.minimum.at(first, own, place)
    np.maximum.at(last, own, place)
    return first, last


def _largest(own: NDArray[np.int32], value: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    largest = np.full(number, -np.inf)
    np.maximum.at(largest, own, value)
    return largest
