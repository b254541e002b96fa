"""Is a proposed place true? Its nearest neighbours, the map through them, and what chance would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alfosc_reduce_imaging.patterns.limits import as_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.patterns.limits import Limits
    from alfosc_reduce_imaging.patterns.voting import Similarity

AFFINE = 8
"""Pairs from which on the two axes may differ in scale and stand askew."""
ASKEW = 0.03
"""How much they may."""
SMALLEST = 0.1
"""How far the tolerance may shrink with the scatter of the pairs."""
CONTRAST = 1.5
"""Pairs over those expected by chance: less is no match, however many there are."""
RING = 12
"""Directions in which the points are displaced to count what matches by chance."""


class Linear(NamedTuple):
    """A map z -> turn z + shear conj(z) + shift, of points given as x + iy."""

    turn: complex
    shear: complex
    shift: complex

    def __call__(self, points: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the points mapped."""
        return self.turn * points + self.shear * np.conj(points) + self.shift

    def as_matrix(self, mirrored_about: complex | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return matrix (2, 2) and offset (2,), of points before they were mirrored if they were."""
        corners = np.array([0, 1, 1j])
        if mirrored_about is not None:
            corners = mirrored_about - np.conj(corners - mirrored_about)
        origin, x, y = self(corners)
        matrix = np.array([[(x - origin).real, (y - origin).real], [(x - origin).imag, (y - origin).imag]])
        return matrix, np.array([origin.real, origin.imag])


class Check(NamedTuple):
    """A place after refinement: its map, the pairs (n, 2), significance, and rms distance of the pairs."""

    linear: Linear
    pairs: NDArray[np.int64]
    significance: float
    rms: float


class Neighbours:
    """Reference points, and which of them are nearest."""

    def __init__(self, reference: NDArray[np.complex128]) -> None:
        from scipy.spatial import KDTree

        self.index = np.flatnonzero(np.isfinite(reference))
        self.reference = reference
        self.tree: Any = KDTree(as_plane(reference[self.index]))

    def pairs(self, mapped: NDArray[np.complex128], radius: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return pairs (n, 2) of mapped point and reference point, each the other's nearest, and their distances."""
        finite = np.flatnonzero(np.isfinite(mapped))
        distance, nearest = self.tree.query(as_plane(mapped[finite]), distance_upper_bound=radius)
        hit = np.flatnonzero(np.isfinite(distance))
        hit = hit[np.argsort(distance[hit], kind="stable")]
        _, one = np.unique(nearest[hit], return_index=True)
        hit = np.sort(hit[one])
        return np.stack([finite[hit], self.index[nearest[hit]]], axis=1), distance[hit]

    def count(self, mapped: NDArray[np.complex128], radius: float) -> int:
        """Return how many mapped points have a reference point within the radius."""
        finite = mapped[np.isfinite(mapped)]
        return int(np.isfinite(self.tree.query(as_plane(finite), distance_upper_bound=radius)[0]).sum())


def settled(points: NDArray[np.complex128], near: Neighbours, place: Similarity, limits: Limits) -> tuple[Linear, int]:
    """Settle a proposed place among bright points, which lie far enough apart to be paired rightly.

    Returns
    -------
    linear, number
        The map through the pairs, and how many they are; less than 3 if it could not be settled.
    """
    linear, number = Linear(place.turn, 0j, place.centre - place.turn * place.middle), 0
    for factor in (2.0, 1.0):
        refined = _refined(linear, points, near, factor * limits.tolerance)
        if refined is None:
            return linear, 0
        linear, number = refined[0], len(refined[1])
    return linear, number


def checked(
    linear: Linear, middle: complex, points: NDArray[np.complex128], near: Neighbours, limits: Limits
) -> Check | None:
    """Refine a place with all points and say how significant it is.

    The radius within which neighbours are pairs shrinks with their scatter. None if the pairs run out or the map leaves
    the limits.

    Parameters
    ----------
    linear
        From `settled`.
    middle
        What the shift is measured at.
    points
        x + iy, shape (n,).
    near
        The reference.
    limits
        Of the search.
    """
    radius = limits.tolerance
    for _ in range(4):
        refined = _refined(linear, points, near, radius)
        if refined is None:
            return None
        linear, pairs, distance = refined
        radius = float(np.clip(4 * np.median(distance), SMALLEST * limits.tolerance, limits.tolerance))
    if not _allowed(linear, middle, limits):
        return None
    pairs, distance = near.pairs(linear(points), radius)
    if len(pairs) < 3:
        return None
    significance = significance_of(linear(points), near, len(pairs), radius, limits, limits.reach(points))
    return Check(linear, pairs, significance, float(np.sqrt(np.mean(distance**2))))


def _refined(
    linear: Linear, points: NDArray[np.complex128], near: Neighbours, radius: float
) -> tuple[Linear, NDArray[np.int64], NDArray[np.float64]] | None:
    """Fit the map through the pairs within the radius; None if they are too few."""
    pairs, _ = near.pairs(linear(points), radius)
    if len(pairs) < 3:
        return None
    ours, theirs = points[pairs[:, 0]], near.reference[pairs[:, 1]]
    fitted = linear_through(ours, theirs, askew=len(pairs) >= AFFINE)
    return fitted, pairs, np.abs(fitted(ours) - theirs)


def linear_through(ours: NDArray[np.complex128], theirs: NDArray[np.complex128], *, askew: bool) -> Linear:
    """Return the least-squares map of points to points, a similarity or (`askew`) any linear one."""
    origin = ours.mean()
    z = ours - origin
    columns = [z, np.ones_like(z)] if not askew else [z, np.ones_like(z), np.conj(z)]
    real = [np.concatenate([c.real, c.imag]) for c in columns] + [np.concatenate([-c.imag, c.real]) for c in columns]
    values = np.linalg.lstsq(np.stack(real, axis=1), np.concatenate([theirs.real, theirs.imag]), rcond=None)[0]
    half = len(columns)
    turn, shift, *rest = (complex(values[k], values[half + k]) for k in range(half))
    shear = rest[0] if rest else 0j
    return Linear(turn, shear, shift - turn * complex(origin) - shear * complex(origin).conjugate())


def _allowed(linear: Linear, middle: complex, limits: Limits) -> bool:
    """Say whether a refined map is within the limits of the search (and a little)."""
    if abs(linear.turn) == 0 or abs(linear.shear) > ASKEW * abs(linear.turn):
        return False
    moved = abs(complex(linear(np.array([middle]))[0]) - middle)
    grown = abs(np.log(abs(linear.turn)))
    turned = abs(np.angle(linear.turn))
    return bool(
        moved <= 1.1 * limits.shift + 2 * limits.tolerance
        and grown <= 1.1 * np.log1p(limits.scale) + 0.002
        and turned <= 1.1 * limits.rotation + 0.005
    )


def significance_of(
    mapped: NDArray[np.complex128], near: Neighbours, found: int, radius: float, limits: Limits, reach: float
) -> float:
    """Return minus the power of ten of the probability that a search finds as many pairs by chance.

    The chance for one point is the larger of what the density of the reference says and what is counted when the
    points are displaced a little, which knows of clusters. The binomial tail is multiplied by the number of maps that
    differ by the radius.
    """
    inside = covered(mapped, near)
    number = max(int(inside.sum()), found)
    chance = min(max(_by_density(near, radius), _displaced(mapped[inside], near, radius)), 0.999)
    trials = limits.trials(reach, radius, ASKEW if found >= AFFINE else 0.0)
    significance = rarity(found, number, chance) - float(np.log10(trials))
    return significance if found >= CONTRAST * chance * number else min(significance, 0.0)


def rarity(found: int, number: int, chance: float) -> float:
    """Return minus the power of ten of the probability of so many successes or more; beyond 250, at least that much."""
    from scipy.special import betainc, rel_entr

    tail = float(betainc(found, number - found + 1, chance))
    if tail > 1e-250:
        return float(-np.log10(tail))
    share = found / number
    return float(number * (rel_entr(share, chance) + rel_entr(1 - share, 1 - chance)) / np.log(10))


def covered(mapped: NDArray[np.complex128], near: Neighbours) -> NDArray[np.bool_]:
    """Say which points fall into the box of the reference."""
    box = near.reference[near.index]
    return np.asarray(
        (mapped.real >= box.real.min()) & (mapped.real <= box.real.max())
        & (mapped.imag >= box.imag.min()) & (mapped.imag <= box.imag.max())
    )  # fmt: skip


def _by_density(near: Neighbours, radius: float) -> float:
    box = near.reference[near.index]
    area = max(float(np.ptp(box.real) * np.ptp(box.imag)), np.pi * radius**2)
    return float(-np.expm1(-len(box) * np.pi * radius**2 / area))


def _displaced(mapped: NDArray[np.complex128], near: Neighbours, radius: float) -> float:
    if not len(mapped):
        return 0.0
    steps = np.exp(2j * np.pi * np.arange(RING) / RING) * radius * np.tile([4.0, 7.0], RING // 2)
    return near.count((mapped[:, None] + steps).ravel(), radius) / (RING * len(mapped))
