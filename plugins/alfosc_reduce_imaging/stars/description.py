"""What the tables of a frame say about it, from its header."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData

_NUMBERS = ("EXPTIME", "AIRMASS", "MJD-AVG", "NCOMBINE", "EXPMEAN")
_TEXTS = ("OBJECT", "FILTER", "BAND")
_WCS = re.compile(
    r"WCSAXES|(CTYPE|CRVAL|CRPIX|CUNIT|CDELT)[12]|(CD|PC)[12]_[12]|RADESYS|EQUINOX|LONPOLE|LATPOLE"
    r"|(A|B|AP|BP)_(ORDER|\d+_\d+)"
)


def frame_name(image: CCDData) -> str:
    """Return the name of a frame for messages."""
    return str(image.meta.get("FILENAME") or image.meta.get("OBJECT") or "this frame")


def pixel_scale(header: Header) -> float:
    """Return arc seconds a pixel, from ``PIXSCALE`` or the WCS; NaN if neither is there."""
    if "PIXSCALE" in header:
        return float(header["PIXSCALE"])
    matrix = [header.get(f"CD{i}_{j}", 0.0) for i in (1, 2) for j in (1, 2)]
    if not any(matrix):
        matrix = [
            header.get(f"CDELT{i}", 0.0) * header.get(f"PC{i}_{j}", float(i == j)) for i in (1, 2) for j in (1, 2)
        ]
    area = abs(float(matrix[0] * matrix[3] - matrix[1] * matrix[2]))
    return 3600 * area**0.5 if area > 0 and str(header.get("CTYPE1", "")).startswith("RA") else float("nan")


def description(image: CCDData) -> dict[str, Any]:
    """Return the plain values that the tables of a frame carry in their ``meta``.

    ``FRAME`` (name of the file without ending), ``OBJECT``, ``FILTER``, ``BAND``, ``EXPTIME``, ``AIRMASS``,
    ``MJD-AVG``, ``NX``, ``NY`` and ``PIXSCALE`` (NaN if not known); what the header does not say is left out.
    """
    header = image.meta
    told: dict[str, Any] = {"FRAME": Path(frame_name(image)).name.partition(".fit")[0]}
    told.update({key: str(header[key]) for key in _TEXTS if key in header})
    told.update({key: float(header[key]) for key in _NUMBERS if _is_number(header.get(key))})
    ny, nx = image.shape
    return told | {"NX": nx, "NY": ny, "PIXSCALE": pixel_scale(header)}


def wcs_cards(header: Header) -> dict[str, Any]:
    """Return the celestial WCS of a header as plain values; empty if it has none."""
    if "CTYPE1" not in header:
        return {}
    return {key: header[key] for key in header if _WCS.fullmatch(key)}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
