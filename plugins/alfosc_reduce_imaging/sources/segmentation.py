"""Which pixels belong to which source: hills of the smoothed image above a threshold, each with its own pixels.

Every pixel above the isophote belongs to the summit that the steepest way up leads to. Summits that do not stand out
enough above the saddle to a higher one are part of that: noise, and structure within a source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ISOPHOTE = 2.0
"""Sigma of the smoothed image down to which pixels belong to a source."""
_PROMINENCE = 3.5
"""Sigma by which a summit must stand out above the saddle to a higher one."""
_CONTRAST = 0.03
"""And the share of its own height."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Sources and their pixels.

    Attributes
    ----------
    labels
        0 outside sources, else the number of the source from 1; shape (ny, nx).
    significance
        Height of each source on the smoothed image in sigma, the highest first; shape (n,).
    x, y
        Pixel of the summit of each source.
    blended
        True for sources that share an isophote with another one.
    """

    labels: NDArray[np.int32]
    significance: NDArray[np.float64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    blended: NDArray[np.bool_]


def segment(smooth: NDArray[np.float32], local: NDArray[np.float32], threshold: float, fewest: int) -> Segmentation:
    """Return the sources of a smoothed image.

    Parameters
    ----------
    smooth
        In sigma of the smoothed background, shape (ny, nx).
    local
        Noise of each pixel over that of the background there: bright sources are noisy themselves; same shape.
    threshold
        Sigma that the summit of a source must have.
    fewest
        Pixels that a source must have.
    """
    pixels = np.flatnonzero(smooth > _ISOPHOTE)
    if pixels.size == 0:
        return _nothing(smooth.shape)
    around = neighbours(pixels, smooth.shape)
    height = smooth.ravel()[pixels]
    hill = summits(height, around)
    noise = np.maximum(local.ravel()[pixels], 1)
    merged = merge_hills(height, hill, around, noise)
    return _numbered(smooth.shape, pixels, height, merged, around, threshold, fewest)


def neighbours(pixels: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the numbers of the eight neighbours of each of `pixels`, -1 for those that are not, shape (8, n)."""
    width = shape[1] + 2
    padded = np.full((shape[0] + 2) * width, -1, np.int32)
    centre = (pixels // shape[1] + 1) * width + pixels % shape[1] + 1
    padded[centre] = np.arange(pixels.size, dtype=np.int32)
    steps = (1, -1, width, -width, width + 1, -width - 1, width - 1, -width + 1)
    return np.stack([padded[centre + step] for step in steps])


def summits(height: NDArray[np.float32], around: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each pixel the number of the pixel at the top of the steepest way up."""
    best = np.arange(height.size, dtype=np.int32)
    top = height.copy()
    for other in around:
        found = np.where(other >= 0, height[other], -np.inf)
        higher = found > top
        best[higher], top[higher] = other[higher], found[higher]
    while True:
        further = best[best]
        if np.array_equal(further, best):
            return best
        best = further


def merge_hills(
    height: NDArray[np.float32], hill: NDArray[np.int32], around: NDArray[np.int32], noise: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Return the hills with those of too little prominence joined to the higher one that they lean on."""
    owner = {int(top): int(top) for top in np.unique(hill)}

    def root(top: int) -> int:
        while owner[top] != top:
            owner[top] = owner[owner[top]]
            top = owner[top]
        return top

    for a, b, saddle in saddles(height, hill, around):
        low, high = sorted((root(a), root(b)), key=lambda top: (height[top], top))
        needed = max(_PROMINENCE * float(noise[low]), _CONTRAST * float(height[low]))
        if low != high and height[low] - saddle < needed:
            owner[low] = high
    tops = np.array(sorted(owner), np.int32)
    roots = np.array([root(int(top)) for top in tops], np.int32)
    return roots[np.searchsorted(tops, hill)]


def saddles(
    height: NDArray[np.float32], hill: NDArray[np.int32], around: NDArray[np.int32]
) -> list[tuple[int, int, float]]:
    """Return the highest pass between each two hills that touch, the highest pass first."""
    found = []
    for other in around[::2]:
        there = np.flatnonzero(other >= 0)
        there = there[hill[there] != hill[other[there]]]
        low = np.minimum(height[there], height[other[there]])
        pair = np.sort(np.stack([hill[there], hill[other[there]]]), axis=0)
        found.append((pair[0].astype(np.int64) * height.size + pair[1], low))
    code, low = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((-low, code))
    code, low = code[order], low[order]
    first = np.flatnonzero(np.diff(code, prepend=-1))
    ranked = first[np.argsort(-low[first], kind="stable")]
    return [(int(code[i] // height.size), int(code[i] % height.size), float(low[i])) for i in ranked]


def _numbered(
    shape: tuple[int, ...], pixels: NDArray[np.int64], height: NDArray[np.float32], hill: NDArray[np.int32],
    around: NDArray[np.int32], threshold: float, fewest: int,
) -> Segmentation:  # fmt: skip
    """Return the hills that are high and large enough, numbered by height."""
    tops, inverse, area = np.unique(hill, return_inverse=True, return_counts=True)
    kept = np.flatnonzero((height[tops] >= threshold) & (area >= fewest))
    kept = kept[np.argsort(-height[tops[kept]], kind="stable")]
    number = np.zeros(len(tops), np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    own = number[inverse]
    touching = np.zeros(len(kept) + 1, bool)
    for other in around:
        theirs = np.where(other >= 0, own[other], 0)
        touching[own[(theirs > 0) & (theirs != own)]] = True
    labels = np.zeros(shape[0] * shape[1], np.int32)
    labels[pixels] = own
    y, x = np.divmod(pixels[tops[kept]], shape[1])
    return Segmentation(labels.reshape(shape), height[tops[kept]].astype(np.float64), x, y, touching[1:])


def _nothing(shape: tuple[int, ...]) -> Segmentation:
    none = np.zeros(0, np.int64)
    return Segmentation(np.zeros(shape, np.int32), np.zeros(0), none, none, np.zeros(0, bool))
