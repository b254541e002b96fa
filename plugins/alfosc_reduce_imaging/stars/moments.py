"""Centres and shapes of stars from moments under a matched Gaussian weight, for all stars of a frame at once.

Adaptive moments as of Bernstein & Jarvis (2002) and Hirata & Seljak (2003): the weight takes the shape that it finds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ITERATIONS = 14
_SETTLED = 2e-3
_SMALLEST = 0.3
"""Smallest variance of the weight along an axis, square pixels: that of a single pixel."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Centres and shapes, each of shape (n,).

    Attributes
    ----------
    dx, dy
        Centre from that of the stamp, pixels.
    xx, xy, yy
        Covariance of the Gaussian that matches best, square pixels.
    dx_error, dy_error
        Standard errors of the centre.
    flux
        Of the matching Gaussian.
    settled
        False where the iteration ran away or did not end.
    """

    dx: NDArray[np.float64]
    dy: NDArray[np.float64]
    xx: NDArray[np.float64]
    xy: NDArray[np.float64]
    yy: NDArray[np.float64]
    dx_error: NDArray[np.float64]
    dy_error: NDArray[np.float64]
    flux: NDArray[np.float64]
    settled: NDArray[np.bool_]

    def __getitem__(self, chosen: NDArray[np.integer]) -> Moments:
        """Return those of some stars."""
        return Moments(*(getattr(self, one.name)[chosen] for one in fields(self)))

    @property
    def size(self) -> NDArray[np.float64]:
        """Geometric mean of the axes' standard deviations, pixels."""
        return np.asarray(np.maximum(self.xx * self.yy - self.xy**2, 0) ** 0.25)

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Standard deviations along the major and minor axis, pixels."""
        return axes_of(self.xx, self.xy, self.yy)


def axes_of(
    xx: NDArray[np.float64], xy: NDArray[np.float64], yy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard deviations along the major and minor axis of covariances."""
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return np.sqrt(np.maximum(mean + half, 0)), np.sqrt(np.maximum(mean - half, 0))


def angle_of(xx: NDArray[np.float64], xy: NDArray[np.float64], yy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle of the major axis of covariances, degrees from +x towards +y, -90 to 90."""
    return np.degrees(np.arctan2(2 * xy, xx - yy)) / 2


def adaptive_moments(stamps: NDArray[np.floating], variance: NDArray[np.floating], sigma: float) -> Moments:
    """Measure stars in the middle of stamps.

    Parameters
    ----------
    stamps
        Light above the background, shape (n, side, side).
    variance
        Of the light; same shape.
    sigma
        Standard deviation of the first weight, pixels.
    """
    n, side = len(stamps), stamps.shape[-1]
    basis = _basis(side)
    light = stamps.reshape(n, side * side).astype(np.float32, copy=False)
    state = np.tile(np.array([0, 0, sigma**2, 0, sigma**2], np.float64), (n, 1))
    change = np.ones(n)
    sums = np.zeros((n, 6))
    for _ in range(_ITERATIONS):
        active = change > _SETTLED
        if not active.any():
            break
        sums[active] = (_weights(state[active], basis) * light[active]) @ basis.T
        state[active], change[active] = _improved(state[active], sums[active], sigma, side)
    inside = np.hypot(state[:, 0], state[:, 1]) < side / 4
    settled = (change < 0.05) & inside & (sums[:, 0] > 0)
    return _with_errors(state, sums, variance.reshape(n, side * side), basis, settled)


def _basis(side: int) -> NDArray[np.float32]:
    """Return 1, x, y, xx, xy, yy of the pixels of a stamp, shape (6, side * side)."""
    offset = np.arange(side) - side // 2
    y, x = (grid.ravel() for grid in np.meshgrid(offset, offset, indexing="ij"))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).astype(np.float32)


def _weights(state: NDArray[np.float64], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Gaussian weights of shape (n, pixels) with centres and covariances in `state` (n, 5)."""
    x, y, xx, xy, yy = state.T
    det = xx * yy - xy**2
    a, b, c = yy / det, -xy / det, xx / det
    terms = np.stack([
        a * x * x + 2 * b * x * y + c * y * y, -2 * (a * x + b * y), -2 * (b * x + c * y), a, 2 * b, c,
    ], axis=1)  # fmt: skip
    return np.asarray(np.exp(-(terms / 2).astype(np.float32) @ basis), np.float32)


def _improved(
    state: NDArray[np.float64], sums: NDArray[np.float64], sigma: float, side: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the next state, and how far it went: of a Gaussian, the weighted moments are half its own."""
    x, y = state[:, 0], state[:, 1]
    total = np.where(sums[:, 0] > 0, sums[:, 0], np.inf)
    mx, my, mxx, mxy, myy = (sums[:, i] / total for i in range(1, 6))
    step = np.clip(2 * np.stack([mx - x, my - y], 1), -sigma, sigma)
    moved = np.clip(state[:, :2] + step, -side / 4, side / 4)
    xx, xy, yy = 2 * (mxx - mx * mx), 2 * (mxy - mx * my), 2 * (myy - my * my)
    largest = (side / 4) ** 2
    xx, yy = np.clip(xx, _SMALLEST, largest), np.clip(yy, _SMALLEST, largest)
    bound = 0.97 * np.sqrt(xx * yy)
    new = np.column_stack([moved, xx, np.clip(xy, -bound, bound), yy])
    new[sums[:, 0] <= 0] = state[sums[:, 0] <= 0]
    scale = np.sqrt(new[:, 2] + new[:, 4])
    change = np.abs(new[:, :2] - state[:, :2]).max(1) / scale
    return new, np.maximum(change, np.abs(new[:, 2:] - state[:, 2:]).max(1) / scale**2)


def _with_errors(
    state: NDArray[np.float64],
    sums: NDArray[np.float64],
    variance: NDArray[np.floating],
    basis: NDArray[np.float32],
    settled: NDArray[np.bool_],
) -> Moments:
    """Return the moments with the errors of the centre: those of twice the weighted mean offset."""
    weight = _weights(state, basis) ** 2 * variance
    power = weight @ basis.T
    x, y = state[:, 0], state[:, 1]
    total = np.where(sums[:, 0] > 0, sums[:, 0], np.inf)
    spread_x = power[:, 3] - 2 * x * power[:, 1] + x * x * power[:, 0]
    spread_y = power[:, 5] - 2 * y * power[:, 2] + y * y * power[:, 0]
    x_error, y_error = (2 * np.sqrt(np.maximum(spread, 0)) / total for spread in (spread_x, spread_y))
    # A Gaussian under its own weight gives half its flux.
    return Moments(x, y, state[:, 2], state[:, 3], state[:, 4], x_error, y_error, 2 * sums[:, 0], settled)
