"""Frames that would spoil a combination, told by their stars alone, each with the reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.registration.star_lists import StarList

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 4
"""Stars below which a frame cannot be laid over another with confidence."""
TRAILED = 0.35
"""Ellipticity from which stars may be trails."""
LONGER = 0.2
"""By how much it must exceed that of the better frames."""
DEFOCUSED = 2.0
"""Stars this many times as wide as in the better frames are out of focus."""


def unfit(frames: Sequence[StarList]) -> list[str]:
    """Return for each frame why it is not fit to be combined with the others; empty text if it is.

    Parameters
    ----------
    frames
        Of one field and filter, in any order. Shapes are judged against the better quarter of the frames.
    """
    filters = Counter(frame.filter for frame in frames if frame.filter)
    common = filters.most_common(1)[0][0] if filters else ""
    seen = [frame for frame in frames if len(frame) >= FEWEST and frame.filter in ("", common)]
    width = _better([frame.fwhm for frame in seen])
    length = _better([frame.ellipticity for frame in seen])
    return [_reason(frame, common, width, length) for frame in frames]


def _reason(frame: StarList, common: str, width: float, length: float) -> str:
    if frame.filter and frame.filter != common:
        return f"filter {frame.filter}, where most frames have {common}"
    if len(frame) == 0:
        return "blank: no star was found"
    if len(frame) < FEWEST:
        return f"only {len(frame)} stars were found, {FEWEST} are needed"
    if not frame.clean.any():
        return f"all of its {len(frame)} stars are saturated or masked"
    if not np.isfinite(frame.fwhm) and np.isfinite(width):
        return f"none of its {len(frame)} detections is a star that tells the seeing: saturated, masked, faint or noise"
    if frame.fwhm > DEFOCUSED * width:
        return f"out of focus: stars are {frame.fwhm:.1f} pixels wide, in better frames {width:.1f}"
    if frame.ellipticity > max(TRAILED, length + LONGER):
        return f"trailed: the ellipticity of stars is {frame.ellipticity:.2f}, in better frames {length:.2f}"
    return ""


def _better(values: Sequence[float]) -> float:
    """Return what a quarter of the frames are better than; infinite if nothing is known."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.quantile(finite, 0.25, method="lower")) if finite else float("inf")
