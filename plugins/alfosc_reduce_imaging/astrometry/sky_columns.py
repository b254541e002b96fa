"""A table of sources with their places on the sky and their stars in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce_imaging.astrometry.matching import pairs_within
from alfosc_reduce_imaging.astrometry.tangent_plane import axes_at, project

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.astrometry.matching import Detected, Known, Solution

FARTHEST = 1.0
"""Arc seconds: how far from a source its star in the catalogue may be, if the scatter is no larger."""


def with_sky(sources: QTable, reference: QTable, detected: Detected, known: Known, solution: Solution) -> QTable:
    """Return a copy of a table of sources with what the map says of them.

    Added are ``ra``, ``dec`` (degrees, ICRS at the date of the image), ``ra_error`` (times the cosine of the
    declination) and ``dec_error`` (mas; of the measurement and the map together), ``source_id`` (of the star in the
    catalogue; empty for none), ``ra_offset``, ``dec_offset`` (source less star, mas) and ``wcs_used`` (the map was
    fitted to it).
    """
    fit, sky_map = solution.fit, solution.sky_map
    table = sources.copy()
    ra, dec = sky_map.sky(detected.x, detected.y)
    table["ra"], table["dec"] = ra * u.deg, dec * u.deg
    error = 1000 * np.sqrt(detected.variance * sky_map.scale**2 + fit.error(detected.x, detected.y) ** 2)
    table["ra_error"], table["dec_error"] = error * u.mas, error * u.mas
    i, j = all_pairs(detected, known, solution).T
    identity = np.zeros(len(table), dtype=f"U{_longest(reference)}")
    identity[i] = _identities(reference)[j]
    table["source_id"] = identity
    offsets = np.full((len(table), 2), np.nan)
    stars = project(known.directions[j], axes_at(sky_map.ra, sky_map.dec))
    offsets[i] = 1000 * (sky_map.plane(detected.x[i], detected.y[i]) - stars)
    table["ra_offset"], table["dec_offset"] = offsets[:, 0] * u.mas, offsets[:, 1] * u.mas
    used = np.zeros(len(table), bool)
    used[solution.pairs[fit.kept, 0]] = True
    table["wcs_used"] = used
    return table


def all_pairs(detected: Detected, known: Known, solution: Solution) -> NDArray[np.int64]:
    """Return pairs of source and star, also of stars that were too far off for the fit."""
    scatter = float(np.sqrt(np.median(np.sum(solution.fit.residuals**2, axis=1))))
    found = pairs_within(solution.sky_map, detected, known, max(FARTHEST, 5 * scatter))
    fitted = solution.pairs[solution.fit.kept]
    new = ~np.isin(found[:, 0], fitted[:, 0]) & ~np.isin(found[:, 1], fitted[:, 1])
    return np.concatenate([fitted, found[new]])


def _identities(reference: QTable) -> NDArray[np.str_]:
    if "source_id" in reference.colnames:
        return np.asarray(reference["source_id"]).astype(str)
    return np.arange(1, len(reference) + 1).astype(str)


def _longest(reference: QTable) -> int:
    return max(1, int(np.char.str_len(_identities(reference)).max()))
