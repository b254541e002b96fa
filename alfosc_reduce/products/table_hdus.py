"""``QTable`` as a FITS binary table, units and header kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.table import QTable, Table


def table_to_hdus(table: Table) -> fits.HDUList:
    """Return the HDUs of a table."""
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header["PRODTYPE"] = "QTable"
    return fits.HDUList([primary, table_hdu(table, "TABLE")])


def table_hdu(table: Table, name: str) -> fits.BinTableHDU:
    """Return a table as an HDU; plain values in its ``meta`` travel as JSON in the header.

    ``meta["UCD"]`` may hold the Unified Content Descriptors (IVOA) of columns; other programs find them as ``TUCDn``.
    """
    from astropy.io import fits

    bare = table.copy(copy_data=False)
    meta = {key: value for key, value in bare.meta.items() if key != "comments"}
    bare.meta.clear()
    own = {column: str(bare[column].unit) for column in bare.colnames if _not_of_fits(bare[column])}
    for column in own:
        bare[column] = np.asarray(bare[column])
    hdu = fits.table_to_hdu(bare)
    hdu.name = name
    hdu.header["TABMETA"] = _card(meta)
    words = meta.get("UCD", {})
    for number, column in enumerate(bare.colnames, start=1):
        if column in words:
            hdu.header[f"TUCD{number}"] = str(words[column])
    if own:
        hdu.header["TABUNITS"] = _card(own)
    return hdu


def _card(values: dict[str, Any]) -> str:
    """Return plain values as JSON without apostrophes: astropy ends a card at one that a slash follows."""
    return json.dumps(values, default=str).replace("'", "\\u0027")


def _not_of_fits(column: Any) -> bool:
    """Say whether a column has a unit that FITS does not keep, such as the electron, or none as a quantity has."""
    unit = getattr(column, "unit", None)
    if unit is None:
        return False
    try:
        return not unit.to_string(format="fits")
    except ValueError:
        return True


def hdus_to_table(hdus: fits.HDUList) -> QTable:
    """Return the table in the first extension."""
    return table_of_hdu(hdus[1])


def table_of_hdu(hdu: fits.BinTableHDU) -> QTable:
    """Return the table in one HDU, text as ``str``."""
    from astropy.table import QTable
    from astropy.units import Quantity

    table = QTable.read(hdu, astropy_native=False, mask_invalid=False)  # a NaN is a value, not a gap
    table.convert_bytestring_to_unicode()
    meta: dict[str, Any] = json.loads(hdu.header.get("TABMETA", "{}"))
    for column, unit in json.loads(hdu.header.get("TABUNITS", "{}")).items():
        table[column] = Quantity(np.asarray(table[column]), unit)
    table.meta.clear()
    table.meta.update(meta)
    return table
