"""A line followed through an image: where it runs, how bright it is along its way, and where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.trails.profile import INNER, SEGMENT, Path, Profile, profile_along

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BRIGHT = 4.0
"""Significance to which a segment counts at most: a star on the line must not make it."""
SMOOTH = 5.0
"""Pixels over which a profile is averaged while the line is searched for."""
BENT = 0.6
"""Of the way through the image that a trail must be seen along to tell whether it is bent."""
ENDED = 0.5
"""Of the brightness of a trail: what is fainter than this beyond its end is none of it."""
DOUBT = 5.0
"""Sigma by which what lies beyond an end must be fainter."""
_LEAST = 0.4
"""Part of `SMOOTH` that must be known."""
_TRIES = 9
_FAINTEST = 0.3


def traced(excess: NDArray[np.float32], path: Path, search: float) -> tuple[Path, Profile, Floats, int, int]:
    """Return the line moved to where the light is, its profile, and what `strengths` and `extent` say of it.

    Parameters
    ----------
    excess
        Image less a smooth sky; NaN where a pixel must not be used, shape (ny, nx).
    path
        About where it runs.
    search
        Pixels by which it may be off at its ends.
    """
    first, last = 0, -(-path.steps // SEGMENT)
    for width, bend in ((search, 0.0), (search, search), (search / 3, search / 3)):
        path = _aligned(profile_along(excess, path), path, first, last, width, bend)
        profile = profile_along(excess, path)
        strength = strengths(profile, np.zeros(len(profile.steps)), path)
        first, last = extent(strength)
    return path, profile, strength, first, last


def strengths(profile: Profile, moves: Floats, path: Path) -> Floats:
    """Return the significance of each segment on the line moved by `moves` pixels of place (last axis segments)."""
    smooth = _smoothed(profile, path)
    side = smooth.shape[1] // 2
    where = np.clip(np.rint(moves).astype(np.intp) + side, 0, 2 * side)
    return np.asarray(smooth[np.arange(len(smooth)), where])


def _smoothed(profile: Profile, path: Path) -> Floats:
    """Return profiles averaged over a few pixels, in units of their own scatter beside the line."""
    from bottleneck import nanmedian
    from scipy.ndimage import uniform_filter1d

    size = max(1, round(SMOOTH / path.cosine)) | 1
    known = np.isfinite(profile.values)
    share = uniform_filter1d(known.astype(np.float64), size, axis=1, mode="nearest")
    total = uniform_filter1d(np.where(known, profile.values, 0), size, axis=1, mode="nearest")
    # A running mean would carry what is not known here to all that follows in its row.
    smooth = np.where(share > _LEAST, total / np.maximum(share, _LEAST), np.nan)
    beside = smooth[:, np.abs(profile.offsets) > INNER]
    scatter = 1.4826 * float(nanmedian(np.abs(beside)))
    return np.asarray(smooth / scatter) if scatter > 0 else np.full_like(smooth, np.nan)


def _aligned(profile: Profile, path: Path, begin: int, end: int, search: float, bend: float) -> Path:
    """Return the line moved to where the profile is highest in most segments; a short piece of it stays straight."""
    tries = np.linspace(-search, search, _TRIES)
    bows = np.linspace(-bend, bend, _TRIES) if end - begin > BENT * len(profile.steps) else np.zeros(1)
    first, last, bow = (part.ravel()[:, None] for part in np.meshgrid(tries, tries, bows))
    span = float(profile.steps[begin]), float(profile.steps[min(end, len(profile.steps)) - 1])
    strength = strengths(profile, path.moves(profile.steps, span, first, last, bow), path)[:, begin:end]
    total = np.arcsinh(np.nan_to_num(strength)).sum(axis=1)
    # A straight line is believed where bending it wins nothing.
    total -= 1e-3 * (np.abs(first) + np.abs(last) + 3 * np.abs(bow))[:, 0]
    best = int(np.argmax(total))
    return path.shifted(span, float(first[best, 0]), float(last[best, 0]), float(bow[best, 0]))


def extent(strength: Floats) -> tuple[int, int]:
    """Return the first and one after the last segment of the run that is brightest in sum, less half its mean."""
    clipped = np.nan_to_num(np.clip(strength, -BRIGHT, BRIGHT))
    first, last = 0, len(clipped)
    for _ in range(4):
        mean = max(float(np.mean(clipped[first:last])), _FAINTEST)
        total = np.concatenate([[0], np.cumsum(clipped - mean / 2)])
        gain = total[None, :] - total[:, None]
        gain[np.tril_indices(len(total))] = -np.inf
        first, last = (int(i) for i in np.unravel_index(int(np.argmax(gain)), gain.shape))
    return first, last


def ends(profile: Profile, strength: Floats, first: int, last: int, path: Path) -> tuple[float, float]:
    """Return the steps between which there is light: to the edge of the image where nothing says that it ended."""
    middle = float(np.nanmedian(strength[first:last]))
    margin = float(profile.steps[0]) + 0.5
    found = [float(profile.steps[first]) - margin, float(profile.steps[last - 1]) + margin]
    for end, beyond in enumerate((strength[:first], strength[last:])):
        known = beyond[np.isfinite(beyond)]
        if not len(known) or np.median(known) + DOUBT / np.sqrt(len(known)) > ENDED * middle:
            found[end] = end * (path.steps - 1.0)
    return max(found[0], 0.0), min(found[1], path.steps - 1.0)
