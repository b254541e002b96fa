"""The sky taken from another exposure, at which the telescope had been moved along the slit or off the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.sky.model import model_sky
from alfosc_reduce_longslit.sky.noise import exchange_photons, light_of_objects, photon_scale
from alfosc_reduce_longslit.slit.blank_rows import LEAST, blank_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.slit.part import SlitPart

MOVED = 2.0
"""Arc seconds between pointings that make another position."""
ROWS = 31
"""Over so many rows along the slit the light of the sky is averaged to foretell its photon noise."""
NEIGHBOURHOOD = 101
"""Columns that tell a line of the sky from the continuum."""
ENOUGH = 6
"""Bright columns that a comparison of sky lines needs."""


@dataclass(frozen=True)
class NoddedSky:
    """What another exposure says of the sky; arrays have shape (rows, nx).

    Attributes
    ----------
    sky
        Electrons to be taken off: the other exposure times `scale`, and what that leaves of the sky.
    sky_variance
        Of what it leaves, which was modelled and is common to neighbouring pixels.
    variance
        Of the frame less the sky, with the noise of both exposures and of the model.
    scale
        Brightness of the sky relative to the other exposure.
    blank
        Rows from which the rest was modelled, shape (rows,); none where objects fill the slit.
    negative
        Rows on which objects of the other exposure left negative light, and the width of each in rows.
    """

    sky: NDArray[np.floating]
    sky_variance: NDArray[np.floating]
    variance: NDArray[np.floating]
    scale: float
    blank: NDArray[np.bool_]
    negative: list[tuple[float, float]]


def nearest_elsewhere(image: CCDData, others: Sequence[CCDData]) -> CCDData | None:
    """Return the exposure nearest in time whose pointing is another by `MOVED` arc seconds, or None."""
    elsewhere = [other for other in others if distance(image.header, other.header) > MOVED]
    time = float(image.header.get("MJD-AVG", 0))
    return min(elsewhere, key=lambda other: abs(float(other.header.get("MJD-AVG", 0)) - time), default=None)


def distance(one: Header, other: Header) -> float:
    """Return the arc seconds between two pointings; 0 where a header gives none."""
    if not all(key in header for key in ("RA", "DEC") for header in (one, other)):
        return 0.0
    north = float(other["DEC"]) - float(one["DEC"])
    east = (float(other["RA"]) - float(one["RA"]) + 180) % 360 - 180
    return float(3600 * np.hypot(north, east * np.cos(np.radians(float(one["DEC"])))))


def nodded_sky(
    part: SlitPart,
    other: SlitPart,
    wavelength: NDArray[np.float64],
    *,
    read_noise: tuple[float, float],
    exposures: tuple[float, float],
    degree: int,
    rows: NDArray[np.bool_] | None,
    same_slit: bool,
) -> NoddedSky:
    """Take the sky of one exposure from another.

    Lines of the sky tell how bright it was in comparison (without them the exposure times do). What the difference
    shows of the sky in rows without an object, positive or negative, is modelled on the wavelength map and taken off
    as well: lines whose ratio has changed, and those that flexure has shifted.

    Parameters
    ----------
    part, other
        The same rows of both, usable where both are.
    wavelength
        Of every pixel, rising along the last axis.
    read_noise, exposures
        Electrons and seconds of both.
    degree
        Along the slit, of the model of what is left.
    rows
        The rows to take that from, shape (rows,); by default those without an object.
    same_slit
        Whether the target is on the slit in both, so that there are rows without it. Where the other exposure is one of
        the sky alone and the target may fill the slit, nothing but `rows` can tell it from what is left of the sky.
    """
    good = part.good & other.good
    scale = brightness_ratio(part.data, other.data, good, exposures[0] / max(exposures[1], 1e-9))
    level = along_slit(other.data, good)
    noise = smooth_noise(part, scale * level, read_noise[0]) + scale**2 * smooth_noise(other, level, read_noise[1])
    difference = part.data - np.float32(scale) * other.data
    chosen = rows if rows is not None else _blank(difference / np.sqrt(noise), good) & same_slit
    sky, own = np.float32(scale) * other.data, np.zeros_like(noise)
    if chosen.any():
        left = model_sky(difference, noise, good, wavelength, read_noise=0, degree=degree, rows=chosen, own_noise=False)
        sky, own = sky + left.sky, left.sky_variance
    found = negative_objects((part.data - sky) / np.sqrt(noise), good)
    return NoddedSky(sky, own, noise + own, scale, chosen, found)


def _blank(residual: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows without an object, none if they are too few to be believed."""
    centred = residual - np.median(residual, axis=0)
    rows = blank_rows(centred, good, quiet=True)
    return rows if rows.mean() > LEAST + 0.15 else np.zeros_like(rows)


def brightness_ratio(
    one: NDArray[np.floating], other: NDArray[np.floating], good: NDArray[np.bool_], expected: float
) -> float:
    """Return how bright the lines of the sky are relative to those in another exposure; `expected` if there are none.

    Continua do not matter, objects that fill the slit have one.
    """
    from scipy.ndimage import median_filter

    lines = []
    for data in (one, other):
        spectrum = np.median(np.where(good, data, 0), axis=0).astype(np.float64)
        lines.append(spectrum - median_filter(spectrum, NEIGHBOURHOOD))
    spread = 1.4826 * float(np.median(np.abs(lines[1] - np.median(lines[1]))))
    bright = lines[1] > max(10 * spread, 0.05 * float(lines[1].max()))
    if bright.sum() < ENOUGH:
        return expected
    ratio, weight = lines[0][bright] / lines[1][bright], lines[1][bright] ** 2
    order = np.argsort(ratio)
    half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    middle = float(ratio[order][half])
    near = np.abs(ratio - middle) < 0.3 * abs(middle)
    found = float(np.average(ratio[near], weights=weight[near]))
    return found if 0.3 < found / expected < 3 else expected


def along_slit(data: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the light of the sky at each pixel: the mean over `ROWS` rows of what does not stand out of its column."""
    from scipy.ndimage import uniform_filter1d

    middle = np.median(data, axis=0)
    spread = 1.4826 * np.median(np.abs(data - middle), axis=0)
    kept = good & (np.abs(data - middle) <= 4 * spread + 0.1 * np.abs(middle))
    count = uniform_filter1d(kept.astype(np.float32), ROWS, axis=0)
    mean = uniform_filter1d(np.where(kept, data, 0).astype(np.float32), ROWS, axis=0)
    return np.asarray(np.where(count > 0.2, mean / np.maximum(count, 0.2), middle), np.float32)


def smooth_noise(part: SlitPart, level: NDArray[np.floating], read_noise: float) -> NDArray[np.floating]:
    """Return the variance of an exposure with the photon noise of a smooth sky and of a smooth model of its objects."""
    scale = photon_scale(part.variance, part.data, read_noise)
    light = light_of_objects(part.data - level, level, read_noise, part.good)
    return exchange_photons(part.variance, part.data, level + light, scale)


def negative_objects(residual: NDArray[np.floating], good: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return row and width (rows) of every object that stands below the sky by ten times its noise."""
    from alfosc_reduce_longslit.slit.profile import find_peaks_of, slit_profile

    profile = slit_profile(-residual, np.ones_like(residual), good)
    return [(row, width) for row, width, _ in find_peaks_of(profile, 10.0, holes=False)]


def keep_negative(header: Header, found: list[tuple[float, float]]) -> None:
    """Write where the other exposure's objects lie: ``NEGROW1``, ``NEGWID1`` and so on, in rows of the frame."""
    for number, (row, width) in enumerate(found, start=1):
        header[f"NEGROW{number}"] = (round(row, 2), "row of a negative object")
        header[f"NEGWID{number}"] = (round(width, 2), "[pix] its full width at half maximum")


def negative_rows(header: Header, ny: int) -> NDArray[np.bool_]:
    """Return true for rows that hold light of an object of another exposure that was subtracted, shape (ny,)."""
    rows, covered = np.arange(ny), np.zeros(ny, bool)
    number = 1
    while f"NEGROW{number}" in header:
        centre, width = float(header[f"NEGROW{number}"]), float(header[f"NEGWID{number}"])
        covered |= np.abs(rows - centre) < 3 * width + 3
        number += 1
    return covered
