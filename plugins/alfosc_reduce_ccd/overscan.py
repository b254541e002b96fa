"""The overscan: the level and the noise that the electronics added to this very frame."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.naming import name_of
from alfosc_reduce_ccd.overscan_sections import (
    SECTIONS,
    Overscan,
    misfit,
    overscans,
    pedestal_of,
)
from alfosc_reduce_ccd.sections import Section, section_of
from alfosc_reduce_ccd.statistics import number_flagged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ROWS = 128
WRONG = 3.0
"""An overscan that scatters about its model by this many times its noise is worth a look."""


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
        data, known = np.asarray(image.data), flags_of(image)
        check_signal(data, known, image.meta)
        trim = section_of(image.meta, "TRIMSEC", data.shape) or (slice(0, data.shape[0]), slice(0, data.shape[1]))
        scans = overscans(data, image.meta)
        if not scans:
            logger.warning("%s has no overscan: its bias level is that of the bias frames.", name_of(image))
        flags = known[trim] | level_flags(data[trim], image.meta)
        if lost := int(np.count_nonzero(flags & Flag.NOT_FINITE)):
            logger.warning("%s: %d pixels hold no number (NaN); they are masked.", name_of(image), lost)
        return make_image(_levelled(data, scans, trim), unit="adu", header=_header(image, scans, trim), flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the overscan along its long axis where the curve subtracted does not follow it, else nothing.

        The levels of all bias frames are in the figure of the master bias.
        """
        from alfosc_reduce_ccd.figures import overscan_figure

        image = inputs["image"]
        if result.meta.get("OVSCFIT", 0.0) > WRONG:
            yield "overscan", overscan_figure(overscans(np.asarray(image.data), image.meta), name_of(image))

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return level and noise of the overscan in ADU, and how many pixels are saturated."""
        return {
            "overscan_level_adu": result.meta.get("OVSCLEV"),
            "overscan_level_error_adu": result.meta.get("OVSCERR"),
            "overscan_noise_adu": result.meta.get("OVSCNOIS"),
            "overscan_misfit": result.meta.get("OVSCFIT"),
            "saturated_pixels": number_flagged(result, Flag.SATURATED),
            "nonlinear_pixels": number_flagged(result, Flag.NONLINEAR),
        }


def _levelled(data: NDArray[np.floating], scans: list[Overscan], trim: Section) -> NDArray[np.float32]:
    """Return the kept part of a frame above its overscan, computed in 64 bits some rows at a time."""
    rows, columns = trim
    result = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for start in range(rows.start, rows.stop, _ROWS):
        part = slice(start, min(start + _ROWS, rows.stop)), columns
        above = np.asarray(data[part], np.float64) - pedestal_of(scans, part)
        result[part[0].start - rows.start : part[0].stop - rows.start] = above
    return result


def check_signal(data: NDArray[np.floating], flags: NDArray[np.int16], header: Header) -> None:
    """Raise `DataError` if a frame is empty: all pixels equal, or none finite (now, or before they were set to 0)."""
    name = header.get("FILENAME", "frame")
    if data.ndim != 2 or data.size == 0:
        raise DataError(f"{name}: expected an image with two axes, found shape {data.shape}; exclude this file")
    low, high = data.min(), data.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = data[np.isfinite(data)]
        if finite.size == 0:
            raise DataError(f"{name}: no pixel holds a finite value; exclude this frame")
        low, high = finite.min(), finite.max()
    if low == high and (flags & Flag.NOT_FINITE).all():
        raise DataError(f"{name}: no pixel holds a finite value; exclude this frame")
    if low == high:
        raise DataError(f"{name}: all pixels are {low:g}, so nothing was read out; exclude this frame")


def level_flags(data: NDArray[np.floating], header: Header) -> NDArray[np.int16]:
    """Flag raw values at or above ``SATURATE`` and above ``LINMAX`` (ADU), and those that are not finite."""
    flags = np.zeros(data.shape, np.int16)
    finite = np.isfinite(data)
    values = data
    if not finite.all():
        flags[~finite] |= Flag.NOT_FINITE
        values = np.where(finite, data, 0)
    highest = float(values.max(initial=-np.inf))
    # As 64-bit numbers, with which levels are compared as they are written, not rounded as the values are.
    saturation, linear = (np.float64(header.get(keyword, np.inf)) for keyword in ("SATURATE", "LINMAX"))
    if highest >= saturation:
        flags[values >= saturation] |= Flag.SATURATED
    if highest > linear:
        flags[values > linear] |= Flag.NONLINEAR
    return flags


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
        worst = max(misfit(scan) for scan in scans)
        header["OVSCFIT"] = (round(worst, 3), "scatter of the overscan about its model / noise")
    return header
