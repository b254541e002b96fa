"""Columns of tables as plain numbers, whatever they came as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray


def numbers(table: Table, name: str, *, missing: float = np.nan) -> NDArray[np.float64]:
    """Return a column as 64-bit floats without unit, shape (n,).

    Parameters
    ----------
    table
        Any table.
    name
        The column; need not exist.
    missing
        What stands where a value is masked, and everywhere if there is no such column.
    """
    if name not in table.colnames:
        return np.full(len(table), missing)
    return np.asarray(_filled(table[name], missing), dtype=np.float64)


def truths(table: Table, name: str) -> NDArray[np.bool_]:
    """Return a column as booleans, shape (n,); false where it is masked, and everywhere if there is none."""
    if name not in table.colnames:
        return np.zeros(len(table), bool)
    return np.asarray(_filled(table[name], False), dtype=bool)


def _filled(column: Any, missing: Any) -> Any:
    bare = getattr(column, "value", column)
    if isinstance(bare, np.ma.MaskedArray):
        if isinstance(missing, float):
            bare = bare.astype(np.float64)
        return bare.filled(missing)
    return getattr(bare, "unmasked", bare)
