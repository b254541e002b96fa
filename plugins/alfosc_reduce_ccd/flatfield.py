"""The flat applied."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.naming import name_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData

logger = logging.getLogger(__name__)

CARRIED = Flag.BAD_PIXEL | Flag.NO_FLAT | Flag.NOT_FINITE | Flag.OUTSIDE_FIELD
"""Flags of the flat that hold for the frame, too."""


class DivideFlat(Step):
    """Divide a frame by the flat, with the flat's error."""

    def __call__(self, image: CCDData, flat: CCDData | None = None) -> CCDData:
        """Return the frame in electrons of an even detector.

        Parameters
        ----------
        image
            Frame after `correct_frame`.
        flat
            From `combine_flat`; without it the frame is returned as it is, with a warning.

        Raises
        ------
        DataError
            If the flat has another size, or a value that cannot be divided by.
        """
        flags = flags_of(image)
        variance = None if image.uncertainty is None else variance_of(image)
        unit, header = image.unit.to_string(), image.meta
        if flat is None:
            logger.warning("%s: no flat; the response of the pixels stays in it.", name_of(image))
            return make_image(image.data, unit=unit, header=header, variance=variance, flags=flags)
        _check(image, flat)
        response = np.asarray(flat.data, np.float64)
        data = np.asarray(image.data, np.float64) / response
        if variance is not None:
            relative = 0.0 if flat.uncertainty is None else variance_of(flat) / response**2
            variance = variance / response**2 + data**2 * relative
        flags |= flags_of(flat) & np.int16(CARRIED)
        return make_image(data, unit=unit, header=header, variance=variance, flags=flags)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return whether there was a flat, and where it does not reach."""
        flags = flags_of(result)
        return {
            "flat_used": inputs.get("flat") is not None,
            "no_flat_fraction": float(np.mean((flags & Flag.NO_FLAT) != 0)),
        }


def _check(image: CCDData, flat: CCDData) -> None:
    if flat.shape != image.shape:
        raise DataError(
            f"{name_of(image)}: it has {image.shape[1]} x {image.shape[0]} pixels, the flat "
            f"{flat.shape[1]} x {flat.shape[0]}; take flats of the same window and binning"
        )
    if not (np.asarray(flat.data) > 0).all():
        raise DataError(f"{name_of(image)}: the flat has values of 0 or below; make it with combine_flat")
