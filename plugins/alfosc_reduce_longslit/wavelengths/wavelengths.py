"""From an arc to the wavelength of every pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import usable, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.identification.arc import identify_arc
from alfosc_reduce_longslit.identification.identified import IdentifiedArc
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.wavelengths.measurement import MeasuredLines, cut_arc, measure_arc
from alfosc_reduce_longslit.wavelengths.width import widths_along

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument


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

    def figures(self, result: WavelengthSolution, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the arc with its lines, the residuals, and how the lines run along the slit."""
        from alfosc_reduce_longslit.wavelengths import figures as wavelength_figures

        arc = inputs.get("arc")
        if arc is not None:
            yield "lines", wavelength_figures.identified_lines(result, cut_arc(arc).spectrum, arc.meta)
        yield "residuals", wavelength_figures.residuals(result)
        yield "tilt", wavelength_figures.tilt(result)

    def quality(self, result: WavelengthSolution, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how many lines, how well they fit and predict each other, degree, width, resolution and range."""
        return quality_of(result)


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
        If the arc holds no light or no variance, no lamp is known, or its lines cannot be identified beyond doubt.
    """
    if not np.isfinite(variance_of(arc)[usable(arc)]).any():
        name = arc.meta.get("FILENAME", "arc")
        raise DataError(f"{name}: no usable pixel with a variance to find lines in; run correct_frame first")
    strips = cut_arc(arc)
    identified = identify_arc(strips.spectrum, arc.meta, instrument, lamps)
    measured = measure_arc(strips, identified)
    solution = solution_of(measured, identified, strips.shape, widths_along(strips, measured))
    time = arc.meta.get("MJD-AVG")
    return solution if time is None else replace(solution, time=float(time))


def solution_of(
    measured: MeasuredLines, identified: IdentifiedArc, shape: tuple[int, int], widths: NDArray[np.float64]
) -> WavelengthSolution:
    """Return the fit, with the line width in pixels at each column, as the product that other steps use."""
    fit = measured.fit
    columns, middle = np.arange(shape[1], dtype=np.float64), (shape[0] - 1) / 2
    wavelengths = measured.points.wavelength[fit.lines_used]
    return WavelengthSolution(
        coefficients=fit.coefficients,
        x_domain=(0.0, float(shape[1] - 1)),
        y_domain=(0.0, float(max(shape[0] - 1, 1))),
        lines=line_table(measured, identified),
        wavelengths=(float(wavelengths.min()), float(wavelengths.max())),
        rms=fit.rms,
        fwhm=measured.profile.fwhm,
        shape=shape,
        error=fit.error(columns, middle, shape),
        resolution=widths * np.abs(np.gradient(fit.wavelength(columns, middle, shape))),
        points=point_table(measured),
    )


def quality_of(solution: WavelengthSolution) -> dict[str, float | int | str | bool | None]:
    """Return the numbers that tell how good a solution is, by stable names."""
    middle = (solution.shape[1] - 1) / 2
    here, beside = solution([middle, middle + 1], (solution.shape[0] - 1) / 2)
    width = float(solution.resolution_at(here))
    meta = solution.lines.meta
    return {
        "n_lines": int(np.sum(solution.lines["used"])),
        "n_measured": len(solution.lines),
        "rms_px": solution.rms,
        "rms_angstrom": solution.rms * float(beside - here),
        "leave_one_out_px": float(meta["leave_one_out"]),
        "degree_x": int(meta["degree"][0]),
        "degree_y": int(meta["degree"][1]),
        "degree_tilt": int(meta["degree"][2]),
        "fwhm_px": solution.fwhm,
        "fwhm_angstrom": width,
        "resolution": float(here) / width,
        "wavelength_first": solution.wavelengths[0],
        "wavelength_last": solution.wavelengths[1],
        "identification_score": float(meta["score"]),
        "identification_margin": float(meta["margin"]),
        "n_found": int(meta["found"]),
        "n_identified": int(meta["identified"]),
    }


def point_table(measured: MeasuredLines) -> QTable:
    """Return every measured position."""
    from astropy.table import QTable

    points, fit = measured.points, measured.fit
    line, strip = np.nonzero(np.isfinite(points.error))
    table = QTable()
    table["line"] = line.astype(np.int32)
    table["x"] = points.x[line, strip]
    table["y"] = points.y[strip]
    table["residual"] = fit.residual[line, strip]
    table["used"] = fit.used[line, strip]
    return table


def line_table(measured: MeasuredLines, identified: IdentifiedArc) -> QTable:
    """Return the lines that were measured."""
    import astropy.units as u
    from astropy.table import QTable

    fit, points = measured.fit, measured.points
    middle = points.x.shape[1] // 2
    count = np.maximum(fit.used.sum(axis=1), 1)
    table = QTable()
    table["wavelength"] = measured.lines.wavelength * u.Angstrom
    table["ion"] = measured.lines.ion
    table["members"] = measured.members
    table["x"] = points.x[:, middle]
    table["residual"] = np.where(fit.used, fit.residual, 0).sum(axis=1) / count
    table["left_out"] = fit.left_out
    table["used"] = fit.lines_used
    match = identified.match
    table.meta.update(
        object=identified.title,
        score=match.score,
        margin=match.margin,
        found=len(identified.found),
        identified=len(match.found),
        leave_one_out=fit.leave_one_out,
        profile=[measured.profile.width, measured.profile.blur],
        degree=[fit.degree.x, fit.degree.y, fit.degree.tilt],
    )
    return table
