"""Light curves: one object over a series of frames, against comparison stars."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.parameters import Arcsec, to_pixels
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.photometry.calibration import POGSON, magnitudes
from alfosc_reduce_imaging.photometry.forced_positions import read_place
from alfosc_reduce_imaging.photometry.light_curve_ensemble import Ensemble, solve_ensemble
from alfosc_reduce_imaging.photometry.light_curve_tables import (
    Series,
    comparison_places,
    name_of,
    place_columns,
    places_of,
    series_of,
    vectors,
)
from alfosc_reduce_imaging.photometry.light_curve_times import barycentric_dates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ARCSEC = np.pi / 180 / 3600


class MakeLightCurve(Step):
    """Follow one object over a series of frames, against an ensemble of comparison stars.

    The magnitudes of the comparison stars and the offsets of the frames are solved for together. Stars that vary are
    left out, and what a star scatters beyond its errors lowers its weight. Where the frames have zero points the
    magnitudes are on their mean scale, else on that of the instrument.
    """

    target: str = ""
    """The object: "RA DEC" in degrees or as hours and degrees, or "X Y pix"; without it, the first row of each table,
    as `force_photometry` makes them."""

    comparisons: tuple[str, ...] = ()
    """Comparison stars, written as the target; without any, up to 50 clean bright stars of the tables, or for forced
    photometry all rows but the first."""

    flux: Literal["psf", "aper"] = "psf"
    """Fluxes of the fit of the point spread function, or of the aperture."""

    match_radius: Arcsec = 1.5 * u.arcsec
    """How far a star may be from its place."""

    def __call__(self, tables: list[QTable]) -> QTable:
        """Return the light curve, one row a frame, in order of time.

        Parameters
        ----------
        tables
            Of `force_photometry` (target first) or `measure_sources`, one a frame.

        Returns
        -------
        QTable
            ``frame``, ``mjd`` (middle of the exposure, UTC), ``bjd`` (TDB, at the barycentre), ``mag``, ``mag_error``,
            ``flux_ratio`` (over the median) and its error, ``offset`` of the frame and its error, ``comparisons``
            (number of stars), ``airmass``, ``seeing``.

        Raises
        ------
        DataError
            With fewer than two tables, without times, or without a comparison star.
        """
        ordered = [tables[i] for i in range(len(tables))]
        check_tables(ordered)
        ordered.sort(key=lambda table: float(table.meta["MJD-AVG"]))
        series = self._series(ordered)
        ensemble = solve_ensemble(*magnitudes_of(series.flux[:, 1:], series.error[:, 1:]))
        _tell(series, ensemble)
        return table_of(series, ensemble, ordered)

    def _series(self, tables: list[QTable]) -> Series:
        """Return the fluxes of the target (first) and the comparison stars."""
        columns, flux = place_columns(tables), f"flux_{self.flux}"
        reach = reach_of(self.match_radius, tables[0], columns)
        forced = "name" in tables[0].colnames
        first = places_of(tables[0], columns)
        target = place_of(self.target, columns) if self.target else first[0]
        if self.comparisons:
            others = np.stack([place_of(text, columns) for text in self.comparisons])
        elif forced:
            others = first[np.linalg.norm(first - target, axis=1) > reach]
        else:
            others = comparison_places(tables, columns, target, 3 * reach, flux)
        if len(others) == 0:
            raise DataError("light curve: there is no comparison star; name some (comparisons), or measure more stars")
        return series_of(tables, np.vstack([target, others]), columns, reach, flux)

    def quality(self, result: QTable, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number of points and comparison stars, the scatter, and how well a constant fits."""
        mag = result["mag"].value
        seen = np.isfinite(mag)
        errors = result["mag_error"].value[seen]
        return {
            "frames": len(result),
            "measured": int(seen.sum()),
            "comparison_stars": int(sum(star["used"] for star in result.meta["COMPARISONS"])),
            "comparison_scatter_mag": result.meta["COMPSCAT"],
            "median_mag": float(np.median(mag[seen])) if seen.any() else None,
            "rms_mag": float(np.std(mag[seen])) if seen.any() else None,
            "median_error_mag": float(np.median(errors)) if seen.any() else None,
            "chi2_constant": result.meta["CHI2"],
        }

    def figures(self, result: QTable, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the light curve, and the comparison stars."""
        from alfosc_reduce_imaging.photometry.light_curve_figures import figure_of_comparisons, figure_of_light_curve

        yield "light_curve", figure_of_light_curve(result)
        yield "comparisons", figure_of_comparisons(result)


def check_tables(tables: list[QTable]) -> None:
    """Raise `DataError` if tables cannot make a light curve."""
    if len(tables) < 2:
        raise DataError(f"light curve: {len(tables)} tables of fluxes; it takes at least two frames")
    for table in tables:
        if not isinstance(table.meta.get("MJD-AVG"), (int, float)):
            raise DataError(f"{name_of(table)}: the table does not know when it was observed (MJD-AVG in its meta)")
        if len(table) == 0:
            raise DataError(f"{name_of(table)}: no star was measured on this frame; leave it out")


def place_of(text: str, columns: tuple[str, str]) -> NDArray[np.float64]:
    """Return a place given as text, as the tables have places; raises `DataError` if it cannot be read."""
    first, second, on_sky = read_place(text)
    if on_sky != (columns[0] == "ra"):
        raise DataError(f"light curve: {text!r} is not given in {' and '.join(columns)}, as the tables have them")
    return vectors(np.array([first]), np.array([second]))[0] if on_sky else np.array([first, second])


def reach_of(radius: u.Quantity, table: QTable, columns: tuple[str, str]) -> float:
    """Return a radius in the units of places: pixels, or the length of a unit vector's change."""
    scale = float(table.meta.get("PIXSCALE", np.nan))
    in_pixels = radius.unit.is_equivalent(u.pix)
    if in_pixels != (columns[0] == "x") and not np.isfinite(scale):
        raise DataError(f"{name_of(table)}: PIXSCALE is not known; give match_radius in the unit of the positions")
    if columns[0] == "x":
        return to_pixels(radius, scale)
    return float(radius.value * scale if in_pixels else radius.to_value(u.arcsec)) * _ARCSEC


def magnitudes_of(
    flux: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return instrumental magnitudes and errors; NaN where the flux is not positive."""
    return magnitudes(flux, error, 0.0)


def table_of(series: Series, ensemble: Ensemble, tables: list[QTable]) -> QTable:
    """Return the light curve of the first star of a series."""
    from astropy.table import QTable

    factor = 10 ** (0.4 * ensemble.offset)
    flux, noise = series.flux[:, 0] * factor, series.error[:, 0] * factor
    shared = flux * ensemble.offset_error / POGSON
    error = np.hypot(noise, shared)
    level = float(np.nanmedian(flux)) if np.isfinite(flux).any() else np.nan
    shift = mean_zero_point(series, ensemble)
    value, value_error = magnitudes(flux, error, shift or 0.0)
    mjd = np.array([float(table.meta["MJD-AVG"]) for table in tables])
    table = QTable({"frame": np.array([name_of(one) for one in tables], dtype=str), "mjd": mjd * u.day})
    if np.isfinite(series.ra[0]) and "ra" in tables[0].colnames:
        table["bjd"] = barycentric_dates(mjd, float(series.ra[0]), float(series.dec[0])) * u.day
    table["mag"], table["mag_error"] = value * u.mag, value_error * u.mag
    table["flux_ratio"], table["flux_ratio_error"] = flux / level, error / level
    table["offset"], table["offset_error"] = ensemble.offset * u.mag, ensemble.offset_error * u.mag
    table["comparisons"] = ensemble.number.astype(np.int32)
    for name, key in (("airmass", "AIRMASS"), ("seeing", "SEEING")):
        table[name] = np.array([float(one.meta.get(key, np.nan)) for one in tables])
    table.meta.update(_meta(series, ensemble, table, tables, shift))
    return table


def mean_zero_point(series: Series, ensemble: Ensemble) -> float | None:
    """Return the zero point of the mean frame: that of each frame less its offset, averaged; None without."""
    known = np.isfinite(series.zero_point) & np.isfinite(ensemble.offset)
    return float(np.mean(series.zero_point[known] + ensemble.offset[known])) if known.any() else None


def _meta(
    series: Series, ensemble: Ensemble, table: QTable, tables: list[QTable], shift: float | None
) -> dict[str, Any]:
    mag, error = table["mag"].value, table["mag_error"].value
    seen = np.isfinite(mag) & np.isfinite(error)
    mean = np.average(mag[seen], weights=error[seen] ** -2.0) if seen.any() else np.nan
    chi2 = float(np.sum(np.square((mag[seen] - mean) / error[seen])) / max(seen.sum() - 1, 1)) if seen.any() else None
    stars = [
        {
            "ra": float(series.ra[i + 1]), "dec": float(series.dec[i + 1]), "mag": float(ensemble.magnitude[i]),
            "scatter": float(ensemble.scatter[i]), "chi2": float(ensemble.chi2[i]), "used": bool(ensemble.used[i]),
        }
        for i in range(len(ensemble.magnitude))
    ]  # fmt: skip
    used = ensemble.scatter[ensemble.used]
    first = tables[0].meta
    return {
        "OBJECT": str(first.get("OBJECT", "")), "FILTER": str(first.get("FILTER", "")), "CHI2": chi2,
        "COMPSCAT": float(np.median(used)) if used.size else None, "COMPARISONS": stars,
        "CALIBRATED": shift is not None, "RA": float(series.ra[0]), "DEC": float(series.dec[0]),
    }  # fmt: skip


def _tell(series: Series, ensemble: Ensemble) -> None:
    left_out = int(np.count_nonzero(~ensemble.used))
    if left_out:
        logger.info("%d of %d comparison stars are left out: they vary, or were measured on less than half the frames.",
                    left_out, len(ensemble.used))  # fmt: skip
    lost = int(np.count_nonzero(~np.isfinite(ensemble.offset)))
    if lost:
        logger.warning("%d of %d frames have no comparison star: they are without magnitude.", lost,
                       len(ensemble.offset))  # fmt: skip
    if not ensemble.used.any():
        raise DataError("light curve: no comparison star was measured on two frames; name others (comparisons)")
    if not np.isfinite(series.flux[:, 0]).any():
        raise DataError("light curve: the target was measured on no frame; give its place (target), or measure there "
                        "with force_photometry first")  # fmt: skip
