"""Fields of wide stars looked at a second time, with the light of all stars known from the first.

Where wide stars cover much of an image, their wings lie in the background and in each other. With all stars subtracted
the background is measured again, and the point spread function is made again from stars that stand alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.sources.psf_photometry import fit_psf, laid_out
from alfosc_reduce_imaging.stars.background import background
from alfosc_reduce_imaging.stars.psf_building import STAMP, StarStamps, build_psf
from alfosc_reduce_imaging.stars.stamps import stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.sources.apertures import Scene
    from alfosc_reduce_imaging.sources.segmentation import Segmentation
    from alfosc_reduce_imaging.stars.psf import Psf

WIDE = 6.0
"""Pixels: narrower stars keep their wings out of most of a cell of the background."""
CROWDED = (0.04, 0.3)
"""Share of the image within isophotes from which a second look is worth its time, and up to which it helps: beyond,
stars too faint to be told apart rule the background."""
_REACH = 8.0
"""FWHM to which the wings of a star are subtracted."""
_FREE = 7.0


def is_needed(scene: Scene, fwhm: float) -> bool:
    """Say whether stars are so wide and cover so much of an image that they spoil its background."""
    seen = max(int(np.count_nonzero(scene.seen)), 1)
    return fwhm > WIDE and bool(CROWDED[0] < np.count_nonzero(scene.labels) / seen < CROWDED[1])


def second_look(
    scene: Scene, good: NDArray[np.bool_], found: Segmentation, psf: Psf, chosen: NDArray[np.int64], box: int
) -> tuple[Scene, Psf]:
    """Return the image less the background below its stars, and the point spread function without their neighbours.

    Parameters
    ----------
    scene
        The image as it was seen at first.
    good
        False where a pixel must not be used, shape (ny, nx).
    found
        The sources.
    psf
        The point spread function from the first look.
    chosen
        Indices of the sources from which it is made.
    box
        Cells of the background, pixels.
    """
    free = found.significance > _FREE
    fit = fit_psf(scene.light, good, scene.noise, psf, found.x.astype(float), found.y.astype(float), free)
    flux = np.where(np.isfinite(fit.error) & (fit.flux > 0), fit.flux, 0)
    whole = np.rint(fit.x).astype(np.int64), np.rint(fit.y).astype(np.int64)
    reach = int(np.ceil(_REACH * psf.fwhm))
    model = np.zeros(scene.light.shape, np.float32)
    for part in np.array_split(np.arange(len(flux)), max(1, len(flux) // 200)):
        ix, iy = whole[0][part], whole[1][part]
        stamps = psf.stamps(fit.x[part], fit.y[part], reach, (ix, iy)) * flux[part, None, None]
        model += laid_out(stamps, ix, iy, scene.light.shape)
    level, _ = background(scene.light - model, good, box=box)
    light = scene.light - level
    whole = whole[0][chosen], whole[1][chosen]
    radius = int(np.ceil(STAMP * psf.fwhm))
    own = psf.stamps(fit.x[chosen], fit.y[chosen], radius, whole) * flux[chosen, None, None]
    alone = stamps_at(light - model, *whole, radius, 0) + own
    sky, known = stamps_at(scene.noise.sky, *whole, radius, 1), stamps_at(good, *whole, radius, False)
    stars = StarStamps(
        alone.astype(np.float32), sky, known, fit.x[chosen], fit.y[chosen], whole, scene.noise.photon
    )  # fmt: skip
    return replace(scene, light=light), build_psf(stars, psf.fwhm, psf.shape) or psf
