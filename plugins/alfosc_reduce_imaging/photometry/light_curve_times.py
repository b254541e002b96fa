"""Times at the barycentre of the solar system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIGHT_DAY = 2.59020683712e13
"""Metres."""


def barycentric_dates(mjd: NDArray[np.float64], ra: float, dec: float) -> NDArray[np.float64]:
    """Return BJD (TDB) of times at the centre of the Earth: within 0.02 s of those at an observatory.

    Parameters
    ----------
    mjd
        UTC.
    ra, dec
        Of the object, degrees.
    """
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    time = Time(mjd, format="mjd", scale="utc")
    earth = get_body_barycentric("earth", time, ephemeris="builtin").xyz.to_value("m")
    a, d = np.radians(ra), np.radians(dec)
    towards = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    return np.asarray(time.tdb.jd + towards @ earth / _LIGHT_DAY)
