"""Blends: known lines that a spectrograph of this resolution cannot tell apart are measured together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.arc_lines_positions import MEMBERS, Groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAINTEST = 0.02
"""Neighbours expected to be fainter than this share of a line are left out of its blend."""
NEAREST = 0.45
"""Members closer than this share of the line width cannot be told apart at all."""


@dataclass(frozen=True)
class KnownLines:
    """Lines of the lamps by rising wavelength.

    Attributes
    ----------
    wavelength
        Vacuum, Angstrom, shape (n,).
    strength
        Relative within an ion, shape (n,).
    ion
        Names, shape (n,).
    """

    wavelength: NDArray[np.float64]
    strength: NDArray[np.float64]
    ion: NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.wavelength)


def expected_heights(
    lines: KnownLines, identified: NDArray[np.intp], height: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the heights of all known lines expected from those identified, ion by ion.

    Parameters
    ----------
    lines
        All known lines.
    identified
        Indices of those found in the arc.
    height
        Their heights.
    """
    expected = np.zeros(len(lines))
    for ion in np.unique(lines.ion):
        mine = lines.ion[identified] == ion
        if mine.any():
            ratio = height[mine] / lines.strength[identified[mine]]
            expected[lines.ion == ion] = np.median(ratio) * lines.strength[lines.ion == ion]
    expected[identified] = height
    return expected


def group_lines(
    x: NDArray[np.float64], height: NDArray[np.float64], measured: NDArray[np.bool_], fwhm: float
) -> tuple[Groups, NDArray[np.intp], NDArray[np.float64]]:
    """Gather lines into blends.

    Parameters
    ----------
    x
        Pixels of all known lines on the detector, rising, shape (n,).
    height
        Expected heights.
    measured
        True for lines that were found; each leads a blend unless a stronger one nearby does.
    fwhm
        Line width in pixels.

    Returns
    -------
    Groups
        The blends.
    NDArray
        Indices of the leaders among the lines.
    NDArray
        Systematic error of the leader's centre from members too close to be told apart, in pixels.
    """
    taken = np.zeros(len(x), bool)
    leaders: list[int] = []
    offsets: list[NDArray[np.float64]] = []
    doubt: list[float] = []
    for leader in np.flatnonzero(measured)[np.argsort(-height[measured], kind="stable")]:
        if taken[leader]:
            continue
        near = np.flatnonzero((np.abs(x - x[leader]) < 1.1 * fwhm) & ~taken & (height > FAINTEST * height[leader]))
        offset = x[near] - x[leader]
        blurred = (np.abs(offset) < NEAREST * fwhm) & (near != leader)
        members = near[~blurred & (near != leader)]
        members = members[np.argsort(-height[members], kind="stable")][: MEMBERS - 1]
        taken[near[np.isin(near, members) | blurred | (near == leader)]] = True
        row = np.full(MEMBERS, np.nan)
        row[: len(members) + 1] = np.concatenate([[0.0], x[members] - x[leader]])
        share = height[near] / height[near].sum()
        leaders.append(int(leader))
        offsets.append(row)
        doubt.append(float(np.sum(share * np.abs(offset) * blurred)))
    order = np.argsort(x[leaders])
    found = np.array(leaders, np.intp)[order]
    return Groups(x[found], np.array(offsets).reshape(-1, MEMBERS)[order]), found, np.array(doubt)[order]
