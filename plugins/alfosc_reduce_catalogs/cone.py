"""A cone on the sky: what is asked of a service, and whether one lies inside another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

LARGEST = 10.0
"""Degrees: beyond this a service would be asked for a good part of the sky."""
_ROOM = 1.5 / 60
"""Degrees asked around a cone, so that dithered frames of the same field are served from the cache."""
_DECIMALS = 6


@dataclass(frozen=True)
class Cone:
    """A cone, in degrees, ICRS."""

    ra: float
    dec: float
    radius: float

    def holds(self, other: Cone) -> bool:
        """Say whether another cone lies wholly inside this one."""
        return self.distance(other) + other.radius <= self.radius

    def distance(self, other: Cone) -> float:
        """Return the distance of the centres in degrees, good for the smallest angles too."""
        first, second = math.radians(self.dec), math.radians(other.dec)
        half_ra, half_dec = math.radians(other.ra - self.ra) / 2, (second - first) / 2
        squared = math.sin(half_dec) ** 2 + math.cos(first) * math.cos(second) * math.sin(half_ra) ** 2
        return math.degrees(2 * math.asin(min(1.0, math.sqrt(squared))))


def cone_of(centre: SkyCoord, radius: u.Quantity) -> Cone:
    """Return a cone in degrees.

    Raises
    ------
    DataError
        If the radius is not positive, or so large that it must be a mistake.
    """
    cone = Cone(float(centre.icrs.ra.deg), float(centre.icrs.dec.deg), float(radius.to_value(u.deg)))
    if not 0 < cone.radius <= LARGEST:
        raise DataError(f"a radius of {cone.radius:g} deg cannot be asked for; give one of up to {LARGEST:g} deg")
    return cone


def widened(cone: Cone) -> Cone:
    """Return the cone to ask a service for: a little wider, in round numbers, and holding the given one."""
    radius = math.ceil((cone.radius + _ROOM) * 10**_DECIMALS) / 10**_DECIMALS
    return Cone(round(cone.ra, _DECIMALS) % 360, round(cone.dec, _DECIMALS), radius)


def written(value: float) -> str:
    """Return an angle in degrees as it stands in queries and file names."""
    return f"{value:.{_DECIMALS}f}"
