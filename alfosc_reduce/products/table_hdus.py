"""``QTable`` as a FITS binary table, units and header kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
    """Return a table as an HDU; plain values in its ``meta`` travel as JSON in the header."""
    from astropy.io import fits

    bare = table.copy(copy_data=False)
    meta = {key: value for key, value in bare.meta.items() if key != "comments"}
    bare.meta.clear()
    hdu = fits.table_to_hdu(bare)
    hdu.name = name
    hdu.header["TABMETA"] = json.dumps(meta, default=str)
    return hdu


def hdus_to_table(hdus: fits.HDUList) -> QTable:
    """Return the table in the first extension."""
    return table_of_hdu(hdus[1])


def table_of_hdu(hdu: fits.BinTableHDU) -> QTable:
    """Return the table in one HDU, text as ``str``."""
    from astropy.table import QTable

    table = QTable.read(hdu, astropy_native=False)
    table.convert_bytestring_to_unicode()
    meta: dict[str, Any] = json.loads(hdu.header.get("TABMETA", "{}"))
    table.meta.clear()
    table.meta.update(meta)
    return table
