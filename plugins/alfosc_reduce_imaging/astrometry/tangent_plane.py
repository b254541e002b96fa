"""The plane that touches the celestial sphere at one point, and directions projected onto it from the centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCSEC = np.pi / 180 / 3600


def axes_at(ra: float, dec: float) -> NDArray[np.float64]:
    """Return east, north and outward at a place (degrees) as rows of a matrix, shape (3, 3)."""
    a, d = np.radians(ra), np.radians(dec)
    east = [-np.sin(a), np.cos(a), 0.0]
    north = [-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)]
    outward = [np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)]
    return np.array([east, north, outward])


def project(directions: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors (n, 3) on the plane, shape (n, 2): arc seconds to the east and to the north.

    Those further than 85 degrees from where the plane touches are NaN.
    """
    seen = directions @ axes.T
    depth = np.where(seen[:, 2] > 0.087, seen[:, 2], np.nan)
    return np.asarray(seen[:, :2] / depth[:, None] / ARCSEC)


def deproject(plane: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places on the plane (n, 2), in arc seconds, as unit vectors (n, 3)."""
    seen = np.concatenate([plane * ARCSEC, np.ones((len(plane), 1))], axis=1)
    vectors = seen @ axes
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def angles_of(directions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension (0 to 360) and declination in degrees of unit vectors (n, 3)."""
    x, y, z = directions.T
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))
