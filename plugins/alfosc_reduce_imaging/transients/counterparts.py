"""Which sources a catalogue knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers, truths
from alfosc_reduce_imaging.photometry.sky_positions import at_epoch, separation

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

SIGMA = 5.0
"""Sigma of both positions together within which a source and an object are one."""
SMALLEST, LARGEST = 0.3, 5.0
"""Limits of that radius in arc seconds."""
SEEING_SHARE = 0.5
"""Two stars closer than this times the seeing make one source, which may lie anywhere between them."""
UNKNOWN_MOTION = 20.0
"""Milli arc seconds a year: standard deviation of a motion that is not known."""
NAMED = 3.0
"""Arc seconds within which an object of a table of known ones is a source, where the table states no radius."""
HOST = 15.0
"""Arc seconds within which a galaxy of the catalogue may be the host."""


@dataclass(frozen=True)
class Counterparts:
    """The object of a catalogue nearest to each source.

    Attributes
    ----------
    row
        Its row, -1 for none, shape (n,).
    distance
        Arc seconds; infinite for none.
    known
        True where it is near enough to be the source.
    """

    row: NDArray[np.intp]
    distance: Floats
    known: Booleans


def find_counterparts(
    places: Floats, errors: Floats, reference: Table, year: float | None, seeing: float
) -> Counterparts:
    """Find the catalogue's object that each source may be.

    Parameters
    ----------
    places, errors
        Directions of the sources, shape (n, 3), and their standard errors in arc seconds, shape (n,).
    reference
        The catalogue, moved to `year` by its proper motions.
    year
        Julian year of the image, None if not known.
    seeing
        Full width at half maximum in arc seconds.
    """
    from scipy.spatial import cKDTree

    there = at_epoch(reference, year)
    valid = np.flatnonzero(np.isfinite(there).all(axis=1))
    row, distance = np.full(len(places), -1, np.intp), np.full(len(places), np.inf)
    if not len(valid) or not len(places):
        return Counterparts(row, distance, np.zeros(len(places), bool))
    sane = np.isfinite(places).all(axis=1)
    row[sane] = valid[cKDTree(there[valid]).query(places[sane])[1]]
    distance[sane] = separation(places[sane], there[row[sane]])
    error = np.hypot(errors, position_errors(reference, year)[row])
    radius = np.clip(np.maximum(SIGMA * error, SEEING_SHARE * seeing), SMALLEST, LARGEST)
    return Counterparts(row, distance, distance <= radius)


def position_errors(reference: Table, year: float | None) -> Floats:
    """Return the standard error of each object's position in a Julian year, one coordinate, in arc seconds."""
    time = np.zeros(len(reference))
    if year is not None and "epoch" in reference.colnames:
        time = np.nan_to_num(year - numbers(reference, "epoch"))
    at_start = [np.nan_to_num(numbers(reference, name)) for name in ("ra_error", "dec_error")]
    drift = [np.nan_to_num(numbers(reference, name)) * time for name in ("pmra_error", "pmdec_error")]
    if "pm_known" in reference.colnames:
        unknown = np.where(truths(reference, "pm_known"), 0.0, UNKNOWN_MOTION * time)
        drift = [np.hypot(part, unknown) for part in drift]
    square = sum((a**2 + b**2) / 2 for a, b in zip(at_start, drift, strict=True))
    return np.asarray(np.sqrt(square) / 1000)


def known_names(places: Floats, known: Table, year: float | None) -> NDArray[np.str_]:
    """Return the name of the known object (variable star, asteroid) at each source; empty for none.

    Parameters
    ----------
    places
        Directions of the sources, shape (n, 3).
    known
        Columns ``ra``, ``dec`` and ``name`` (or ``source_id``), optionally proper motions and ``radius`` (arc seconds).
    year
        Julian year of the image.
    """
    there = at_epoch(known, year)
    column = next((name for name in ("name", "source_id", "id") if name in known.colnames), None)
    names = np.array([str(value) for value in known[column]] if column else ["known object"] * len(known))
    radius = np.where(np.isfinite(numbers(known, "radius")), numbers(known, "radius"), NAMED)
    found = np.full(len(places), "", dtype=f"U{max([1, *map(len, names)])}")
    for i in np.flatnonzero(np.isfinite(there).all(axis=1)):
        found[separation(places, there[i]) <= radius[i]] = names[i]
    return found


def hosts(places: Floats, reference: Table, year: float | None) -> tuple[NDArray[np.str_], Floats]:
    """Return the galaxy of the catalogue nearest to each source (empty for none within `HOST`) and its distance."""
    from scipy.spatial import cKDTree

    names, distance = np.full(len(places), "", dtype="U40"), np.full(len(places), np.nan)
    rows = np.flatnonzero(truths(reference, "extended"))
    if not len(rows) or not len(places):
        return names, distance
    there = at_epoch(reference, year)[rows]
    nearest = cKDTree(there).query(places)[1]
    apart = separation(places, there[nearest])
    near = apart <= HOST
    labels = reference["source_id"] if "source_id" in reference.colnames else np.arange(len(reference))
    names[near] = [str(labels[rows[i]]) for i in nearest[near]]
    distance[near] = apart[near]
    return names, distance
