"""Cosmic rays, found on the frame as it was read, with sky and objects known to the detector."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, rows_on_slit, usable, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.background import smooth_light
from alfosc_reduce_ccd.naming import name_of, title_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_TOO_MANY = 0.02
_MODEL_ERROR = 0.02
"""The model of the light is no better than this: pixels respond unevenly, profiles change."""
_BORDER = 4
_NEIGHBOURS, _CONTRAST, _ITERATIONS = 0.3, 3.0, 2


class RejectCosmicRays(Step):
    """Flag cosmic rays (L.A.Cosmic, van Dokkum 2001) against a model of sky and objects; the data stay as they are."""

    threshold: float = 4.8
    """Significance of a cosmic ray, in standard deviations of the noise."""
    growth: float = 3.0
    """Pixels that touch a cosmic ray and are this significant belong to it."""

    def __call__(self, image: CCDData) -> CCDData:
        """Return the frame with ``COSMIC_RAY`` flags.

        Parameters
        ----------
        image
            Electrons, dispersion along x, still with its sky.

        Raises
        ------
        DataError
            If the frame is empty.
        """
        if min(image.shape) <= _BORDER:
            raise DataError(f"{name_of(image)}: shape {image.shape} is too small to look for cosmic rays; exclude it")
        noise = float(image.meta.get("RDNOISE", 0.0))
        rows = rows_on_slit(image)
        good = usable(image)[rows]
        data = np.where(good, image.data[rows], 0).astype(np.float32)
        light = smooth_light(data, good, noise)
        hit = cosmic_rays(data, light, ~good, noise, threshold=self.threshold, growth=self.growth)
        if hit.mean() > _TOO_MANY:
            share = 100 * hit.mean()
            logger.warning("%s: %.1f %% of the pixels look like cosmic rays; look at the frame.", name_of(image), share)
        flags = flags_of(image)
        flags[rows][hit] |= Flag.COSMIC_RAY
        variance = None if image.uncertainty is None else variance_of(image)
        unit = image.unit.to_string()
        return make_image(image.data, unit=unit, header=image.meta, variance=variance, flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the frame with the cosmic rays marked."""
        from alfosc_reduce_ccd.figures import cosmic_ray_figure

        yield "cosmic_rays", cosmic_ray_figure(result, title_of(result))

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how many pixels were hit."""
        hit = int(np.count_nonzero(flags_of(result) & Flag.COSMIC_RAY))
        return {"cosmic_ray_pixels": hit, "cosmic_ray_fraction": hit / result.data.size}


def cosmic_rays(
    data: NDArray[np.float32],
    light: NDArray[np.floating],
    bad: NDArray[np.bool_],
    noise: float,
    *,
    threshold: float = 4.8,
    growth: float = 3.0,
) -> NDArray[np.bool_]:
    """Return true where a cosmic ray hit.

    Parameters
    ----------
    data
        Electrons, shape (ny, nx).
    light
        Model of sky and objects, electrons; the noise is that of this light, so that a hit does not hide in its own.
    bad
        True where a pixel cannot be judged.
    noise
        Read noise, electron.
    threshold, growth
        As for `RejectCosmicRays`.
    """
    from scipy.ndimage import binary_propagation

    floor = max(noise, 1.0)
    bright = np.maximum(light, 0)
    variance = bright + np.square(_MODEL_ERROR * bright) + floor**2
    sharp = _sharp(data, light, variance, bad, floor, threshold) & ~bad
    touching = (data - light > growth * np.sqrt(variance)) & ~bad
    return np.asarray(binary_propagation(sharp, np.ones((3, 3), bool), touching | sharp), bool)


def _sharp(
    data: NDArray[np.float32],
    light: NDArray[np.floating],
    variance: NDArray[np.floating],
    bad: NDArray[np.bool_],
    noise: float,
    threshold: float,
) -> NDArray[np.bool_]:
    """Return what L.A.Cosmic finds: pixels with a Laplacian that no light through the optics has."""
    from astroscrappy import detect_cosmics

    # It leaves the border of a frame alone, so the frame is given another one. It leaves alone what touches a masked
    # pixel, too: bad pixels are given as the light that should be there instead.
    image, background, invar = (
        np.pad(a.astype(np.float32, copy=False), _BORDER, "reflect")
        for a in (np.where(bad, light, data), light, variance)
    )
    found, _ = detect_cosmics(
        image, inbkg=background, invar=invar, gain=1.0, readnoise=noise,
        satlevel=np.inf, sigclip=threshold, sigfrac=_NEIGHBOURS, objlim=_CONTRAST, niter=_ITERATIONS, sepmed=True,
        cleantype="meanmask",
    )  # fmt: skip
    return np.asarray(found, bool)[_BORDER:-_BORDER, _BORDER:-_BORDER]
