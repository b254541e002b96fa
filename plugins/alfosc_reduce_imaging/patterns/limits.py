"""Points in a plane as complex numbers, and what a search for a pattern among them allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Limits(NamedTuple):
    """What a match may be: tolerance and shift in the reference's unit, rotation in radians, scale as a fraction."""

    tolerance: float
    shift: float
    rotation: float
    scale: float
    flips: int = 1

    def reach(self, points: NDArray[np.complex128]) -> float:
        """Return half the diagonal of the box around the points (at least a few tolerances)."""
        finite = points[np.isfinite(points)]
        return max(0.5 * float(np.hypot(np.ptp(finite.real), np.ptp(finite.imag))), 5 * self.tolerance)

    def trials(self, reach: float, radius: float, askew: float = 0.0) -> float:
        """Return how many maps within the limits are different from each other.

        Parameters
        ----------
        reach
            Half size of the field.
        radius
            Maps differ if they move a point of the field by more than this.
        askew
            How much the two axes may differ in scale or direction, as a fraction.
        """
        across = max(1.0, 2 * self.shift / radius)
        turns, scales, shears = (
            max(1.0, 2 * part * reach / radius)
            for part in (min(self.rotation, np.pi), float(np.log1p(self.scale)), askew)
        )
        return float(across**2 * turns * scales * shears**2 * self.flips)


def as_complex(xy: ArrayLike) -> NDArray[np.complex128]:
    """Return x + iy of points (n, 2)."""
    values = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    return values[:, 0] + 1j * values[:, 1]


def as_plane(points: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return points x + iy as (n, 2)."""
    return np.stack([points.real, points.imag], axis=1)


def middle_of(points: NDArray[np.complex128]) -> complex:
    """Return the middle of the box around finite points."""
    finite = points[np.isfinite(points)]
    if not len(finite):
        return 0j
    return complex(0.5 * (finite.real.min() + finite.real.max()), 0.5 * (finite.imag.min() + finite.imag.max()))


def mirror(points: NDArray[np.complex128], middle: complex) -> NDArray[np.complex128]:
    """Reverse x about the middle."""
    return middle - np.conj(points - middle)
