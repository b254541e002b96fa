"""How much better than chance a match of found lines to known ones is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 150.0
"""Detector pixels to either side over which known lines are counted to tell how likely a match by chance is."""
_STEEPNESS = 0.35
_SHARES = (0.3, 0.5, 0.7, 0.9)


def chance_of_partners(
    distance: NDArray[np.float64],
    strength: NDArray[np.float64],
    found: NDArray[np.intp],
    known: NDArray[np.intp],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the probability that a line somewhere in the arc has, by chance, as strong a partner as it has.

    Parameters
    ----------
    distance
        Of found lines from known ones in detector pixels, shape (n found, n known).
    strength
        Of the known lines, comparable with each other.
    found, known
        The matched pairs.
    tolerance
        Within which a pair was matched, in detector pixels.

    Returns
    -------
    NDArray
        Shape (n found,); 1 for lines without a partner.
    """
    result = np.ones(len(distance))
    near = distance[found] < REACH
    stronger = strength[None, :] >= strength[known][:, None]
    density = np.maximum((near & stronger).sum(axis=1) - 0.5, 0.5) / (2 * REACH)
    result[found] = 1 - np.exp(-2 * tolerance * density)
    return result


def odds_of_places(chance: NDArray[np.float64]) -> float:
    """Return the log odds of a set of chances: small ones expected of a right match, uniform ones of a wrong match.

    The share of lines that have a true partner is not known; the best of a few is taken, at a price.
    """
    density = _STEEPNESS * chance ** (_STEEPNESS - 1)
    return max(float(np.sum(np.log(1 - share + share * density))) for share in _SHARES) - 1.0


def odds_of_strengths(height: NDArray[np.float64], strength: NDArray[np.float64], ion: NDArray[np.str_]) -> float:
    """Return the log odds that heights follow the listed strengths, ion by ion, from their rank correlation."""
    total = 0.0
    for name in np.unique(ion):
        mine = ion == name
        count = int(mine.sum())
        if count < 5:
            continue
        a, b = _ranks(height[mine]), _ranks(strength[mine])
        correlation = float(np.clip(np.corrcoef(a, b)[0, 1], -0.97, 0.97)) if np.ptp(a) and np.ptp(b) else 0.0
        total -= np.sign(correlation) * 0.5 * (count - 3) * float(np.log1p(-(correlation**2)))
    return total


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: NDArray[np.float64] = (last - (counts - 1) / 2.0)[inverse]
    return result
