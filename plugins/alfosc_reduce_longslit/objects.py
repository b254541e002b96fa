"""Objects on a long-slit frame: find them, and trace each along the dispersion."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import usable
from alfosc_reduce.parameters import Arcsec, to_pixels
from alfosc_reduce_longslit.objects_detection import (
    BLEND,
    SlitProfile,
    find_peaks_of,
    separate,
    slit_profile,
    without_outliers,
)
from alfosc_reduce_longslit.objects_trace import BlockProfiles, ObjectTrace, block_profiles, follow, trace_object
from alfosc_reduce_longslit.products import Traces
from alfosc_reduce_longslit.sky_nodding import negative_rows
from alfosc_reduce_longslit.slit_part import part_on_slit, plain_variance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

FWHM = 5.0
"""Pixels: what a forced aperture takes for the width of an object that is not seen."""
Peak = tuple[float, float, float]
"""Row, full width at half maximum (pixels) and significance of a peak of the slit profile."""
_log = logging.getLogger(__name__)


class Frame(NamedTuple):
    """Sky-subtracted electrons, their variance, and where they may be used; shape (ny, nx) each."""

    data: NDArray[np.floating]
    variance: NDArray[np.floating]
    good: NDArray[np.bool_]


class Found(NamedTuple):
    """One object: its trace (nx,), full width at half maximum (pixels) and significance."""

    centre: NDArray[np.float64]
    fwhm: float
    significance: float

    @property
    def row(self) -> float:
        """Return the typical row of the trace."""
        return float(np.median(self.centre))


class TraceObjects(Step):
    """Find the objects on a sky-subtracted frame and trace each along the dispersion.

    The light is collapsed along the dispersion and searched with matched filters of several widths. Significance is in
    sigma of the noise measured on the blank rows themselves, and must exceed what as many trials reach by chance.
    Each object is then followed in blocks of wavelength; a smooth curve through its centroids is the trace.
    """

    threshold: float = Field(default=5.0, gt=0)
    """Sigma that an object must have; 5 is reached by chance once in some ten thousand frames."""

    largest_number: int = Field(default=5, ge=1, le=20)
    """Objects kept, the most significant first."""

    position: Arcsec | None = None
    """Where the object is along the slit, from the first row ("22.7 arcsec" or "106 pix"); only the object there is
    traced, and an aperture is set there even if nothing is seen."""

    def __call__(self, image: CCDData, sky: CCDData | None = None) -> Traces:
        """Return the traces, brightest first; none (with a warning) if nothing is significant."""
        name = image.header.get("FILENAME", "this frame")
        scale = float(image.header.get("PIXSCALE", 1.0))
        frame, start = frame_of(image)
        found, profile = find_and_trace(frame, self.threshold, self.largest_number)
        if self.position is not None:
            found = [forced(frame, profile, found, to_pixels(self.position, scale) - start, start, name)]
        if not found:
            _log.warning(
                "%s: no object stands out by %.1f sigma (the highest peak reaches %.1f); the limit is %.2g electrons a "
                "column. Set position to force an aperture.",
                name, self.threshold, float(profile.best.max()), profile.limit(self.threshold),
            )  # fmt: skip
        return Traces(
            centres=np.array([one.centre + start for one in found]).reshape(len(found), image.shape[1]),
            fwhm=np.array([one.fwhm for one in found], dtype=np.float64),
            significance=np.array([one.significance for one in found], dtype=np.float64),
            pixel_scale=scale,
            limit=profile.limit(self.threshold),
        )

    def quality(self, result: Traces, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number, positions, widths and significance of the objects, and the detection limit."""
        first = len(result) > 0
        return {
            "objects": len(result),
            "object_position_arcsec": float(np.median(result.centres[0])) * result.pixel_scale if first else None,
            "object_fwhm_arcsec": float(result.fwhm[0]) * result.pixel_scale if first else None,
            "object_significance": float(result.significance[0]) if first else None,
            "object_trace_range_pixels": float(np.ptp(result.centres[0])) if first else None,
            "object_limit_electrons": result.limit,
        }

    def figures(self, result: Traces, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the slit profile with detections and limit, and the traces over the frame."""
        from alfosc_reduce_longslit.objects_figures import figure_of_profile, figure_of_traces

        yield "profile", figure_of_profile(inputs["image"], result, self.threshold)
        yield "traces", figure_of_traces(inputs["image"], result)


def frame_of(image: CCDData) -> tuple[Frame, int]:
    """Return what a search needs, from the slit's first row to its last, and which row is the first.

    Remaining cosmic rays are left out, and the negative objects of a subtracted exposure. Raises `DataError` if nothing
    is usable.
    """
    part = part_on_slit(image)
    if not part.good.any() or not np.isfinite(plain_variance(image)[part.rows][usable(image)[part.rows]]).all():
        name = image.header.get("FILENAME", "this frame")
        raise DataError(f"{name}: no usable pixel with a variance to find objects in; exclude the frame")
    good = without_outliers(part.data, part.variance, part.good)
    good &= ~negative_rows(image.header, len(image.data))[part.rows, None]
    return Frame(part.data, part.variance, good), part.rows.start


def find_and_trace(frame: Frame, threshold: float, largest: int) -> tuple[list[Found], SlitProfile]:
    """Find and trace the objects of a frame, the brightest first.

    The brightest object is traced first. The frame is then searched again along its trace, where objects that the
    slope of the trace had smeared stand out.
    """
    profile = slit_profile(*frame)
    peaks = find_peaks_of(profile, threshold)
    if not peaks:
        return [], profile
    blocks = block_profiles(*frame)
    first = trace_object(blocks, peaks[0][0], peaks[0][1], frame.data.shape[1])
    profile = slit_profile(*straightened(frame, first.centre - float(np.median(first.centre))))
    peaks = find_peaks_of(profile, threshold)[:largest] or peaks[:1]
    found = [_traced(blocks, first, peak, peaks, profile.light) for peak in peaks]
    return found, profile


def _traced(
    blocks: BlockProfiles, first: ObjectTrace, peak: Peak, peaks: list[Peak], light: NDArray[np.float64]
) -> Found:
    """Return the trace of one peak: its own if it stands alone, else parallel to that of the brightest object."""
    row, width, significance = peak
    middle = float(np.median(first.centre))
    others = [other for other in peaks if other is not peak and abs(other[0] - row) < BLEND * width]
    if others:
        narrow = min(width, *(other[1] for other in others))
        centres, width = separate(light, [row, *(other[0] for other in others)], narrow)
        return Found(centres[0] + first.centre - middle, width, significance)
    if abs(row - middle) < max(width, 2):
        return Found(first.centre, first.fwhm, significance)
    trace = follow(blocks, row + first.centre - middle, width)
    return Found(trace.centre, trace.fwhm, significance)


def straightened(frame: Frame, bend: NDArray[np.float64]) -> Frame:
    """Shift each column by whole rows so that a trace with this `bend` (nx,) runs along one row."""
    ny, nx = frame.data.shape
    rows = np.arange(ny)[:, None] + np.round(bend).astype(int)
    inside = (rows >= 0) & (rows < ny)
    index = np.clip(rows, 0, ny - 1), np.broadcast_to(np.arange(nx), rows.shape)
    return Frame(frame.data[index], frame.variance[index], frame.good[index] & inside)


def forced(frame: Frame, profile: SlitProfile, found: list[Found], row: float, start: int, name: str) -> Found:
    """Return the found object nearest to `row` if it is there, else an aperture parallel to the brightest one.

    Rows count from the first of the slit, which is `start` on the frame.
    """
    ny, nx = frame.data.shape
    if not 0 <= row <= ny - 1:
        raise DataError(
            f"{name}: position is at row {row + start:.1f}, the slit has rows {start} to {start + ny - 1}; "
            "give one on the slit"
        )
    near = [one for one in found if abs(one.row - row) <= max(one.fwhm, 3)]
    if near:
        return min(near, key=lambda one: abs(one.row - row))
    _log.warning(
        "%s: nothing is seen at row %.1f; the aperture there is set because position says so.", name, row + start
    )
    bend = found[0].centre - found[0].row if found else np.zeros(nx)
    return Found(row + bend, found[0].fwhm if found else FWHM, float(profile.best[round(row)]))
