"""From a frame to the traces of its objects: the brightest first, the others along it, faint ones with a guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_longslit.objects.trace import (
    BlockProfiles,
    ObjectTrace,
    block_profiles,
    follow,
    follow_stiffly,
    is_well_traced,
    trace_object,
)
from alfosc_reduce_longslit.slit.profile import BLEND, SlitProfile, find_peaks_of, hot_rows, separate, slit_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

FWHM = 5.0
"""Pixels: what a forced aperture takes for the width of an object that is not seen."""
OWN, GUIDE, PARALLEL, STRAIGHT = "own", "guide", "parallel", "straight"
"""Where the shape of a trace comes from."""
Peak = tuple[float, float, float]
"""Row, full width at half maximum (pixels) and significance of a peak of the slit profile."""


class Frame(NamedTuple):
    """Sky-subtracted electrons, their variance, and where they may be used; shape (ny, nx) each."""

    data: NDArray[np.floating]
    variance: NDArray[np.floating]
    good: NDArray[np.bool_]


class Found(NamedTuple):
    """One object: its trace (nx,), full width at half maximum (pixels), significance, and whence the trace's shape."""

    centre: NDArray[np.float64]
    fwhm: float
    significance: float
    shape: str = OWN

    @property
    def row(self) -> float:
        """Return the typical row of the trace."""
        return float(np.median(self.centre))

    @property
    def bend(self) -> NDArray[np.float64]:
        """Return the trace less its typical row."""
        return self.centre - self.row


def find_and_trace(
    frame: Frame, threshold: float, largest: int, guide: NDArray[np.float64] | None = None
) -> tuple[list[Found], SlitProfile]:
    """Find and trace the objects of a frame, the brightest first.

    The brightest object is traced first. The frame is then searched again along its trace, where objects that the
    slope of the trace had smeared stand out.

    Parameters
    ----------
    frame
        To be searched.
    threshold, largest
        Significance that an object must have, and how many are kept.
    guide
        The trace of a brighter object on another frame, less its typical row, shape (nx,): the shape of traces that the
        objects' own light does not fix.
    """
    frame = without_hot_rows(frame, threshold)
    profile, peaks = _searched(frame, threshold, guide)
    if not peaks:
        return [], profile
    blocks = block_profiles(*frame)
    first = _brightest(blocks, peaks[0], frame.data.shape[1], guide)
    profile = slit_profile(*straightened(frame, first.bend))
    peaks = find_peaks_of(profile, threshold)[:largest] or peaks[:1]
    return [_traced(blocks, first, peak, peaks, profile.light) for peak in peaks], profile


def without_hot_rows(frame: Frame, threshold: float) -> Frame:
    """Return the frame without the rows that hold light which no optics can have made."""
    hot = hot_rows(slit_profile(*frame), threshold)
    return frame._replace(good=frame.good & ~hot[:, None]) if hot.any() else frame


def _searched(frame: Frame, threshold: float, guide: NDArray[np.float64] | None) -> tuple[SlitProfile, list[Peak]]:
    """Return the profile in which objects are seen, with its peaks; along the guide if they are not seen otherwise."""
    profile = slit_profile(*frame)
    peaks = find_peaks_of(profile, threshold)
    if peaks or guide is None:
        return profile, peaks
    profile = slit_profile(*straightened(frame, guide))
    return profile, find_peaks_of(profile, threshold)


def _brightest(blocks: BlockProfiles, peak: Peak, nx: int, guide: NDArray[np.float64] | None) -> Found:
    row, width, significance = peak
    own = trace_object(blocks, row, width, nx)
    if guide is None or is_well_traced(own, nx):
        return Found(own.centre, own.fwhm, significance, OWN if own.used.any() else STRAIGHT)
    stiff = follow_stiffly(blocks, row + guide, width)
    return Found(stiff.centre, stiff.fwhm, significance, GUIDE)


def _traced(blocks: BlockProfiles, first: Found, peak: Peak, peaks: list[Peak], light: NDArray[np.float64]) -> Found:
    """Return the trace of one peak: its own if it stands alone, else parallel to that of the brightest object."""
    row, width, significance = peak
    others = [other for other in peaks if other is not peak and abs(other[0] - row) < BLEND * width]
    if others:
        narrow = min(width, *(other[1] for other in others))
        centres, width = separate(light, [row, *(other[0] for other in others)], narrow)
        return Found(centres[0] + first.bend, width, significance, PARALLEL)
    if abs(row - first.row) < max(width, 2):
        return first._replace(significance=significance)
    if first.shape == GUIDE:
        trace: ObjectTrace = follow_stiffly(blocks, row + first.bend, width)
        return Found(trace.centre, trace.fwhm, significance, GUIDE)
    trace = follow(blocks, row + first.bend, width)
    return Found(trace.centre, trace.fwhm, significance, OWN if trace.used.any() else PARALLEL)


def straightened(frame: Frame, bend: NDArray[np.float64]) -> Frame:
    """Shift each column by whole rows so that a trace with this `bend` (nx,) runs along one row."""
    ny, nx = frame.data.shape
    rows = np.arange(ny)[:, None] + np.round(bend).astype(int)
    inside = (rows >= 0) & (rows < ny)
    index = np.clip(rows, 0, ny - 1), np.broadcast_to(np.arange(nx), rows.shape)
    return Frame(frame.data[index], frame.variance[index], frame.good[index] & inside)


def forced(
    profile: SlitProfile, found: list[Found], row: float, nx: int, guide: NDArray[np.float64] | None = None
) -> tuple[Found, bool]:
    """Return the found object nearest to `row`, or an aperture there; and whether an object is seen.

    The aperture is parallel to the brightest object, else to the guide, else straight.
    """
    near = [one for one in found if abs(one.row - row) <= max(one.fwhm, 3)]
    if near:
        return min(near, key=lambda one: abs(one.row - row)), True
    significance = float(profile.best[round(row)])
    if found:
        return Found(row + found[0].bend, found[0].fwhm, significance, PARALLEL), False
    bend = np.zeros(nx) if guide is None else guide
    return Found(row + bend, FWHM, significance, STRAIGHT if guide is None else GUIDE), False
