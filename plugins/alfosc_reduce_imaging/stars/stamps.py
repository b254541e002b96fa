"""Small squares around positions, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HALF_DIAGONAL = 0.7072


def stamps_at(
    image: NDArray[Any], x: NDArray[np.integer], y: NDArray[np.integer], radius: int, outside: float
) -> NDArray[Any]:
    """Return squares around whole pixels.

    Parameters
    ----------
    image
        Shape (ny, nx).
    x, y
        Centres, shape (n,); they may lie outside.
    radius
        Half the side less half a pixel.
    outside
        The value beyond the edges of the image.

    Returns
    -------
    ndarray
        Shape (n, side, side), of the type of `image`, a copy.
    """
    offset = np.arange(-radius, radius + 1)
    rows, columns = y[:, None] + offset, x[:, None] + offset
    inside_y, inside_x = (rows >= 0) & (rows < image.shape[0]), (columns >= 0) & (columns < image.shape[1])
    rows, columns = np.clip(rows, 0, image.shape[0] - 1), np.clip(columns, 0, image.shape[1] - 1)
    cut: NDArray[Any] = image[rows[:, :, None], columns[:, None, :]]
    if not (inside_y.all() and inside_x.all()):
        cut[~(inside_y[:, :, None] & inside_x[:, None, :])] = outside
    return cut


def mirrored(stamps: NDArray[Any], usable: NDArray[np.bool_]) -> NDArray[Any]:
    """Return stamps with unusable pixels replaced by those opposite the centre, or 0 if these are not usable either."""
    if usable.all():
        return stamps
    opposite = np.where(usable[:, ::-1, ::-1], stamps[:, ::-1, ::-1], 0)
    return np.where(usable, stamps, opposite).astype(stamps.dtype, copy=False)


def disc_weights(dx: NDArray[np.floating], dy: NDArray[np.floating], radius: float) -> NDArray[np.float32]:
    """Return the share of each pixel that lies in a circle around 0.

    Pixels on the rim are cut by a straight line at the mean distance of the arc: right to some 0.001 of the area.

    Parameters
    ----------
    dx, dy
        Offsets of the pixels' centres from the centre of the circle; they broadcast.
    radius
        Of the circle, pixels.
    """
    distance = np.sqrt(np.square(dx) + np.square(dy))
    depth = (radius - 1 / (24 * radius) - distance).astype(np.float32)
    weight: NDArray[np.float32] = (depth > 0).astype(np.float32)
    rim = np.abs(depth) < _HALF_DIAGONAL
    flat = np.maximum(distance[rim], 1e-6)
    across = np.maximum(np.abs(np.broadcast_to(dx, distance.shape)[rim]) / flat, 1e-3)
    along = np.maximum(np.abs(np.broadcast_to(dy, distance.shape)[rim]) / flat, 1e-3)
    weight[rim] = _share_of_square(depth[rim], across, along)
    return weight


def _share_of_square(depth: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the share of unit squares on one side of lines `depth` beyond their centres, of normals (a, b)."""

    def corner(offset: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.square(np.maximum(depth + offset, 0)))

    outer, inner = (a + b) / 2, (a - b) / 2
    return np.asarray((corner(outer) - corner(inner) - corner(-inner) + corner(-outer)) / (2 * a * b))
