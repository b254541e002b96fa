"""Stretches along the slit that a person names, such as ``"10 to 30 arcsec"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import astropy.units as u
import numpy as np
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from alfosc_reduce.errors import DataError
from alfosc_reduce.parameters import to_pixels

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

CARD = "SKYWIN"
"""Header cards that keep the rows: ``SKYWIN1`` and so on."""


def ends_of(text: str) -> tuple[u.Quantity, u.Quantity]:
    """Return both ends of ``"10 to 30 arcsec"``, counted from the first row like every position along the slit.

    Raises
    ------
    PydanticCustomError
        If the text is not of this form, is in no unit of length along the slit, or the second end lies below the first.
    """
    first, _, second = text.partition(" to ")
    try:
        high = u.Quantity(second)
        low = u.Quantity(f"{float(first)} {high.unit}")
    except (TypeError, ValueError):
        raise _refusal(text) from None
    if not (high.unit.is_equivalent(u.pix) or high.unit.is_equivalent(u.arcsec)) or not high > low:
        raise _refusal(text)
    return low, high


def _refusal(text: str) -> PydanticCustomError:
    return PydanticCustomError(
        "window", "{text} is not a stretch of the slit; write for example '10 to 30 arcsec'", {"text": repr(text)}
    )


def _checked(text: str) -> str:
    ends_of(text)
    return text


SlitWindow = Annotated[str, AfterValidator(_checked)]
"""A stretch along the slit from the first row: ``"10 to 30 arcsec"`` or ``"50 to 140 pix"``."""


def rows_of_windows(windows: tuple[str, ...], header: Header, ny: int) -> NDArray[np.bool_]:
    """Return true for the rows that lie in one of `windows`, shape (ny,); raises `DataError` for one off the frame."""
    rows, chosen = np.arange(ny), np.zeros(ny, bool)
    for window in windows:
        low, high = (to_pixels(end, float(header.get("PIXSCALE", 1.0))) for end in ends_of(window))
        inside = (rows >= low - 0.5) & (rows <= high + 0.5)
        if not inside.any():
            name = header.get("FILENAME", "this frame")
            raise DataError(f"{name}: the window {window!r} lies off its {ny} rows; give one on the slit")
        chosen |= inside
    return chosen


def keep_windows(header: Header, rows: NDArray[np.bool_]) -> None:
    """Write the stretches of true `rows` into `header`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(np.int8)))
    for number, (low, high) in enumerate(edges.reshape(-1, 2), start=1):
        header[f"{CARD}{number}"] = (f"{low}:{high - 1}", "rows that the sky was taken from")


def kept_windows(header: Header, ny: int) -> NDArray[np.bool_] | None:
    """Return the rows that `keep_windows` wrote, or None if nobody chose any."""
    chosen = np.zeros(ny, bool)
    for name in header:
        if name.startswith(CARD):
            low, _, high = str(header[name]).partition(":")
            chosen[int(low) : int(high) + 1] = True
    return chosen if chosen.any() else None
