"""Cells of an image, numbers in them, and smooth surfaces through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mesh_shape(shape: tuple[int, ...], box: int) -> tuple[int, int]:
    """Return how many cells of about `box` pixels a side fill an image along y and x."""
    return max(1, round(shape[0] / box)), max(1, round(shape[1] / box))


def in_cells(values: NDArray[np.float32], mesh: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the pixels sorted into cells.

    Parameters
    ----------
    values
        Shape (ny, nx).
    mesh
        Number of cells along y and x; all are equally large, the last ones filled up with NaN.

    Returns
    -------
    ndarray
        Shape (cells along y, cells along x, pixels a cell).
    """
    height, width = (-(-size // count) for size, count in zip(values.shape, mesh, strict=True))
    padded = np.full((mesh[0] * height, mesh[1] * width), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    cells = padded.reshape(mesh[0], height, mesh[1], width).swapaxes(1, 2)
    return cells.reshape(mesh[0], mesh[1], height * width)


def fill_cells(cells: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return `cells` with gaps (NaN) interpolated from their neighbours, near ones first; 0 if all are gaps."""
    from scipy.ndimage import gaussian_filter

    filled = np.array(cells, np.float32)
    missing = ~np.isfinite(filled)
    if missing.all():
        return np.zeros_like(filled)
    known = np.where(missing, np.float32(0), filled)
    scale = 0.7
    while missing.any():
        weight = gaussian_filter((~missing).astype(np.float32), scale, mode="constant", truncate=3)
        mean = gaussian_filter(known, scale, mode="constant", truncate=3)
        near = ~np.isfinite(filled) & (weight > 1e-3)
        filled[near] = mean[near] / weight[near]
        if np.isfinite(filled).all():
            break
        if scale > max(filled.shape):
            # A few cells that are known are near to none: their mean serves all others.
            return np.where(np.isfinite(filled), filled, np.float32(known.sum() / np.count_nonzero(~missing)))
        scale *= 2
    return filled


def median_around(cells: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the median of the cells up to `reach` away in each direction; at the edges of those that there are."""
    from bottleneck import nanmedian
    from numpy.lib.stride_tricks import sliding_window_view

    side = 2 * reach + 1
    windows = sliding_window_view(np.pad(cells, reach, constant_values=np.nan), (side, side))
    return np.asarray(nanmedian(windows.reshape(*cells.shape, -1), axis=-1), np.float32)


def plane(cells: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the plane through cells of an image of `shape`, from medians of slopes between neighbours.

    Medians of cells at the edges, which have neighbours on one side only, would bend a slope.
    """
    total = np.zeros_like(cells)
    for axis, (count, size) in enumerate(zip(cells.shape, shape, strict=True)):
        if count > 1:
            place = cell_centres(count, size)
            steps = np.moveaxis(np.diff(cells, axis=axis), axis, -1) / np.diff(place)
            total += np.expand_dims(float(np.median(steps)) * place, 1 - axis).astype(np.float32)
    return total


def cell_centres(count: int, size: int) -> NDArray[np.float64]:
    """Return the centres, in pixels, of the `count` cells along an axis of `size` pixels."""
    width = -(-size // count)
    starts = np.arange(count) * width
    return np.asarray((starts + np.minimum(starts + width, size) - 1) / 2)


def surface(cells: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a cubic surface through the centres of `cells`, linear beyond the outermost, on an image of `shape`."""
    across = [_interpolation(count, size) for count, size in zip(cells.shape, shape, strict=True)]
    return np.asarray(across[0] @ cells.astype(np.float32) @ across[1].T, np.float32)


def _interpolation(count: int, size: int) -> NDArray[np.float32]:
    """Return the matrix, of shape (`size`, `count`), from values in cells to values in pixels."""
    from scipy.interpolate import make_interp_spline

    pixels = np.arange(size, dtype=np.float64)
    centres = cell_centres(count, size)
    if count == 1:
        return np.ones((size, 1), np.float32)
    spline = make_interp_spline(centres, np.eye(count), k=min(3, count - 1))
    inside = np.clip(pixels, centres[0], centres[-1])
    matrix = spline(inside) + spline(inside, 1) * (pixels - inside)[:, None]
    return np.asarray(matrix, np.float32)
