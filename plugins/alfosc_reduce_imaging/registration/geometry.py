"""Linear maps of the plane: where the pixels of one frame lie on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


STRAIGHT = np.zeros((2, 3))
"""No bend."""


class PixelMap(NamedTuple):
    """The map p -> matrix . p + offset + bend . (x^2, x y, y^2) of points p = (x, y).

    Attributes
    ----------
    matrix
        Shape (2, 2).
    offset
        Shape (2,).
    bend
        Shape (2, 3): what the distortion of a camera leaves between frames that point elsewhere; mostly 0.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    bend: NDArray[np.float64] = STRAIGHT

    def __call__(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Return points, shape (..., 2), mapped."""
        points = np.asarray(xy, dtype=np.float64)
        found = points @ self.matrix.T + self.offset
        return np.asarray(found if not self.bend.any() else found + squares(points) @ self.bend.T)

    @property
    def straight(self) -> PixelMap:
        """The map without its bend."""
        return self._replace(bend=STRAIGHT)

    def inverse(self) -> PixelMap:
        """Return the map back, without the bend; see `inverse_over`."""
        matrix = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return PixelMap(matrix, -matrix @ self.offset)

    def inverse_over(self, size: tuple[int, int]) -> PixelMap:
        """Return the map back of a frame of `size` (nx, ny), its bend to the second order."""
        if not self.bend.any():
            return self.inverse()
        x, y = (np.linspace(0, n - 1, 12) for n in size)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        return fit_quadratic(self(points), points, np.ones(len(points)))

    def after(self, first: PixelMap) -> PixelMap:
        """Return the map that does `first`, then this, without their bends."""
        return PixelMap(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)

    def from_pixel(self, x0: float, y0: float) -> PixelMap:
        """Return this map for points counted from (x0, y0)."""
        slope = self.bend @ np.array([[2 * x0, 0], [y0, x0], [0, 2 * y0]])
        return PixelMap(self.matrix + slope, self([[x0, y0]])[0], self.bend)

    def area_at(self, x: float, y: float) -> float:
        """By how much areas grow there."""
        return float(abs(np.linalg.det(self.from_pixel(x, y).matrix)))

    @property
    def area(self) -> float:
        """By how much areas grow at the first pixel; everywhere if there is no bend."""
        return self.area_at(0.0, 0.0)

    @property
    def rotation(self) -> float:
        """Degrees by which the x axis turns towards y."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))


def squares(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x^2, x y, y^2 of points, shape (..., 3)."""
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * x, x * y, y * y], axis=-1)


def fit_quadratic(points: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]) -> PixelMap:
    """Return the map of second order through pairs of points, by weighted least squares about their middle."""
    centre = np.average(points, axis=0, weights=weights)
    arm = points - centre
    reach = max(float(np.abs(arm).max()), 1e-9)
    terms = np.column_stack([np.ones(len(arm)), arm / reach, squares(arm / reach)])
    root = np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(terms * root, targets * root, rcond=None)[0]
    about = PixelMap(found[1:3].T / reach, found[0], found[3:].T / reach**2)
    return about.from_pixel(*(-centre))


IDENTITY = PixelMap(np.eye(2), np.zeros(2))


def similarity(scale: float, rotation: float, offset: ArrayLike) -> PixelMap:
    """Return the map that scales, turns by `rotation` (degrees, x towards y), then shifts."""
    cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    return PixelMap(scale * np.array([[cosine, -sine], [sine, cosine]]), np.asarray(offset, dtype=np.float64))


def corners(nx: int, ny: int) -> NDArray[np.float64]:
    """Return the centres of the corner pixels, counter-clockwise from the first, shape (4, 2)."""
    return np.array([[0, 0], [nx - 1, 0], [nx - 1, ny - 1], [0, ny - 1]], dtype=np.float64)


def overlap(first: PixelMap, size: tuple[int, int], second: PixelMap, other: tuple[int, int]) -> float:
    """Return which part of a frame of `size` (nx, ny) another one covers, both mapped to common coordinates."""
    grid = np.stack(np.meshgrid(*(np.linspace(0, n - 1, 24) for n in size)), axis=-1).reshape(-1, 2)
    there = second.inverse()(first(grid))
    inside = (there >= -0.5) & (there <= np.array(other) - 0.5)
    return float(np.mean(inside.all(axis=1)))
