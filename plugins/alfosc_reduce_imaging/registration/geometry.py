"""Linear maps of the plane: where the pixels of one frame lie on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Affine(NamedTuple):
    """The map p -> matrix . p + offset of points (x, y).

    Attributes
    ----------
    matrix
        Shape (2, 2).
    offset
        Shape (2,).
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Return points, shape (n, 2), mapped."""
        return np.asarray(np.asarray(xy, dtype=np.float64) @ self.matrix.T + self.offset)

    def inverse(self) -> Affine:
        """Return the map back."""
        matrix = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return Affine(matrix, -matrix @ self.offset)

    def after(self, first: Affine) -> Affine:
        """Return the map that does `first`, then this."""
        return Affine(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)

    @property
    def area(self) -> float:
        """By how much areas grow."""
        return float(abs(np.linalg.det(self.matrix)))

    @property
    def rotation(self) -> float:
        """Degrees by which the x axis turns towards y."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))


IDENTITY = Affine(np.eye(2), np.zeros(2))


def similarity(scale: float, rotation: float, offset: ArrayLike) -> Affine:
    """Return the map that scales, turns by `rotation` (degrees, x towards y), then shifts."""
    cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    return Affine(scale * np.array([[cosine, -sine], [sine, cosine]]), np.asarray(offset, dtype=np.float64))


def corners(nx: int, ny: int) -> NDArray[np.float64]:
    """Return the centres of the corner pixels, counter-clockwise from the first, shape (4, 2)."""
    return np.array([[0, 0], [nx - 1, 0], [nx - 1, ny - 1], [0, ny - 1]], dtype=np.float64)


def overlap(first: Affine, size: tuple[int, int], second: Affine, other: tuple[int, int]) -> float:
    """Return which part of a frame of `size` (nx, ny) another one covers, both mapped to common coordinates."""
    grid = np.stack(np.meshgrid(*(np.linspace(0, n - 1, 24) for n in size)), axis=-1).reshape(-1, 2)
    there = second.inverse()(first(grid))
    inside = (there >= -0.5) & (there <= np.array(other) - 0.5)
    return float(np.mean(inside.all(axis=1)))
