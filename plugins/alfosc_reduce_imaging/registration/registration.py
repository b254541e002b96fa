"""Lay the frames of a field on each other by their stars."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.registration.field import Field, lay_out
from alfosc_reduce_imaging.registration.filelist import make_filelist, place_of
from alfosc_reduce_imaging.registration.health import unfit
from alfosc_reduce_imaging.registration.star_lists import star_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.table import QTable
    from matplotlib.figure import Figure

    from alfosc_reduce_imaging.registration.star_lists import StarList

_log = logging.getLogger(__name__)


class RegisterImages(Step):
    """Lay the frames of a field on each other by their stars.

    Shift, rotation and scale of each frame are solved from the stars that it shares with the best frame, the
    reference: the pattern of the stars is looked for where the headers say, then anywhere. Each frame gets its
    seeing, its sky, and how much fainter its stars are. Frames that are blank, trailed, out of focus, of another
    filter or another field stay in the list with ``use`` false and the reason.
    """

    def __call__(self, stars: list[QTable]) -> QTable:
        """Return the list of frames, one row each; save it as ECSV, edit ``use`` or ``weight``, and combine again.

        Parameters
        ----------
        stars
            Of frames of one field through one filter, from `find_stars`.

        Raises
        ------
        DataError
            If no frame at all can be used; the text says why for each.
        """
        frames = star_lists(stars)
        reasons = unfit(frames) if len(frames) > 1 else [""]
        if all(reasons):
            raise DataError(f"registration: no frame can be used: {_told(frames, reasons)}. Look at the frames.")
        field = lay_out({i: frame for i, (frame, reason) in enumerate(zip(frames, reasons, strict=True)) if not reason})
        reasons = _with_lost(frames, reasons, field)
        for frame, reason in zip(frames, reasons, strict=True):
            if reason:
                _log.warning("%s is not used: %s.", frame.name, reason)
        return make_filelist(frames, reasons, field)

    def figures(self, result: QTable, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield how the frames lie, how well their stars agree, and seeing, transparency and sky."""
        from alfosc_reduce_imaging.registration.figures import conditions_figure, residuals_figure

        yield "registration", residuals_figure(result, star_lists(inputs["stars"]))
        yield "conditions", conditions_figure(result)

    def quality(self, result: QTable, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how many frames are used, how well they fit, and the range of seeing and transparency."""
        used = result[np.asarray(result["use"], bool)]
        others = used[used["file"] != result.meta["REFERENCE"]]
        seeing, offset = np.asarray(used["seeing"].value), np.asarray(used["zero_point_offset"].value)
        return {
            "frames": len(result),
            "frames_used": len(used),
            "reference": str(result.meta["REFERENCE"]),
            "registration_rms_pixels": _or_none(np.median(others["rms"].value)) if len(others) else None,
            "registration_worst_rms_pixels": _or_none(np.max(others["rms"].value)) if len(others) else None,
            "fewest_matched": int(np.min(others["matched"])) if len(others) else None,
            "largest_shift_pixels": largest_shift(used),
            "largest_rotation_degrees": max(abs(place_of(row).rotation) for row in used),
            "seeing_arcsec": _or_none(np.median(seeing)),
            "seeing_best_arcsec": _or_none(np.min(seeing)),
            "seeing_worst_arcsec": _or_none(np.max(seeing)),
            "faintest_zero_point_offset": _or_none(np.max(offset)),
        }


def largest_shift(used: QTable) -> float:
    """Return the largest distance (pixels) by which the middle of a used frame lies off its place in the reference."""
    middles = [(np.array([row["nx"], row["ny"]]) - 1) / 2 for row in used]
    return max(float(np.hypot(*(place_of(row)(middle) - middle))) for row, middle in zip(used, middles, strict=True))


def _with_lost(frames: Sequence[StarList], reasons: Sequence[str], field: Field) -> list[str]:
    """Add the reason of frames that fit nowhere."""
    name = frames[field.reference].name
    lost = f"its stars do not match those of {name}: another field, or too few in common"
    return [reason or ("" if i in field.alignments else lost) for i, reason in enumerate(reasons)]


def _told(frames: Sequence[StarList], reasons: Sequence[str]) -> str:
    return "; ".join(f"{frame.name}: {reason}" for frame, reason in zip(frames, reasons, strict=True))


def _or_none(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
