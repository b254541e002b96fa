"""The extinction of a night from zero points at different air masses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.photometry.zero_point_fit import straight_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RANGE = 0.3
"""Air masses that the frames of a band must span."""
FEWEST = 3
NEEDED = ("MAGZP", "AIRMASS", "MAGBAND")


class Extinction(NamedTuple):
    """Zero point outside the atmosphere, magnitudes lost a unit of air mass, their errors, and the scatter."""

    zero_point: float
    zero_point_error: float
    extinction: float
    extinction_error: float
    scatter: float


class MeasureExtinction(Step):
    """Measure extinction coefficients from the zero points of many images: magnitudes lost a unit of air mass.

    A straight line through the zero points of each band against air mass, weighted by their errors and a scatter beyond
    them (which passing clouds make), robustly. Where every image of a band has a colour term, its zero points are those
    for colour 0, else those for the typical star.
    """

    def __call__(self, tables: list[QTable]) -> QTable:
        """Return a row a band: extinction, its error, the zero point outside the atmosphere, and how it came about.

        Parameters
        ----------
        tables
            Of sources, from `measure_zero_point`: MAGZP, MAGZPERR, MAGBAND and AIRMASS in their meta are used.

        Raises
        ------
        DataError
            If a table has no zero point or air mass, or no band spans enough air masses.
        """
        from astropy.table import QTable

        points = _points(tables)
        rows, refused = [], []
        for band in sorted({str(point["band"]) for point in points}):
            mine = [point for point in points if point["band"] == band]
            airmass = np.array([point["airmass"] for point in mine], float)
            if len(mine) < FEWEST or np.ptp(airmass) < RANGE:
                refused.append(f"{band} has {len(mine)} images at air masses from {airmass.min():.2f} to "
                               f"{airmass.max():.2f}")  # fmt: skip
                continue
            rows.append({"band": band, "images": len(mine), "lowest_airmass": airmass.min(),
                         "highest_airmass": airmass.max(), **_measured(mine)._asdict()})  # fmt: skip
        if not rows:
            raise DataError(
                f"extinction: {'; '.join(refused)}; it takes {FEWEST} images of a band over {RANGE} of air mass: take "
                "images of a field high up, and of one (or the same) lower in the sky"
            )
        table = QTable(rows)
        for name in ("extinction", "extinction_error", "zero_point", "zero_point_error", "scatter"):
            table[name] = table[name] * u.mag
        table.meta.update(POINTS=points, REFUSED=refused)
        return table

    def quality(self, result: QTable, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the extinction of each band."""
        return {f"extinction_{row['band']}": float(row["extinction"].value) for row in result}

    def figures(self, result: QTable, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show zero points against air mass with the lines."""
        yield "extinction", _figure(result)


def extinction(airmass: Floats, zero_point: Floats, error: Floats) -> Extinction:
    """Fit the zero point as a line in air mass, robustly, with a scatter beyond the errors.

    Parameters
    ----------
    airmass, zero_point, error
        Of images of one band, shape (n,).
    """
    middle = float(np.mean(airmass))
    values, covariance, scatter = straight_line(zero_point, error, airmass - middle)
    outside = float(values[0] - values[1] * middle)
    variance = covariance[0, 0] + middle**2 * covariance[1, 1] - 2 * middle * covariance[0, 1]
    return Extinction(outside, float(np.sqrt(variance)), -float(values[1]), float(np.sqrt(covariance[1, 1])), scatter)


def _points(tables: list[QTable]) -> list[dict[str, Any]]:
    """Return what is known of each image; raises `DataError` where something is lacking."""
    points = []
    for number, table in enumerate(tables, 1):
        meta = table.meta
        name = str(meta.get("FRAME") or meta.get("OBJECT") or f"table {number}")
        lacking = [key for key in NEEDED if key not in meta]
        if lacking:
            raise DataError(
                f"extinction: {name} has no {', '.join(lacking)} in its meta; give tables of sources as "
                "measure_zero_point writes them, of images with AIRMASS"
            )
        points.append({"name": name, "band": str(meta["MAGBAND"]), "airmass": float(meta["AIRMASS"]),
                       "error": float(meta.get("MAGZPERR") or 0.0), "zero": float(meta["MAGZP"]),
                       "term": meta.get("COLTERM"), "typical": float(meta.get("COLTYP") or 0.0)})  # fmt: skip
    return points


def _measured(points: list[dict[str, Any]]) -> Extinction:
    """Return the extinction that images of one band tell; each gets the zero point that counts as an entry, too."""
    all_terms = all(point["term"] is not None for point in points)
    for point in points:
        point["zero_point"] = point["zero"] + (0.0 if all_terms else (point["term"] or 0.0) * point["typical"])
    columns = (np.array([point[key] for point in points]) for key in ("airmass", "zero_point", "error"))
    return extinction(*columns)


def _figure(result: QTable) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), dpi=100, layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(result):
        mine = [point for point in result.meta["POINTS"] if point["band"] == row["band"]]
        airmass = np.array([point["airmass"] for point in mine])
        style: dict[str, Any] = {"fmt": "o", "color": f"C{number}", "ms": 4}
        axes.errorbar(airmass, [point["zero_point"] for point in mine], [point["error"] for point in mine], **style)
        ends = np.array([airmass.min(), airmass.max()])
        k, error = row["extinction"].value, row["extinction_error"].value
        axes.plot(ends, row["zero_point"].value - k * ends, color=f"C{number}",
                  label=f"{row['band']}: {k:.3f} ± {error:.3f} mag a unit of air mass")  # fmt: skip
    axes.set(xlabel="air mass", ylabel="zero point (mag)", title=f"Extinction from {len(result.meta['POINTS'])} images")
    axes.legend(fontsize=8)
    return figure
