"""The stars of one frame as a table: for the seeing, for registration, for a first look."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, stored_variance, usable
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.stars.description import description, frame_name, pixel_scale, wcs_cards
from alfosc_reduce_imaging.stars.detection import Stars, find_stars
from alfosc_reduce_imaging.stars.moments import angle_of, axes_of
from alfosc_reduce_imaging.stars.variation import width_variation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


class FindStars(Step):
    """Find the stars of a frame, quickly, and measure the seeing.

    The frame is smoothed with the width of a star, maxima above the threshold are measured with moments under a
    matched Gaussian weight, and those in the narrow range of sizes where stars lie tell the seeing: the full width at
    half maximum of the Moffat profile that fits the pixels of the brightest, geometric mean of its axes, the pixel
    included. Saturated stars, cosmic rays, galaxies and crowded stars do not count for it.
    """

    threshold: float = Field(default=5.0, gt=0)
    """Sigma that a star must stand out by on the smoothed frame."""

    def __call__(self, image: CCDData) -> QTable:
        """Return the stars, the most significant first, at most 1000.

        Parameters
        ----------
        image
            In any unit, with its sky.

        Returns
        -------
        QTable
            Columns ``x``, ``y``, ``x_error``, ``y_error`` (pix), ``flux``, ``flux_error`` (within 1.5 FWHM),
            ``fwhm`` (pix), ``ellipticity``, ``theta`` (deg, from +x towards +y), ``peak``, ``significance``, ``flags``
            (those in the core) and ``star`` (true for those that tell the seeing). The ``meta`` say ``SEEING``
            (arcsec), ``SEEINGPX``, ``ELLIPTIC``, ``THETA``, ``SKY``, ``SKYNOISE`` and what the header says. Empty,
            with a warning, where no star is seen.

        Raises
        ------
        DataError
            If the frame has no usable pixel.
        """
        good = usable(image)
        if not good.any():
            raise DataError(f"{frame_name(image)}: no usable pixel to find stars on; exclude the frame")
        variance = stored_variance(image)
        stars = find_stars(image.data, variance, good, flags=flags_of(image), threshold=self.threshold)
        table = table_of(stars, image)
        _tell(stars, frame_name(image))
        return table

    def quality(self, result: QTable, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number of stars, seeing and its variation over the field, shape, and sky."""
        meta = result.meta
        chosen = np.asarray(result["star"], bool)
        x, y, fwhm = (result[name].value[chosen] for name in ("x", "y", "fwhm"))
        change = width_variation(x, y, fwhm, (meta["NY"], meta["NX"]))
        numbers = {
            "seeing_arcsec": meta["SEEING"],
            "seeing_pixels": meta["SEEINGPX"],
            "ellipticity": meta["ELLIPTIC"],
            "seeing_variation_percent": 100 * change.share,
            "seeing_variation_error_percent": 100 * change.error,
            "sky_level": meta["SKY"],
            "sky_noise": meta["SKYNOISE"],
        }
        finite = {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}
        return {"stars": len(result), "stars_for_seeing": int(chosen.sum()), **finite}

    def figures(self, result: QTable, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the frame with its stars, and the widths of the stars over the field and against flux."""
        from alfosc_reduce_imaging.stars.figures import figure_of_stars

        yield "stars", figure_of_stars(inputs["image"], result)


def table_of(stars: Stars, image: CCDData) -> QTable:
    """Return stars as a table with units, and what is known of the frame in its ``meta``."""
    import astropy.units as u
    from astropy.table import QTable

    unit = u.Unit(image.unit)
    major, minor = axes_of(stars.xx, stars.xy, stars.yy)
    ratio = np.sqrt(major * minor) / stars.seeing.size if stars.seeing.number else np.full(len(stars), np.nan)
    return QTable(
        {
            "x": stars.x * u.pix,
            "y": stars.y * u.pix,
            "x_error": stars.x_error * u.pix,
            "y_error": stars.y_error * u.pix,
            "flux": stars.flux * unit,
            "flux_error": stars.flux_error * unit,
            "fwhm": ratio * stars.seeing.fwhm * u.pix,
            "ellipticity": 1 - minor / np.maximum(major, 1e-9),
            "theta": angle_of(stars.xx, stars.xy, stars.yy) * u.deg,
            "peak": stars.peak * unit,
            "significance": stars.significance,
            "flags": stars.flags,
            "star": stars.is_star,
        },
        meta=_meta(stars, image),
    )


def _meta(stars: Stars, image: CCDData) -> dict[str, Any]:
    seeing = stars.seeing
    return description(image) | {
        "SKY": stars.sky,
        "SKYNOISE": stars.sky_noise,
        "SEEING": seeing.fwhm * pixel_scale(image.meta),
        "SEEINGPX": seeing.fwhm,
        "ELLIPTIC": seeing.ellipticity,
        "THETA": seeing.theta,
        "BETA": seeing.beta,
        "NSTARS": len(stars),
        "APRADIUS": stars.aperture,
        "UNIT": str(image.unit),
        "WCS": wcs_cards(image.meta),
    }


def _tell(stars: Stars, name: str) -> None:
    if len(stars) == 0:
        logger.warning("%s: no star stands out of the noise; the frame is blank, or was taken through clouds.", name)
    elif stars.seeing.number == 0:
        logger.warning("%s: %d detections, but none is fit to tell the seeing: they are saturated, at the edge, or too "
                       "faint.", name, len(stars))  # fmt: skip
