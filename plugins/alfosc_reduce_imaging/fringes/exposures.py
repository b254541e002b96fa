"""Exposures in which fringes are sought: sky taken off, objects masked, all in small blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import mask_of
from alfosc_reduce_imaging.flats.blocks import block_size, in_blocks
from alfosc_reduce_imaging.flats.stars import find_stars
from alfosc_reduce_imaging.stars.mesh import fill_cells, in_cells, mesh_shape, surface

if TYPE_CHECKING:
    from alfosc_reduce_ccd.planes import Planes
    from numpy.typing import NDArray

CELL = 64
"""Blocks a side of a cell: the sky is a smooth surface through their medians. Fringes are much finer."""


@dataclass(frozen=True, eq=False)
class Exposure:
    """An exposure in blocks.

    Attributes
    ----------
    plane
        Its arrays.
    light
        Mean light in blocks, NaN where not known.
    sky
        The smooth sky in the same blocks.
    objects
        True where blocks hold objects.
    size
        Pixels a side of a block.
    """

    plane: Planes
    light: NDArray[np.float32]
    sky: NDArray[np.float32]
    objects: NDArray[np.bool_]
    size: int

    @property
    def level(self) -> float:
        """Median of the sky."""
        return float(np.median(self.sky))

    def above_sky(self) -> NDArray[np.float32]:
        """Return what is above (or below) the smooth sky; NaN where there are objects, or nothing is known."""
        return np.where(self.objects, np.float32(np.nan), self.light - self.sky)

    def without(self, fringes: NDArray[np.float32]) -> Exposure:
        """Return the exposure with objects found, and the sky measured, after `fringes` (in blocks) are taken off."""
        clean = self.light - np.nan_to_num(fringes)
        objects = find_objects(clean - self.sky, self.sky)
        return replace(self, objects=objects, sky=smooth_sky(np.where(objects, np.nan, clean)))


def exposure_of(plane: Planes) -> Exposure:
    """Return an exposure in blocks, with a first sky and no objects masked yet."""
    size = block_size(plane.shape)
    values = np.asarray(plane.data)
    good = np.isfinite(values)
    if plane.flags is not None:
        good &= ~mask_of(plane.flags)
    light = in_blocks(values, good, size)
    return Exposure(plane, light, smooth_sky(light), np.zeros(light.shape, bool), size)


def smooth_sky(light: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return a smooth surface through medians of cells of 64 x 64 blocks; NaN are left out.

    Parameters
    ----------
    light
        In blocks, shape (ny, nx).
    """
    from bottleneck import nanmedian

    mesh = mesh_shape(light.shape, CELL)
    cells = in_cells(np.asarray(light, np.float32), mesh)
    few = np.count_nonzero(np.isfinite(cells), axis=-1) < 0.1 * cells.shape[-1]
    return surface(fill_cells(np.where(few, np.nan, nanmedian(cells, axis=-1))), light.shape)


def find_objects(excess: NDArray[np.floating], sky: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return true where there are objects (cosmic rays, too), and around them.

    Parameters
    ----------
    excess
        Light above sky and fringes in blocks, NaN where not known.
    sky
        The smooth sky.
    """
    level = max(float(np.median(sky)), 1e-6)
    return find_stars(excess / level, np.ones(excess.shape))
