"""Where on the sky the rows of a long-slit frame lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import astropy.units as u
import numpy as np
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from alfosc_reduce.errors import DataError
from alfosc_reduce.parameters import text_of, to_pixels

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.io.fits import Header

    from alfosc_reduce.instrument import Instrument


@dataclass(frozen=True)
class SlitSky:
    """The slit on the sky, in the plane that touches it at the pointing.

    Attributes
    ----------
    pointing
        Where the telescope points.
    row
        Row on which that falls.
    angle
        Position angle in which rows rise, degrees, north through east.
    scale
        Arc seconds a row.
    """

    pointing: SkyCoord
    row: float
    angle: float
    scale: float

    def coordinates(self, row: float) -> tuple[float, float]:
        """Return right ascension and declination of a row of the slit, degrees, ICRS."""
        place = self.pointing.directional_offset_by(self.angle * u.deg, (row - self.row) * self.scale * u.arcsec)
        return float(place.ra.deg), float(place.dec.deg)

    def place(self, target: SkyCoord) -> tuple[float, float]:
        """Return the row of a position on the sky, and how many arc seconds beside the slit it lies."""
        distance = float(self.pointing.separation(target).arcsec)
        turn = float(self.pointing.position_angle(target).rad) - np.radians(self.angle)
        return self.row + distance * float(np.cos(turn)) / self.scale, distance * float(np.sin(turn))


def slit_sky(header: Header, instrument: Instrument | None, offset: u.Quantity | None = None) -> SlitSky | None:
    """Return where the slit of a frame lies on the sky, None if the header or the instrument does not tell.

    Parameters
    ----------
    header
        With ``SLITPIX0``, ``SLITSTEP`` and ``PIXSCALE``.
    instrument
        Knows on which pixel the pointing falls.
    offset
        By how much further along the slit (rows rising) it fell.
    """
    known = instrument.slit_on_sky(header) if instrument else None
    if instrument is None or known is None or "SLITPIX0" not in header:
        return None
    try:
        pointing = instrument.pointing(header)
    except DataError:
        return None
    (pixel, angle), step = known, float(header.get("SLITSTEP", 1.0))
    scale = float(header.get("PIXSCALE", 1.0))
    row = (pixel - float(header["SLITPIX0"])) / step + (0.0 if offset is None else to_pixels(offset, scale))
    return SlitSky(pointing, row, angle if step > 0 else (angle + 180) % 360, scale)


def _place_text(value: Any) -> str:
    """Return a position as text, checked."""
    text = text_of(value) if isinstance(value, u.Quantity) else str(value)
    text = " ".join(text.split()).removeprefix("at ")
    along_slit(text) if is_along_slit(text) else coordinates_of(text)
    return text


Place = Annotated[str, BeforeValidator(_place_text)]
"""A place on the slit, "45.2 arcsec" or "106 pix" from the first row, or on the sky: "12:50:05.7 +28:01:10" or
"192.5237 +28.0194" (degrees); "at" may stand before it."""


def is_along_slit(text: str) -> bool:
    """Say whether a place is given along the slit, not on the sky: one number with a unit."""
    first, _, rest = text.partition(" ")
    return ":" not in first and not rest.strip("+-")[:1].isdigit()


def along_slit(text: str) -> u.Quantity:
    """Return a place along the slit as a length from the first row."""
    try:
        length = u.Quantity(text)
        if length.unit.is_equivalent(u.arcsec) or length.unit.is_equivalent(u.pix):
            return length
    except (TypeError, ValueError):
        pass
    raise _refusal(text)


def coordinates_of(text: str) -> tuple[float, float]:
    """Return right ascension and declination in degrees of text in hours and degrees with colons, or in degrees."""
    from astropy.coordinates import Angle

    parts = text.removesuffix(" deg").split()
    try:
        ra, dec = parts
        east = Angle(ra, u.hourangle if ":" in ra else u.deg).deg
        north = Angle(dec, u.deg).deg
    except ValueError:
        raise _refusal(text) from None
    if not (0 <= east < 360 and abs(north) <= 90):
        raise _refusal(text)
    return float(east), float(north)


def _refusal(text: str) -> PydanticCustomError:
    return PydanticCustomError(
        "place",
        "{text} is no place; write '45.2 arcsec' (from the first row), '106 pix', or '12:50:05.7 +28:01:10'",
        {"text": repr(text)},
    )
