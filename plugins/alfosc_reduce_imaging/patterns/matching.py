"""Two lists of points, one pattern: the rotation, scale and offset that most pairs of points agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.patterns.checking import Check, Linear, Neighbours, checked, settled
from alfosc_reduce_imaging.patterns.limits import Limits, as_complex, middle_of, mirror
from alfosc_reduce_imaging.patterns.voting import Similarity, candidates_of, favourites

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

SIGNIFICANCE = 5.0
"""A match is taken if less than one search in ten to this power would find its like by chance."""
MARGIN = 3.0
"""Powers of ten by which the best match must beat any other place that fits."""
ATTEMPTS = ((30, 0, 0), (60, 0, 0), (60, 60, 0), (60, 0, 60))
"""Points that vote in turn: how many, and how many brighter ones are passed over in the list and in the reference."""
FEWEST = 4
"""Points below which no match is looked for."""
FINISHED = 5
"""Places that are compared with all points, those first that suit the bright ones best."""


@dataclass(frozen=True)
class PatternMatch:
    """Where a list of points lies in another.

    Attributes
    ----------
    matrix
        Shape (2, 2).
    offset
        Shape (2,): reference point = matrix . point + offset.
    pairs
        Shape (n, 2): index of the point and of its reference point; none stands twice.
    votes
        How many pairs of points proposed this place together.
    significance
        Minus the power of ten of the probability that a search like this one finds as good a match by chance.
    rms
        Of the distances of the pairs, in the unit of the reference.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    pairs: NDArray[np.int64]
    votes: int
    significance: float
    rms: float


class Best(NamedTuple):
    """The best place found in a search, believed or not."""

    match: PatternMatch | None
    rival: float

    @property
    def believed(self) -> bool:
        """Say whether the match is significant, and no other place fits nearly as well."""
        found = self.match
        return found is not None and found.significance >= max(SIGNIFICANCE, self.rival + MARGIN)


def match_pattern(
    xy: ArrayLike,
    flux: ArrayLike | None,
    ref_xy: ArrayLike,
    ref_flux: ArrayLike | None,
    *,
    tolerance: float,
    max_shift: float,
    max_rotation: float,
    max_scale: float,
    flips: Sequence[bool] = (False,),
    middle: tuple[float, float] | None = None,
) -> PatternMatch | None:
    """Find the linear map that lays one list of points over another, or None where that is not certain.

    Pairs of bright points propose a rotation and scale by length and direction, and with them an offset; the place
    that most of them agree on is refined with the nearest neighbours of all points, and believed if so many within
    the tolerance are improbable by chance. Points that are in one list only do no harm while enough are in both.

    Parameters
    ----------
    xy
        Shape (n, 2), roughly in the coordinates of the reference.
    flux
        Shape (n,), larger is brighter; it only says which points vote first. None: in the order given.
    ref_xy, ref_flux
        The reference, shape (m, 2) and (m,).
    tolerance
        How far a point may lie from its reference point after a linear map: errors and distortion.
    max_shift
        How far the middle of the points may move.
    max_rotation
        In radians, to either side.
    max_scale
        As a fraction: 0.03 allows 3 % to either side.
    flips
        Whether the points are taken as they are, mirrored (x reversed), or either in turn.
    middle
        What the points turn and are mirrored about, and what `max_shift` is the shift of; None for the middle of the
        box around them.

    Returns
    -------
    PatternMatch or None
    """
    limits = Limits(tolerance, max_shift, max_rotation, max_scale, len(flips))
    best = best_match(xy, flux, ref_xy, ref_flux, limits, flips, middle)
    return best.match if best.believed else None


def best_match(
    xy: ArrayLike,
    flux: ArrayLike | None,
    ref_xy: ArrayLike,
    ref_flux: ArrayLike | None,
    limits: Limits,
    flips: Sequence[bool] = (False,),
    middle: tuple[float, float] | None = None,
) -> Best:
    """Return the best place found, even where it is not to be believed: what a refusal is explained with."""
    points, reference = as_complex(xy), as_complex(ref_xy)
    pivot = middle_of(points) if middle is None else complex(*middle)
    order = _brightest(points, flux)
    ref_order = _nearby(points, pivot, reference, _brightest(reference, ref_flux), limits)
    best = Best(None, 0.0)
    if min(len(order), len(ref_order)) < FEWEST:
        return best
    near = Neighbours(reference)
    for first, ref_first in _subsets(points, reference, order, ref_order):
        found = _search(points, near, first, ref_first, limits, [(pivot, flip) for flip in flips])
        best = max(best, found, key=_strength)
        if best.believed:
            break
    return best


def _strength(best: Best) -> float:
    return -np.inf if best.match is None else best.match.significance


def _search(
    points: NDArray[np.complex128],
    near: Neighbours,
    first: NDArray[np.int64],
    ref_first: NDArray[np.int64],
    limits: Limits,
    views: Sequence[tuple[complex, bool]],
) -> Best:
    """Let the points of one subset vote, and return the best place after a look at all points."""
    bright = Neighbours(near.reference[ref_first])
    begun: list[tuple[int, Similarity, Linear, NDArray[np.complex128]]] = []
    for middle, flip in views:
        seen = mirror(points, middle) if flip else points
        voted = candidates_of(seen[first], bright.reference, middle, limits)
        for place in favourites(voted, limits.tolerance, limits.reach(points)):
            linear, number = settled(seen[first], bright, place, limits)
            begun.append((number, place._replace(flip=flip), linear, seen))
    begun.sort(key=lambda one: -one[0])
    checks = [(place, checked(linear, place.middle, seen, near, limits)) for _, place, linear, seen in begun[:FINISHED]]
    return _best_of([(place, check) for place, check in checks if check is not None])


def _best_of(found: list[tuple[Similarity, Check]]) -> Best:
    """Return the most significant place, and how significant the best is that pairs other points."""
    if not found:
        return Best(None, 0.0)
    found.sort(key=lambda one: (-one[1].significance, one[1].rms))
    place, check = found[0]
    rivals = [other.significance for _, other in found[1:] if not same_place(check.pairs, other.pairs)]
    matrix, offset = check.linear.as_matrix(place.middle if place.flip else None)
    match = PatternMatch(matrix, offset, check.pairs, place.votes, check.significance, check.rms)
    return Best(match, max(rivals, default=0.0))


def same_place(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    """Say whether two lists of pairs share most of what the shorter one has."""
    shared = set(map(tuple, first.tolist())) & set(map(tuple, second.tolist()))
    return len(shared) >= 0.5 * min(len(first), len(second))


def _subsets(
    points: NDArray[np.complex128],
    reference: NDArray[np.complex128],
    order: NDArray[np.int64],
    ref_order: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the points that vote; of the reference, which covers more sky, proportionally more."""
    ratio = float(np.clip(_area(reference[ref_order]) / max(_area(points), 1e-30), 1.0, 3.0))
    seen = set()
    for number, skip, ref_skip in ATTEMPTS:
        first = order[skip : skip + number]
        ref_first = ref_order[round(ref_skip * ratio) : round((ref_skip + number) * ratio)]
        key = (skip, len(first), ref_skip, len(ref_first))
        if min(len(first), len(ref_first)) >= FEWEST and key not in seen:
            seen.add(key)
            yield first, ref_first


def _brightest(points: NDArray[np.complex128], flux: ArrayLike | None) -> NDArray[np.int64]:
    """Return the indices of finite points, brightest first; those without a flux come last."""
    rank = -np.arange(len(points), dtype=np.float64) if flux is None else np.asarray(flux, dtype=np.float64)
    order = np.argsort(-np.where(np.isfinite(rank), rank, -np.inf), kind="stable")
    return np.asarray(order[np.isfinite(points[order])], dtype=np.int64)


def _nearby(
    points: NDArray[np.complex128],
    middle: complex,
    reference: NDArray[np.complex128],
    order: NDArray[np.int64],
    limits: Limits,
) -> NDArray[np.int64]:
    """Keep the reference points that some allowed map can bring a point to."""
    finite = points[np.isfinite(points)]
    if not len(finite):
        return order[:0]
    reach = np.abs(finite - middle).max() * (1 + limits.scale) + limits.shift + limits.tolerance
    return np.asarray(order[np.abs(reference[order] - middle) <= reach], dtype=np.int64)


def _area(points: NDArray[np.complex128]) -> float:
    finite = points[np.isfinite(points)]
    return float(np.ptp(finite.real) * np.ptp(finite.imag))
