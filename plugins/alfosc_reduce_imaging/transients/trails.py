"""Pieces of the trail of a satellite: long sources that point at each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

LONG = 0.3
"""Least ellipticity of a piece."""
ANGLE = 12.0
"""Degrees by which the direction of a piece may miss that to another."""
PIECES = 2
"""Other pieces on the line that make a trail."""
OFF = 1.0
"""Seeing by which a piece may lie off the line through two others."""


def on_trail(sources: Table, loose: NDArray[np.bool_], seeing: float) -> NDArray[np.bool_]:
    """Say which sources are pieces of a trail, shape (n,).

    Parameters
    ----------
    sources
        With ``x``, ``y``, ``theta`` (degrees from +x towards +y) and ``ellipticity``.
    loose
        Those that no catalogue has.
    seeing
        Full width at half maximum in pixels.
    """
    found = np.zeros(len(sources), bool)
    rows = np.flatnonzero(loose & (numbers(sources, "ellipticity", missing=0.0) > LONG))
    if len(rows) <= PIECES or "theta" not in sources.colnames:
        return found
    x, y, theta = (numbers(sources, name)[rows] for name in ("x", "y", "theta"))
    towards = np.degrees(np.arctan2(y[:, None] - y, x[:, None] - x))
    agrees = _apart(towards, theta[:, None]) < ANGLE
    both = agrees & agrees.T & (_apart(theta[:, None], theta) < ANGLE)
    np.fill_diagonal(both, False)
    for i in np.flatnonzero(both.sum(axis=1) >= PIECES):
        others = np.flatnonzero(both[i])
        found[rows[i]] = _collinear(x[others] - x[i], y[others] - y[i], OFF * seeing)
    return found


def _collinear(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> bool:
    """Say whether the origin lies on a line through two of some points, to within `limit`."""
    cross = np.abs(x[:, None] * y - y[:, None] * x)
    length = np.hypot(x[:, None] - x, y[:, None] - y)
    return bool((cross[length > 0] < limit * length[length > 0]).any())


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle between two directions of lines in degrees, 0 to 90."""
    turn = np.abs(a - b) % 180
    return np.asarray(np.minimum(turn, 180 - turn))
