"""The table of a reference catalogue: one form for every service and file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from astropy.units import Quantity
    from numpy.typing import ArrayLike, NDArray

MAGNITUDE_SYSTEMS = ("AB", "Vega")

_UNITS = {
    "ra": "deg", "dec": "deg", "ra_error": "mas", "dec_error": "mas", "pmra": "mas / yr", "pmdec": "mas / yr",
    "pmra_error": "mas / yr", "pmdec_error": "mas / yr", "epoch": "yr",
}  # fmt: skip
_META = {
    "CATALOG": str, "RELEASE": str, "MAGSYS": dict, "RA": float, "DEC": float, "RADIUS": float, "COMPLETE": bool,
    "SOURCE": str,
}  # fmt: skip


def make_reference(
    ra: ArrayLike,
    dec: ArrayLike,
    *,
    epoch: ArrayLike,
    magnitudes: Mapping[str, tuple[ArrayLike, ArrayLike]],
    systems: Mapping[str, str],
    catalog: str,
    centre: SkyCoord,
    radius: Quantity,
    release: str = "",
    source: str = "",
    complete: bool = True,
    source_id: ArrayLike | None = None,
    **columns: ArrayLike,
) -> QTable:
    """Return the table of a reference catalogue, the sources in a cone, nearest to its centre first.

    Parameters
    ----------
    ra, dec
        ICRS at `epoch`, degrees, shape (n,). Sources outside the cone are left out.
    epoch
        Julian year of the positions: a number, or one for each source.
    magnitudes
        By band: magnitudes and their errors; NaN where not known. They become ``mag_<band>`` and ``mag_<band>_error``.
    systems
        By band: ``AB`` or ``Vega``.
    catalog, release, source
        Name, release, and address or citation.
    centre, radius
        The cone.
    complete
        False if the service gave not all that it has there.
    source_id
        Names of the sources; by default their number.
    **columns
        ``ra_error``, ``dec_error`` (mas), ``pmra`` (with cos dec), ``pmdec``, ``pmra_error``, ``pmdec_error``
        (mas/yr), NaN where not known; ``extended``, ``variable`` (bool); anything else is kept as it is.

    Returns
    -------
    QTable
        Columns ``source_id``, ``ra``, ``dec``, ``ra_error``, ``dec_error``, ``pmra``, ``pmdec`` (0 where ``pm_known``
        is false), ``pmra_error``, ``pmdec_error``, ``pm_known``, ``epoch``, the magnitudes, and what else was given.
    """
    from astropy.table import QTable
    from astropy.units import Quantity

    ra, dec = np.atleast_1d(np.asarray(ra, float)) % 360, np.atleast_1d(np.asarray(dec, float))
    names = np.arange(1, len(ra) + 1) if source_id is None else np.asarray(source_id)
    unknown = np.full(len(ra), np.nan)
    values = {"ra": ra, "dec": dec, "epoch": np.broadcast_to(np.asarray(epoch, float), ra.shape)}
    values |= {name: np.asarray(columns.pop(name, unknown), float) for name in _UNITS if name not in values}
    known = np.isfinite(values["pmra"]) & np.isfinite(values["pmdec"])
    values |= {name: np.where(known, values[name], 0.0) for name in ("pmra", "pmdec")}
    table = QTable({"source_id": names.astype(str)})
    for name, unit in _UNITS.items():
        table[name] = Quantity(values[name], unit)
    table["pm_known"] = known
    for band, (magnitude, error) in magnitudes.items():
        table[f"mag_{band}"] = Quantity(np.asarray(magnitude, float), "mag")
        table[f"mag_{band}_error"] = Quantity(np.asarray(error, float), "mag")
    for name, column in columns.items():
        table[name] = column
    table.meta.update(
        CATALOG=catalog, RELEASE=release, MAGSYS={band: systems[band] for band in magnitudes},
        RA=float(centre.icrs.ra.deg), DEC=float(centre.icrs.dec.deg), RADIUS=float(radius.to_value("deg")),
        COMPLETE=bool(complete), SOURCE=source,
    )  # fmt: skip
    return in_cone(table, centre, radius)


def in_cone(table: QTable, centre: SkyCoord, radius: Quantity) -> QTable:
    """Return the sources of a reference table inside a cone, nearest to its centre first; the cone is noted in it."""
    distance = separation(table, centre)
    order = np.lexsort((np.asarray(table["source_id"]), distance))
    inside = order[distance[order] <= radius.to_value("deg")]
    found: QTable = table[inside]
    found.meta.update(
        RA=float(centre.icrs.ra.deg), DEC=float(centre.icrs.dec.deg), RADIUS=float(radius.to_value("deg"))
    )
    return found


def separation(table: QTable, centre: SkyCoord) -> NDArray[np.float64]:
    """Return the distance of each source from a position, in degrees on the sphere."""
    from astropy.coordinates import angular_separation

    ra, dec = np.deg2rad(np.asarray(table["ra"].to_value("deg"))), np.deg2rad(np.asarray(table["dec"].to_value("deg")))
    found: NDArray[np.float64] = np.rad2deg(angular_separation(ra, dec, centre.icrs.ra.rad, centre.icrs.dec.rad))
    return np.atleast_1d(found)


def bands_of(table: QTable) -> list[str]:
    """Return the bands of which a table has magnitudes, in the order of its columns."""
    names = [name.removeprefix("mag_") for name in table.colnames if name.startswith("mag_")]
    return [name for name in names if not name.endswith("_error")]


def check_reference(table: QTable) -> None:
    """Check the form of a reference table, such as a stranger's catalogue returns.

    Raises
    ------
    DataError
        With all that is wrong with it.
    """
    problems = [f"no column {name}" for name in ("source_id", "pm_known", *_UNITS) if name not in table.colnames]
    problems += [p for name in _UNITS if name in table.colnames for p in _unit_problem(table, name, _UNITS[name])]
    for band in bands_of(table):
        if f"mag_{band}_error" not in table.colnames:
            problems.append(f"no column mag_{band}_error")
        if table.meta.get("MAGSYS", {}).get(band) not in MAGNITUDE_SYSTEMS:
            problems.append(f"meta MAGSYS does not say whether {band} is {' or '.join(MAGNITUDE_SYSTEMS)}")
    problems += [f"meta has no {key} ({kind.__name__})" for key, kind in _META.items() if _lacks(table, key, kind)]
    if problems:
        name = table.meta.get("CATALOG", "a catalogue")
        raise DataError(f"{name}: not a table of a reference catalogue: {'; '.join(problems)}; report it to its author")


def _unit_problem(table: QTable, name: str, unit: str) -> list[str]:
    found: Any = getattr(table[name], "unit", None)
    return [] if found is not None and found.is_equivalent(unit) else [f"{name} has the unit {found}, not {unit}"]


def _lacks(table: QTable, key: str, kind: type) -> bool:
    return not isinstance(table.meta.get(key), kind)
