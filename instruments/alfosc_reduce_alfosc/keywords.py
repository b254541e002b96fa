"""Keywords of ALFOSC headers: read with a clear word where one is missing or malformed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.io.fits import Header

_MJD_ZERO = datetime(1858, 11, 17)


def frame_name(header: Header) -> str:
    """Return how to call the frame in a message: its file name, or "this frame"."""
    return str(header.get("FILENAME", "")).strip() or "this frame"


def text(header: Header, keyword: str, default: str | None = None) -> str:
    """Return a keyword as stripped text; raises `DataError` if it is missing and has no default."""
    value = header.get(keyword)
    if value is None or type(value).__name__ == "Undefined":
        if default is None:
            raise _missing(header, keyword)
        return default
    return str(value).strip()


def number(header: Header, keyword: str, default: float | None = None) -> float:
    """Return a keyword as a finite float; raises `DataError` if it is missing (without default) or no number."""
    value = header.get(keyword)
    if value is None or type(value).__name__ == "Undefined":
        if default is None:
            raise _missing(header, keyword)
        return default
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = float("nan")
    if not abs(result) < float("inf"):
        raise DataError(f"{frame_name(header)}: keyword {keyword} = {value!r} is no number; correct it")
    return result


def is_on(header: Header, keyword: str) -> bool:
    """Say whether a switch (a lamp, a mirror) is on; one that is absent is off."""
    return str(header.get(keyword, "0")).strip().upper() in {"1", "1.0", "T", "TRUE", "ON", "IN"}


def exposure_time(header: Header) -> float:
    """Return the exposure time in seconds; raises `DataError` if it is missing, malformed or negative."""
    seconds = number(header, "EXPTIME")
    if seconds < 0:
        raise DataError(f"{frame_name(header)}: keyword EXPTIME = {seconds:g} s is negative; correct it")
    return seconds


def mid_exposure(header: Header) -> datetime:
    """Return the middle of the exposure, UTC: ``DATE-AVG``, or ``DATE-OBS`` and half of the exposure."""
    if "DATE-AVG" in header:
        return _time(header, "DATE-AVG")
    return _time(header, "DATE-OBS") + timedelta(seconds=exposure_time(header) / 2)


def mjd(time: datetime) -> float:
    """Return a UTC time as a modified Julian date in days."""
    return (time - _MJD_ZERO) / timedelta(days=1)


def _time(header: Header, keyword: str) -> datetime:
    value = text(header, keyword)
    try:
        return datetime.fromisoformat(value).replace(tzinfo=None)
    except ValueError:
        raise DataError(f"{frame_name(header)}: keyword {keyword} = {value!r} is no ISO date; correct it") from None


def _missing(header: Header, keyword: str) -> DataError:
    return DataError(f"{frame_name(header)}: keyword {keyword} is missing; add it, or leave the frame out")
