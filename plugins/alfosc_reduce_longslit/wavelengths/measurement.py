"""From identified lines to a wavelength map: which blends to measure, their places, the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.lines.finding import background
from alfosc_reduce_longslit.lines.groups import (
    INSEPARABLE,
    KnownLines,
    group_lines,
    heights_of,
    merge_close,
)
from alfosc_reduce_longslit.lines.positions import (
    Groups,
    Positions,
    Strips,
    fit_profile,
    measure_positions,
    with_core,
)
from alfosc_reduce_longslit.lines.strips import central_spectrum, cut_strips, lit_rows
from alfosc_reduce_longslit.wavelengths.fit import Anchors, Points, WavelengthFit, fit_wavelengths

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.identification.identified import IdentifiedArc
    from alfosc_reduce_longslit.lines.profile import LineProfile

WORST_ERROR = 0.024
"""Positions with a larger error, in line widths, are not used."""
WORST_DOUBT = 0.019
"""Lines whose wavelength is more uncertain than this, in line widths, are not used."""
BRIGHT = 12.0
"""Lines with less light than this many times its noise in the middle of the slit are not measured."""
PROFILE_STRIPS, PROFILE_LINES = 6, 24
"""Strips along the slit on which the profile is measured, and on how many blends at most."""
WHOLE = 0.5
"""Blends whose leader's core is good in a larger share of these strips tell the profile."""
ANCHOR_STEP, ANCHOR_ERROR = 0.04, 2.0
"""Beyond the last measured lines the identified scale is believed, each so many widths of the frame, to so many pixels
and a fiftieth of the distance."""


@dataclass(frozen=True)
class ArcStrips:
    """An arc cut for measuring.

    Attributes
    ----------
    strips
        Along the slit.
    centre
        One strip in the middle.
    spectrum
        Of the middle rows.
    shift
        Of each strip against the middle, in pixels.
    shape
        Of the frame.
    """

    strips: Strips
    centre: Strips
    spectrum: NDArray[np.float64]
    shift: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def middle(self) -> float:
        """The middle row."""
        return float(self.centre.y[0])


@dataclass(frozen=True)
class MeasuredLines:
    """Blends, where they lie, and the map through them.

    Attributes
    ----------
    lines
        The known lines that lead the blends.
    members
        How many lines each blend holds.
    groups
        The blends.
    points, fit
        Positions and the map.
    profile
        Of a line.
    """

    lines: KnownLines
    members: NDArray[np.intp]
    groups: Groups
    points: Points
    fit: WavelengthFit
    profile: LineProfile


def cut_arc(arc: CCDData) -> ArcStrips:
    """Return an arc cut into strips; raises `DataError` if there is no light."""
    rows = lit_rows(arc)
    spectrum = central_spectrum(arc, rows)
    strips = cut_strips(arc, rows)
    middle = sum(rows) // 2
    centre = cut_strips(arc, (max(middle - 10, rows[0]), min(middle + 11, rows[1])), 1)
    return ArcStrips(strips, centre, spectrum, strip_shifts(strips, spectrum), (int(arc.shape[0]), int(arc.shape[1])))


def measure_arc(arc: ArcStrips, identified: IdentifiedArc) -> MeasuredLines:
    """Measure the identified lines, then, on the map they give, all lines of the lamps as blends.

    Parameters
    ----------
    arc
        The arc.
    identified
        Its lines.
    """
    match, found = identified.match, identified.found
    lines = _with_unknown(identified.lines.take(match.known), len(found) - len(match.found))
    x = np.concatenate([found.x[match.found], identified.unidentified()])
    height = np.concatenate([found.height[match.found], np.delete(found.height, match.found)])
    first = _measured(arc, identified, lines, x, height, np.ones(len(x), bool), found.fwhm)
    lines, x = _all_lines(arc, identified, first)
    continuum = background(arc.spectrum, first.profile.fwhm)
    light, noise = heights_of(x, arc.centre, first.profile, continuum)
    return _measured(arc, identified, lines, x, light, light > BRIGHT * noise, first.profile.fwhm, listed=True)


def _with_unknown(lines: KnownLines, count: int) -> KnownLines:
    """Append lines of unknown origin: their light counts, their wavelength is NaN."""
    return KnownLines(
        np.append(lines.wavelength, np.full(count, np.nan)),
        np.append(lines.strength, np.zeros(count)),
        np.append(lines.ion, np.full(count, "?")),
        np.append(lines.doubt, np.zeros(count)),
    )


def _all_lines(
    arc: ArcStrips, identified: IdentifiedArc, first: MeasuredLines
) -> tuple[KnownLines, NDArray[np.float64]]:
    """Return every line of the lamps on the detector, and unknown ones away from them, with their pixels, rising."""
    pixel = np.arange(arc.shape[1], dtype=np.float64)
    wave, scale = first.fit.wavelength(pixel, arc.middle, arc.shape), _dispersion(arc, identified)
    known = identified.known
    known = known.take(np.flatnonzero((known.wavelength > wave[2]) & (known.wavelength < wave[-3])))
    known = merge_close(known, INSEPARABLE * first.profile.fwhm * np.interp(known.wavelength, wave, scale))
    x = np.interp(known.wavelength, wave, pixel)
    unknown = identified.unidentified()
    apart = np.min(np.abs(unknown[:, None] - x[None, :]), axis=1, initial=np.inf) > first.profile.fwhm
    inside = (unknown > 2) & (unknown < arc.shape[1] - 3)
    x = np.concatenate([x, unknown[apart & inside]])
    order = np.argsort(x)
    return _with_unknown(known, int((apart & inside).sum())).take(order), x[order]


def _dispersion(arc: ArcStrips, identified: IdentifiedArc) -> NDArray[np.float64]:
    """Return Angstrom a pixel as identified, shape (nx,)."""
    return np.gradient(identified.wavelength(np.arange(arc.shape[1], dtype=np.float64)))


def _measured(
    arc: ArcStrips,
    identified: IdentifiedArc,
    lines: KnownLines,
    x: NDArray[np.float64],
    light: NDArray[np.float64],
    worthy: NDArray[np.bool_],
    fwhm: float,
    *,
    listed: bool = False,
) -> MeasuredLines:
    """Group lines, measure the blends with a profile measured on lines that stand alone, and fit the map."""
    order = np.argsort(x)
    lines, x, light, worthy = lines.take(order), x[order], light[order], worthy[order]
    groups, leaders = group_lines(x, light, worthy, fwhm, lines if listed else None)
    profile = _profile(arc, groups, light[leaders], fwhm)
    positions = measure_positions(arc.strips, groups, groups.x[:, None] + arc.shift[None, :], profile)
    lines = lines.take(leaders)
    local = np.interp(groups.x, np.arange(arc.shape[1]), _dispersion(arc, identified))
    points = _points(positions, arc.strips, lines, lines.doubt / local, profile.fwhm)
    measured = np.isfinite(points.error).all(axis=1)
    fit = fit_wavelengths(points, arc.shape, local, _anchors(arc, identified, groups.x[measured]))
    return MeasuredLines(lines, np.isfinite(groups.offset).sum(axis=1), groups, points, fit, profile)


def _anchors(arc: ArcStrips, identified: IdentifiedArc, lines: NDArray[np.float64]) -> Anchors:
    """Return what the identified scale says beyond the first and last of the lines at pixels `lines`."""
    nx = arc.shape[1]
    place = np.arange(0.0, nx, max(ANCHOR_STEP * nx, 1.0))
    first, last = (lines.min(), lines.max()) if lines.size else (0.0, float(nx))
    away = np.maximum(first - place, place - last)
    place, away = place[away > 0], away[away > 0]
    strips = np.array([0, len(arc.strips.y) // 2, len(arc.strips.y) - 1])
    x = place[:, None] + arc.shift[strips]
    error = (
        (ANCHOR_ERROR + away / 50)
        * np.sqrt(len(strips))
        * np.interp(place, np.arange(nx), _dispersion(arc, identified))
    )
    wavelength, error, y = np.broadcast_arrays(
        identified.wavelength(place)[:, None], error[:, None], arc.strips.y[strips]
    )
    return Anchors(x.ravel(), y.ravel(), wavelength.ravel(), error.ravel())


def _points(positions: Positions, strips: Strips, lines: KnownLines, doubt: NDArray[np.float64], fwhm: float) -> Points:
    """Return the positions that are good enough to fit, with errors that own up to a profile that does not fit."""
    error = positions.error * np.maximum(positions.chi, 1)
    sure = np.isfinite(lines.wavelength) & (doubt < WORST_DOUBT * fwhm)
    error = np.where((error < WORST_ERROR * fwhm) & sure[:, None], error, np.inf)
    return Points(positions.x, error, strips.y, np.nan_to_num(lines.wavelength), doubt)


def _profile(arc: ArcStrips, groups: Groups, light: NDArray[np.float64], fwhm: float) -> LineProfile:
    """Measure the profile on the brightest of the blends whose cores are not saturated."""
    strips = arc.strips.some(PROFILE_STRIPS)
    start = groups.x[:, None] + np.interp(strips.y, arc.strips.y, arc.shift)[None, :]
    whole = with_core(strips, start, fwhm).mean(axis=1) > WHOLE
    worth = np.where(whole, light, light - light.max())
    bright = np.sort(np.argsort(-worth)[: int(np.clip(whole.sum() // 2, 1, PROFILE_LINES))])
    return fit_profile(strips, groups.take(bright), start[bright], fwhm)


def strip_shifts(strips: Strips, spectrum: NDArray[np.float64], reach: int = 12) -> NDArray[np.float64]:
    """Return the shift of each strip from the central spectrum in pixels, a smooth curve along the slit.

    Parameters
    ----------
    strips
        Of the arc.
    spectrum
        Of its middle, shape (nx,).
    reach
        Largest shift looked for.
    """
    from numpy.polynomial.polynomial import Polynomial

    reference = np.sqrt(np.maximum(spectrum, 0))
    data = np.sqrt(np.maximum(strips.data, 0))[:, reach:-reach]
    lags = np.arange(-reach, reach + 1)
    moved = np.stack([np.roll(reference, lag)[reach:-reach] for lag in lags])
    value = data @ moved.T
    peak = np.clip(value.argmax(axis=1), 1, len(lags) - 2)
    row = np.arange(len(data))
    left, top, right = value[row, peak - 1], value[row, peak], value[row, peak + 1]
    shift = lags[peak] + 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-30)
    if len(shift) < 6:
        return np.asarray(shift - np.median(shift), np.float64)
    good = np.abs(shift - np.median(shift)) < reach - 2
    result: NDArray[np.float64] = Polynomial.fit(strips.y[good], shift[good], 3)(strips.y)
    return result
