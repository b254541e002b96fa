"""Positions on the sphere: moved in time, matched one to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import ArrayLike, NDArray

ARCSEC = np.pi / 180 / 3600


class Pairs(NamedTuple):
    """Objects of two lists that belong together: their indices and separations (arc seconds), shape (n,) each."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    separation: NDArray[np.float64]


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Return directions as unit vectors, shape (n, 3), of right ascensions and declinations in degrees."""
    longitude, latitude = np.radians(np.atleast_1d(ra)), np.radians(np.atleast_1d(dec))
    cosine = np.cos(latitude)
    return np.stack([cosine * np.cos(longitude), cosine * np.sin(longitude), np.sin(latitude)], axis=-1)


def separation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle between unit vectors in arc seconds; exact also for small angles."""
    chord = np.linalg.norm(a - b, axis=-1)
    return np.asarray(2 * np.arcsin(np.clip(chord / 2, 0, 1)) / ARCSEC)


def chord(arcsec: float) -> float:
    """Return the distance between unit vectors that are `arcsec` apart."""
    return float(2 * np.sin(min(arcsec * ARCSEC, np.pi) / 2))


def julian_year(mjd: float) -> float:
    """Return the Julian year of a modified Julian date."""
    return 2000.0 + (mjd - 51544.5) / 365.25


def at_epoch(reference: Table, year: float | None) -> NDArray[np.float64]:
    """Return the directions of a catalogue's objects in a Julian year, shape (n, 3).

    Proper motions that are not known count as 0. Without a year the objects stay where the catalogue has them.
    """
    ra, dec = numbers(reference, "ra"), numbers(reference, "dec")
    start = unit_vectors(ra, dec)
    if year is None or "epoch" not in reference.colnames:
        return start
    time = np.nan_to_num(year - numbers(reference, "epoch"))
    east = np.stack([-np.sin(np.radians(ra)), np.cos(np.radians(ra)), np.zeros(len(ra))], axis=-1)
    north = np.cross(start, east)
    motion = [np.nan_to_num(numbers(reference, name)) * time * ARCSEC / 1000 for name in ("pmra", "pmdec")]
    moved = start + motion[0][:, None] * east + motion[1][:, None] * north
    return np.asarray(moved / np.linalg.norm(moved, axis=-1, keepdims=True))


def match(first: NDArray[np.float64], second: NDArray[np.float64], radius: float) -> Pairs:
    """Match two lists of directions: each is the other's nearest, and none is used twice.

    Parameters
    ----------
    first, second
        Unit vectors, shapes (n, 3) and (m, 3); those that are not finite match nothing.
    radius
        Largest separation in arc seconds.
    """
    from scipy.spatial import cKDTree

    rows, columns = (np.flatnonzero(np.isfinite(part).all(axis=-1)) for part in (first, second))
    if not len(rows) or not len(columns):
        none = np.zeros(0, np.intp)
        return Pairs(none, none, np.zeros(0))
    a, b = first[rows], second[columns]
    distance, nearest = cKDTree(b).query(a, distance_upper_bound=chord(radius))
    there = np.isfinite(distance)
    back = cKDTree(a).query(b)[1]
    mutual = there & (back[np.minimum(nearest, len(b) - 1)] == np.arange(len(a)))
    i, j = rows[mutual], columns[nearest[mutual]]
    return Pairs(i, j, separation(first[i], second[j]))
