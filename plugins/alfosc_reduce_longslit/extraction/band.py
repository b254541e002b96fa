"""The part of a frame along one object or several that overlap, and what its noise is without their light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, usable
from alfosc_reduce_longslit.sky.noise import exchange_photons, light_of_objects, noise_without_light, photon_scale
from alfosc_reduce_longslit.slit.part import plain_variance

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import Traces

MARGIN = 8
"""Rows beyond the bands that the smooth model of the objects' light needs."""
REACH = 5.0
"""Full widths at half maximum on either side of a trace that its fit takes in."""


SMOOTH = 9
"""Pixels: fringes, by which the response changes most quickly, are longer."""


@dataclass(frozen=True)
class Background:
    """The rows of a frame around its objects, ready to be extracted; every array has shape (rows, nx).

    Attributes
    ----------
    start
        First of the rows on the frame.
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
    photons
        The photon noise of so many times the sky is in the variance: 1, more where another exposure was subtracted.
    """

    start: int
    data: NDArray[np.float64]
    variance: NDArray[np.float64]
    scale: NDArray[np.float64]
    sky: NDArray[np.float64]
    sky_error: NDArray[np.float64]
    good: NDArray[np.bool_]
    flags: NDArray[np.int16]
    read_noise: float
    photons: float = 1.0


def background_of(image: CCDData, sky: CCDData | None, traces: Traces) -> Background:
    """Take the light of the objects out of the noise of the rows around the traces.

    `subtract_sky` puts a smooth model of that light into the variance; it can be worked out again from the frame.
    Raises `DataError` if no usable pixel holds anything.
    """
    rows = rows_around(traces, image.shape[0])
    noise = np.asarray(plain_variance(image)[rows], np.float64)
    good = usable(image)[rows] & np.isfinite(noise)
    if not np.any(np.asarray(image.data[rows])[good]):
        name = image.header.get("FILENAME", "this frame")
        raise DataError(f"{name}: no usable pixel holds any light, there is nothing to extract; exclude the frame")
    data = np.where(good, np.asarray(image.data[rows], np.float64), 0)
    read_noise = float(image.header.get("RDNOISE", 0))
    level = np.zeros_like(data) if sky is None else np.nan_to_num(np.asarray(sky.data[rows], np.float64))
    own = np.zeros_like(data) if sky is None or sky.uncertainty is None else np.array(plain_variance(sky)[rows], float)
    own = np.where(np.isfinite(own), own, 0)
    variance = np.maximum(np.where(good, noise, 1) - own, 1e-6)
    photons = 1 + float(image.header.get("SKYSCALE", 0))
    dark = noise_without_light(image.header)
    light = light_of_objects(data, level, dark, good)
    scale = np.asarray(photon_scale(variance, photons * level + light, dark), np.float64)
    clean = np.asarray(exchange_photons(variance, photons * level + light, photons * level, scale), np.float64)
    floor = 0.5 * np.median(clean[good])
    clean = np.maximum(clean, np.minimum(floor, scale**2 * max(read_noise, 0.1) ** 2))
    flags = flags_of(image)[rows]
    scale = along_spectrum(scale, good)
    return Background(rows.start, data, clean, scale, level, np.sqrt(own), good, flags, read_noise, photons)


def along_spectrum(scale: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the variance an electron adds, averaged over the good ones of `SMOOTH` neighbours along the spectrum.

    A pixel's own value is that of its flat: where noise made that low, its light is high, and so would be its variance.
    """
    from scipy.ndimage import uniform_filter1d

    share = uniform_filter1d(good.astype(np.float64), SMOOTH, axis=1)
    mean = uniform_filter1d(np.where(good, scale, 0), SMOOTH, axis=1) / np.maximum(share, 0.5 / SMOOTH)
    return np.where(share > 0.5 / SMOOTH, mean, scale)


def rows_around(traces: Traces, ny: int) -> slice:
    """Return the rows of a frame of `ny` rows that the bands of all objects cover, and a few more."""
    reach = REACH * traces.fwhm[:, None] + MARGIN
    low, high = (traces.centres - reach).min(), (traces.centres + reach).max()
    return slice(int(np.clip(np.floor(low), 0, ny - 1)), int(np.clip(np.ceil(high) + 1, 1, ny)))


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
    inside = (rows >= frame.start) & (rows < frame.start + ny)
    index = np.clip(rows - frame.start, 0, ny - 1), np.broadcast_to(np.arange(nx), rows.shape)
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
