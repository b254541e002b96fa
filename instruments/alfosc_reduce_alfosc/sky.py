"""Where the telescope stands and points."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from alfosc_reduce_alfosc.keywords import mid_exposure, mjd, text
from alfosc_reduce_alfosc.setups import find_slit
from alfosc_reduce_alfosc.tables import table

if TYPE_CHECKING:
    from datetime import datetime

    from astropy.coordinates import EarthLocation
    from astropy.io.fits import Header

_log = logging.getLogger(__name__)

_MJD_ZERO = 2400000.5
_ALONG = {"Horizontal": (1082.0, 180.0), "Vertical": (1031.5, 270.0)}
"""Detector pixel along a slit on which the pointing falls, and the angle from ``FIELD`` in which pixels rise."""


def site() -> EarthLocation:
    """Return the telescope as an Earth location, from its cartesian coordinates."""
    from astropy.coordinates import EarthLocation

    row = table("site")[0]
    return EarthLocation.from_geocentric(row["x"], row["y"], row["z"])


def direction(header: Header) -> tuple[float, float] | None:
    """Return the pointing in degrees, right ascension and declination, or None where the header gives none.

    ``RA`` and ``DEC`` are degrees (older frames: text with colons, hours and degrees). ``OBJRA`` is never used: it is
    in hours, and for the standards of the telescope's catalogue it is a B1950 position labelled 2000.
    """
    ra, dec = text(header, "RA", ""), text(header, "DEC", "")
    try:
        if ":" in ra:
            return _sexagesimal(ra) * 15, _sexagesimal(dec)
        found = float(ra), float(dec)
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) and abs(found[1]) <= 90 else None


def air_mass(ra: float, dec: float, time: datetime) -> float | None:
    """Return the air mass of a direction at a time, or None below the horizon.

    The zenith distance is that without refraction, from the IAU 2006/2000A transformation; UT1 is taken for UTC, an
    error below one second. The air mass follows Young & Irvine 1967, AJ 72, 945.

    Parameters
    ----------
    ra, dec
        ICRS, degrees.
    time
        UTC.
    """
    import erfa  # type: ignore[import-untyped]

    here = site()
    observed = erfa.atco13(
        math.radians(ra), math.radians(dec), 0.0, 0.0, 0.0, 0.0, _MJD_ZERO, mjd(time), 0.0,
        here.lon.rad, here.lat.rad, here.height.value, 0.0, 0.0, 0.0, 0.0, 0.0, 0.55,
    )  # fmt: skip
    cosine = math.cos(float(observed[1]))
    if cosine <= 0.05:
        return None
    secant: float = 1 / cosine
    return secant * (1 - 0.0012 * (secant**2 - 1))


def mid_air_mass(header: Header) -> float | None:
    """Return the air mass at the middle of the exposure; without a pointing the header's, if it has one."""
    pointing = direction(header)
    if pointing is not None:
        return air_mass(*pointing, mid_exposure(header))
    try:
        return float(text(header, "AIRMASS", ""))
    except ValueError:
        return None


def slit_angle(header: Header) -> float | None:
    """Return the position angle of the slit on the sky in degrees, 0 to 180; None where the header does not say.

    Horizontal slits lie along the field rotation (``FIELD``), vertical ones across it: that is how the observatory
    tells to set a slit to a position angle (not.iac.es, ALFOSC, "Setting the field angle"). It agrees with the
    headers: ``ROTPOS``, 0 for a horizontal slit along the vertical, is ``FIELD`` minus the parallactic angle.
    """
    side = find_slit(text(header, "ALAPRTNM", ""), text(header, "ALAPRORI", "")).orientation
    try:
        field = float(text(header, "FIELD", ""))
    except ValueError:
        return None
    turn = {"Horizontal": 0.0, "Vertical": 90.0}.get(side)
    return None if turn is None or not math.isfinite(field) else (field + turn) % 180


def slit_on_sky(header: Header) -> tuple[float, float] | None:
    """Return the detector pixel along the slit where the pointing falls, and in which angle these pixels rise.

    For horizontal slits both are as measured on 2020-03-20, where two targets were each moved along the slit between
    two exposures: by their catalogue positions the pointing fell on columns 1077, 1077, 1085 and 1087, and columns rise
    opposite to ``FIELD``. The scatter is that of the pointing, an arc second or two.

    For vertical slits both are assumed, as no such frames were at hand: rows rise 90 degrees further than columns, as
    they do if optics and read-out do not mirror the sky, and the pointing falls on the middle of the exposed rows, from
    which the measured column differs by 1.4 arc seconds.
    """
    side = find_slit(text(header, "ALAPRTNM", ""), text(header, "ALAPRORI", "")).orientation
    try:
        field = float(text(header, "FIELD", ""))
    except ValueError:
        return None
    if side not in _ALONG or not math.isfinite(field):
        return None
    if side == "Vertical":
        _log.info("Places on the sky along a vertical slit rest on an image that is not mirrored; not measured yet.")
    pixel, turn = _ALONG[side]
    return pixel, (field + turn) % 360


def _sexagesimal(value: str) -> float:
    parts = [abs(float(part)) for part in value.strip().split(":")]
    size: float = sum(part / 60.0**place for place, part in enumerate(parts))
    return -size if value.strip().startswith("-") else size
