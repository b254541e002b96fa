"""Objects on a long-slit frame: find them, and trace each along the dispersion."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import usable
from alfosc_reduce.parameters import Arcsec, to_pixels
from alfosc_reduce_longslit.objects.search import Found, Frame, find_and_trace, forced
from alfosc_reduce_longslit.products import Traces
from alfosc_reduce_longslit.sky.nodding import negative_rows
from alfosc_reduce_longslit.slit.part import part_on_slit, plain_variance
from alfosc_reduce_longslit.slit.places import Place, SlitSky, along_slit, coordinates_of, is_along_slit, slit_sky
from alfosc_reduce_longslit.slit.profile import without_outliers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument

ANOTHER_FIELD = 120.0
"""Arc seconds beside the slit, or beyond its ends, from which a position on the sky is that of another target."""
BESIDE = 3.0
"""Arc seconds beside the slit at which a position on the sky is worth a warning."""
_log = logging.getLogger(__name__)


class TraceObjects(Step):
    """Find the objects on a sky-subtracted frame and trace each along the dispersion.

    The light is collapsed along the dispersion and searched with matched filters of several widths. Significance is in
    sigma of the noise measured on the blank rows themselves, and must exceed what as many trials reach by chance.
    Each object is then followed in blocks of wavelength; a smooth curve through its centroids is the trace. Where the
    light of an object does not fix its trace over the whole range, the trace of a brighter object on another frame (a
    standard seen through the same grism) serves as `guide`: its shape is taken, the place along the slit measured.
    """

    threshold: float = Field(default=5.0, gt=0)
    """Sigma that an object must have; 5 is reached by chance once in some ten thousand frames."""

    largest_number: int = Field(default=5, ge=1, le=20)
    """Objects kept, the most significant first."""

    position: Place | None = None
    """Where the object is: along the slit from the first row ("22.7 arcsec" or "106 pix"), or on the sky
    ("12:50:05.7 +28:01:10", or degrees "192.5237 +28.0194"). Only the object there is traced, and an aperture is set
    there even if nothing is seen. A place along the slit is not meant for frames of standards, and one on the sky not
    for frames of another field."""

    pointing_offset: Arcsec = 0 * u.arcsec
    """By how much further along the slit (rows rising) than the instrument says the telescope's pointing fell; objects
    are given their coordinates on the sky by it."""

    def __call__(
        self, image: CCDData, sky: CCDData | None = None, guide: Traces | None = None,
        instrument: Instrument | None = None,
    ) -> Traces:  # fmt: skip
        """Return the traces, brightest first; none (with a warning) if nothing is significant."""
        name = image.header.get("FILENAME", "this frame")
        frame, start = frame_of(image)
        bend = bend_of(guide, image)
        found, profile = find_and_trace(frame, self.threshold, self.largest_number, bend)
        where = slit_sky(image.header, instrument, self.pointing_offset)
        row = row_of(self.position, image, where)
        if row is not None:
            _check_row(row, start, len(frame.data), name)
            one, seen = forced(profile, found, row - start, image.shape[1], bend)
            found = [one]
            if not seen:
                _log.warning("%s: nothing is seen at row %.1f; the aperture there is set because position says so.",
                             name, row)  # fmt: skip
        if not found:
            _log.warning(
                "%s: no object stands out by %.1f sigma (the highest peak reaches %.1f); the limit is %.2g electrons a "
                "column. Set position to force an aperture.",
                name, self.threshold, float(profile.best.max()), profile.limit(self.threshold),
            )  # fmt: skip
        return traces_of(found, start, image, where, profile.limit(self.threshold))

    def quality(self, result: Traces, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number, positions, widths and significance of the objects, the detection limit, whence the trace."""
        first = len(result) > 0
        return {
            "objects": len(result),
            "object_position_arcsec": float(np.median(result.centres[0])) * result.pixel_scale if first else None,
            "object_fwhm_arcsec": float(result.fwhm[0]) * result.pixel_scale if first else None,
            "object_significance": float(result.significance[0]) if first else None,
            "object_trace_range_pixels": float(np.ptp(result.centres[0])) if first else None,
            "object_limit_electrons": result.limit,
            "object_trace_from": result.shapes[0] if first and result.shapes else None,
            "object_ra_deg": float(result.coordinates[0, 0]) if len(result.coordinates) else None,
            "object_dec_deg": float(result.coordinates[0, 1]) if len(result.coordinates) else None,
        }

    def figures(self, result: Traces, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the slit profile with detections and limit, and the traces over the frame."""
        from alfosc_reduce_longslit.objects.figures import figure_of_profile, figure_of_traces

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


def traces_of(found: list[Found], start: int, image: CCDData, where: SlitSky | None, limit: float) -> Traces:
    """Return what was found as a product; rows of `found` count from row `start` of the frame."""
    rows = [one.row + start for one in found]
    return Traces(
        centres=np.array([one.centre + start for one in found]).reshape(len(found), image.shape[1]),
        fwhm=np.array([one.fwhm for one in found], dtype=np.float64),
        significance=np.array([one.significance for one in found], dtype=np.float64),
        pixel_scale=float(image.header.get("PIXSCALE", 1.0)),
        limit=limit,
        shapes=tuple(one.shape for one in found),
        coordinates=np.array([where.coordinates(row) for row in rows] if where else []).reshape(-1, 2),
    )


def bend_of(guide: Traces | None, image: CCDData) -> NDArray[np.float64] | None:
    """Return the brightest trace of another frame less its typical row, None if it says nothing for this frame."""
    if guide is None or len(guide) == 0:
        return None
    if guide.centres.shape[1] != image.shape[1] or abs(guide.pixel_scale - image.header.get("PIXSCALE", 1.0)) > 1e-3:
        _log.warning(
            "%s: the guide is a trace on a frame of another window or binning; goes on without.",
            image.header.get("FILENAME", "this frame"),
        )  # fmt: skip
        return None
    return np.asarray(guide.centres[0] - np.median(guide.centres[0]), np.float64)


def row_of(position: str | None, image: CCDData, where: SlitSky | None) -> float | None:
    """Return the row that a position names, None if there is none or it is not meant for this frame.

    Raises
    ------
    DataError
        If the position is one on the sky, and it is not known where on the sky the slit lies.
    """
    if position is None:
        return None
    if is_along_slit(position):
        if image.header.get("FRAMEKND") == "standard":
            return None
        return to_pixels(along_slit(position), float(image.header.get("PIXSCALE", 1.0)))
    from astropy.coordinates import SkyCoord

    name = image.header.get("FILENAME", "this frame")
    if where is None:
        raise DataError(
            f"{name}: where the slit lies on the sky is not known (RA, DEC, the slit's angle, or the instrument are "
            "missing); give position along the slit"
        )
    row, beside = where.place(SkyCoord(*coordinates_of(position), unit="deg"))
    reach = ANOTHER_FIELD / where.scale
    if abs(beside) > ANOTHER_FIELD or not -reach < row < len(image.data) + reach:
        _log.info("%s: the position %s is that of another field.", name, position)
        return None
    if abs(beside) > BESIDE:
        _log.warning("%s: the position %s lies %.1f arcsec beside the slit.", name, position, beside)
    return row


def _check_row(row: float, start: int, count: int, name: str) -> None:
    if not start <= row <= start + count - 1:
        raise DataError(
            f"{name}: position is at row {row:.1f}, the slit has rows {start} to {start + count - 1}; "
            "give one on the slit"
        )
