"""The overscan: the level and the noise that the electronics added to this very frame."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.naming import name_of
from alfosc_reduce_ccd.sections import Section, section_of
from alfosc_reduce_ccd.statistics import clipped_mean, difference_noise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

DEGREE = 2
"""Along the overscan: level, slope and curvature. On the real night a level alone leaves a chi square of 1.5, 1.07 are
left by the parabola, and higher degrees gain nothing."""
SECTIONS = ("BIASSEC", "BIASSEC2", "BIASSEC3")
WRONG = 3.0
"""An overscan that scatters about its model by this many times its noise is worth a look."""
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


class SubtractOverscan(Step):
    """Subtract the level of the overscan from a raw frame, cut the frame to its exposed part, flag saturated pixels."""

    def __call__(self, image: CCDData) -> CCDData:
        """Return the frame in ADU above its overscan.

        Parameters
        ----------
        image
            Raw frame in ADU with the normalised header of an instrument.

        Returns
        -------
        CCDData
            In ADU, without variance; ``OVSCLEV``, ``OVSCERR`` and ``OVSCNOIS`` in the header are the level, its error
            and the noise of one pixel.

        Raises
        ------
        DataError
            If the frame is constant, wholly NaN, or its sections do not fit its size.
        """
        data = np.asarray(image.data, dtype=np.float64)
        check_signal(data, image.meta)
        trim = section_of(image.meta, "TRIMSEC", data.shape) or (slice(0, data.shape[0]), slice(0, data.shape[1]))
        scans = overscans(data, image.meta)
        if not scans:
            logger.warning("%s has no overscan: its bias level is that of the bias frames.", name_of(image))
        flags = flags_of(image)[trim] | level_flags(data[trim], image.meta)
        pedestal = pedestal_of(scans, trim)
        return make_image(data[trim] - pedestal, unit="adu", header=_header(image, scans, trim), flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the overscan along its long axis where the curve subtracted does not follow it, else nothing.

        The levels of all bias frames are in the figure of the master bias.
        """
        from alfosc_reduce_ccd.figures import overscan_figure

        image = inputs["image"]
        scans = overscans(np.asarray(image.data, dtype=np.float64), image.meta)
        if any(misfit(scan) > WRONG for scan in scans):
            yield "overscan", overscan_figure(scans, name_of(image))

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return level and noise of the overscan in ADU, and how many pixels are saturated."""
        flags = flags_of(result)
        return {
            "overscan_level_adu": result.meta.get("OVSCLEV"),
            "overscan_level_error_adu": result.meta.get("OVSCERR"),
            "overscan_noise_adu": result.meta.get("OVSCNOIS"),
            "saturated_pixels": int(np.count_nonzero(flags & Flag.SATURATED)),
            "nonlinear_pixels": int(np.count_nonzero(flags & Flag.NONLINEAR)),
        }


def check_signal(data: NDArray[np.float64], header: Header) -> None:
    """Raise `DataError` if a frame is empty: all pixels equal, or none finite."""
    name = header.get("FILENAME", "frame")
    if data.ndim != 2 or data.size == 0:
        raise DataError(f"{name}: expected an image with two axes, found shape {data.shape}; exclude this file")
    low, high = data.min(), data.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = data[np.isfinite(data)]
        if finite.size == 0:
            raise DataError(f"{name}: no pixel holds a finite value; exclude this frame")
        low, high = finite.min(), finite.max()
    if low == high:
        raise DataError(f"{name}: all pixels are {low:g}, so nothing was read out; exclude this frame")


def overscans(data: NDArray[np.float64], header: Header) -> list[Overscan]:
    """Measure the overscan sections that a header names (``BIASSEC``, ``BIASSEC2`` ...); empty if it names none."""
    found = (section_of(header, keyword, data.shape) for keyword in SECTIONS)
    return [measure_overscan(data, section) for section in found if section is not None]


def measure_overscan(data: NDArray[np.float64], section: Section) -> Overscan:
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
    strip = data[section]
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


def level_flags(data: NDArray[np.float64], header: Header) -> NDArray[np.int16]:
    """Flag raw values at or above ``SATURATE`` and above ``LINMAX`` (ADU), and those that are not finite."""
    flags = np.zeros(data.shape, np.int16)
    finite = np.isfinite(data)
    values = data
    if not finite.all():
        flags[~finite] |= Flag.NOT_FINITE
        values = np.where(finite, data, 0)
    highest, saturation, linear = (
        values.max(initial=-np.inf),
        header.get("SATURATE", np.inf),
        header.get("LINMAX", np.inf),
    )
    if highest >= saturation:
        flags[values >= saturation] |= Flag.SATURATED
    if highest > linear:
        flags[values > linear] |= Flag.NONLINEAR
    return flags


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


def _header(image: CCDData, scans: list[Overscan], trim: Section) -> Header:
    header = image.meta.copy()
    if str(header.get("CTYPE1", "")).startswith(("RA--", "DEC-")):
        for axis, part in ((1, trim[1]), (2, trim[0])):
            header[f"CRPIX{axis}"] = header.get(f"CRPIX{axis}", 0.0) - part.start
    for keyword in (*SECTIONS, "TRIMSEC"):
        header.remove(keyword, ignore_missing=True)
    if scans:
        level, error = scans[0].level, scans[0].error
        noise = float(np.sqrt(np.mean([scan.noise**2 for scan in scans])))
        header["OVSCLEV"] = (round(level, 3), "[ADU] level of the overscan, subtracted")
        header["OVSCERR"] = (round(error, 3), "[ADU] standard error of OVSCLEV")
        header["OVSCNOIS"] = (round(noise, 3), "[ADU] noise of one overscan pixel")
    return header
