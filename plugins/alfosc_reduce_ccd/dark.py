"""The master dark: what the detector collects without light."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.bias import noise_of
from alfosc_reduce_ccd.combination import combine
from alfosc_reduce_ccd.planes import Planes, check_alike, planes_of, without_outliers
from alfosc_reduce_ccd.statistics import robust_sigma

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_HOT = 10.0


class CombineDark(Step):
    """Combine dark frames into the dark current in ADU a second; flag hot pixels."""

    clip: float = 5.0
    """Values further from the pixel's median than this many standard deviations are left out."""

    def __call__(self, frames: list[CCDData], bias: CCDData | None = None) -> CCDData:
        """Return the dark current in ADU/s, with variance and ``BAD_PIXEL`` flags.

        Parameters
        ----------
        frames
            Dark frames after `subtract_overscan`, of any exposure times above 0.
        bias
            Master bias of the same read-out.

        Raises
        ------
        DataError
            If there are none, an exposure time is missing, or read-outs are mixed.
        """
        planes = planes_of(frames, "dark")
        if bias is not None:
            check_alike([*planes_of([bias], "dark"), *planes], "dark: bias and darks")
        typical = float(np.median([plane.noise for plane in planes]))
        good = without_outliers(planes, "dark", level_tolerance=5 * typical)
        if len(good) == 1:
            logger.warning("dark: there is only one frame (%s); cosmic rays in it stay.", good[0].name)
        times = np.array([exposure_of(plane) for plane in good])
        noise = np.array([noise_of(plane) for plane in good])
        offset = None if bias is None else np.asarray(bias.data, np.float32)
        combined = combine(good, clip=self.clip, scales=times, weights=times**2, noise=noise, offset=offset)
        variance = combined.variance
        flags = combined.flags
        if bias is not None:
            mean_time = np.sum(times**2) / np.sum(times)
            variance = variance + (variance_of(bias) / mean_time**2).astype(np.float32)
            flags = flags | (flags_of(bias) & Flag.BAD_PIXEL)
        flags = flags | hot_pixels(combined.data, variance)
        header = good[0].header.copy()
        header["NCOMBINE"] = (len(good), "frames combined")
        header["NLEFTOUT"] = (len(planes) - len(good), "frames left out")
        return make_image(combined.data, unit="adu / s", header=header, variance=variance, flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the dark current."""
        from alfosc_reduce_ccd.figures import master_figure

        yield "dark", master_figure(result, f"Dark current of {result.meta['NCOMBINE']} frames", "ADU / s")

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the median dark current in ADU/s, and counts of frames and bad pixels."""
        return {
            "frames": int(result.meta["NCOMBINE"]),
            "frames_left_out": int(result.meta["NLEFTOUT"]),
            "median_dark_adu_per_second": float(np.median(result.data)),
            "bad_pixels": int(np.count_nonzero(flags_of(result) & Flag.BAD_PIXEL)),
        }


def exposure_of(plane: Planes) -> float:
    """Return the exposure time in seconds; raises `DataError` if the header has none above 0."""
    value = plane.header.get("EXPTIME")
    if not isinstance(value, int | float) or not value > 0:
        raise DataError(f"dark: {plane.name} has the exposure time {value!r}; it must be a number of seconds above 0")
    return float(value)


def hot_pixels(rate: NDArray[np.floating], variance: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return ``BAD_PIXEL`` where the dark current stands out by ten times the scatter of all and its own error."""
    finite = np.nan_to_num(np.asarray(rate, np.float64))
    spread = np.hypot(robust_sigma(finite), np.sqrt(np.maximum(variance, 0)))
    return np.where(np.abs(finite - np.median(finite)) > _HOT * spread, Flag.BAD_PIXEL, 0).astype(np.int16)
