"""The sky below the objects of a frame: a level or a plane, and the noise of a blank pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce_imaging.stars.background import MAD_TO_SIGMA
from alfosc_reduce_imaging.stars.mesh import in_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLES = 600
_CELLS = 12
_CLIP = 3.0
_FEWEST = 0.2
_FEWEST_CELLS = 9
_ROUNDS = 24


class Sky(NamedTuple):
    """The sky of a frame: level + x_slope (x - x0) + y_slope (y - y0) about the middle; noise of a blank pixel."""

    level: float
    x_slope: float
    y_slope: float
    middle: tuple[float, float]
    noise: float

    def over(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return the sky on a part of the frame."""
        y = self.y_slope * (np.arange(rows.start, rows.stop) - self.middle[1])
        x = self.x_slope * (np.arange(columns.start, columns.stop) - self.middle[0])
        return np.asarray(self.level + y[:, None] + x, np.float32)


def measure_sky(data: NDArray[np.floating], good: NDArray[np.bool_], step: int, *, slope: bool) -> Sky:
    """Measure the sky of a frame from a sample of its pixels, objects clipped.

    Parameters
    ----------
    data, good
        Every `step`-th pixel of the frame along both axes, and where it may be used; at least one.
    step
        In pixels.
    slope
        Whether the sky may be a plane: medians of cells decide, cells that stand out are left out.
    """
    middle = ((data.shape[1] * step - 1) / 2, (data.shape[0] * step - 1) / 2)
    mesh = (min(_CELLS, data.shape[0]), min(_CELLS, data.shape[1]))
    cells = in_cells(np.where(good, data, np.float32(np.nan)).astype(np.float32), mesh)
    centre, scatter, number = _clipped(cells.reshape(-1, cells.shape[-1]))
    enough = number >= _FEWEST * cells.shape[-1]
    enough = enough if enough.any() else number > 0
    noise = float(np.median(scatter[enough]))
    heights = -(-data.shape[0] // mesh[0]), -(-data.shape[1] // mesh[1])
    places = [(np.arange(count) + 0.5) * size * step - 0.5 * step for count, size in zip(mesh, heights, strict=True)]
    y, x = (axis.ravel() for axis in np.meshgrid(places[0] - middle[1], places[1] - middle[0], indexing="ij"))
    return Sky(*_plane(x[enough], y[enough], centre[enough], slope=slope), middle, noise)


def sampling_step(shape: tuple[int, ...]) -> int:
    """Return the step at which a frame is sampled for its sky."""
    return max(1, min(shape) // _SAMPLES)


def _clipped(cells: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return median, scatter and number of what is left of each cell, shape (cells, pixels), after clipping."""
    from bottleneck import nanmedian

    cells = cells.copy()
    for _ in range(3):
        centre = nanmedian(cells, axis=1)
        deviation = np.abs(cells - centre[:, None])
        scatter = MAD_TO_SIGMA * nanmedian(deviation, axis=1)
        cells[deviation > np.maximum(_CLIP * scatter, 1e-30)[:, None]] = np.nan
    number = np.isfinite(cells).sum(axis=1)
    return np.asarray(centre, np.float64), np.asarray(scatter, np.float64), number


def _plane(
    x: NDArray[np.float64], y: NDArray[np.float64], level: NDArray[np.float64], *, slope: bool
) -> tuple[float, float, float]:
    """Return the plane (or the level) of cells of which objects raise many: the lower half begins, others join."""
    terms = np.column_stack([np.ones(len(x)), x, y])[:, : 3 if slope and len(x) >= _FEWEST_CELLS else 1]
    keep = level <= np.median(level)
    for turn in range(_ROUNDS):
        found = np.linalg.lstsq(terms[keep], level[keep], rcond=None)[0]
        miss = level - terms @ found
        # Objects only add light: how far the sky scatters is seen below it. In the end both sides count alike.
        spread = float(np.sqrt(np.mean(miss[miss <= 0] ** 2))) if (miss <= 0).any() else 0.0
        above, below = (2.0, 4.0) if turn < _ROUNDS // 2 else (3.0, 3.0)
        again = np.abs(miss) <= np.where(miss > 0, above, below) * max(spread, 1e-30)
        if again.sum() < min(len(x), _FEWEST_CELLS):
            break
        keep = again
    numbers = [*(float(v) for v in found), 0.0, 0.0]
    return numbers[0], numbers[1], numbers[2]
