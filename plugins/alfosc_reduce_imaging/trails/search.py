"""All trails of an image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.trails.candidates import Line, best_line
from alfosc_reduce_imaging.trails.decimation import Decimated, decimate
from alfosc_reduce_imaging.trails.examination import Trail, examine

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

VOTES = 8.0
"""Sigma of the votes for a line that is worth a closer look."""
TRIES = 5
"""Lines that are looked at in one image."""
SMALLEST = 128
"""Pixels: in smaller images a line is too short to be judged."""
_SEARCH = 2.0
"""Cells by which a candidate may be off."""
_SAMPLE = 7


def find_trails(data: NDArray[np.floating], good: NDArray[np.bool_]) -> list[Trail]:
    """Return the trails in an image, the most significant first.

    Every line through a decimated image gets the sum of what its cells exceed the sky by, a bright cell counting no
    more than a faint one; the best is followed through the image itself (`examine`), and blanked if it is a trail.

    Parameters
    ----------
    data
        Shape (ny, nx).
    good
        False where a pixel must not be used.
    """
    if min(data.shape) < SMALLEST or not good.any():
        return []
    small = decimate(data, good)
    votes = small.votes
    found: list[Trail] = []
    known: list[Line] = []
    excess, noise = None, 0.0
    for _ in range(TRIES):
        line = best_line(votes, known)
        if line is None or line.significance < VOTES:
            break
        if excess is None:
            excess = _excess(data, good, small)
            noise = _noise(excess)
        known.append(line)
        seen = examine(excess, line.enlarged(small.factor), noise, _SEARCH * small.factor)
        if isinstance(seen, Trail):
            found.append(seen)
            excess[under(seen, data.shape)] = np.nan
            votes = _without(votes, seen, small.factor)
        else:
            _log.debug("a line of %.1f sigma is no trail: %s", line.significance, seen)
    return found


def under(trail: Trail, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return true under a trail, for an image of `shape`."""
    mask = np.zeros(shape, bool)
    turned = mask.T if trail.path.along_x else mask
    steps = np.arange(int(np.ceil(trail.first)), int(trail.last) + 1)
    half = trail.half_width / trail.path.cosine
    middle = trail.path.places(steps.astype(float))
    places = np.rint(middle).astype(np.intp)[:, None] + np.arange(-int(half) - 1, int(half) + 2)
    inside = (np.abs(places - middle[:, None]) <= half) & (places >= 0) & (places < turned.shape[1])
    turned[np.broadcast_to(steps[:, None], places.shape)[inside], places[inside]] = True
    return mask


def _excess(data: NDArray[np.floating], good: NDArray[np.bool_], small: Decimated) -> NDArray[np.float32]:
    """Return an image less the sky of its cells, NaN where it must not be used."""
    level = small.level.repeat(small.factor, axis=0).repeat(small.factor, axis=1)
    ny, nx = level.shape
    excess = np.full(data.shape, np.nan, np.float32)
    excess[:ny, :nx] = np.where(good[:ny, :nx], data[:ny, :nx] - level, np.float32(np.nan))
    return excess


def _noise(excess: NDArray[np.float32]) -> float:
    """Return the scatter of pixels, sources clipped."""
    from bottleneck import nanmedian

    part = excess[::_SAMPLE, ::_SAMPLE]
    return 1.4826 * float(nanmedian(np.abs(part - nanmedian(part))))


def _without(votes: NDArray[np.float32], trail: Trail, factor: int) -> NDArray[np.float32]:
    """Return votes without those of a trail."""
    path = trail.path
    line = Line(path.along_x, path.start, path.slope, 0.0)
    turned = (votes.T if line.along_x else votes).copy()
    steps = (np.arange(turned.shape[0], dtype=np.float64) + 0.5) * factor
    middle = path.places(steps) / factor
    far = np.abs(np.arange(turned.shape[1]) + 0.5 - middle[:, None]) > 2 + trail.half_width / path.cosine / factor
    kept = np.where(far, turned, np.float32(0))
    return np.ascontiguousarray(kept.T if line.along_x else kept)
