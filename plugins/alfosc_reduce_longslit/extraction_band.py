"""The part of a frame along one object or several that overlap, and what its noise is without their light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, usable, variance_of
from alfosc_reduce_longslit.sky_noise import exchange_photons, light_of_objects, photon_scale

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import Traces

REACH = 5.0
"""Full widths at half maximum on either side of a trace that its fit takes in."""


@dataclass(frozen=True)
class Background:
    """A whole frame, ready to be extracted; every array has shape (ny, nx).

    Attributes
    ----------
    data
        Sky-subtracted electrons.
    variance
        Of the data without the photon noise of objects and without the error of the sky model.
    scale
        Variance that an electron of the object adds.
    sky, sky_error
        Sky model and its standard error, electrons.
    good, flags
        Usable pixels, and why not.
    read_noise
        Electrons.
    """

    data: NDArray[np.float64]
    variance: NDArray[np.float64]
    scale: NDArray[np.float64]
    sky: NDArray[np.float64]
    sky_error: NDArray[np.float64]
    good: NDArray[np.bool_]
    flags: NDArray[np.int16]
    read_noise: float


def background_of(image: CCDData, sky: CCDData | None) -> Background:
    """Take the light of the objects out of the noise of a frame.

    `subtract_sky` puts a smooth model of that light into the variance; it can be worked out again from the frame.
    Raises `DataError` if no usable pixel holds anything.
    """
    noise = variance_of(image)
    good = usable(image) & np.isfinite(noise)
    if not np.any(np.asarray(image.data)[good]):
        name = image.header.get("FILENAME", "this frame")
        raise DataError(f"{name}: no usable pixel holds any light, there is nothing to extract; exclude the frame")
    data = np.where(good, np.asarray(image.data, np.float64), 0)
    read_noise = float(image.header.get("RDNOISE", 0))
    level = np.zeros_like(data) if sky is None else np.nan_to_num(np.asarray(sky.data, np.float64))
    own = np.zeros_like(data) if sky is None or sky.uncertainty is None else variance_of(sky)
    own = np.where(np.isfinite(own), own, 0)
    variance = np.maximum(np.where(good, noise, 1) - own, 1e-6)
    light = light_of_objects(data, level, read_noise, good)
    scale = photon_scale(variance, level + light, read_noise)
    clean = exchange_photons(variance, level + light, level, scale)
    floor = 0.5 * np.median(clean[good])
    clean = np.maximum(clean, np.minimum(floor, scale**2 * max(read_noise, 0.1) ** 2))
    return Background(data, clean, scale, level, np.sqrt(own), good, flags_of(image), read_noise)


@dataclass(frozen=True)
class Band:
    """Rows along a group of objects; arrays have shape (rows, nx), `u` has (objects, rows, nx).

    Attributes
    ----------
    members
        Which objects, as indices into the traces.
    u
        Distance of each pixel from each trace, in pixels.
    data, variance, scale, sky, sky_error, good, flags
        As in `Background`; pixels off the frame are not good.
    """

    members: tuple[int, ...]
    u: NDArray[np.float64]
    data: NDArray[np.float64]
    variance: NDArray[np.float64]
    scale: NDArray[np.float64]
    sky: NDArray[np.float64]
    sky_error: NDArray[np.float64]
    good: NDArray[np.bool_]
    flags: NDArray[np.int16]


def bands_of(frame: Background, traces: Traces) -> list[Band]:
    """Return one band for each group of objects whose bands would touch."""
    return [_band(frame, traces, members) for members in group_objects(traces)]


def group_objects(traces: Traces) -> list[tuple[int, ...]]:
    """Return the indices of objects that must be extracted together."""
    middle = np.median(traces.centres, axis=1)
    reach = REACH * traces.fwhm
    groups: list[list[int]] = []
    for i in np.argsort(middle):
        last = groups[-1][-1] if groups else None
        if last is not None and middle[i] - middle[last] < reach[i] + reach[last]:
            groups[-1].append(int(i))
        else:
            groups.append([int(i)])
    return [tuple(sorted(group)) for group in groups]


def _band(frame: Background, traces: Traces, members: tuple[int, ...]) -> Band:
    ny, nx = frame.data.shape
    centres, reach = traces.centres[list(members)], REACH * traces.fwhm[list(members)]
    start = np.floor((centres - reach[:, None]).min(axis=0)).astype(int)
    end = np.ceil((centres + reach[:, None]).max(axis=0)).astype(int)
    rows = start + np.arange(int((end - start).max()) + 1)[:, None]
    inside = (rows >= 0) & (rows < ny)
    index = np.clip(rows, 0, ny - 1), np.broadcast_to(np.arange(nx), rows.shape)
    return Band(
        members=members,
        u=rows[None] - centres[:, None, :],
        data=frame.data[index],
        variance=frame.variance[index],
        scale=frame.scale[index],
        sky=frame.sky[index],
        sky_error=frame.sky_error[index],
        good=frame.good[index] & inside,
        flags=np.where(inside, frame.flags[index], 0).astype(np.int16),
    )
