"""The flat of a camera and a filter, from twilight or dome flats."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from alfosc_reduce_ccd.naming import header_of
from alfosc_reduce_ccd.planes import planes_of
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image
from alfosc_reduce_imaging.flats.blocks import in_blocks, per_pixel
from alfosc_reduce_imaging.flats.combination import MeanFlat, combine_lit
from alfosc_reduce_imaging.flats.defects import odd_pixels
from alfosc_reduce_imaging.flats.field import outside_field
from alfosc_reduce_imaging.flats.frames import LitFrame, lit_frames, mean_light, usable_frames, with_noise
from alfosc_reduce_imaging.flats.illumination import unevenness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alfosc_reduce_ccd.planes import Planes
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Arrays = tuple["NDArray[np.float32]", "NDArray[np.float32]", "NDArray[np.int16]"]

_LARGEST_ERROR = 0.05


class CombineImagingFlat(Step):
    """Combine imaging flats of one filter: twilight flats, whose stars are rejected, or dome flats.

    Frames are scaled by their light in the middle of the field; a smooth surface takes up by how much each is lit
    otherwise than the mean of all. Stars are what a frame has and the others have not, down to their faint wings.
    """

    clip: float = Field(default=5.0, gt=0)
    """Values further from the pixel's median than this many standard deviations are left out."""

    def __call__(self, frames: list[CCDData]) -> CCDData:
        """Return the response of camera and detector, of median 1 inside the field, with variance and flags.

        Parameters
        ----------
        frames
            Flats of one filter and read-out after `correct_frame`, best dithered between exposures.

        Returns
        -------
        CCDData
            ``OUTSIDE_FIELD`` in vignetted corners; ``BAD_PIXEL`` where pixels or columns respond unlike their
            neighbours or not in proportion to the light; ``NO_FLAT``, with the response of the surroundings, where
            there is too little light or a star in every frame. Shadows of dust stay in.

        Raises
        ------
        DataError
            If there are none, none can be used, or filters or read-outs are mixed.
        """
        planes = planes_of(frames, "imaging flat")
        check_filters(planes)
        good = usable_frames(planes)
        lit = with_noise(lit_frames(good))
        _warn_of_few(lit)
        combined = combine_lit(lit, self.clip)
        data, variance, flags = finished(combined, lit)
        header = _header(lit, combined, len(planes))
        return make_image(data, unit="", header=header, variance=variance, flags=flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the flat with what is masked, and each frame over the flat."""
        from alfosc_reduce_imaging.flats.figures import flat_figure, ratio_figure

        yield "flat", flat_figure(result)
        yield "frames", ratio_figure(result, inputs["frames"])

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return counts of frames, their levels and how well they agree, and shares of flagged pixels."""
        header, flags = result.meta, flags_of(result)
        inside = (flags & int(Flag.OUTSIDE_FIELD)) == 0
        bad = ((flags & int(Flag.BAD_PIXEL)) != 0) & inside
        known = inside & ~bad & ((flags & int(Flag.NO_FLAT)) == 0)
        return {
            "frames": int(header["NCOMBINE"]),
            "frames_left_out": int(header["NLEFTOUT"]),
            "lowest_level": float(header["FLATMIN"]),
            "highest_level": float(header["FLATMAX"]),
            "gradient_between_frames": float(header["FLATGRAD"]),
            "star_fraction": float(header["FLATSTAR"]),
            "rejected_fraction": float(header["REJFRAC"]),
            "scatter_over_expected": header.get("FLATCHI"),
            "field_fraction": float(np.mean(inside)),
            "no_flat_fraction": float(np.mean((flags & int(Flag.NO_FLAT)) != 0)),
            "bad_pixels": int(np.count_nonzero(bad)),
            "bad_columns": int(np.count_nonzero(np.mean(bad, axis=0) > 0.1)),
            "median_error": _typical_error(result, known),
        }


def _typical_error(flat: CCDData, known: NDArray[np.bool_]) -> float | None:
    """Return the median error in every fourth row."""
    variance = np.asarray(flat.uncertainty.array)[::4][known[::4]]
    return float(np.sqrt(np.median(variance))) if variance.size else None


def check_filters(planes: Sequence[Planes]) -> None:
    """Raise `DataError` that names the frames if their filters differ."""
    filters = {plane.name: str(plane.header.get("FILTER", "")) for plane in planes}
    if len(set(filters.values())) > 1:
        found = ", ".join(f"{name} ({filt or 'none'})" for name, filt in list(filters.items())[:6])
        raise DataError(f"imaging flat: frames of several filters are mixed: {found}; combine them apart")


def finished(combined: MeanFlat, frames: Sequence[LitFrame]) -> Arrays:
    """Return response, variance and flags: normalised, defects and the field's edge flagged, gaps filled.

    Parameters
    ----------
    combined
        The mean of the frames.
    frames
        What it was made of.
    """
    size, shape = frames[0].size, combined.data.shape
    light = mean_light(frames)
    outside = per_pixel(outside_field(light), size, shape)
    flags = combined.flags.copy()
    response = np.where((flags & int(Flag.BAD_PIXEL)) == 0, combined.data, np.float32(np.nan))
    response[outside] = np.nan
    flags[odd_pixels(response)] |= Flag.BAD_PIXEL
    good = ((flags & int(Flag.BAD_PIXEL | Flag.NO_FLAT)) == 0) & ~outside & (combined.data > 0)
    level = float(np.median(combined.data[good])) if good.any() else 1.0
    data, variance = combined.data / np.float32(level), combined.variance / np.float32(level**2)
    poor = good & ~(variance < np.square(_LARGEST_ERROR * data))
    flags[poor | ~(data > 0)] |= Flag.NO_FLAT
    good &= ~poor
    smooth = per_pixel(_without_gaps(data, good, size), size, shape)
    flags[(flags & int(Flag.BAD_PIXEL)) != 0] &= ~np.int16(Flag.NO_FLAT)
    flags[outside] = Flag.OUTSIDE_FIELD
    smooth = np.where(outside, np.float32(1), smooth)
    return np.where(good, data, smooth), np.where(good, variance, np.float32(0)), flags


def _without_gaps(data: NDArray[np.float32], good: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """Return the mean response in blocks; blocks without any take the nearest that has one."""
    from scipy.ndimage import distance_transform_edt

    blocks = in_blocks(data, good, size)
    missing = ~(blocks > 0)
    if missing.all():
        return np.ones_like(blocks)
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(blocks[tuple(nearest)], np.float32)


def _warn_of_few(frames: Sequence[LitFrame]) -> None:
    if len(frames) == 1:
        logger.warning(
            "imaging flat: there is only one frame (%s); stars in it are masked as far as they stand out, "
            "cosmic rays stay.", frames[0].plane.name,
        )  # fmt: skip


def _header(frames: Sequence[LitFrame], combined: MeanFlat, total: int) -> Header:
    header = header_of(frames[0].plane.header)
    levels = [frame.level for frame in frames]
    header["NCOMBINE"] = (len(frames), "frames combined")
    header["NLEFTOUT"] = (total - len(frames), "frames left out")
    header["REJFRAC"] = (round(combined.rejected_fraction, 8), "fraction of values rejected")
    header["FLATMIN"] = (round(min(levels), 2), "[electron] level of the faintest frame")
    header["FLATMAX"] = (round(max(levels), 2), "[electron] level of the brightest frame")
    gradient = max(unevenness(frame.illumination) for frame in frames)
    header["FLATGRAD"] = (round(gradient, 5), "largest gradient of a frame against the mean")
    stars = float(np.mean([np.mean(frame.stars) for frame in frames]))
    header["FLATSTAR"] = (round(stars, 5), "fraction of the frames masked for stars")
    if np.isfinite(combined.scatter):
        header["FLATCHI"] = (round(combined.scatter, 4), "scatter between frames over the expected")
    return header
