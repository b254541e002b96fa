"""The flat applied."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import as_it_is, flags_of, make_image, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.naming import name_of
from alfosc_reduce_ccd.statistics import number_flagged

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ROWS = 128
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
        if flat is None:
            logger.warning("%s: no flat; the response of the pixels stays in it.", name_of(image))
            return as_it_is(image)
        _check(image, flat)
        data, variance = divided(image, flat)
        flags = flags_of(image) | (flags_of(flat) & np.int16(CARRIED))
        return make_image(data, unit=image.unit.to_string(), header=image.meta, variance=variance, flags=flags)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return whether there was a flat, and where it does not reach."""
        return {
            "flat_used": inputs.get("flat") is not None,
            "no_flat_fraction": number_flagged(result, Flag.NO_FLAT) / result.data.size,
        }


def divided(image: CCDData, flat: CCDData) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return data and variance of an image over a flat, computed in 64 bits some rows at a time.

    Parameters
    ----------
    image
        With or without uncertainty.
    flat
        Of the same shape; its variance, if it has one, enters that of the result.
    """
    data = np.empty(image.shape, np.float32)
    before, relative = (_variance(one) for one in (image, flat))
    variance = None if before is None else np.empty(image.shape, np.float32)
    for start in range(0, image.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        response = np.asarray(flat.data[rows], np.float64)
        ratio = np.asarray(image.data[rows], np.float64) / response
        data[rows] = ratio
        if before is not None and variance is not None:
            of_flat = 0.0 if relative is None else np.asarray(relative[rows], np.float64) / response**2
            variance[rows] = np.asarray(before[rows], np.float64) / response**2 + ratio**2 * of_flat
    return data, variance


def _variance(image: CCDData) -> NDArray[np.floating] | None:
    """Return the plane of the variance as it is stored."""
    if image.uncertainty is None:
        return None
    exact = image.uncertainty.uncertainty_type == "var"
    return np.asarray(image.uncertainty.array) if exact else variance_of(image)


def _check(image: CCDData, flat: CCDData) -> None:
    if flat.shape != image.shape:
        raise DataError(
            f"{name_of(image)}: it has {image.shape[1]} x {image.shape[0]} pixels, the flat "
            f"{flat.shape[1]} x {flat.shape[0]}; take flats of the same window and binning"
        )
    if not (np.asarray(flat.data) > 0).all():
        raise DataError(f"{name_of(image)}: the flat has values of 0 or below; make it with combine_flat")
