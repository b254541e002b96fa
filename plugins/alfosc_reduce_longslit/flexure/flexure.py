"""Move an arc's wavelengths to the night-sky lines of an exposure."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.flexure.fit import FLOOR, UNIT, Drift, fit_drift
from alfosc_reduce_longslit.flexure.time import interpolated, two_around
from alfosc_reduce_longslit.night_sky.lines import sky_lines
from alfosc_reduce_longslit.night_sky.strips import cut_sky, profile_of
from alfosc_reduce_longslit.night_sky.windows import Offsets, measure_offsets, windows_of
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.sky.sky import check_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BEYOND = 0.01
"""How far beyond the arc's last lines, as a share of their range, sky lines are used: there the arc may be wrong."""
KNOWN, LAST = 0.015, 8950.0
_log = logging.getLogger(__name__)


class CorrectFlexure(Step):
    """Move an arc's wavelengths to the night-sky lines of an exposure.

    The spectrograph bends as the telescope moves, and an arc taken at another time does not fit by a tenth of a pixel.
    Lines of [OI], NaI, OH and O2 are fitted on the frame as it is, blends as blends, and a shift with a slope against
    wavelength is applied where they determine both, a shift where they determine no more, and nothing where the
    exposure is too short to tell or lines contradict each other; a tilt along the slit where lines lean against those
    of the arc. Where there is an arc of the target on either side of the exposure, within three hours of it, the
    wavelengths begin as those of the moment between them.
    """

    def __call__(
        self, image: CCDData, wavelengths: WavelengthSolution, around: list[WavelengthSolution] | None = None
    ) -> WavelengthSolution:
        """Return the wavelengths for this exposure; raises `DataError` if frame and arc do not belong together."""
        start = between_arcs(image, wavelengths, around)
        check_frame(image, start)
        try:
            offsets, known = measure_flexure(image, start)
        except DataError as error:
            _log.warning("%s", error)
            return start
        drift = fit_drift(offsets, known)
        _tell(image, drift, offsets)
        return moved(start, drift, drift_table(drift, offsets))

    def figures(self, result: WavelengthSolution, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the offsets of the sky lines against wavelength with what was fitted."""
        from alfosc_reduce_longslit.flexure.figures import offsets_figure

        if result.flexure is not None and inputs.get("image") is not None:
            yield "offsets", offsets_figure(result.flexure, inputs["image"])

    def quality(self, result: WavelengthSolution, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return what was applied and how well lines agree that did not take part in it."""
        return {"arcs": len(result.between) or 1, **(quality_of(result) if result.flexure is not None else {})}


def between_arcs(
    image: CCDData, nearest: WavelengthSolution, around: Sequence[WavelengthSolution] | None
) -> WavelengthSolution:
    """Return the wavelengths of the moment of an exposure between two arcs; `nearest` where there are no two."""
    time = float(image.header.get("MJD-AVG", np.nan))
    two = two_around(around or (), time if np.isfinite(time) else None)
    found = interpolated(two[0], two[1], time) if two else None
    if found is None:
        return nearest
    parts = " and ".join(f"{100 * weight:.0f} % {name}" for name, weight in found.between)
    _log.info("%s: wavelengths between two arcs: %s.", image.header.get("FILENAME", "frame"), parts)
    return found


def measure_flexure(image: CCDData, wavelengths: WavelengthSolution) -> tuple[Offsets, NDArray[np.float64]]:
    """Return the offsets of the sky lines from the arc's wavelengths, and the arc's own error there, in pixels.

    Raises `DataError` if no row shows the sky alone.

    Parameters
    ----------
    image
        Electrons, with its sky and its variance.
    wavelengths
        From an arc.
    """
    strips = cut_sky(image)
    pixel = np.arange(image.shape[1], dtype=np.float64)
    waves = wavelengths(pixel[None, :], strips.y[:, None])
    middle = waves[len(waves) // 2]
    scale = np.abs(np.gradient(middle))
    lines = sky_lines()
    rising = slice(*_rising(middle))
    limits = _limits(wavelengths, middle[rising])
    windows = windows_of(lines, limits, wavelengths.fwhm * float(np.median(scale)))
    offsets = measure_offsets(strips, waves, lines, windows, profile_of(wavelengths))
    if not len(wavelengths.error):
        return offsets, np.zeros(len(windows))
    return offsets, np.interp(offsets.wavelength, middle[rising], (wavelengths.error / np.maximum(scale, 1e-9))[rising])


def _limits(wavelengths: WavelengthSolution, middle: NDArray[np.float64]) -> tuple[float, float]:
    """Return the wavelengths between which lines may be measured: on the frame, and hardly beyond the arc's lines."""
    margin = BEYOND * (wavelengths.wavelengths[1] - wavelengths.wavelengths[0])
    first, last = wavelengths.wavelengths[0] - margin, wavelengths.wavelengths[1] + margin
    return max(first, float(middle.min())), min(last, float(middle.max()))


def _rising(wave: NDArray[np.float64]) -> tuple[int, int]:
    """Return the first and last + 1 column between which the wavelength rises; a polynomial may turn at the ends."""
    falling, middle = np.flatnonzero(np.diff(wave) <= 0), len(wave) // 2
    return int(falling[falling < middle].max(initial=-1)) + 1, int(
        falling[falling >= middle].min(initial=len(wave) - 1)
    ) + 1


def moved(solution: WavelengthSolution, drift: Drift, table: QTable) -> WavelengthSolution:
    """Return a solution in which every line lies where the drift says, with the drift's error in its own.

    Parameters
    ----------
    solution
        From an arc.
    drift
        What to apply.
    table
        Kept in the result as `WavelengthSolution.flexure`.
    """
    if drift.kind == "none":
        return replace(solution, flexure=table)
    ny, nx = solution.shape
    x, y = np.linspace(0, nx - 1, 4 * solution.coefficients.shape[0] + 40), np.linspace(0, max(ny - 1, 1), 12)
    wave = solution(x[:, None], y[None, :])
    goal = solution(x[:, None] - drift(wave) - drift.across(y)[None, :], y[None, :])
    coefficients = _refitted(x, y, goal, solution)
    middle = solution(np.arange(nx), (ny - 1) / 2)
    own = solution.error if len(solution.error) else np.zeros(nx)
    moved_by = np.hypot(drift.error(middle), drift.tilt_error)
    error = np.hypot(own, moved_by * np.abs(np.gradient(middle)))
    return replace(solution, coefficients=coefficients, error=error, flexure=table)


def _refitted(
    x: NDArray[np.float64], y: NDArray[np.float64], goal: NDArray[np.float64], solution: WavelengthSolution
) -> NDArray[np.float64]:
    """Return Legendre coefficients of the solution's own domain through values on a grid, shape (nx, ny)."""
    from numpy.polynomial.legendre import legvander

    (x0, x1), (y0, y1) = solution.x_domain, solution.y_domain
    degree_x, degree_y = solution.coefficients.shape[0] + 1, max(solution.coefficients.shape[1] - 1, 1)
    along, across = legvander(2 * (x - x0) / (x1 - x0) - 1, degree_x), legvander(2 * (y - y0) / (y1 - y0) - 1, degree_y)
    half = np.linalg.lstsq(along, goal, rcond=None)[0]
    result: NDArray[np.float64] = np.linalg.lstsq(across, half.T, rcond=None)[0].T
    return result


def drift_table(drift: Drift, offsets: Offsets) -> QTable:
    """Return what was measured and fitted, as kept in a solution."""
    import astropy.units as u
    from astropy.table import QTable

    table = QTable()
    table["wavelength"] = offsets.wavelength * u.Angstrom
    table["lines"] = offsets.name
    table["offset"] = offsets.offset
    table["error"] = np.where(np.isfinite(offsets.error), offsets.error, np.nan)
    table["left_out"] = drift.left_out
    table["used"] = drift.used
    shift, slope = (*drift.coefficients, 0.0, 0.0)[:2]
    errors = (*np.sqrt(np.diag(drift.covariance)), 0.0, 0.0)[:2]
    table.meta.update(
        kind=drift.kind, agrees=drift.agrees, reference=drift.reference, shift=float(shift), slope=float(slope),
        shift_error=float(errors[0]), slope_error=float(errors[1]), scatter=drift.scatter,
        tilt=drift.tilt, tilt_error=drift.tilt_error,
    )  # fmt: skip
    return table


def quality_of(solution: WavelengthSolution) -> dict[str, float | int | str | bool | None]:
    """Return the numbers of `CorrectFlexure.quality`."""
    table = solution.flexure
    assert table is not None
    used = np.asarray(table["used"], bool)
    left = np.asarray(table["left_out"])[used]
    weight = 1 / np.square(np.asarray(table["error"])[used])
    numbers: dict[str, float | int | str | bool | None] = {
        "flexure": str(table.meta["kind"]),
        "flexure_shift_px": float(table.meta["shift"]),
        "flexure_shift_error_px": float(table.meta["shift_error"]),
        "flexure_slope_px": float(table.meta["slope"]),
        "flexure_slope_error_px": float(table.meta["slope_error"]),
        "flexure_tilt_px": float(table.meta.get("tilt", 0.0)),
        "flexure_tilt_error_px": float(table.meta.get("tilt_error", 0.0)),
        "flexure_reference": float(table.meta["reference"]),
        "flexure_windows": int(used.sum()),
        "flexure_left_out_px": float(np.sqrt(np.average(left**2, weights=weight))) if used.any() else None,
        "flexure_left_out_band_px": worst_band(table),
    }
    return numbers


def worst_band(table: QTable) -> float | None:
    """Return by how many pixels the system of lines that fits worst lies off where all the others foretell it.

    Systems that are known to a tenth of an Angstrom or so count (`KNOWN` pixels), up to `LAST` Angstrom.
    """
    used = np.asarray(table["used"], bool) & (table["wavelength"].value < LAST)
    found = []
    for name in np.unique(table["lines"][used]):
        mine = used & (table["lines"] == name)
        weight = 1 / (np.square(np.asarray(table["error"])[mine]) + FLOOR**2)
        if np.sum(weight) > 1 / KNOWN**2:
            found.append(abs(float(np.average(np.asarray(table["left_out"])[mine], weights=weight))))
    return max(found, default=None)


def _tell(image: CCDData, drift: Drift, offsets: Offsets) -> None:
    """Say what was done, and where nothing could be done, why."""
    name = image.header.get("FILENAME", "frame")
    if drift.kind == "tilt":
        _log.info(
            "%s: the night-sky lines lie where the arc puts them, but lean by %+.3f pixels to the last row.",
            name, drift.tilt,
        )  # fmt: skip
    elif drift.agrees:
        _log.info("%s: the night-sky lines lie where the arc puts them; its wavelengths stay as they are.", name)
    elif drift.kind == "none":
        bright = int(np.sum(offsets.error < 0.15))
        _log.warning(
            "%s: the night-sky lines of this exposure (%g s) do not tell how far it lies from the arc "
            "(%d groups of lines can be measured); the arc's wavelengths stay as they are.",
            name, float(image.header.get("EXPTIME", 0)), bright,
        )  # fmt: skip
    else:
        shift, slope = (*drift.coefficients, 0.0)[:2]
        _log.info(
            "%s: wavelengths moved by %+.3f pixels at %.0f Angstrom and %+.3f pixels in %.0f Angstrom, from %d groups "
            "of night-sky lines; %+.3f more at the last row.",
            name, shift, drift.reference, slope, UNIT, int(drift.used.sum()), drift.tilt,
        )  # fmt: skip
