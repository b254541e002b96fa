"""The list of frames: what each is worth, where it lies on the reference, and whether it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce_imaging.registration.geometry import PixelMap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astropy.table import QTable, Row

    from alfosc_reduce_imaging.registration.alignment import Alignment
    from alfosc_reduce_imaging.registration.field import Field
    from alfosc_reduce_imaging.registration.star_lists import StarList

NAN = float("nan")


def make_filelist(frames: Sequence[StarList], reasons: Sequence[str], field: Field) -> QTable:
    """Return the list of frames, one row a frame, in their order.

    Columns: ``file``, ``use``, ``reason``, ``weight`` (a factor to be edited), ``seeing``, ``fwhm`` (pixels),
    ``ellipticity``, ``sky``, ``exposure_time``, ``zero_point_offset`` (magnitudes fainter than the reference) and
    ``zero_point_error``, ``matched``, ``rms`` (pixels), ``map_error`` (pixels), ``xx xy yx yy dx dy`` and ``bend``
    (reference pixel = matrix . frame pixel + shift + bend . (x^2, x y, y^2), the bend as three numbers for x, three for
    y), ``nx``, ``ny``.

    Parameters
    ----------
    frames
        All that were given.
    reasons
        Why a frame is not used; empty if it is.
    field
        Where the used frames lie.
    """
    from astropy.table import QTable

    found = [field.alignments.get(i) for i in range(len(frames))]
    rows = [_row(*one) for one in zip(frames, reasons, found, strict=True)]
    table = QTable({name: [row[name] for row in rows] for name in rows[0]})
    units = {"seeing": u.arcsec, "fwhm": u.pix, "exposure_time": u.s, "zero_point_offset": u.mag,
             "zero_point_error": u.mag, "rms": u.pix, "map_error": u.pix, "dx": u.pix, "dy": u.pix}  # fmt: skip
    sky = next((frame.unit for frame in frames if frame.unit), "")
    if sky:
        units["sky"] = u.Unit(sky) / u.pix
    for name, unit in units.items():
        table[name] = table[name] * unit
    reference = frames[field.reference]
    table.meta = {"REFERENCE": reference.name, "FILTER": reference.filter, "NFRAMES": len(rows)}
    return table


def _row(frame: StarList, reason: str, found: Alignment | None) -> dict[str, Any]:
    matrix = found.place.matrix if found else np.full((2, 2), NAN)
    shift = found.place.offset if found else np.full(2, NAN)
    return {
        "file": frame.name,
        "use": not reason,
        "reason": reason,
        "weight": 1.0,
        "seeing": frame.seeing,
        "fwhm": frame.fwhm,
        "ellipticity": frame.ellipticity,
        "sky": frame.sky,
        "exposure_time": frame.exposure,
        "zero_point_offset": found.offset.value if found else NAN,
        "zero_point_error": found.offset.error if found else NAN,
        "matched": found.matched if found else 0,
        "rms": found.rms if found else NAN,
        "map_error": found.error if found else NAN,
        "xx": float(matrix[0, 0]),
        "xy": float(matrix[0, 1]),
        "yx": float(matrix[1, 0]),
        "yy": float(matrix[1, 1]),
        "dx": float(shift[0]),
        "dy": float(shift[1]),
        "bend": found.place.bend.ravel() if found else np.full(6, NAN),
        "nx": frame.size[0],
        "ny": frame.size[1],
    }


def place_of(row: Row | Mapping[str, Any]) -> PixelMap:
    """Return the map of a row: reference pixel from frame pixel."""
    numbers = [plain(row[name]) for name in ("xx", "xy", "yx", "yy", "dx", "dy")]
    matrix, offset = np.array(numbers[:4]).reshape(2, 2), np.array(numbers[4:])
    names = row.colnames if hasattr(row, "colnames") else row
    if "bend" not in names:
        return PixelMap(matrix, offset)
    return PixelMap(matrix, offset, np.array(row["bend"], np.float64).reshape(2, 3))


def plain(value: Any) -> float:
    """Return a number of a table without its unit."""
    return float(getattr(value, "value", value))
