"""Positions that a person gives: as text, in a file, or as a table of sources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.sources.sky import pixels, world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.io.fits import Header
    from astropy.table import QTable
    from numpy.typing import NDArray

_NAMES = ("name", "object", "target", "source_id", "id", "number")
_RIGHT_ASCENSION, _DECLINATION = ("ra", "raj2000", "ra_icrs"), ("dec", "decl", "dej2000", "de_icrs")


@dataclass(frozen=True, eq=False)
class Positions:
    """Named places on an image; arrays of shape (n,).

    Attributes
    ----------
    names
        As given, else numbers from 1.
    x, y
        Pixels, that of the first is 0.
    ra, dec
        Degrees; NaN without a WCS.
    """

    names: list[str]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]


def positions_of_texts(texts: Sequence[str], header: Header, frame: str) -> Positions:
    """Return the positions in texts.

    Parameters
    ----------
    texts
        Each ``RA DEC`` in degrees or sexagesimal (hours and degrees), or ``X Y pix``; a name may stand before, with a
        colon and a blank between (``SN: 12 42 36.4 -40 44 46``).
    header
        Of the image, for its WCS.
    frame
        Name of the image.

    Raises
    ------
    DataError
        If a text cannot be understood, or the image has no WCS.
    """
    names, places, on_sky = [], [], []
    for number, text in enumerate(texts, start=1):
        name, _, rest = text.rpartition(": ")
        *place, sky = read_place(rest)
        places.append(place)
        names.append(name.strip() or str(number))
        on_sky.append(sky)
    return _placed(names, np.array(places).reshape(-1, 2), np.array(on_sky, bool), header, frame)


def read_place(text: str) -> tuple[float, float, bool]:
    """Return right ascension and declination in degrees and true, or column and row in pixels and false.

    Raises
    ------
    DataError
        If the text is neither ``RA DEC`` (degrees, or hours and degrees) nor ``X Y pix``.
    """
    pixel = re.fullmatch(r"\s*([^\s,]+)[\s,]+([^\s,]+)\s+pix(els?)?\s*", text)
    if pixel:
        return *_numbers(pixel[1], pixel[2], text), False
    return *_sky(text.strip(), text), True


def positions_of_table(table: QTable, header: Header, frame: str) -> Positions:
    """Return the positions in a table with ``ra`` and ``dec`` (degrees), or ``x`` and ``y`` (pixels).

    Raises
    ------
    DataError
        If it has neither.
    """
    known = {name.lower(): name for name in table.colnames}
    ra = next((known[name] for name in _RIGHT_ASCENSION if name in known), None)
    dec = next((known[name] for name in _DECLINATION if name in known), None)
    named = next((known[name] for name in _NAMES if name in known), None)
    names = [str(one) for one in table[named]] if named else [str(i + 1) for i in range(len(table))]
    if ra and dec and "CTYPE1" in header:
        places, on_sky = np.column_stack([_plain(table[ra], "deg"), _plain(table[dec], "deg")]), True
    elif "x" in known and "y" in known:
        places, on_sky = np.column_stack([_plain(table[known["x"]], "pix"), _plain(table[known["y"]], "pix")]), False
    else:
        raise DataError(
            f"{frame}: the table of positions has columns {', '.join(table.colnames)}; it needs ra and dec (and the "
            "image a WCS), or x and y"
        )
    return _placed(names, places, np.full(len(table), on_sky), header, frame)


def _placed(
    names: list[str], places: NDArray[np.float64], on_sky: NDArray[np.bool_], header: Header, frame: str
) -> Positions:
    """Return positions in pixels and on the sky, from either."""
    if on_sky.any() and "CTYPE1" not in header:
        raise DataError(
            f"{frame}: positions are given as RA and DEC, but the image has no WCS; run solve_wcs first, or give "
            "positions as 'X Y pix'"
        )
    out = np.full((4, len(places)), np.nan)
    out[:2, ~on_sky] = places[~on_sky].T
    out[2:, on_sky] = places[on_sky].T
    if on_sky.any():
        out[:2, on_sky] = pixels(header, *out[2:, on_sky])
    if "CTYPE1" in header:
        out[2:, ~on_sky] = world(header, *out[:2, ~on_sky])
    return Positions(names, *out)


def _sky(words: str, text: str) -> tuple[float, float]:
    """Return degrees from decimal degrees or sexagesimal hours and degrees."""
    from astropy.coordinates import SkyCoord

    parts = re.split(r"[\s,]+", words)
    if len(parts) == 2 and not re.search(r"[:hdms]", words):
        return _numbers(parts[0], parts[1], text)
    try:
        place = SkyCoord(words.replace(",", " "), unit=("hourangle", "deg"))
    except (ValueError, TypeError) as error:
        raise DataError(_misread(text)) from error
    return float(place.ra.deg), float(place.dec.deg)


def _numbers(first: str, second: str, text: str) -> tuple[float, float]:
    try:
        return float(first), float(second)
    except ValueError:
        raise DataError(_misread(text)) from None


def _misread(text: str) -> str:
    return f"the position {text!r} cannot be read; write 'RA DEC' in degrees or as hours and degrees, or 'X Y pix'"


def _plain(column: object, unit: str) -> NDArray[np.float64]:
    from astropy.units import Quantity

    if isinstance(column, Quantity):
        return np.asarray(column.to_value(unit), np.float64)
    return np.asarray(column, np.float64)
