"""The tables that the search for new sources gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce_imaging.transients.counterparts import hosts
from alfosc_reduce_imaging.transients.error_circles import ErrorCircle, classes, distances

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.transients.new_source_brightness import Brightness
    from alfosc_reduce_imaging.transients.search import Scene, Search

COLOURS = np.array(["red", "orange", "green"])
"""Of classes 0, 1 and 2."""


def new_table(
    sources: QTable,
    found: Search,
    reference: QTable,
    scene: Scene,
    brightness: Brightness,
    circles: tuple[ErrorCircle | None, ErrorCircle | None],
    limit: float,
) -> QTable:
    """Return the new sources with number, class, magnitude and place in the circles, best class and brightest first.

    Parameters
    ----------
    sources, reference
        The tables searched.
    found
        What was found.
    scene, brightness
        Of the image.
    circles
        Of BAT and XRT, None for one that is not given.
    limit
        Sigma within which a source is consistent with a circle.
    """
    rows = found.new
    places, errors = found.places[rows], found.errors[rows]
    within = [None if circle is None else distances(circle, places, errors) for circle in circles]
    bat, xrt = (None if one is None else one[1] for one in within)
    kind = classes(bat, xrt, limit)
    kind = kind if len(kind) == len(rows) else np.zeros(len(rows), np.int16)
    magnitude = brightness.magnitude[rows]
    order = np.lexsort((rows, np.nan_to_num(magnitude, nan=99.0), -kind))
    table = sources[rows[order]]
    own = {
        "number": np.arange(1, len(rows) + 1),
        "class": kind[order],
        "magnitude": magnitude[order] * u.mag,
        "magnitude_error": brightness.error[rows][order] * u.mag,
    }
    for place, (name, column) in enumerate(own.items()):
        if name in table.colnames:
            table.remove_column(name)
        table.add_column(column, name=name, index=place)
    for name, unit, one in zip(("bat", "xrt"), (u.arcmin, u.arcsec), within, strict=True):
        if one is not None:
            table[f"{name}_distance"] = (one[0][order] * u.arcsec).to(unit)
            table[f"{name}_significance"] = one[1][order]
    _add_neighbours(table, found, rows[order], reference, scene)
    table["color"] = COLOURS[kind[order]]
    return table


def _add_neighbours(table: QTable, found: Search, rows: NDArray[np.intp], reference: QTable, scene: Scene) -> None:
    """Add the nearest object of the catalogue, and the galaxy that may be the host."""
    row = found.counterparts.row[rows]
    labels = reference["source_id"] if "source_id" in reference.colnames else np.arange(len(reference))
    table["nearest"] = np.array([str(labels[i]) for i in row], dtype="U40")
    table["nearest_distance"] = found.counterparts.distance[rows] * u.arcsec
    names, apart = hosts(found.places[rows], reference, scene.year)
    table["host"], table["host_distance"] = names, apart * u.arcsec


def rejected_table(sources: QTable, found: Search, brightness: Brightness) -> QTable:
    """Return the sources without a counterpart that are not believed to be new, each with the reason."""
    rows = found.rejected
    table = sources[rows]
    table.add_column(found.reason[rows], name="reason", index=0)
    table.add_column(brightness.magnitude[rows] * u.mag, name="magnitude", index=1)
    return table
