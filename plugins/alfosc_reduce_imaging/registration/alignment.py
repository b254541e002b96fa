"""One frame laid on another by the stars that both have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.patterns.matching import match_pattern
from alfosc_reduce_imaging.registration.fitting import Fit, fit_map
from alfosc_reduce_imaging.registration.geometry import PixelMap, similarity
from alfosc_reduce_imaging.registration.health import FEWEST
from alfosc_reduce_imaging.registration.star_lists import StarList
from alfosc_reduce_imaging.registration.transparency import Offset, zero_point_offset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TOLERANCE = 2.5
"""Pixels: errors of faint stars, and what a linear map leaves of the distortion between dithered frames."""
_NEAREST = 0.5
_ROUNDS = 4


class Targets(NamedTuple):
    """Stars to lay others on: positions (n, 2), errors, rates, their errors (n,), which are clean, which stars."""

    xy: NDArray[np.float64]
    error: NDArray[np.float64]
    rate: NDArray[np.float64]
    rate_error: NDArray[np.float64]
    clean: NDArray[np.bool_]
    point: NDArray[np.bool_]


class Alignment(NamedTuple):
    """Where a frame lies on the reference.

    Attributes
    ----------
    place
        Reference pixel from frame pixel.
    kind
        Of the map, see `fit_map`.
    matched
        Stars that agree with it.
    rms
        Of their distances, in one coordinate, weighted, pixels.
    error
        Of the map, in one coordinate, pixels.
    places, residuals
        Where the pairs lie in the reference and by how much the frame misses them, shape (n, 2).
    offset
        Magnitudes by which its stars are fainter.
    """

    place: PixelMap
    kind: str
    matched: int
    rms: float
    error: float
    places: NDArray[np.float64]
    residuals: NDArray[np.float64]
    offset: Offset


def targets_of(frame: StarList) -> Targets:
    """Return the stars of a frame as targets."""
    return Targets(frame.xy, frame.error, frame.rate, frame.rate_error, frame.clean, frame.point)


def find_place(frame: StarList, target: StarList) -> PixelMap | None:
    """Return where a frame lies on another; None where its stars do not tell.

    The first guess is that of the headers, if both have a WCS. It is believed to a minute of arc; then the same
    orientation is tried at any shift, then any rotation.
    """
    for guess, shift, rotation, scale in _searches(frame, target):
        found = match_pattern(
            guess(frame.xy), frame.rate, target.xy, target.rate,
            tolerance=TOLERANCE, max_shift=shift, max_rotation=rotation, max_scale=scale,
        )  # fmt: skip
        if found is not None:
            return PixelMap(found.matrix, found.offset).after(guess)
    return None


def _searches(frame: StarList, target: StarList) -> Iterator[tuple[PixelMap, float, float, float]]:
    """Yield first guesses, each with how far it may be wrong: pixels, radians, fraction of the scale."""
    field = 1.5 * max(_extent(frame), _extent(target))
    guess = guess_from_headers(frame, target)
    if guess is not None:
        yield guess, min(100.0, field), np.radians(1.0), 0.01
    here = similarity(1.0, 0.0, (0.0, 0.0))
    yield here, field, np.radians(3.0), 0.01
    yield here, field, np.pi, 0.03


def _extent(frame: StarList) -> float:
    return float(max(*frame.size, *np.ptp(frame.xy, axis=0), 1.0))


def guess_from_headers(frame: StarList, target: StarList) -> PixelMap | None:
    """Return where the WCS of both frames put one on the other; None if either has none."""
    own, other = frame.sky_map(), target.sky_map()
    if own is None or other is None:
        return None
    middle = np.array(frame.size) / 2 if frame.size[0] else frame.xy.mean(axis=0)
    arm = 100.0
    points = middle + arm * np.array([[0, 0], [1, 0], [0, 1]])
    there = np.column_stack(other.all_world2pix(*own.all_pix2world(*points.T, 0), 0, quiet=True))
    if not np.isfinite(there).all():
        return None
    matrix = ((there[1:] - there[0]) / arm).T
    return PixelMap(matrix, there[0] - matrix @ middle)


def refine(frame: StarList, targets: Targets, guess: PixelMap) -> Alignment | None:
    """Return the best map near `guess`; None if fewer than `FEWEST` stars agree on it.

    Parameters
    ----------
    frame
        To be mapped.
    targets
        Stars of the reference, or of everything laid on it so far.
    guess
        Right to `TOLERANCE`.
    """
    own = _clean_or_all(frame.clean)
    other = _clean_or_all(targets.clean)
    place, radius = guess, TOLERANCE
    found: tuple[Fit, NDArray[np.int64], NDArray[np.int64]] | None = None
    for _ in range(_ROUNDS):
        a, b = _pairs(place(frame.xy[own]), targets.xy[other], radius)
        if len(a) < FEWEST:
            return None
        i, j = own[a], other[b]
        fit = fit_map(frame.xy[i], targets.xy[j], np.hypot(frame.error[i], targets.error[j]))
        place, found = fit.place, (fit, i, j)
        radius = float(np.clip(5 * np.median(fit.errors), _NEAREST, radius))
    return _alignment(frame, targets, *found) if found is not None and found[0].kept.sum() >= FEWEST else None


def _clean_or_all(clean: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Saturated stars have poor places: they are used only where there are hardly others."""
    return np.flatnonzero(clean if clean.sum() >= 2 * FEWEST else np.ones(len(clean), bool))


def _alignment(
    frame: StarList, targets: Targets, fit: Fit, own: NDArray[np.int64], other: NDArray[np.int64]
) -> Alignment:
    i, j = own[fit.kept], other[fit.kept]
    clean = frame.clean[i] & targets.clean[j]
    # Galaxies lose more or less light than stars as the seeing changes.
    points = clean & frame.point[i] & targets.point[j]
    best = next(some for some in (points, clean, fit.kept[fit.kept]) if some.sum() >= min(FEWEST, len(some)))
    a, b = i[best], j[best]
    offset = zero_point_offset(frame.rate[a], frame.rate_error[a], targets.rate[b], targets.rate_error[b])
    return Alignment(
        fit.place, fit.kind, int(fit.kept.sum()), fit.rms, fit.error, targets.xy[j], fit.residuals[fit.kept], offset
    )


def _pairs(
    points: NDArray[np.float64], targets: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return indices of points and targets that are each other's nearest, within `radius`."""
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(targets).query(points, distance_upper_bound=radius)
    _, back = cKDTree(points).query(targets, distance_upper_bound=radius)
    index = np.arange(len(points))
    near = np.isfinite(distance)
    mutual = index[near][back[nearest[near]] == index[near]]
    return mutual, nearest[mutual]
