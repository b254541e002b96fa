"""Cosmic rays, found on the frame as it was read, with sky and objects known to the detector.

On spectra they are what L.A.Cosmic finds against a model of the light; on images, what is too sharp for a star.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, rows_on_slit, stored_variance, usable
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.background import smooth_light
from alfosc_reduce_ccd.naming import header_of, name_of, title_of
from alfosc_reduce_ccd.statistics import number_flagged

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
_SEEING, _NARROWEST = 0.45, 1.2
"""Width that stars have at least: arcsec on the ground, and pixels where the scale is not known."""
_NEIGHBOURS, _CONTRAST, _ITERATIONS = 0.3, 3.0, 2


class RejectCosmicRays(Step):
    """Flag cosmic rays; the data stay as they are.

    On spectra they are found by L.A.Cosmic (van Dokkum 2001) against a model of sky and objects. On images a pixel is
    hit that is brighter, compared with neighbours on opposite sides, than the sharpest light through the optics can
    be; how sharp that is, the stars of the image tell.
    """

    threshold: float = 4.8
    """Significance of a cosmic ray, in standard deviations of the noise."""
    growth: float = 3.0
    """Pixels that touch a cosmic ray and are this significant belong to it."""

    def __call__(self, image: CCDData) -> CCDData:
        """Return the frame with ``COSMIC_RAY`` flags.

        Parameters
        ----------
        image
            Still with its sky; electrons, if a spectrum, dispersion along x.

        Raises
        ------
        DataError
            If the frame is empty.
        """
        if min(image.shape) <= _BORDER:
            raise DataError(f"{name_of(image)}: shape {image.shape} is too small to look for cosmic rays; exclude it")
        header = header_of(image.meta)
        hit, width = self._on_spectrum(image) if image.meta.get("DISPAXIS", 0) else self._on_image(image)
        if width:
            header["CRFWHM"] = (round(width, 2), "[pix] width of stars; cosmic rays are sharper")
        if hit.mean() > _TOO_MANY:
            share = 100 * hit.mean()
            logger.warning("%s: %.1f %% of the pixels look like cosmic rays; look at the frame.", name_of(image), share)
        flags = flags_of(image)
        flags[hit] |= Flag.COSMIC_RAY
        variance = stored_variance(image)
        unit = image.unit.to_string()
        return make_image(image.data, unit=unit, header=header, variance=variance, flags=flags)

    def _on_spectrum(self, image: CCDData) -> tuple[NDArray[np.bool_], float]:
        """Return hits found against a model of sky and objects."""
        noise = float(image.meta.get("RDNOISE", 0.0))
        rows = rows_on_slit(image)
        good = usable(image)[rows]
        data = np.where(good, image.data[rows], 0).astype(np.float32)
        light = smooth_light(data, good, noise)
        hit = np.zeros(image.shape, bool)
        hit[rows] = cosmic_rays(data, light, ~good, noise, threshold=self.threshold, growth=self.growth)
        return hit, 0.0

    def _on_image(self, image: CCDData) -> tuple[NDArray[np.bool_], float]:
        """Return hits that are too sharp for stars, and the width of the stars."""
        from alfosc_reduce_ccd.image_hits import image_hits

        scale = float(image.meta.get("PIXSCALE", 0.0))
        narrowest = max(_SEEING / scale, _NARROWEST) if scale > 0 else _NARROWEST
        return image_hits(
            np.asarray(image.data), not_judged(image), gain=_gain(image), narrowest=narrowest,
            threshold=self.threshold, growth=self.growth,
        )  # fmt: skip

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the frame with the cosmic rays marked."""
        from alfosc_reduce_ccd.figures import cosmic_ray_figure
        from alfosc_reduce_ccd.image_figures import image_hits_figure

        figure = cosmic_ray_figure if result.meta.get("DISPAXIS", 0) else image_hits_figure
        yield "cosmic_rays", figure(result, title_of(result))

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how many pixels were hit, and for an image the width of the stars in pixels."""
        hit = number_flagged(result, Flag.COSMIC_RAY)
        found: dict[str, float | int | str | bool | None] = {
            "cosmic_ray_pixels": hit, "cosmic_ray_fraction": hit / result.data.size,
        }  # fmt: skip
        return found | ({"star_width_pixels": float(result.meta["CRFWHM"])} if "CRFWHM" in result.meta else {})


def not_judged(image: CCDData) -> NDArray[np.bool_]:
    """Return true where an image cannot be judged: not usable, or near saturated pixels, along columns further."""
    from scipy.ndimage import maximum_filter

    bad = ~usable(image)
    saturated = (flags_of(image) & int(Flag.SATURATED)) != 0
    saturated |= np.asarray(image.data) >= image.meta.get("SATURATE", np.inf)
    if saturated.any():
        # Charge that overflows runs along the columns.
        bad |= maximum_filter(saturated, size=(1, 7)) | maximum_filter(saturated, size=(17, 3))
    return np.asarray(bad, bool)


def _gain(image: CCDData) -> float:
    """Return the variance of light over the light, from the unit of an image as far as its header tells."""
    unit, header = image.unit.to_string().replace(" ", ""), image.meta
    gain, time = header.get("GAIN", 1.0), header.get("EXPTIME", 1.0)
    each = 1.0 if unit.startswith("electron") or not gain > 0 else 1 / float(gain)
    return each / float(time) if unit.endswith("/s") and time > 0 else each


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
