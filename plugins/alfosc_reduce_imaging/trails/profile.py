"""What an image shows along a line and to either side of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEGMENT = 48
"""Steps of a segment."""
REACH, INNER = 40.0, 18.0
"""Pixels off the line up to which one looks, and from which on the sky beside it begins."""
_FEWEST, _BESIDE = 0.4, 0.2


@dataclass(frozen=True)
class Path:
    """A line through an image that may be bent: place = start + slope x step + bow x (0 at its ends, 1 half way).

    Attributes
    ----------
    along_x
        The steps are columns and the places rows; otherwise the other way round.
    start, slope, bow
        In pixels.
    steps
        From one side of the image to the other.
    """

    along_x: bool
    start: float
    slope: float
    steps: int
    bow: float = 0.0

    def places(self, steps: Floats) -> Floats:
        """Return where the line is at `steps`."""
        return np.asarray(self.start + self.slope * steps + self.bow * self._arch(steps))

    def shifted(self, span: tuple[float, float], first: float, last: float, bow: float) -> Path:
        """Return the line moved at two steps, by so many pixels of place, and bent further."""
        slope = (last - first) / max(span[1] - span[0], 1.0)
        return Path(self.along_x, self.start + first - slope * span[0], self.slope + slope, self.steps, self.bow + bow)

    def moves(self, steps: Floats, span: tuple[float, float], first: Floats, last: Floats, bow: Floats) -> Floats:
        """Return by how much `shifted` lines lie higher at `steps` (last axis)."""
        share = (steps - span[0]) / max(span[1] - span[0], 1.0)
        return np.asarray(first * (1 - share) + last * share + bow * self._arch(steps))

    @property
    def cosine(self) -> float:
        """Return the pixels at right angles to the line for a pixel in place."""
        return 1 / float(np.hypot(1, self.slope))

    def _arch(self, steps: Floats) -> Floats:
        return np.asarray(1 - (2 * steps / max(self.steps - 1, 1) - 1) ** 2)


@dataclass(frozen=True)
class Profile:
    """Medians along segments of a line, and of lines beside it.

    Attributes
    ----------
    steps
        Middle of each segment, shape (n,).
    offsets
        Pixels off the line at right angles, shape (m,).
    values
        Less the sky to either side, in the unit of the image, shape (n, m); NaN where too little is known.
    tilt
        Sky at larger offsets less that at smaller ones, shape (n,).
    """

    steps: Floats
    offsets: Floats
    values: Floats
    tilt: Floats


def profile_along(excess: NDArray[np.float32], path: Path) -> Profile:
    """Return the profile of an image along a line.

    Parameters
    ----------
    excess
        Less a smooth sky; NaN where a pixel must not be used, shape (ny, nx).
    path
        The line.
    """
    from bottleneck import nanmedian

    turned = excess.T if path.along_x else excess
    count, places = turned.shape
    length = min(SEGMENT, count)
    steps = np.arange(count - count % length)
    side = int(np.ceil(REACH / path.cosine))
    rows = np.rint(path.places(steps.astype(float))).astype(np.intp)[:, None] + np.arange(-side, side + 1)
    inside = (rows >= 0) & (rows < places)
    values = np.where(inside, turned[steps[:, None], np.clip(rows, 0, places - 1)], np.float32(np.nan))
    cells = values.reshape(-1, length, rows.shape[1])
    few = np.isfinite(cells).sum(axis=1) < _FEWEST * length
    medians: Floats = np.where(few, np.nan, nanmedian(cells, axis=1)).astype(np.float64)
    offsets: Floats = (np.arange(-side, side + 1) * path.cosine).astype(np.float64)
    middles: Floats = steps.reshape(-1, length).mean(axis=1).astype(np.float64)
    return _levelled(middles, offsets, medians)


def _levelled(steps: Floats, offsets: Floats, medians: Floats) -> Profile:
    """Return a profile less the straight line through the sky on its two sides."""
    from bottleneck import nanmean, nanmedian

    low, high = (medians[:, side] for side in (offsets < -INNER, offsets > INNER))
    enough = [np.isfinite(part).mean(axis=1) > _BESIDE for part in (low, high)]
    below, above = (np.where(e, nanmedian(part, axis=1), np.nan) for e, part in zip(enough, (low, high), strict=True))
    middle = float(nanmean(offsets[offsets > INNER]))
    sky = (below + above)[:, None] / 2 + (above - below)[:, None] / 2 * offsets / middle
    return Profile(steps, offsets, medians - sky, above - below)
