"""From an image to its light above the background and the noise of that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, stored_variance, usable
from alfosc_reduce_imaging.stars.background import background, object_mask
from alfosc_reduce_imaging.stars.description import frame_name
from alfosc_reduce_imaging.stars.light import Light
from alfosc_reduce_imaging.stars.noise import Noise, separated_noise

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)


class Frame(NamedTuple):
    """An image of the sky, ready to be measured."""

    light: Light
    level: NDArray[np.float32]
    noise: Noise


def frame_of(image: CCDData, *, box: int = 64) -> Frame:
    """Return light, background level and noise of an image.

    Parameters
    ----------
    image
        In any unit, with or without variance.
    box
        Cells of the background, pixels.

    Raises
    ------
    DataError
        If no pixel is usable.
    """
    good = usable(image)
    if not good.any():
        raise DataError(f"{frame_name(image)}: no usable pixel to measure sources on; exclude the image")
    level, rms = background(image.data, good, box=box)
    data = np.where(np.isfinite(image.data), image.data - level, 0).astype(np.float32)
    variance = variance_plane(image, good, rms)
    blank = good & ~object_mask(np.where(good, data, np.float32(np.nan)), rms)
    photon = photons_of(image) if variance is None else None
    noise = separated_noise(data, variance, good, blank, rms, photon)
    plane = np.square(rms) if variance is None else variance
    return Frame(Light(data, plane, flags_of(image), good, rms), level, noise)


def variance_plane(image: CCDData, good: NDArray[np.bool_], rms: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the variance of an image, that of the background where pixels are not usable; None if it has none."""
    plane = stored_variance(image)
    if plane is None:
        return None
    return np.where(good & np.isfinite(plane) & (plane > 0), plane, np.square(rms))


def photons_of(image: CCDData) -> float:
    """Return the variance a unit of light of an image without variance, and tell the user what is assumed."""
    header, name = image.meta, frame_name(image)
    bases = [str(base) for base in image.unit.bases]
    exposure = float(header.get("EXPTIME", 0)) if "s" in bases else 1.0
    gain = 1.0 if {"electron", "ph"} & set(bases) else float(header.get("GAIN", 0) or 0)
    if gain > 0 and exposure > 0:
        logger.warning("%s: no variance; errors follow from the scatter of the background and a gain of %.3g.", name,
                       gain)  # fmt: skip
        return 1 / (gain * exposure)
    logger.warning("%s: no variance, and no gain in the header: errors follow from the scatter of the background alone "
                   "and are too small for bright sources. Set GAIN in the header.", name)  # fmt: skip
    return 0.0
