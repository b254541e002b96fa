"""The master bias: the structure that the read-out leaves after the overscan is subtracted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.combination import Combined, combine, strips
from alfosc_reduce_ccd.planes import Planes, planes_of, without_outliers
from alfosc_reduce_ccd.statistics import number_flagged, typical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_LEVEL_LIMIT = 20.0
_COLUMN_LIMIT = 1.0
_FALSE_ALARM = 1e-7
_JUMPS = 0.1
_BOX = 25
_BLOCK = 32


class CombineBias(Step):
    """Combine bias frames into a master bias; flag hot and noisy pixels."""

    clip: float = 5.0
    """Values further from the pixel's median than this many standard deviations are left out."""

    def __call__(self, frames: list[CCDData]) -> CCDData:
        """Return the master bias in ADU, with variance and ``BAD_PIXEL`` flags.

        Parameters
        ----------
        frames
            Bias frames after `subtract_overscan`, all of one read-out.

        Raises
        ------
        DataError
            If there are none, none is usable, or read-outs are mixed.
        """
        planes = planes_of(frames, "bias")
        typical = float(np.median([plane.noise for plane in planes]))
        good = without_outliers(planes, "bias", level_tolerance=0.5 * typical)
        if len(good) == 1:
            logger.warning("bias: there is only one frame (%s); its noise adds to every other frame's.", good[0].name)
        noise = np.array([noise_of(plane) for plane in good])
        combined = combine(good, clip=self.clip, noise=noise)
        flags = combined.flags | bad_pixels(combined, float(np.median(noise)))
        header = _header(good, combined, len(planes))
        return make_image(combined.data, unit="adu", header=header, variance=combined.variance, flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the master bias, its medians along both axes, and the level of the overscan of its frames."""
        from alfosc_reduce_ccd.figures import master_figure

        used = result.meta["NCOMBINE"]
        yield "bias", master_figure(result, f"Master bias of {used} frames", "ADU above overscan", inputs["frames"])

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return counts of frames, rejected values and bad pixels, and the noise of the master in ADU."""
        return {
            "frames": int(result.meta["NCOMBINE"]),
            "frames_left_out": int(result.meta["NLEFTOUT"]),
            "rejected_fraction": float(result.meta["REJFRAC"]),
            "bad_pixels": number_flagged(result, Flag.BAD_PIXEL),
            "median_level_adu": typical(result.data),
            "median_error_adu": float(np.sqrt(typical(result.uncertainty.array))),
        }


def noise_of(plane: Planes) -> float:
    """Return the noise of a pixel in a frame without light, ADU: that of its overscan, else that of its neighbours."""
    return float(plane.header.get("OVSCNOIS", plane.noise))


def bad_pixels(combined: Combined, noise: float) -> NDArray[np.int16]:
    """Return ``BAD_PIXEL`` where a bias is not to be trusted.

    That is where the level stands 20 times the noise of a frame above or below its surroundings, or that of a long
    part of a column the noise (hot columns, which grow with the exposure time, and the first columns after
    read-out, which do not repeat), or where the frames scatter more than chance allows and more than twice the noise,
    or more than one in ten values was rejected (random telegraph pixels).

    Parameters
    ----------
    combined
        The combination of bias frames.
    noise
        Of a pixel in one frame, ADU.

    Returns
    -------
    array
        Flags, shape of a frame.
    """
    flags = np.zeros(combined.data.shape, np.int16)
    hot = hot_columns(combined.data, noise)
    for rows in strips(flags.shape, 1):
        data = np.nan_to_num(combined.data[rows])
        deviant = (np.abs(data - _running_median(data)) > _LEVEL_LIMIT * noise) | hot[rows]
        count, rejected = combined.count[rows], combined.rejected[rows]
        excess = combined.scatter[rows] > _largest_scatter(count) * np.float32(noise**2)
        jumping = rejected > np.maximum(1, _JUMPS * (count + rejected))
        flags[rows] = np.where(deviant | excess | jumping, Flag.BAD_PIXEL, 0)
    return flags


def hot_columns(data: NDArray[np.float32], noise: float) -> NDArray[np.bool_]:
    """Return true where a column stands out for a block of rows (32 or more), and in the blocks next to it.

    A hot column begins at the row of its defect: its median over the whole height may tell nothing.

    Parameters
    ----------
    data
        Master bias, shape (ny, nx), ADU.
    noise
        Of a pixel in one frame, ADU.
    """
    import bottleneck

    blocks = np.array_split(np.arange(len(data)), max(1, len(data) // _BLOCK))
    levels = np.nan_to_num(np.stack([bottleneck.nanmedian(data[rows[0] : rows[-1] + 1], axis=0) for rows in blocks]))
    found = np.pad(np.abs(levels - _running_median(levels)) > _COLUMN_LIMIT * noise, ((1, 1), (0, 0)))
    found = found[:-2] | found[1:-1] | found[2:]
    return np.repeat(found, [len(rows) for rows in blocks], axis=0)


def _running_median(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of 25 pixels around each along x, the frame mirrored at its edges."""
    import bottleneck

    half = _BOX // 2
    padded = np.pad(data, ((0, 0), (half, half)), "reflect")
    return np.asarray(bottleneck.move_median(padded, _BOX, axis=1)[:, 2 * half :])


def _largest_scatter(count: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return which sample variance, in units of the true one, chance does not explain for so many values."""
    from scipy.special import chdtri

    freedom = np.arange(1, max(int(count.max()), 2))
    table = np.maximum(4.0, chdtri(freedom, _FALSE_ALARM) / freedom)
    limits = np.concatenate([[np.inf, np.inf], table]).astype(np.float32)
    return np.asarray(limits[count])


def _header(good: Sequence[Planes], combined: Combined, total: int) -> Header:
    header = good[0].header.copy()
    header["NCOMBINE"] = (len(good), "frames combined")
    header["NLEFTOUT"] = (total - len(good), "frames left out")
    header["REJFRAC"] = (round(combined.rejected_fraction, 8), "fraction of values rejected")
    header["OVSCNOIS"] = (round(float(np.median([noise_of(p) for p in good])), 3), "[ADU] noise of one frame")
    return header
