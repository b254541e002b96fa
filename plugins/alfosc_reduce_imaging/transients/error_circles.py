"""Error circles of BAT and XRT, and what lies in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from alfosc_reduce_imaging.photometry.sky_positions import separation, unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RADIUS_IN_SIGMA = 1.66
"""The radius that is published holds 90 %; over this it is one sigma."""
ARCSEC = {"arcmin": 60.0, "arcsec": 1.0}


@dataclass(frozen=True)
class ErrorCircle:
    """A circle on the sky: centre in degrees (ICRS), radius (90 %) in arc seconds."""

    ra: float
    dec: float
    radius: float


class CircleText:
    """Annotation of an error circle written ``RA DEC RADIUS``.

    Right ascension and declination are degrees, or hours and degrees with colons (``12:34:56.7 -01:02:03``); the
    radius is in `unit`, ``arcmin`` or ``arcsec``. A list of the three is taken, too.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def parse(self, value: object) -> ErrorCircle:
        """Return the circle; raises a validation error that says how to write one."""
        if isinstance(value, ErrorCircle):
            return value
        words = value.split() if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else []
        try:
            ra, dec, radius = _degrees(words[0], 15.0), _degrees(words[1], 1.0), float(words[2])
        except (IndexError, ValueError):
            ra, dec, radius = np.nan, np.nan, np.nan
        if len(words) != 3 or not (0 <= ra <= 360 and abs(dec) <= 90 and 0 < radius < np.inf):
            raise PydanticCustomError(
                "circle",
                "{value} is not a circle; write 'RA DEC RADIUS', RA and DEC in degrees or with colons, "
                "the radius in {unit}, for example '123.456 +75.1 3'",
                {"value": repr(value), "unit": self.unit},
            )
        return ErrorCircle(ra % 360, dec, radius * ARCSEC[self.unit])

    def write(self, circle: ErrorCircle) -> str:
        """Return the circle as text that `parse` reads back."""
        return f"{circle.ra!r} {circle.dec!r} {circle.radius / ARCSEC[self.unit]!r}"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `parse`, write with `write`."""
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """Describe as three words."""
        return {"type": "string", "words": f'"RA DEC {self.unit.upper()}"', "parts": 3}


ArcminCircle = Annotated[ErrorCircle, CircleText("arcmin")]
ArcsecCircle = Annotated[ErrorCircle, CircleText("arcsec")]


def _degrees(word: Any, unit: float) -> float:
    """Return an angle in degrees: a plain number is that, one with colons is in units of `unit` degrees."""
    text = str(word)
    if ":" not in text:
        return float(text)
    parts = [float(part) for part in text.lstrip("+-").split(":")]
    if len(parts) > 3 or any(part < 0 or part >= 60 for part in parts[1:]):
        raise ValueError(text)
    size = float(sum(part / 60.0**i for i, part in enumerate(parts)))
    return -unit * size if text.startswith("-") else unit * size


def distances(circle: ErrorCircle, places: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Return how far directions lie from the centre of a circle, in arc seconds and in sigma, shape (n,) each.

    Parameters
    ----------
    circle
        Its radius over `RADIUS_IN_SIGMA` is its sigma.
    places
        Unit vectors, shape (n, 3).
    errors
        Standard errors of the directions in arc seconds, shape (n,).
    """
    apart = separation(places, unit_vectors(circle.ra, circle.dec))
    return apart, apart / np.hypot(circle.radius / RADIUS_IN_SIGMA, errors)


def classes(bat: Floats | None, xrt: Floats | None, limit: float) -> NDArray[np.int16]:
    """Return 0, 1 or 2 for each source.

    2 is consistent with all circles that there are, XRT's among them; 1 consistent with BAT but not with XRT (or with
    XRT but not with BAT, where both are given); 0 with none.

    Parameters
    ----------
    bat, xrt
        Distance from each circle in sigma, shape (n,); None without that circle.
    limit
        Largest distance in sigma that is consistent.
    """
    in_bat = None if bat is None else bat <= limit
    in_xrt = None if xrt is None else xrt <= limit
    if in_xrt is None:
        return np.zeros(0, np.int16) if in_bat is None else in_bat.astype(np.int16)
    if in_bat is None:
        return (2 * in_xrt).astype(np.int16)
    return in_bat.astype(np.int16) + in_xrt.astype(np.int16)


def outline(circle: ErrorCircle, points: int = 181) -> tuple[Floats, Floats]:
    """Return right ascensions and declinations (degrees) around a circle on the sphere."""
    angle = np.linspace(0, 2 * np.pi, points)
    distance, dec = np.radians(circle.radius / 3600), np.radians(circle.dec)
    sine = np.sin(dec) * np.cos(distance) + np.cos(dec) * np.sin(distance) * np.cos(angle)
    east = np.sin(angle) * np.sin(distance) * np.cos(dec)
    turn = np.arctan2(east, np.cos(distance) - np.sin(dec) * sine)
    return (circle.ra + np.degrees(turn)) % 360, np.degrees(np.arcsin(np.clip(sine, -1, 1)))
