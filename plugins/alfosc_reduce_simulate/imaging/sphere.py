"""Positions on the sky: the tangent plane, offsets and proper motions; all angles in degrees unless said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Pair = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
ARCSEC = 3600 * 180 / np.pi
"""Arc seconds a radian."""


def vectors(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Return unit vectors, last axis 3."""
    a, d = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d) * np.ones_like(a)], axis=-1)


def angles(vector: NDArray[np.float64]) -> Pair:
    """Return right ascension (0 to 360) and declination of vectors of any length."""
    x, y, z = np.moveaxis(vector, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


def axes(ra: Any, dec: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors to the east and to the north at positions."""
    a, d = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d) * np.ones_like(a)], axis=-1)
    return east, north


def to_plane(ra: ArrayLike, dec: ArrayLike, centre: tuple[float, float]) -> Pair:
    """Return east and north in arc seconds on the plane that touches the sky at `centre` (gnomonic)."""
    vector, (east, north) = vectors(ra, dec), axes(*centre)
    depth = vector @ vectors(*centre)
    return vector @ east / depth * ARCSEC, vector @ north / depth * ARCSEC


def from_plane(east: ArrayLike, north: ArrayLike, centre: tuple[float, float]) -> Pair:
    """Return positions of points on the tangent plane, the inverse of `to_plane`."""
    (u, v), (x, y) = axes(*centre), (np.asarray(east, float) / ARCSEC, np.asarray(north, float) / ARCSEC)
    return angles(vectors(*centre) + x[..., None] * u + y[..., None] * v)


def moved(ra: ArrayLike, dec: ArrayLike, east: ArrayLike, north: ArrayLike) -> Pair:
    """Return positions after a move along a great circle's tangent, in arc seconds to the east and north at each."""
    u, v = axes(ra, dec)
    x, y = np.asarray(east, float) / ARCSEC, np.asarray(north, float) / ARCSEC
    return angles(vectors(ra, dec) + x[..., None] * u + y[..., None] * v)


def separation(ra: ArrayLike, dec: ArrayLike, other_ra: ArrayLike, other_dec: ArrayLike) -> NDArray[np.float64]:
    """Return angular distances in arc seconds."""
    chord = np.linalg.norm(vectors(ra, dec) - vectors(other_ra, other_dec), axis=-1)
    distance: NDArray[np.float64] = 2 * np.arcsin(np.clip(chord / 2, 0, 1)) * ARCSEC
    return distance
