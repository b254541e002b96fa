"""Lines along which a decimated image is brighter than beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.trails.line_sums import LineSums, lengths, line_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SHORTEST = 0.2
"""Of the shorter side of the image: lines that meet less of it are not looked at."""
WIDTHS = (1, 2, 4)
"""Lines side by side that are summed, each twice as many as before."""
_SAMPLE = 4


@dataclass(frozen=True)
class Line:
    """A straight line through an image: place = start + slope x step.

    Attributes
    ----------
    along_x
        The steps are columns and the places rows; otherwise the other way round.
    start, slope
        In cells or pixels; the slope is between -1 and 1.
    significance
        Of the sum along it.
    """

    along_x: bool
    start: float
    slope: float
    significance: float

    def enlarged(self, factor: int) -> Line:
        """Return the same line in pixels, `factor` to a cell."""
        middle = (factor - 1) / 2
        start = self.start * factor + middle - self.slope * middle
        return Line(self.along_x, start, self.slope, self.significance)


def best_line(values: Floats, known: list[Line], apart: float = 6.0) -> Line | None:
    """Return the line with the most significant sum.

    Parameters
    ----------
    values
        Of scatter 1, shape (ny, nx); 0 where nothing is known.
    known
        Lines that are not asked for again, nor any within `apart` cells of them at both ends.
    apart
        In cells.
    """
    found: list[Line] = []
    for along_x in (True, False):
        turned = values.T if along_x else values
        for mirrored in (False, True):
            mine = np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
            lines = [_best(sums, mine.shape, along_x, mirrored, known, apart) for sums in line_sums(mine)]
            found += [line for line in lines if line is not None]
    return max(found, key=lambda line: line.significance, default=None)


def _best(
    found: LineSums, shape: tuple[int, int], along_x: bool, mirrored: bool, known: list[Line], apart: float
) -> Line | None:
    """Return the best line of a strip."""
    length = lengths(found.first, found.steps, shape)
    enough = length >= SHORTEST * min(shape)
    if not enough.any():
        return None
    ratio = _standardised(found.sums, length, enough)
    for line in known:
        if line.along_x == along_x:
            _forget(ratio, found, shape, line, mirrored, apart)
    climb, offset, height = _highest(ratio)
    slope = climb / max(found.steps - 1, 1)
    start = offset + found.low
    if mirrored:
        start, slope = shape[1] - 1 - start, -slope
    return Line(along_x, start - slope * found.first, slope, height)


def _standardised(sums: Floats, length: Floats, enough: NDArray[np.bool_]) -> Floats:
    """Return sums over the root of their length, less the median, over the scatter of each climb if larger than 1."""
    from bottleneck import nanmedian

    ratio = (sums / np.sqrt(np.maximum(length, np.float32(1)))).astype(np.float32, copy=False)
    part = np.where(enough[:, ::_SAMPLE], ratio[:, ::_SAMPLE], np.float32(np.nan))
    middle = np.nan_to_num(nanmedian(part, axis=1))[:, None]
    scatter = 1.4826 * np.nan_to_num(nanmedian(np.abs(part - middle), axis=1))[:, None]
    ratio -= middle
    ratio /= np.maximum(scatter, 1)
    ratio *= enough
    return ratio


def _forget(ratio: Floats, found: LineSums, shape: tuple[int, int], line: Line, mirrored: bool, apart: float) -> None:
    """Set to 0 what belongs to a known line."""
    first = line.start + line.slope * found.first
    last = line.start + line.slope * (found.first + found.steps - 1)
    if mirrored:
        first, last = shape[1] - 1 - first, shape[1] - 1 - last
    climb = np.arange(found.steps)[:, None]
    start = (np.arange(ratio.shape[1]) + found.low)[None, :]
    ratio[(np.abs(start - first) < apart) & (np.abs(start + climb - last) < apart)] = 0


def _highest(ratio: Floats) -> tuple[float, float, float]:
    """Return climb, offset and height of the highest sum of one, two or four neighbouring lines."""
    best, wide = (0.0, 0.0, -np.inf), ratio
    for width in WIDTHS:
        if width > 1:
            wide = wide[:, width // 2 :] + wide[:, : -(width // 2)]
        climb, offset = np.unravel_index(int(np.argmax(wide)), wide.shape)
        height = float(wide[climb, offset]) / width**0.5
        best = max(best, (float(climb), float(offset) + (width - 1) / 2, height), key=lambda one: one[2])
    return best
