"""What the overscan sections of a frame say, and the level below its exposed pixels that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_ccd.sections import Section, section_of
from alfosc_reduce_ccd.statistics import clipped_mean, difference_noise

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

DEGREE = 2
"""Along the overscan: level, slope and curvature. On the real night a level alone leaves a chi square of 1.5, 1.07 are
left by the parabola, and higher degrees gain nothing."""

SECTIONS = ("BIASSEC", "BIASSEC2", "BIASSEC3")

_FEWEST = 3


@dataclass(frozen=True)
class Overscan:
    """What one overscan section says.

    Attributes
    ----------
    profile
        Mean of each element along its long axis, ADU.
    model
        The smooth curve through `profile`.
    axis
        The array axis along which the section is long: 0 if it runs up the rows, 1 if it runs across the columns.
    start
        The pixel on that axis where the section begins.
    level, error
        Mean of the model, and its standard error, ADU.
    noise
        Noise of one pixel, ADU.
    """

    profile: NDArray[np.float64]
    model: NDArray[np.float64]
    axis: int
    start: int
    level: float
    error: float
    noise: float


def overscans(data: NDArray[np.floating], header: Header) -> list[Overscan]:
    """Measure the overscan sections that a header names (``BIASSEC``, ``BIASSEC2`` ...); empty if it names none."""
    found = (section_of(header, keyword, data.shape) for keyword in SECTIONS)
    return [measure_overscan(data, section) for section in found if section is not None]


def measure_overscan(data: NDArray[np.floating], section: Section) -> Overscan:
    """Measure one overscan section.

    Parameters
    ----------
    data
        ADU, the whole raw frame.
    section
        Rows and columns of the overscan; long in one direction.

    Raises
    ------
    DataError
        If it is less than three pixels wide, or holds no noise at all.
    """
    strip = np.asarray(data[section], np.float64)
    if min(strip.shape) < _FEWEST:
        raise DataError(f"overscan: {strip.shape[1]} x {strip.shape[0]} pixels are too few; correct BIASSEC")
    if not np.isfinite(strip).all():
        strip = np.where(np.isfinite(strip), strip, np.nanmedian(strip))
    axis = int(np.argmax(strip.shape))
    profile = clipped_mean(strip, 1 - axis)
    # The first pixels after read-out stand far above the rest; that is the same in every row, and no noise.
    noise = difference_noise(strip - np.median(strip, axis=axis, keepdims=True), 1 - axis)
    if not noise > 0:
        raise DataError("overscan: it holds no noise, so these are not raw pixels; exclude this frame")
    model = _smooth(profile)
    error = float(noise / np.sqrt(strip.size))
    return Overscan(profile, model, axis, section[axis].start, float(model.mean()), error, noise)


def misfit(scan: Overscan) -> float:
    """Return by how many times its noise the profile of an overscan scatters about the model; the ends do not count."""
    inner = slice(len(scan.profile) // 20 + _FEWEST, None)
    expected = scan.error * np.sqrt(len(scan.profile))
    return float(np.std((scan.profile - scan.model)[inner]) / expected)


def pedestal_of(scans: list[Overscan], trim: Section) -> NDArray[np.float64] | float:
    """Return what to subtract inside `trim`: the level of the first section, and the trend along each axis.

    Of two sections that run along the same axis, the first (the larger) tells the trend.

    Parameters
    ----------
    scans
        From `overscans`.
    trim
        Rows and columns that are kept.

    Returns
    -------
    array or float
        ADU, shape of the kept part.
    """
    if not scans:
        return 0.0
    rows, columns = trim
    pedestal = np.full((rows.stop - rows.start, columns.stop - columns.start), scans[0].level)
    for scan in {scan.axis: scan for scan in reversed(scans)}.values():
        trend = _stretched(scan, trim[scan.axis]) - scan.level
        pedestal += trend[:, None] if scan.axis == 0 else trend[None, :]
    return pedestal


def _smooth(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.linspace(-1, 1, len(profile))
    # The first pixels after the read-out of a row or of the frame rise steeply, and are the same in every frame.
    inner = slice(len(profile) // 50, len(profile) - len(profile) // 50)
    degree = min(DEGREE, len(profile) // _FEWEST)
    return np.asarray(np.polynomial.Polynomial.fit(x[inner], profile[inner], degree, domain=[-1, 1])(x))


def _stretched(scan: Overscan, cut: slice) -> NDArray[np.float64]:
    """Return the model along the exposed part; where that is longer than the section, its ends are held."""
    index = np.arange(cut.start, cut.stop) - scan.start
    return np.asarray(scan.model[np.clip(index, 0, len(scan.model) - 1)])
