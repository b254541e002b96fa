"""Blends: known lines that a spectrograph of this resolution cannot tell apart are measured together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.lines.positions import MEMBERS, Groups, Strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.lines.profile import LineProfile

FAINTEST = 0.003
"""Neighbours fainter than this share of a line are left out of its blend."""
INSEPARABLE = 0.3
"""Lines closer than this share of the line width count as one."""
UNEVEN, FOREIGN = 0.3, 1.0
"""Relative error of the ratio of two listed strengths, within an ion and between ions."""
LEAST_SLACK = 0.003
"""Smallest error of such a ratio."""
TIED = 1.15
"""Lines closer than this many line widths share one shift."""
SHADED = 2.2
"""Lines closer than this many line widths to one `OVERPOWERED` times as bright are measured with it, not alone."""
OVERPOWERED = 6.0


@dataclass(frozen=True)
class KnownLines:
    """Lines of the lamps by rising wavelength.

    Attributes
    ----------
    wavelength
        Vacuum, Angstrom, shape (n,).
    strength
        Relative, comparable within an ion, shape (n,).
    ion
        Names, shape (n,).
    doubt
        Error of the wavelength in Angstrom, from lines merged in unknown proportions, shape (n,).
    """

    wavelength: NDArray[np.float64]
    strength: NDArray[np.float64]
    ion: NDArray[np.str_]
    doubt: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.wavelength)

    def take(self, index: NDArray[np.intp]) -> KnownLines:
        """Return some of the lines."""
        return KnownLines(self.wavelength[index], self.strength[index], self.ion[index], self.doubt[index])

    def strongest(self, count: int) -> KnownLines:
        """Return at most so many of the lines, the strongest, by wavelength."""
        return self.take(np.sort(np.argsort(-self.strength, kind="stable")[:count]))


def joined(parts: list[KnownLines]) -> KnownLines:
    """Return the lines of all parts by wavelength."""
    columns = zip(*((one.wavelength, one.strength, one.ion, one.doubt) for one in parts), strict=True)
    whole = KnownLines(*(np.concatenate(column) for column in columns))
    return whole.take(np.argsort(whole.wavelength, kind="stable"))


def merge_close(lines: KnownLines, separation: NDArray[np.float64]) -> KnownLines:
    """Merge lines that lie closer than `separation` (Angstrom, shape (n,)) to a stronger one.

    The merged line lies at the mean weighted with the listed strengths; what their errors may shift it is its doubt.
    """
    home = np.full(len(lines), -1)
    for line in np.argsort(-lines.strength, kind="stable"):
        if home[line] < 0:
            near = (np.abs(lines.wavelength - lines.wavelength[line]) < separation[line]) & (home < 0)
            home[near] = line
    leaders, member = np.unique(home, return_inverse=True)
    weight = np.asarray(np.bincount(member, lines.strength), np.float64)
    mean = np.bincount(member, lines.strength * lines.wavelength) / weight
    alike = lines.ion == lines.ion[leaders][member]
    share = lines.strength / weight[member]
    apart = np.abs(lines.wavelength - lines.wavelength[leaders][member])
    pull = share * (1 - share) * apart * np.where(alike, UNEVEN, FOREIGN)
    doubt = np.hypot(lines.doubt[leaders], np.sqrt(np.bincount(member, np.square(pull))))
    order = np.argsort(mean)
    return KnownLines(mean[order], weight[order], lines.ion[leaders][order], doubt[order])


def heights_of(
    x: NDArray[np.float64], centre: Strips, profile: LineProfile, continuum: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the light of every line, all fitted to one spectrum at once and none negative, and its noise.

    Parameters
    ----------
    x
        Pixels of the lines, rising, shape (n,).
    centre
        One strip.
    profile
        Of a line.
    continuum
        Of the spectrum, shape (nx,).
    """
    from scipy.optimize import nnls

    pixel = np.arange(centre.data.shape[1])
    design = profile(pixel[:, None] - x[None, :])
    data = centre.data[0] - continuum
    noise = np.sqrt(centre.variance[0] + np.square(0.02 * data))
    weight = np.where(centre.good[0], 1 / noise, 1e-3 / noise)
    light, _ = nnls(design * weight[:, None], data * weight, maxiter=30 * len(x))
    error = 1 / np.sqrt(np.sum(np.square(design * weight[:, None]), axis=0) + 1e-30)
    return light, error


def group_lines(
    x: NDArray[np.float64],
    light: NDArray[np.float64],
    worthy: NDArray[np.bool_],
    fwhm: float,
    lines: KnownLines | None = None,
) -> tuple[Groups, NDArray[np.intp]]:
    """Gather lines into blends.

    Parameters
    ----------
    x
        Pixels of all lines, rising, shape (n,).
    light
        Of each line.
    worthy
        True for lines bright enough to lead a blend.
    fwhm
        Line width in pixels.
    lines
        Whose listed strengths tell how bright lines of one ion are side by side; without, their light does.

    Returns
    -------
    Groups
        The blends, by rising pixel of the leader.
    NDArray
        Indices of the leaders among the lines.
    """
    taken = np.zeros(len(x), bool)
    leaders: list[int] = []
    rows: list[tuple[NDArray[np.float64], ...]] = []
    for leader in np.flatnonzero(worthy)[np.argsort(-light[worthy], kind="stable")]:
        if taken[leader]:
            continue
        ratio, slack = _ratios(light, int(leader), lines)
        members = _members(x, ratio, int(leader), ~taken, fwhm)
        taken[members] = True
        leaders.append(int(leader))
        rows.append(tuple(_row(column[members]) for column in (x - x[leader], ratio, slack)))
    order = np.argsort(x[leaders])
    found = np.array(leaders, np.intp)[order]
    offset, ratio, slack = np.array(rows).reshape(-1, 3, MEMBERS)[order].swapaxes(0, 1)
    return Groups(x[found], offset, ratio, slack), found


def _ratios(
    light: NDArray[np.float64], leader: int, lines: KnownLines | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the light of every line over the leader's and its error, from the list for lines of the leader's ion."""
    ratio, uneven = light / light[leader], np.full(len(light), FOREIGN)
    if lines is not None and lines.strength[leader] > 0:
        alike = (lines.ion == lines.ion[leader]) & (lines.strength > 0)
        ratio = np.where(alike, lines.strength / lines.strength[leader], ratio)
        uneven = np.where(alike, UNEVEN, FOREIGN)
    return ratio, uneven * ratio + LEAST_SLACK


def _row(values: NDArray[np.float64]) -> NDArray[np.float64]:
    row = np.full(MEMBERS, np.nan)
    row[: len(values)] = values
    return row


def _members(
    x: NDArray[np.float64], ratio: NDArray[np.float64], leader: int, free: NDArray[np.bool_], fwhm: float
) -> NDArray[np.intp]:
    """Return the leader and the free lines that move with it, brightest first."""
    distance = np.abs(x - x[leader]) / fwhm
    tied = (distance < TIED) | ((distance < SHADED) & (ratio * OVERPOWERED < 1))
    near = np.flatnonzero(tied & free & (ratio > FAINTEST) & (np.arange(len(x)) != leader))
    near = near[np.argsort(-ratio[near], kind="stable")][: MEMBERS - 1]
    return np.concatenate([[leader], near]).astype(np.intp)
