"""Any table of VizieR, its columns told by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from alfosc_reduce_catalogs.columns import SYSTEMS, bands_in, contents
from alfosc_reduce_catalogs.service import Query, ServiceCatalog
from alfosc_reduce_catalogs.surveys import VIZIER

if TYPE_CHECKING:
    from astropy.table import Table


class VizierCatalog(ServiceCatalog):
    """A table of VizieR: 2MASS, APASS, the AAVSO index of variable stars, or one of twenty thousand others.

    `columns` tells which column is what; names that a reference table does not know become further columns.
    """

    name: ClassVar[str] = "vizier"
    fullname: ClassVar[str] = "a table of VizieR"
    main: ClassVar[str] = "table"

    table: str = Field(min_length=1)
    """Name of the table at VizieR, e.g. ``II/246/out`` (2MASS) or ``B/vsx/vsx``."""
    columns: dict[str, str] = Field(default={})
    """Name in a reference table -> name at VizieR: ``{ mag_J = "Jmag" }``; ``ra``, ``dec`` are RAJ2000, DEJ2000."""
    where: str = ""
    """Further conditions in ADQL, e.g. ``"Qflg" = 'AAA'``."""
    units: dict[str, str] = Field(default={})
    """Units of columns for which VizieR gives none, by name in a reference table."""
    epoch: float = 2000.0
    """Julian year of the positions, if there is no column for it."""
    systems: dict[str, Literal["AB", "Vega"]] = Field(default={})
    """System of the magnitudes by band, where it is not the usual one (u g r i z y AB, all others Vega)."""

    urls: tuple[str, ...] = Field(default=(VIZIER,))
    """Addresses of TAP services with the tables of VizieR."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return the bands among the columns, each with its system."""
        return {band: self.systems.get(band) or SYSTEMS.get(band, "Vega") for band in bands_in(self.columns)}

    def queries(self) -> Sequence[Query]:
        """Return the query for the columns; without a position among them, those that most tables have."""
        columns = {"ra": "RAJ2000", "dec": "DEJ2000"} | self.columns
        quoted = {name: f'"{column}"' for name, column in columns.items()}
        return (Query(quoted, f'"{self.table}"', self.where, units=self.units),)

    def reference(self, table: Table, columns: Mapping[str, str], query: Query) -> dict[str, Any]:
        """Return the columns of the reference table."""
        found = contents(table, columns, query.units)
        return {"epoch": self.epoch} | found

    def release_name(self) -> str:
        """Return the name of the table."""
        return f"VizieR {self.table}"
