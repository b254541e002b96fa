"""All frames of a field laid on the best of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.registration.alignment import Alignment, Targets, find_place, refine, targets_of
from alfosc_reduce_imaging.registration.geometry import IDENTITY, PixelMap, overlap
from alfosc_reduce_imaging.registration.star_lists import StarList
from alfosc_reduce_imaging.registration.transparency import Offset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DETOURS = 3
"""Frames over which a frame is tried that does not lie on the first one."""
_APART = 3.0


class Field(NamedTuple):
    """Frames laid on one of them.

    Attributes
    ----------
    reference
        Index of that frame.
    alignments
        By index of the frame; the reference with the identity. A frame that could not be laid is missing.
    """

    reference: int
    alignments: dict[int, Alignment]


def lay_out(frames: Mapping[int, StarList]) -> Field:
    """Lay frames on the best one; if they show several fields, those of the field with the most frames.

    Parameters
    ----------
    frames
        By their index; at least one.

    Returns
    -------
    Field
    """
    rough = _largest_group(frames)
    reference = best_frame(frames, rough)
    back = rough[reference].place.inverse()
    guesses = {i: back.after(found.place) for i, found in rough.items()}
    return Field(reference, _refined(frames, reference, guesses))


def _largest_group(frames: Mapping[int, StarList]) -> dict[int, Alignment]:
    """Lay frames roughly on the one with the most stars; on another if that one shows a field by itself."""
    largest: dict[int, Alignment] = {}
    rest = dict(frames)
    while len(rest) > len(largest):
        first = max(rest, key=lambda i: (int(rest[i].clean.sum()), -i))
        group = _rough(rest, first)
        largest = max(largest, group, key=len)
        rest = {i: frame for i, frame in rest.items() if i not in group}
    return largest


def _rough(frames: Mapping[int, StarList], first: int) -> dict[int, Alignment]:
    """Lay every frame on `first`, or on one that lies on it already."""
    laid = {first: itself(frames[first])}
    waiting = [i for i in frames if i != first]
    while waiting:
        found = {i: place for i in waiting if (place := _by_detour(frames, laid, i, first)) is not None}
        if not found:
            break
        laid |= found
        waiting = [i for i in waiting if i not in found]
    return laid


def _by_detour(frames: Mapping[int, StarList], laid: dict[int, Alignment], i: int, first: int) -> Alignment | None:
    stations = [first, *sorted((k for k in laid if k != first), key=lambda k: abs(k - i))[:_DETOURS]]
    for station in stations:
        guess = find_place(frames[i], frames[station])
        found = None if guess is None else refine(frames[i], targets_of(frames[station]), guess)
        if found is not None:
            before = laid[station]
            total = Offset(
                found.offset.value + before.offset.value,
                float(np.hypot(found.offset.error, before.offset.error)),
                found.offset.stars,
            )
            return found._replace(place=before.place.after(found.place), offset=total)
    return None


def best_frame(frames: Mapping[int, StarList], laid: Mapping[int, Alignment]) -> int:
    """Return the frame that is the deepest and sharpest, and shares most of the field with the others."""

    def merit(i: int) -> float:
        frame = frames[i]
        noise = frame.sky_noise if frame.sky_noise > 0 else 1.0
        width = frame.fwhm if frame.fwhm > 0 else 1.0
        seconds = frame.exposure if frame.exposure > 0 else 1.0
        depth = seconds * 10 ** (-0.4 * laid[i].offset.value) / (noise * width)
        return depth * (0.1 + shared(frames, laid, i))

    return max(laid, key=lambda i: (merit(i), -i))


def shared(frames: Mapping[int, StarList], laid: Mapping[int, Alignment], i: int) -> float:
    """Return which part of a frame the others cover, on average (1 if sizes are not known)."""
    if not all(frames[k].size[0] for k in laid) or len(laid) == 1:
        return 1.0
    parts = [overlap(laid[i].place, frames[i].size, laid[k].place, frames[k].size) for k in laid if k != i]
    return float(np.mean(parts))


def itself(frame: StarList) -> Alignment:
    """Return the alignment of the reference with itself."""
    none = np.empty((0, 2))
    return Alignment(IDENTITY, "shift", len(frame), 0.0, 0.0, none, none, Offset(0.0, 0.0, len(frame)))


def _refined(frames: Mapping[int, StarList], reference: int, guesses: Mapping[int, PixelMap]) -> dict[int, Alignment]:
    """Lay frames on the reference itself; those that share too little with it on all the others."""
    targets = targets_of(frames[reference])
    laid = {reference: itself(frames[reference])}
    later = []
    for i in (k for k in guesses if k != reference):
        found = refine(frames[i], targets, guesses[i])
        if found is None:
            later.append(i)
            continue
        laid[i] = found
    for i in later:
        found = refine(frames[i], _all_stars(frames, laid, reference), guesses[i])
        if found is not None:
            laid[i] = found
    return {i: laid[i] for i in sorted(laid)}


def _all_stars(frames: Mapping[int, StarList], laid: Mapping[int, Alignment], reference: int) -> Targets:
    """Return the stars of the reference, and those of frames laid on it that it does not have."""
    known = targets_of(frames[reference])
    for i, found in laid.items():
        if i != reference:
            known = _joined(known, frames[i], found)
    return known


def _joined(known: Targets, frame: StarList, found: Alignment) -> Targets:
    from scipy.spatial import cKDTree

    places = found.place(frame.xy)
    distance, _ = cKDTree(known.xy).query(places, distance_upper_bound=_APART)
    new = ~np.isfinite(distance)
    gain = 10 ** (0.4 * found.offset.value)
    parts: Sequence[np.ndarray] = (
        places[new], frame.error[new], gain * frame.rate[new], gain * frame.rate_error[new], frame.clean[new],
        frame.point[new],
    )  # fmt: skip
    return Targets(*(np.concatenate(pair) for pair in zip(known, parts, strict=True)))
