"""From an arc to the wavelength of every pixel."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.arc_lines import FoundLines, find_lines
from alfosc_reduce_longslit.arc_lines_groups import KnownLines, expected_heights, group_lines
from alfosc_reduce_longslit.arc_lines_positions import Groups, Positions, Strips, fit_profile, measure_positions
from alfosc_reduce_longslit.arcs_strips import central_spectrum, cut_strips, lit_rows, name_of
from alfosc_reduce_longslit.identification import Identification, Pattern, identify
from alfosc_reduce_longslit.identification_expectation import (
    Axis,
    axis_of,
    expectation_of,
    known_lines,
    lamps_of,
)
from alfosc_reduce_longslit.line_profile import LineProfile
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.wavelength_fit import Points, WavelengthFit, fit_wavelengths, terms_at

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument

LEAST_SCORE = 20.0
LEAST_MARGIN = 12.0
FEWEST = 8
_WORST_ERROR = 0.15
log = logging.getLogger(__name__)


class SolveWavelengths(Step):
    """Find the wavelength of every pixel of a long-slit frame from an arc, without a person.

    Lines are found in the middle of the slit, matched to the lamps' lines within what the instrument knows of the
    grism, and then measured along the slit with the profile of the slit; blends are fitted as blends, saturated
    pixels are left out. A smooth map is fitted to all positions; its degree is the one that predicts lines best that
    were left out of the fit. An arc that cannot be identified beyond doubt is refused.
    """

    lamps: str = ""
    """Gases that shine in the arc, such as 'He+Ne', for frames whose header does not say."""

    def __call__(self, arc: CCDData, instrument: Instrument) -> WavelengthSolution:
        """Solve one arc; raises `DataError` where that is not possible beyond doubt."""
        return solve_wavelengths(arc, instrument, self.lamps)


@dataclass(frozen=True)
class Identified:
    """An arc whose lines are known: everything that measuring them needs."""

    axis: Axis
    found: FoundLines
    known: KnownLines
    match: Identification
    index: NDArray[np.intp]
    """Of the identified lines in `known`."""


def solve_wavelengths(arc: CCDData, instrument: Instrument, lamps: str = "") -> WavelengthSolution:
    """Return the wavelength map of an arc frame.

    Parameters
    ----------
    arc
        Oriented: dispersion along x, wavelength rising; saturated pixels flagged.
    instrument
        For the grism and the lines of the lamps.
    lamps
        As in `SolveWavelengths`.

    Raises
    ------
    DataError
        If the arc holds no light, no lamp is known, or its lines cannot be identified beyond doubt.
    """
    rows = lit_rows(arc)
    spectrum = central_spectrum(arc, rows)
    identified = identify_arc(spectrum, arc, instrument, lamps)
    strips = cut_strips(arc, rows)
    centre = cut_strips(arc, (max((sum(rows) // 2) - 10, rows[0]), min(sum(rows) // 2 + 11, rows[1])), 1)
    groups, leaders, doubt = blends(identified, arc.shape[1])
    profile = line_profile(centre, groups, leaders, identified)
    start = groups.x[:, None] + strip_shifts(strips, spectrum)[None, :]
    positions = measure_positions(strips, groups, start, profile)
    points = usable_points(positions, strips, identified.known.wavelength[leaders], doubt)
    scale = np.abs(np.gradient(wavelength_at(identified, np.arange(arc.shape[1], dtype=float))))
    fit = fit_wavelengths(points, arc.shape, np.interp(groups.x, np.arange(arc.shape[1]), scale))
    return solution_of(fit, points, identified, leaders, profile, arc.shape)


def identify_arc(
    spectrum: NDArray[np.float64], arc: CCDData, instrument: Instrument, lamps: str = ""
) -> Identified:
    """Find and identify the lines of an arc; raises `DataError` if in doubt."""
    disperser = instrument.disperser(arc.meta)
    known = known_lines(instrument, lamps_of(arc.meta, lamps))
    axis = axis_of(arc.meta, disperser, len(spectrum))
    found = find_lines(spectrum)
    if len(found) < FEWEST:
        raise DataError(
            f"arc {name_of(arc)}: only {len(found)} lines stand out, too few to identify (at least {FEWEST} are needed); "
            "was the lamp on, and is this the right grism?"
        )
    expectation = expectation_of(disperser, axis)
    limits = (axis.start, axis.start + axis.step * len(spectrum))
    index = likely_lines(known, expectation.wavelength(np.array(limits)), len(found))
    pattern = Pattern(
        axis.position(found.x), found.height, known.wavelength[index], known.strength[index], found.fwhm * axis.step, limits
    )
    match = identify(pattern, expectation)
    _check(match, arc, disperser.name, len(found))
    return Identified(axis, found, known, match, index[match.known])


def likely_lines(known: KnownLines, limits: NDArray[np.float64], found: int) -> NDArray[np.intp]:
    """Return the indices of the strongest known lines that may be on the detector, by wavelength."""
    margin = 0.25 * (limits[1] - limits[0])
    inside = np.flatnonzero((known.wavelength > limits[0] - margin) & (known.wavelength < limits[1] + margin))
    strongest = inside[np.argsort(-known.strength[inside], kind="stable")][: max(3 * found, 60)]
    return np.sort(strongest)


def _check(match: Identification, arc: CCDData, grism: str, found: int) -> None:
    if len(match.found) >= FEWEST and match.score >= LEAST_SCORE and match.margin >= LEAST_MARGIN:
        return
    raise DataError(
        f"arc {name_of(arc)}: its lines cannot be identified beyond doubt as {arc.meta.get('LAMP', 'the lamps')} through "
        f"{grism}: the best of all matches explains {len(match.found)} of {found} lines, with odds of e^{match.score:.0f} "
        f"against chance and e^{match.margin:.0f} against the next best (e^{LEAST_SCORE:.0f} and e^{LEAST_MARGIN:.0f} are "
        "needed). Check that grism and lamps in the header are what was in the beam, or leave this arc out"
    )


def wavelength_at(identified: Identified, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the wavelength at pixels of the middle row by the identification."""
    from numpy.polynomial.polynomial import polyval

    result: NDArray[np.float64] = polyval(identified.axis.position(x) / 1000.0, identified.match.coefficients)
    return result


def blends(identified: Identified, nx: int) -> tuple[Groups, NDArray[np.intp], NDArray[np.float64]]:
    """Return the blends on the detector, the known line that leads each, and the doubt in its centre in pixels."""
    grid = np.arange(-20.0, nx + 20.0)
    known, found, match = identified.known, identified.found, identified.match
    x = np.interp(known.wavelength, wavelength_at(identified, grid), grid, left=np.nan, right=np.nan)
    height = expected_heights(known, identified.index, found.height[match.found])
    x[identified.index] = found.x[match.found]
    measured = np.zeros(len(known), bool)
    measured[identified.index] = True
    here = np.flatnonzero((x > 3) & (x < nx - 4))
    here = here[np.argsort(x[here])]
    groups, leaders, doubt = group_lines(x[here], height[here], measured[here], found.fwhm)
    return groups, here[leaders], doubt


def line_profile(
    centre: Strips, groups: Groups, leaders: NDArray[np.intp], identified: Identified
) -> LineProfile:
    """Measure the profile on the lines of the middle of the slit that stand alone."""
    alone = ~np.isfinite(groups.offset[:, 1])
    if not alone.any():
        alone[:] = True
    some = Groups(groups.x[alone], groups.offset[alone])
    return fit_profile(centre, some, some.x[:, None], identified.found.fwhm)


def strip_shifts(strips: Strips, spectrum: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shift of each strip from the central spectrum in pixels, a smooth curve along the slit."""
    from numpy.polynomial.polynomial import Polynomial

    reach = 12
    reference = np.sqrt(np.maximum(spectrum, 0))
    data = np.sqrt(np.maximum(strips.data, 0))
    lags = np.arange(-reach, reach + 1)
    cut = slice(reach, -reach)
    value = np.array([[np.dot(np.roll(reference, lag)[cut], row[cut]) for lag in lags] for row in data])
    peak = np.clip(value.argmax(axis=1), 1, len(lags) - 2)
    row = np.arange(len(data))
    left, top, right = value[row, peak - 1], value[row, peak], value[row, peak + 1]
    shift = lags[peak] + 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-30)
    if len(shift) < 6:
        return shift - np.median(shift)
    good = np.abs(shift - np.median(shift)) < 8
    result: NDArray[np.float64] = Polynomial.fit(strips.y[good], shift[good], 3)(strips.y)
    return result


def usable_points(
    positions: Positions, strips: Strips, wavelength: NDArray[np.float64], doubt: NDArray[np.float64]
) -> Points:
    """Return the positions that are good enough to fit, with errors that own up to a profile that does not fit."""
    error = positions.error * np.maximum(positions.chi, 1)
    error = np.where((error < _WORST_ERROR) & (doubt < 0.1)[:, None], error, np.inf)
    return Points(positions.x, error, strips.y, wavelength, doubt)


def solution_of(
    fit: WavelengthFit,
    points: Points,
    identified: Identified,
    leaders: NDArray[np.intp],
    profile: LineProfile,
    shape: tuple[int, int],
) -> WavelengthSolution:
    """Return the fit as the product that other steps use."""
    used = fit.lines_used
    wavelengths = points.wavelength[used]
    return WavelengthSolution(
        coefficients=fit.coefficients,
        x_domain=(0.0, float(shape[1] - 1)),
        y_domain=(0.0, float(max(shape[0] - 1, 1))),
        lines=line_table(fit, points, identified, leaders),
        wavelengths=(float(wavelengths.min()), float(wavelengths.max())),
        rms=fit.rms,
        fwhm=profile.fwhm,
        shape=(int(shape[0]), int(shape[1])),
    )


def line_table(
    fit: WavelengthFit, points: Points, identified: Identified, leaders: NDArray[np.intp]
) -> QTable:
    """Return the lines that were measured."""
    import astropy.units as u
    from astropy.table import QTable

    middle = points.x.shape[1] // 2
    count = np.maximum(fit.used.sum(axis=1), 1)
    table = QTable()
    table["wavelength"] = points.wavelength * u.Angstrom
    table["ion"] = identified.known.ion[leaders]
    table["x"] = points.x[:, middle]
    table["residual"] = np.where(fit.used, fit.residual, 0).sum(axis=1) / count
    table["left_out"] = fit.left_out
    table["used"] = fit.lines_used
    table.meta.update(
        score=identified.match.score,
        margin=identified.match.margin,
        found=len(identified.found),
        identified=len(identified.match.found),
        leave_one_out=fit.leave_one_out,
        degree=[fit.degree.x, fit.degree.y, fit.degree.tilt],
    )
    return table
