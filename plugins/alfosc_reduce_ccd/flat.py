"""The spectral flat: how pixels respond relative to their neighbours, without lamp and slit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, variance_of
from alfosc_reduce.parameters import Pixels, to_pixels
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.combination import combine
from alfosc_reduce_ccd.lamp import LampModel, lamp_model
from alfosc_reduce_ccd.planes import Planes, planes_of, without_outliers
from alfosc_reduce_ccd.slit import flag_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_ccd.combination import Combined

logger = logging.getLogger(__name__)

_LOWEST, _HIGHEST = 0.5, 2.0
_LARGEST_ERROR = 0.03
_LEAST_LAMP = 0.8


class CombineFlat(Step):
    """Combine spectral flats; divide out the lamp's smooth spectrum and the illumination along the slit."""

    clip: float = 6.0
    """Values further from the pixel's median than this many standard deviations are left out."""
    smoothing: Pixels = 50 * u.pix
    """Structure along the wavelength longer than this is the lamp's spectrum; fringes are shorter and stay."""

    def __call__(self, frames: list[CCDData]) -> CCDData:
        """Return the response of the pixels, around 1, with variance and flags.

        Parameters
        ----------
        frames
            Flats of one read-out and setup after `correct_frame`, electrons.

        Returns
        -------
        CCDData
            1 with ``NO_FLAT`` where there is too little light, or it is not the lamp's light of that wavelength;
            ``BAD_PIXEL`` where the response is below 0.5 or above 2; ``OUTSIDE_FIELD`` beyond the ends of the slit.

        Raises
        ------
        DataError
            If there are none, none has light, or read-outs are mixed.
        """
        planes = planes_of(frames, "flat")
        good = _lit(planes)
        levels = np.array([brightness(plane) for plane in good])
        scales = levels / levels.mean()
        combined = combine(good, clip=self.clip, scales=scales, weights=scales)
        unusable = (combined.flags & int(Flag.BAD_PIXEL | Flag.SATURATED | Flag.NOT_FINITE)) != 0
        light = np.where(unusable, np.nan, combined.data)
        lamp = lamp_model(light, int(to_pixels(self.smoothing, 1.0)))
        data, variance, flags = response(combined, lamp)
        header = _header(good, combined, len(planes), lamp)
        flag_ends(light, flags, header)
        return make_image(data, unit="", header=header, variance=variance, flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the response, its size along the wavelength, and what was divided out."""
        from alfosc_reduce_ccd.figures import flat_figure

        yield "flat", flat_figure(result)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return counts of frames and flagged pixels, the scatter of the response and its error."""
        flags = flags_of(result)
        known = (flags & int(Flag.NO_FLAT | Flag.BAD_PIXEL)) == 0
        error = np.sqrt(np.median(variance_of(result)[known])) if known.any() else None
        return {
            "frames": int(result.meta["NCOMBINE"]),
            "frames_left_out": int(result.meta["NLEFTOUT"]),
            "rejected_fraction": float(result.meta["REJFRAC"]),
            "no_flat_fraction": float(np.mean((flags & Flag.NO_FLAT) != 0)),
            "bad_pixels": int(np.count_nonzero(flags & Flag.BAD_PIXEL)),
            "response_rms": float(np.std(result.data[known])) if known.any() else None,
            "median_error": None if error is None else float(error),
            "first_lamp_column": result.meta.get("FLATX1"),
            "last_lamp_column": result.meta.get("FLATX2"),
        }


def response(combined: Combined, lamp: LampModel) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
    """Return the response of the pixels, its variance and flags.

    Parameters
    ----------
    combined
        The combined flats, electrons.
    lamp
        What is divided out.
    """
    model = np.where(lamp.model > 0, lamp.model, np.float32(np.nan))
    data = np.asarray(combined.data / model, np.float32)
    variance = np.asarray(combined.variance / np.square(model), np.float32)
    del model
    saturated = (combined.flags & Flag.SATURATED) != 0
    dark = ~lamp.lit | ~np.isfinite(data) | ~(variance < _LARGEST_ERROR**2) | saturated
    dark |= (lamp.lamp_fraction < _LEAST_LAMP)[None, :]
    deviant = ~dark & ((data < _LOWEST) | (data > _HIGHEST))
    flags = (combined.flags & np.int16(Flag.BAD_PIXEL)).astype(np.int16)
    flags[dark] |= Flag.NO_FLAT
    flags[deviant] |= Flag.BAD_PIXEL
    unknown = (flags & int(Flag.NO_FLAT | Flag.BAD_PIXEL)) != 0
    data[unknown], variance[unknown] = 1, 0
    return data, variance, flags


def brightness(plane: Planes) -> float:
    """Return the 90th percentile of a frame: the level of its lit part, electrons; 0 if no pixel is finite."""
    sample = np.asarray(plane.data[:: max(1, plane.shape[0] // 64)], np.float64)
    finite = sample[np.isfinite(sample)]
    return float(np.percentile(finite, 90)) if finite.size else 0.0


def _lit(planes: Sequence[Planes]) -> list[Planes]:
    levels = {plane: brightness(plane) for plane in planes}
    typical = float(np.median(list(levels.values())))
    lit = [plane for plane in planes if levels[plane] > max(10 * float(plane.header.get("RDNOISE", 0)), 0.1 * typical)]
    for plane in planes:
        if plane not in lit:
            logger.warning(
                "flat: %s has only %.0f electrons where it is bright; it is left out.", plane.name, levels[plane]
            )
    if not lit:
        raise DataError(
            f"flat: none of the {len(planes)} frames has light; was the lamp on? Exclude them or disable the flat"
        )
    good = without_outliers(lit, "flat", level_tolerance=0.9 * typical, noise_ratio=np.inf)
    if len(good) == 1:
        logger.warning("flat: there is only one frame (%s); cosmic rays in it stay.", good[0].name)
    return good


def _header(good: Sequence[Planes], combined: Combined, total: int, lamp: LampModel) -> Header:
    header = good[0].header.copy()
    header["NCOMBINE"] = (len(good), "frames combined")
    header["NLEFTOUT"] = (total - len(good), "frames left out")
    header["REJFRAC"] = (round(combined.rejected_fraction, 8), "fraction of values rejected")
    used = np.flatnonzero(lamp.lit.any(0) & (lamp.lamp_fraction >= _LEAST_LAMP))
    if used.size:
        header["FLATX1"] = (int(used[0]), "first column (0-based) lit by the lamp")
        header["FLATX2"] = (int(used[-1]), "last column lit by the lamp")
    return header
