"""Objects on a long-slit frame: find them, and trace each along the dispersion."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import usable, variance_of
from alfosc_reduce.parameters import Arcsec, to_pixels
from alfosc_reduce_longslit.objects_detection import SlitProfile, find_peaks_of, slit_profile
from alfosc_reduce_longslit.objects_trace import block_profiles, trace_object
from alfosc_reduce_longslit.products import Traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)


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
        data, variance, good = np.asarray(image.data, np.float64), variance_of(image), usable(image)
        name = image.header.get("FILENAME", "this frame")
        if not good.any() or not np.isfinite(variance[good]).all():
            raise DataError(f"{name}: no usable pixel with a variance to find objects in; exclude the frame")
        scale = float(image.header.get("PIXSCALE", 1.0))
        profile = slit_profile(data, variance, good)
        peaks = find_peaks_of(profile, self.threshold)[: self.largest_number]
        if self.position is not None:
            peaks = [forced_peak(profile, peaks, to_pixels(self.position, scale), name)]
        if not peaks:
            _log.warning(
                "%s: no object stands out by %.1f sigma (the highest peak reaches %.1f); the limit is %.2g electrons a "
                "column. Set position to force an aperture.",
                name, self.threshold, float(profile.best.max()), profile.limit(self.threshold),
            )  # fmt: skip
        return trace_peaks(data, variance, good, peaks, scale, profile.limit(self.threshold))

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


def trace_peaks(
    data: np.ndarray[Any, np.dtype[np.float64]],
    variance: np.ndarray[Any, np.dtype[np.float64]],
    good: np.ndarray[Any, np.dtype[np.bool_]],
    peaks: list[tuple[float, float, float]],
    pixel_scale: float,
    limit: float,
) -> Traces:
    """Trace each (row, width, significance) through a frame (ny, nx)."""
    nx = data.shape[1]
    profiles = block_profiles(data, variance, good)
    traced = [trace_object(profiles, row, width, nx) for row, width, _ in peaks]
    return Traces(
        centres=np.array([one.centre for one in traced]).reshape(len(traced), nx),
        fwhm=np.array([one.fwhm for one in traced], dtype=np.float64),
        significance=np.array([significance for _, _, significance in peaks], dtype=np.float64),
        pixel_scale=pixel_scale,
        limit=limit,
    )


def forced_peak(
    profile: SlitProfile, peaks: list[tuple[float, float, float]], row: float, name: str
) -> tuple[float, float, float]:
    """Return the found object nearest to `row` if it is there, else an aperture of typical width at `row`."""
    ny = len(profile.light)
    if not 0 <= row <= ny - 1:
        raise DataError(f"{name}: position is at row {row:.1f}, the slit has rows 0 to {ny - 1}; give one on the slit")
    near = [peak for peak in peaks if abs(peak[0] - row) <= max(peak[1], 3)]
    if near:
        return min(near, key=lambda peak: abs(peak[0] - row))
    width = peaks[0][1] if peaks else 5.0
    _log.warning("%s: nothing is seen at row %.1f; the aperture there is set because position says so.", name, row)
    return row, width, float(profile.best[round(row)])
