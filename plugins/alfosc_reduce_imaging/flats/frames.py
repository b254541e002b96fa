"""Which flats can be used, how bright each is, how the sky lit it, and where its stars are."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from alfosc_reduce_ccd.planes import Planes
from alfosc_reduce_ccd.sorting import sorted_planes
from alfosc_reduce_ccd.statistics import robust_sigma
from alfosc_reduce_ccd.threads import two_at_a_time

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_imaging.flats.blocks import block_size, in_blocks
from alfosc_reduce_imaging.flats.illumination import EVEN, coordinates, fit_surface, surface
from alfosc_reduce_imaging.flats.stars import find_stars, lone_frame_excess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_FAINT = 50.0
"""Frames with less light than this many times the read noise: what is left of the bias would show in them."""
_SATURATED, _NONLINEAR = 0.02, 0.1
_ROUNDS = 3
_LIT = 0.3


@dataclass(frozen=True, eq=False)
class LitFrame:
    """A flat, and what in it is not the detector.

    Attributes
    ----------
    plane
        Its arrays.
    level
        Median light in the middle of the field, in the unit of the frame.
    light
        Mean light over `level` in blocks of `size` pixels, NaN where not known.
    size
        Pixels a side of a block.
    illumination
        Coefficients of the surface by which it was lit otherwise than the mean of the frames.
    stars
        True where the blocks hold stars.
    noise
        Standard deviation of a pixel at the level, for a frame without variance.
    """

    plane: Planes
    level: float
    light: NDArray[np.float32]
    size: int
    illumination: NDArray[np.float64]
    stars: NDArray[np.bool_]
    noise: float = 0.0

    def even_light(self) -> NDArray[np.float32]:
        """Return `light` without the frame's own illumination, NaN where there are stars."""
        v, u = (coordinates(np.arange(length), length) for length in self.light.shape)
        return np.where(self.stars, np.float32(np.nan), self.light / surface(self.illumination, v, u))

    def surface_at(self, rows: slice) -> NDArray[np.float32]:
        """Return level times illumination for some rows of the frame."""
        ny, nx = self.plane.shape
        y = coordinates(np.arange(rows.start, rows.stop), ny)
        return surface(self.level * self.illumination, y, coordinates(np.arange(nx), nx))


def usable_frames(planes: Sequence[Planes]) -> list[tuple[Planes, float]]:
    """Return the frames that are neither too faint nor saturated, with their levels; the log says why others are not.

    Raises
    ------
    DataError
        If none is left.
    """
    kept, reasons = [], []
    for plane in planes:
        level, reason = level_of(plane)
        if reason:
            reasons.append(f"{plane.name} {reason}")
            logger.warning("imaging flat: %s %s; it is left out.", plane.name, reason)
        else:
            kept.append((plane, level))
    if not kept:
        told = "; ".join(reasons[:3])
        raise DataError(f"imaging flat: none of the {len(planes)} frames can be used ({told}); take others")
    return kept


def level_of(plane: Planes) -> tuple[float, str]:
    """Return the median light in the middle of a frame, and why it cannot be used, if so."""
    ny, nx = plane.shape
    middle = slice(ny // 4, ny - ny // 4, max(1, ny // 500)), slice(nx // 4, nx - nx // 4)
    values = np.asarray(plane.data[middle], np.float32)
    flags = np.zeros(values.shape, np.int16) if plane.flags is None else np.asarray(plane.flags[middle])
    saturated = float(np.mean((flags & int(Flag.SATURATED)) != 0)) if flags.size else 0.0
    if saturated > _SATURATED:
        return 0.0, f"is saturated in {100 * saturated:.0f} % of its middle"
    nonlinear = float(np.mean((flags & int(Flag.NONLINEAR)) != 0)) if flags.size else 0.0
    if nonlinear > _NONLINEAR:
        return 0.0, f"is beyond the linear range of the detector in {100 * nonlinear:.0f} % of its middle"
    known = values[~mask_of(flags) & np.isfinite(values)]
    level = float(np.median(known)) if known.size else 0.0
    noise = plane.header.get("RDNOISE", 0.0)
    least = _FAINT * float(noise) if isinstance(noise, int | float) else 0.0
    if not level > max(least, 0.0):
        return level, f"has a level of {level:.0f} in its middle, where {least:.0f} are needed"
    return level, ""


def lit_frames(planes: Sequence[tuple[Planes, float]]) -> list[LitFrame]:
    """Return frames with their illumination and their stars, each told by what the other frames have not.

    Parameters
    ----------
    planes
        From `usable_frames`.
    """
    size = block_size(planes[0][0].shape)
    frames = two_at_a_time(lambda given: _in_blocks(*given, size), planes)
    if len(frames) == 1:
        return [_alone(frames[0])]
    for done in range(_ROUNDS):
        frames = two_at_a_time(partial(_compared, frames, first=done == 0), frames)
        mean = np.mean([frame.illumination for frame in frames], axis=0) - EVEN
        frames = [replace(frame, illumination=frame.illumination - mean) for frame in frames]
    return frames


def with_noise(frames: Sequence[LitFrame]) -> list[LitFrame]:
    """Return frames with their noise, measured where they come without a variance.

    It is taken to grow with the root of the level, and is that of the difference of two frames; of a single frame, that
    of neighbouring pixels, which respond unevenly, too.
    """
    if all(frame.plane.variance is not None for frame in frames):
        return list(frames)
    logger.warning("imaging flat: the frames have no variance; their noise is measured on their differences.")
    if len(frames) == 1:
        return [replace(frames[0], noise=frames[0].plane.noise)]
    found = [_noise_of_pair(one, other) for one, other in pairwise(frames)]
    return [replace(frame, noise=float(np.median(found) * np.sqrt(frame.level))) for frame in frames]


def _noise_of_pair(one: LitFrame, other: LitFrame) -> float:
    """Return the noise of frames of level 1."""
    ny = one.plane.shape[0]
    starts = range(0, ny, max(1, ny // 40))
    light = [
        np.concatenate([np.asarray(f.plane.data[y]) / f.surface_at(slice(y, y + 1))[0] for y in starts])
        for f in (one, other)
    ]
    bright = (light[0] > _LIT) & (light[1] > _LIT)
    difference = (light[0] - light[1])[bright] / np.sqrt(light[0][bright])
    return robust_sigma(difference) / float(np.sqrt(1 / one.level + 1 / other.level))


def mean_light(frames: Sequence[LitFrame]) -> NDArray[np.float32]:
    """Return the mean light of frames in blocks, stars left out; the lowest light where all have stars."""
    light = np.stack([frame.even_light() for frame in frames])
    known = np.isfinite(light)
    mean = np.where(known, light, 0).sum(0) / np.maximum(known.sum(0), 1)
    lowest = np.stack([np.where(np.isfinite(frame.light), frame.light, np.inf) for frame in frames]).min(0)
    lowest = np.where(np.isfinite(lowest), lowest, np.nan)
    return np.where(known.any(0), mean, lowest).astype(np.float32)


def _of_others(frames: Sequence[LitFrame], frame: LitFrame, *, first: bool) -> NDArray[np.float32]:
    """Return the light that the other frames have: at first, before their stars are known, their lower median."""
    others = [other for other in frames if other is not frame]
    return _lower_median([other.light for other in others]) if first else mean_light(others)


def _in_blocks(plane: Planes, level: float, size: int) -> LitFrame:
    good = None if plane.flags is None else ~mask_of(plane.flags)
    values = np.asarray(plane.data)
    if not np.isfinite(values).all():
        good = np.isfinite(values) if good is None else good & np.isfinite(values)
    light = in_blocks(values, good, size) / np.float32(level)
    plane.let_go()
    return LitFrame(plane, level, light, size, EVEN, np.zeros(light.shape, bool))


def _compared(frames: Sequence[LitFrame], frame: LitFrame, *, first: bool) -> LitFrame:
    reference = _of_others(frames, frame, first=first)
    lit = reference > _LIT
    ratio = np.divide(frame.light, reference, out=np.full_like(reference, np.nan), where=lit)
    illumination = fit_surface(np.where(frame.stars, np.nan, ratio))
    v, u = (coordinates(np.arange(length), length) for length in ratio.shape)
    stars = find_stars(ratio / surface(illumination, v, u) - 1, np.where(lit, reference, 0))
    return replace(frame, illumination=illumination, stars=stars)


def _alone(frame: LitFrame) -> LitFrame:
    return replace(frame, stars=find_stars(lone_frame_excess(frame.light), np.nan_to_num(frame.light)))


def _lower_median(lights: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    stack = np.stack([np.where(np.isfinite(light), light, np.inf) for light in lights]).astype(np.float32)
    number = np.isfinite(stack).sum(0)
    ordered = np.stack(sorted_planes(stack))
    middle = np.take_along_axis(ordered, (np.maximum(number - 1, 0) // 2)[None], axis=0)[0]
    return np.where(number > 0, middle, np.nan).astype(np.float32)
