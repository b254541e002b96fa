"""Columns of somebody else's table, told by name, brought to the units and gaps of a reference table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import Table
    from numpy.typing import NDArray

UNITS = {
    "ra": "deg", "dec": "deg", "ra_error": "mas", "dec_error": "mas", "pmra": "mas / yr", "pmdec": "mas / yr",
    "pmra_error": "mas / yr", "pmdec_error": "mas / yr", "epoch": "yr",
}  # fmt: skip
"""Columns of a reference table that are numbers with a unit, beside the magnitudes."""
LOGICAL = ("extended", "variable", "pm_known")
SYSTEMS = {
    **dict.fromkeys(("u", "g", "r", "i", "z", "y"), "AB"),
    **dict.fromkeys(("U", "B", "V", "R", "I", "J", "H", "K", "Ks", "G", "BP", "RP"), "Vega"),
}
"""In which system a band of this name is, unless it is said."""

_BRIGHTEST, _FAINTEST = -10.0, 50.0


def numbers(table: Table, column: str, target: str, unit: str = "") -> NDArray[np.float64]:
    """Return a column as plain numbers, NaN where there is no value.

    Parameters
    ----------
    table, column
        Where it stands.
    target
        The unit to bring it to.
    unit
        The unit it is in if the table does not say; by default `target`.

    Raises
    ------
    DataError
        If its unit is of another kind.
    """
    found = table[column]
    if np.asarray(getattr(found, "filled", lambda: found)()).dtype.kind in "SUO":
        return _angles(found, column, target)
    values = bare(table, column)
    own = u.Unit(getattr(found, "unit", None) or unit or target)
    if own == u.Unit(target):
        return values
    try:
        return np.asarray((values * own).to_value(target), float)
    except u.UnitConversionError:
        raise DataError(f"the column {column!r} is in {own}, which is not a {target}") from None


def _angles(found: Any, column: str, target: str) -> NDArray[np.float64]:
    """Return angles written as text, right ascension in hours where there are colons or letters."""
    from astropy.coordinates import Angle

    texts = [str(text).strip() for text in found]
    hours = any(mark in text for text in texts for mark in ": hms") and column.lower().startswith("r")
    try:
        return np.asarray(Angle(texts, unit=u.hourangle if hours else u.deg).to_value(target), float)
    except (ValueError, u.UnitsError) as error:
        raise DataError(f"the column {column!r} is text that is no angle: {error}") from None


def bare(table: Table, column: str) -> NDArray[np.float64]:
    """Return a column as plain numbers, NaN where there is no value, whatever its unit is called."""
    found = table[column]
    return np.asarray(np.ma.filled(np.ma.asarray(getattr(found, "value", found), float), np.nan), float)


def magnitude(table: Table, column: str) -> NDArray[np.float64]:
    """Return magnitudes, NaN where the table has a gap or one of the numbers that stand for one (0, 99, -999)."""
    values = bare(table, column)
    known = (values > _BRIGHTEST) & (values < _FAINTEST) & (values != 0)
    return np.where(known, values, np.nan)


def error_of(table: Table, column: str) -> NDArray[np.float64]:
    """Return errors of magnitudes, NaN where they are not known."""
    values = bare(table, column)
    return np.where((values >= 0) & (values < _FAINTEST), values, np.nan)


def logical(table: Table, column: str) -> NDArray[np.bool_]:
    """Return a column as true or false; text is true if it says so (``T``, ``true``, ``yes``, ``VARIABLE``)."""
    found = np.ma.filled(np.ma.asarray(table[column]), 0) if table[column].dtype.kind in "biuf" else table[column]
    if np.asarray(found).dtype.kind in "biuf":
        return np.asarray(found).astype(bool)
    return np.array([str(text).strip().lower() in ("t", "true", "yes", "y", "1", "variable") for text in found], bool)


def located(columns: Mapping[str, str], available: list[str], where: str) -> dict[str, str]:
    """Return which column stands for what: those of our own names, and over them those that a person named.

    Raises
    ------
    DataError
        If a named column is not there, or there is no position.
    """
    problems = [
        f"{where} has no column {theirs!r} (columns.{ours}); {suggest(theirs, available)}"
        for ours, theirs in columns.items()
        if theirs not in available
    ]
    if problems:
        raise DataError("; ".join(problems))
    known = [name for name in available if name in UNITS or name in LOGICAL or name == "source_id"]
    bands = [name for name in available if name.startswith("mag_") and name != "mag_error"]
    found = {name: name for name in [*known, *bands]} | dict(columns)
    if missing := [name for name in ("ra", "dec") if name not in found]:
        raise DataError(
            f"{where} has no column {' and '.join(missing)}; say which it is with columns = {{ {missing[0]} = NAME }} "
            f"(it has: {', '.join(available)})"
        )
    return found


def bands_in(columns: Mapping[str, str]) -> list[str]:
    """Return the bands among the columns of a reference table."""
    names = [name.removeprefix("mag_") for name in columns if name.startswith("mag_")]
    return [name for name in names if not name.endswith("_error")]


def contents(table: Table, columns: Mapping[str, str], units: Mapping[str, str]) -> dict[str, Any]:
    """Return what `make_reference` takes of a table, as keyword arguments; the epoch only if it is a column.

    Parameters
    ----------
    table
        Somebody else's.
    columns
        Name in a reference table -> name in `table`.
    units
        By name in a reference table, for columns without a unit.
    """
    found: dict[str, Any] = {
        name: numbers(table, columns[name], unit, units.get(name, ""))
        for name, unit in UNITS.items()
        if name in columns
    }
    found |= {name: logical(table, columns[name]) for name in LOGICAL if name in columns}
    known = found.pop("pm_known", np.ones(len(table), bool))
    found |= {name: np.where(known, found[name], np.nan) for name in ("pmra", "pmdec") if name in found}
    if "source_id" in columns:
        found["source_id"] = np.array([str(value).strip() for value in table[columns["source_id"]]])
    gap = np.full(len(table), np.nan)
    found["magnitudes"] = {
        band: (
            magnitude(table, columns[f"mag_{band}"]),
            error_of(table, columns[f"mag_{band}_error"]) if f"mag_{band}_error" in columns else gap,
        )
        for band in bands_in(columns)
    }
    own = {*UNITS, *LOGICAL, "source_id"}
    found |= {n: _plain(table, c) for n, c in columns.items() if n not in own and not n.startswith("mag_")}
    return found


def _plain(table: Table, column: str) -> Any:
    """Return a further column with its unit, gaps as NaN, zero or empty text."""
    found = table[column]
    if found.dtype.kind in "SUO":
        return np.array([str(value).strip() for value in found])
    values = np.ma.asarray(getattr(found, "value", found))
    filled = np.ma.filled(values.astype(float) if np.ma.is_masked(values) else values, np.nan)
    unit = getattr(found, "unit", None)
    return filled if unit is None else u.Quantity(filled, unit)
