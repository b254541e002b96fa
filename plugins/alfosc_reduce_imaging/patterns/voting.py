"""The vote: each two points and each two reference points alike in length and direction propose a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.patterns.limits import Limits

SHORTEST = 0.2
"""Length of the shortest pair that votes, in half sizes of the field: short ones say little about rotation."""
MOST = 6_000
"""Proposals that are compared each with each."""
PAIRS = 600
"""Pairs of points that vote: more would say the same again."""
PLACES = 12
"""Places that are looked at closely."""


class Similarity(NamedTuple):
    """A map: ``turn`` (scale and rotation) about ``middle``, which comes to lie on ``centre``."""

    turn: complex
    middle: complex
    centre: complex
    votes: int
    flip: bool = False


class Proposals(NamedTuple):
    """Maps that two pairs of points each propose, shape (n,), and the middle of the points that they turn about."""

    turn: NDArray[np.complex128]
    centre: NDArray[np.complex128]
    middle: complex


class Pairs(NamedTuple):
    """Pairs of points: vector from one to the other, and the point between them; shape (n,)."""

    vector: NDArray[np.complex128]
    between: NDArray[np.complex128]


def candidates_of(
    points: NDArray[np.complex128], reference: NDArray[np.complex128], middle: complex, limits: Limits
) -> Proposals:
    """Return every map within the limits that takes two of the points to two of the reference.

    Parameters
    ----------
    points, reference
        Shape (n,) and (m,), x + iy.
    middle
        What the points turn about.
    limits
        Of rotation, scale and shift, and the tolerance.
    """
    shortest = max(SHORTEST * limits.reach(points), 3 * limits.tolerance)
    ours = _some(_pairs(points, shortest, both=False))
    theirs = _pairs(reference, 0.9 * shortest / (1 + limits.scale), both=True)
    slack = np.log1p(limits.scale) + limits.tolerance / np.abs(ours.vector)
    i, j = alike(np.log(np.abs(ours.vector)), np.log(np.abs(theirs.vector)), slack)
    turn = theirs.vector[j] / ours.vector[i]
    right = np.abs(np.angle(turn)) <= limits.rotation + limits.tolerance / np.abs(ours.vector[i])
    i, j, turn = i[right], j[right], turn[right]
    centre = theirs.between[j] + turn * (middle - ours.between[i])
    right = np.abs(centre - middle) <= limits.shift + limits.tolerance
    return Proposals(turn[right], centre[right], middle)


def _pairs(points: NDArray[np.complex128], shortest: float, *, both: bool) -> Pairs:
    """Return the pairs at least so long, each once or in both directions."""
    i, j = np.triu_indices(len(points), 1)
    if both:
        i, j = np.concatenate([i, j]), np.concatenate([j, i])
    vector = points[j] - points[i]
    long = np.abs(vector) > shortest
    return Pairs(vector[long], 0.5 * (points[i] + points[j])[long])


def _some(pairs: Pairs) -> Pairs:
    """Return so many pairs, spread over all, if there are more."""
    step = max(1.0, len(pairs.vector) / PAIRS)
    chosen = np.arange(0, len(pairs.vector), step).astype(np.int64)
    return Pairs(pairs.vector[chosen], pairs.between[chosen])


def alike(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], slack: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of all pairs of values that differ by at most the `slack` of the first."""
    order = np.argsort(theirs)
    start = np.searchsorted(theirs[order], ours - slack)
    count = np.searchsorted(theirs[order], ours + slack) - start
    i = np.repeat(np.arange(len(ours)), count)
    j = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
    return i, order[j]


def favourites(proposals: Proposals, tolerance: float, reach: float) -> list[Similarity]:
    """Return the places that most proposals agree on, the most voted first.

    Parameters
    ----------
    proposals
        From `candidates_of`.
    tolerance
        Proposals that move no point of the field apart by more than some of these agree.
    reach
        Half size of the field, in the same unit.
    """
    from scipy.spatial import KDTree

    place = _thinned(_as_places(proposals, tolerance, reach))
    if not len(place):
        return []
    tree = KDTree(place)
    votes = tree.query_ball_point(place, 1.0, p=np.inf, return_length=True)
    found: list[Similarity] = []
    left = np.ones(len(place), bool)
    for first in np.argsort(-votes, kind="stable"):
        if left[first]:
            near = tree.query_ball_point(place[first], 1.0, p=np.inf)
            found.append(_similarity(place[near].mean(axis=0), proposals.middle, int(votes[first]), tolerance, reach))
            left[near] = False
        if len(found) == PLACES:
            break
    return found


def _as_places(proposals: Proposals, tolerance: float, reach: float) -> NDArray[np.float64]:
    """Return the four numbers of each map in tolerances at the edge of the field, shape (n, 4)."""
    turn, shift = proposals.turn, proposals.centre - proposals.middle
    turned = np.stack([np.log(np.abs(turn)), np.angle(turn)], axis=1) * reach
    return np.concatenate([turned, np.stack([shift.real, shift.imag], axis=1)], axis=1) / tolerance


def _similarity(place: NDArray[np.float64], middle: complex, votes: int, tolerance: float, reach: float) -> Similarity:
    growth, angle, x, y = (float(value) * tolerance for value in place)
    return Similarity(complex(np.exp((growth + 1j * angle) / reach)), middle, middle + complex(x, y), votes)


def _thinned(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the proposals in the fullest cells of a coarse grid, if there are too many."""
    if len(place) <= MOST:
        return place
    cells = np.floor(place / 2.0).astype(np.int64)
    cells -= cells.min(axis=0)
    size = cells.max(axis=0) + 1
    key = np.ravel_multi_index(tuple(cells.T), tuple(size))
    _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
    return place[np.argsort(-count[inverse], kind="stable")[:MOST]]
