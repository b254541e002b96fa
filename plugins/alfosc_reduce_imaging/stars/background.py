"""The smooth light below the stars: its level and its scatter, with objects masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.mesh import fill_cells, in_cells, median_around, mesh_shape, plane, surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAD_TO_SIGMA = 1.482602218505602
_CLIP = 4.0
"""Sigma. At three, the skewness of photon noise alone would take 0.04 of itself off the mean."""
_CLIPPED_SIGMA = 0.99946
"""Standard deviation of a unit normal within four sigma."""
_FEWEST = 0.2
"""A cell with a smaller share of usable pixels takes the values of its neighbours."""
_OBJECT = 2.5
_SAMPLE = 800
"""Pixels of a cell that a first median is taken of."""
_SMOOTHING, _GROWTH, _SHARE = 5, 7, 0.25
"""Masks that grow further let less of the wings, but also less of stars too faint to be seen, into the level. These lie
below the stars that are measured as well: in crowded fields all would come out too bright."""

Cells = tuple["NDArray[np.float32]", "NDArray[np.float32]"]


def background(
    data: NDArray[np.floating], good: NDArray[np.bool_], *, box: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return level and scatter of the background.

    A first level, from medians of cells and the median of each cell's surroundings, tells where objects are. The second
    is the clipped mean of the pixels outside them, cell by cell, with a cubic surface through the cells. What is masked
    lies above *or* below the first level by the same amount, so that the mean of pure noise stays what it is.

    Parameters
    ----------
    data
        Shape (ny, nx).
    good
        False where a pixel must not be used; same shape.
    box
        Side of a cell in pixels. Structure finer than this is not background; an object several times as large is
        partly taken for it.

    Returns
    -------
    level, rms : ndarray
        Both of shape (ny, nx), in the unit of `data`; `rms` is the standard deviation of single pixels. Both are 0
        if no pixel is usable at all.
    """
    values = np.where(good, data, np.float32(np.nan)).astype(np.float32, copy=False)
    first, scatter = rough_cells(values, box)
    level = surface(first, values.shape)
    rms = np.maximum(surface(scatter, values.shape), 0)
    values -= level
    values[object_mask(values, rms)] = np.nan
    offset, scatter = clipped_cells(values, scatter, box)
    level += surface(offset, values.shape)
    return level, np.maximum(surface(scatter, values.shape), 0)


def object_mask(excess: NDArray[np.float32], rms: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return true where the smoothed `excess` (NaN where not usable) is not noise, and somewhat around."""
    from scipy.ndimage import uniform_filter

    ratio = np.divide(excess, rms, out=np.zeros_like(excess), where=(rms > 0) & np.isfinite(excess))
    uniform_filter(ratio, _SMOOTHING, output=ratio)
    far = np.greater(np.abs(ratio, out=ratio), _OBJECT / _SMOOTHING, out=ratio)
    # Lone specks of noise would eat up a good part of the sky if they were grown as well.
    return np.asarray(uniform_filter(far, _GROWTH, output=far) > _SHARE)


def rough_cells(values: NDArray[np.float32], box: int) -> Cells:
    """Return median and robust scatter of the cells, the level smoothed over what is as large as five of them."""
    from bottleneck import nanmedian

    cells = in_cells(values, mesh_shape(values.shape, box))
    cells = cells[..., :: max(1, cells.shape[-1] // _SAMPLE)]
    centre = nanmedian(cells, axis=-1)
    scatter = np.float32(MAD_TO_SIGMA) * nanmedian(np.abs(cells - centre[..., None]), axis=-1)
    few = np.count_nonzero(np.isfinite(cells), axis=-1) < _FEWEST * cells.shape[-1]
    centre[few], scatter[few] = np.nan, np.nan
    centre = fill_cells(centre)
    slope = plane(centre, values.shape)
    return median_around(centre - slope, 2) + slope, median_around(fill_cells(scatter), 1)


def clipped_cells(blank: NDArray[np.float32], expected: NDArray[np.float32], box: int) -> Cells:
    """Return clipped mean and standard deviation of the cells.

    Parameters
    ----------
    blank
        Values with objects masked (NaN), about 0.
    expected
        A first scatter of each cell, which limits what is kept at first.
    box
        Side of a cell in pixels.
    """
    cells = in_cells(blank, expected.shape)
    inside = np.isfinite(cells)
    cells = np.where(inside, cells, np.float32(0))
    centre, scatter = np.zeros_like(expected), expected
    for _ in range(3):
        keep = inside & (np.abs(cells - centre[..., None]) <= _CLIP * scatter[..., None])
        number = np.maximum(np.count_nonzero(keep, axis=-1), 1).astype(np.float32)
        kept = np.where(keep, cells, np.float32(0))
        centre = kept.sum(-1) / number
        power = np.einsum("yxp,yxp->yx", kept, kept) / number
        scatter = np.sqrt(np.maximum(power - centre**2, 0)) / np.float32(_CLIPPED_SIGMA)
    few = number < _FEWEST * cells.shape[-1]
    if few.all():
        return np.zeros_like(expected), expected
    centre[few], scatter[few] = np.nan, np.nan
    return median_around(fill_cells(centre), 1), median_around(fill_cells(scatter), 1)
