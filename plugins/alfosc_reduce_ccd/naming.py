"""What to call a frame in messages and titles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData


def name_of(image: CCDData) -> str:
    """Return the file name of a frame without its endings, or ``frame``."""
    return str(image.meta.get("FILENAME", "frame")).partition(".")[0] or "frame"


def header_of(meta: Any) -> Header:
    """Return a copy of what an image knows of itself as a FITS header; that of a stranger's image may be a dict."""
    from astropy.io.fits import Header

    return meta.copy() if isinstance(meta, Header) else Header(dict(meta))


def title_of(image: CCDData) -> str:
    """Return object, file name and exposure time for the title of a figure."""
    header = image.meta
    parts = [str(header.get("OBJECT", "")).strip(), name_of(image)]
    if "EXPTIME" in header:
        parts.append(f"{float(header['EXPTIME']):g} s")
    return ", ".join(part for part in parts if part)
