"""From sources and a catalogue to a map: the vote, and rounds of matching and fitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.astrometry.fit import Fit, Stars, fit_map
from alfosc_reduce_imaging.astrometry.polynomials import Frame
from alfosc_reduce_imaging.astrometry.tangent_plane import axes_at, project
from alfosc_reduce_imaging.patterns.checking import Neighbours
from alfosc_reduce_imaging.patterns.limits import Limits, as_complex
from alfosc_reduce_imaging.patterns.matching import Best, PatternMatch, best_match

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.astrometry.sky_map import SkyMap
    from alfosc_reduce_imaging.astrometry.start import Start

TOLERANCES = (3.0, 10.0)
"""Pixels that stars may lie off a linear map, tried in turn: the second is for wide fields with distortion."""
ROUNDS = 6
"""Of matching and fitting, at most."""
CERTAIN = 30
"""Stars from which on the scatter is known well enough to keep the radius small."""
FEWEST = 4
"""Stars without which there is no solution."""


class Detected(NamedTuple):
    """Sources: pixels (n,), flux (n,), variance of a coordinate in square pixels (n,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    variance: NDArray[np.float64]


class Known(NamedTuple):
    """Catalogue stars at the time of the image: directions (m, 3), flux (m,), variance in square arc seconds (m,)."""

    directions: NDArray[np.float64]
    flux: NDArray[np.float64]
    variance: NDArray[np.float64]


class Search(NamedTuple):
    """How far off the start may be: shift (arc seconds), rotation (radians), scale (a fraction)."""

    shift: float
    rotation: float
    scale: float


@dataclass(frozen=True)
class Solution:
    """The map of an image, the fit behind it, and the stars (pairs (n, 2) of source and catalogue) of that fit."""

    fit: Fit
    pairs: NDArray[np.int64]
    match: PatternMatch

    @property
    def sky_map(self) -> SkyMap:
        """The map."""
        return self.fit.sky_map


def vote(detected: Detected, known: Known, start: Start, search: Search) -> tuple[Best, float]:
    """Lay the sources over the catalogue, both in arc seconds on the plane at the start; return the best place.

    Returns
    -------
    best, tolerance
        Believed or not; and the tolerance in arc seconds with which it was found.
    """
    ours = start.plane(detected.x, detected.y)
    theirs = project(known.directions, axes_at(*start.place))
    best, tolerance = Best(None, 0.0), TOLERANCES[0] * start.scale
    for limits, flips in _searches(start, search):
        found = best_match(ours, detected.flux, theirs, known.flux, limits, flips, (0.0, 0.0))
        if best.match is None or (found.match and found.match.significance > best.match.significance):
            best, tolerance = found, limits.tolerance
        if best.believed:
            break
    return best, tolerance


def _searches(start: Start, search: Search) -> list[tuple[Limits, tuple[bool, ...]]]:
    """Return what is tried in turn: what the header says within its errors; then any orientation."""
    first = [(search.rotation, (False,)), (np.pi, (False, True))]
    return [
        (Limits(tolerance * start.scale, search.shift, rotation, search.scale, len(flips)), flips)
        for rotation, flips in (first if start.oriented else first[1:])
        for tolerance in TOLERANCES
    ]


def solve(
    detected: Detected, known: Known, start: Start, match: PatternMatch, tolerance: float, degree: int | None
) -> Solution:
    """Match and fit in turn until the pairs stay the same.

    Parameters
    ----------
    detected, known
        The sources and the catalogue.
    start
        Where the vote was held.
    match
        What it said.
    tolerance
        Arc seconds, as in the vote; the radius shrinks with the scatter.
    degree
        Of the map, or None.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the stars do not determine a map.
    """
    frame = Frame(*start.middle, start.unit)
    pairs, place, radius = match.pairs, start.place, tolerance
    for left in reversed(range(ROUNDS)):
        fit = fit_map(matched(detected, known, pairs, start.scale), frame, place, degree)
        place = fit.sky_map.ra, fit.sky_map.dec
        scatter = float(np.sqrt(np.median(np.sum(fit.residuals**2, axis=1))))
        largest = radius if len(pairs) > CERTAIN else tolerance
        radius = float(np.clip(5 * scatter, 0.5 * start.scale, largest))
        again = pairs_within(fit.sky_map, detected, known, radius)
        if not left or len(again) < FEWEST or np.array_equal(again, pairs):
            break
        pairs = again
    return Solution(fit, pairs, match)


def matched(detected: Detected, known: Known, pairs: NDArray[np.int64], scale: float) -> Stars:
    """Return the stars of some pairs, as the fit wants them."""
    i, j = pairs.T
    variance = detected.variance[i] * scale**2 + known.variance[j]
    return Stars(detected.x[i], detected.y[i], known.directions[j], variance)


def pairs_within(sky_map: SkyMap, detected: Detected, known: Known, radius: float) -> NDArray[np.int64]:
    """Return pairs (n, 2) of source and catalogue star within a radius (arc seconds), none used twice."""
    axes = axes_at(sky_map.ra, sky_map.dec)
    near = Neighbours(as_complex(project(known.directions, axes)))
    return near.pairs(as_complex(sky_map.plane(detected.x, detected.y)), radius)[0]
