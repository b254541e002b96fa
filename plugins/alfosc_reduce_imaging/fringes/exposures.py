"""Exposures in which fringes are sought: sky taken off, objects masked, all in small blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import mask_of
from alfosc_reduce_imaging.flats.blocks import block_size, in_blocks
from alfosc_reduce_imaging.flats.illumination import coordinates, fit_surface, surface
from alfosc_reduce_imaging.flats.stars import find_stars

if TYPE_CHECKING:
    from alfosc_reduce_ccd.planes import Planes
    from numpy.typing import NDArray


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
        return float(np.median(self.sky[::8, ::8]))

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
    """Return a surface of second degree through the light, outliers clipped; NaN are left out.

    Anything finer would take the broad ones among the fringes for sky.

    Parameters
    ----------
    light
        In blocks, shape (ny, nx).
    """
    v, u = (coordinates(np.arange(length), length) for length in light.shape)
    return surface(fit_surface(light), v, u)


def find_objects(excess: NDArray[np.floating], sky: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return true where there are objects (cosmic rays, too), and around them.

    Parameters
    ----------
    excess
        Light above sky and fringes in blocks, NaN where not known.
    sky
        The smooth sky.
    """
    level = max(float(np.median(sky[::8, ::8])), 1e-6)
    return find_stars(excess / level, np.ones(excess.shape))
