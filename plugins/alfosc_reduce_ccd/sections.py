"""Sections of a detector as FITS headers write them, ``[x1:x2,y1:y2]``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.io.fits import Header

_SECTION = re.compile(r"\s*\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]\s*")

Section = tuple[slice, slice]
"""Rows and columns of a numpy array."""


def limits_of(text: str) -> tuple[int, int, int, int]:
    """Return (x1, x2, y1, y2) of a section, 1-based and inclusive; raises `DataError` if it is malformed."""
    found = _SECTION.fullmatch(text)
    if not found:
        raise DataError(f"detector section: found {text!r}; it must look like [x1:x2,y1:y2]")
    x1, x2, y1, y2 = (int(group) for group in found.groups())
    if not (1 <= x1 <= x2 and 1 <= y1 <= y2):
        raise DataError(f"detector section: {text!r} is empty or starts below pixel 1; correct the header")
    return x1, x2, y1, y2


def section_of(header: Header, keyword: str, shape: tuple[int, ...]) -> Section | None:
    """Return the rows and columns that a header's section names.

    Parameters
    ----------
    header
        Holds the section under `keyword`.
    keyword
        For example ``TRIMSEC``.
    shape
        (ny, nx) of the array that the section is a part of.

    Returns
    -------
    tuple of slice or None
        None if the keyword is absent or empty.

    Raises
    ------
    DataError
        If the section is malformed or reaches beyond the array.
    """
    text = str(header.get(keyword, "")).strip()
    if not text:
        return None
    x1, x2, y1, y2 = limits_of(text)
    if y2 > shape[0] or x2 > shape[1]:
        raise DataError(
            f"{keyword}: {text} reaches beyond the frame of {shape[1]} x {shape[0]} pixels; is it truncated?"
        )
    return slice(y1 - 1, y2), slice(x1 - 1, x2)


def binning_of(header: Header) -> tuple[int, int]:
    """Return the binning (x, y) of the raw frame from ``CCDSUM``; (1, 1) if the header has none."""
    text = str(header.get("CCDSUM", "1 1"))
    try:
        x, y = (int(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise DataError(f"CCDSUM: found {text!r}; it must be two whole numbers such as '1 2'") from None
    return x, y
