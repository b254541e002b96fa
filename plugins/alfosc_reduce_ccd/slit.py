"""The ends of the slit on a frame: beyond them no light arrives, and nothing may be learnt from those rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_ccd.lamp import nan_median

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

WINDOWS, LEAST_WINDOW = 16, 24
"""Into how many windows along the dispersion a frame is cut to find the ends, and the fewest columns of one."""
BRIGHT = 0.2
"""Windows fainter than this share of the brightest do not tell the ends: scattered light fills the dark rows there."""
HALF = 0.5
"""An end is where the light falls to this share of that inside."""
MARGIN = 2.0
"""Unbinned rows beside an end that are left out in any case: science frames shift against the flat."""
LOSS = 0.03
"""Rows next to an end that lost more light than this, against the slit further in, are left out too."""
_INSIDE = (40, 120)
_FEWEST_DARK = 3


@dataclass(frozen=True)
class SlitEnds:
    """The usable rows of each column.

    Attributes
    ----------
    first, last
        First and last row (0-based, inclusive) that the slit lights, shape (nx,).
    """

    first: NDArray[np.intp]
    last: NDArray[np.intp]

    def outside(self, ny: int) -> NDArray[np.bool_]:
        """Return true beyond the ends, shape (ny, nx)."""
        rows = np.arange(ny)[:, None]
        outside: NDArray[np.bool_] = (rows < self.first) | (rows > self.last)
        return outside


def slit_ends(light: NDArray[np.floating], margin: float = MARGIN) -> SlitEnds | None:
    """Find the ends of an evenly lit slit.

    In windows along the dispersion, the light along the slit is followed from the edge of the frame inward to where it
    reaches half of what it is inside. A straight line or a parabola through these places is the end; it is moved inward
    by as much as the light needs to come up to its level, and by a margin.

    Parameters
    ----------
    light
        Electrons of a flat (or of a sky), shape (ny, nx), dispersion along x; NaN where not usable.
    margin
        In rows.

    Returns
    -------
    SlitEnds or None
        None if the slit fills the frame: no row is left out then.
    """
    centres, profiles = _profiles(light)
    low = _end(centres, profiles, light.shape[1], margin)
    high = _end(centres, profiles[:, ::-1], light.shape[1], margin)
    if low is None and high is None:
        return None
    last = light.shape[0] - 1
    first = np.zeros(light.shape[1]) if low is None else np.clip(low, 0, last)
    final = np.full(light.shape[1], last) if high is None else last - np.clip(high, 0, last)
    return SlitEnds(np.ceil(first).astype(np.intp), np.floor(final).astype(np.intp))


def flag_ends(light: NDArray[np.floating], flags: NDArray[np.int16], header: Header) -> None:
    """Flag in place what lies beyond the ends of the slit, and write its rows in the middle column into the header.

    Parameters
    ----------
    light
        As for `slit_ends`.
    flags
        Flags of the frame, shape (ny, nx).
    header
        ``SLITROW1`` and ``SLITROW2``, 0-based, if an end is on the frame.
    """
    ends = slit_ends(light, MARGIN / abs(float(header.get("SLITSTEP", 1))))
    if ends is None:
        return
    flags[ends.outside(len(flags))] |= np.int16(Flag.OUTSIDE_FIELD)
    middle = light.shape[1] // 2
    header["SLITROW1"] = (int(ends.first[middle]), "first row (0-based) on the slit, middle column")
    header["SLITROW2"] = (int(ends.last[middle]), "last row on the slit, middle column")


def _profiles(light: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of the bright windows along x, and the light along the slit in each, 1 where it is bright."""
    window = max(light.shape[1] // WINDOWS, LEAST_WINDOW)
    starts = np.arange(0, max(1, light.shape[1] - window // 2), window)
    medians = np.stack([nan_median(light[:, start : start + window], 1) for start in starts])
    level = np.array([np.percentile(row[np.isfinite(row)], 75) if np.isfinite(row).any() else 0 for row in medians])
    bright = (level > 0) & (level >= BRIGHT * level.max())
    widths = np.minimum(window, light.shape[1] - starts)
    return (starts + (widths - 1) / 2)[bright], medians[bright] / level[bright, None]


def _end(
    centres: NDArray[np.float64], profiles: NDArray[np.float64], nx: int, margin: float
) -> NDArray[np.float64] | None:
    """Return the first row (a fraction) of each column that has its full light, counted from the start of `profiles`.

    None if there is no end, or it is not seen in most windows.
    """
    found = [(x, row, _reach(profile, row)) for x, profile in zip(centres, profiles, strict=True)
             if (row := _half_light(profile)) is not None]  # fmt: skip
    if len(found) == 0 or len(found) < 0.6 * len(centres):
        return None
    x, rows, reach = (np.array(column) for column in zip(*found, strict=True))
    return _line(x, rows, nx) + float(np.median(reach)) + margin


def _half_light(profile: NDArray[np.float64]) -> float | None:
    """Return where the light, from row 0 on, comes up to half of that inside; None if row 0 has it already."""
    known = np.flatnonzero(np.isfinite(profile))
    values = profile[known]
    lit = np.flatnonzero((values[:-1] > HALF) & (values[1:] > HALF))
    if lit.size == 0 or lit[0] < _FEWEST_DARK or known[lit[0]] > len(profile) // 2:
        return None
    above = lit[0]
    rise = values[above] - values[above - 1]
    return float(known[above] - (values[above] - HALF) / rise)


def _reach(profile: NDArray[np.float64], row: float) -> float:
    """Return how many rows inside the half light the light has come up to its level."""
    start = int(np.ceil(row))
    inner = profile[start : start + _INSIDE[1]]
    rows = np.arange(len(inner))
    far = (rows >= _INSIDE[0]) & np.isfinite(inner)
    if far.sum() < (_INSIDE[1] - _INSIDE[0]) // 2:
        return 0.0
    level = _robust_line(rows[far], inner[far])
    low = np.flatnonzero((inner < (1 - LOSS) * level(rows))[: _INSIDE[0]])
    # Dust on the slit is dark too: only what joins the end belongs to it.
    joined = low[low <= np.arange(low.size) + 1]
    return float(joined[-1] + 1) if joined.size else 0.0


def _robust_line(x: NDArray[np.intp], y: NDArray[np.float64]) -> np.polynomial.Polynomial:
    kept = np.ones(len(x), bool)
    for _ in range(4):
        line = np.polynomial.Polynomial.fit(x[kept], y[kept], 1)
        away = np.abs(y - line(x))
        kept = away <= 3 * 1.4826 * max(float(np.median(away)), 1e-6)
    return line


def _line(x: NDArray[np.float64], row: NDArray[np.float64], nx: int) -> NDArray[np.float64]:
    """Return the end at every column: a constant, line or parabola, by how much of the frame is known."""
    degree = 0 if len(x) < 4 else 1 if len(x) < 8 or np.ptp(x) < nx / 2 else 2
    kept = np.ones(len(x), bool)
    for _ in range(4):
        curve = np.polynomial.Polynomial.fit(x[kept], row[kept], degree, domain=[0, nx - 1])
        away = np.abs(row - curve(x))
        kept = away <= max(3 * 1.4826 * float(np.median(away)), 0.5)
    # Far from the last measured column a parabola would run away: it goes on straight.
    columns = np.arange(nx)
    inside = np.clip(columns, x.min(), x.max())
    return np.asarray(curve(inside) + curve.deriv()(inside) * (columns - inside))
