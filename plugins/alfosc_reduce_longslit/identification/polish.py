"""The last touch to an identification: partners must also be about as bright as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.identification.score import levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 0.6
"""Typical disagreement of a line's height with the list, in powers of ten."""
WORST = 1.2
"""Largest one that is believed."""


def brightness_misfit(
    height: NDArray[np.float64],
    strength: NDArray[np.float64],
    ion: NDArray[np.str_],
    found: NDArray[np.intp],
    known: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return how far the heights of found lines are from those expected of known ones, in powers of ten.

    Parameters
    ----------
    height
        Of all found lines, shape (n,).
    strength, ion
        Of all known lines, shape (m,).
    found, known
        Pairs that are matched already: they tell how bright each gas is.

    Returns
    -------
    NDArray
        Shape (n, m).
    """
    level = levels(height, strength, ion, found, known)
    expected = np.log10(np.maximum(strength, 1e-30)) + level
    result: NDArray[np.float64] = np.log10(np.maximum(height, 1e-30))[:, None] - expected[None, :]
    return result


def partners(
    distance: NDArray[np.float64], misfit: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs (found, known) that are each other's best in distance and brightness.

    Parameters
    ----------
    distance
        In detector pixels, shape (n, m); NaN never matches.
    misfit
        In powers of ten, same shape.
    tolerance
        Largest distance.
    """
    allowed = (distance <= tolerance) & (np.abs(misfit) < WORST)
    cost = np.where(allowed, np.square(distance / tolerance) + np.square(misfit / SPREAD), np.inf)
    best = cost.argmin(axis=1)
    rows = np.arange(len(cost))
    good = np.isfinite(cost[rows, best]) & (cost.argmin(axis=0)[best] == rows)
    return np.flatnonzero(good), best[good]
