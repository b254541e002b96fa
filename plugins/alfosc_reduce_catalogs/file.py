"""A catalogue in a file: FITS, ECSV, VOTable or CSV, its columns told by name."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from alfosc_reduce.catalog import Catalog, make_reference
from alfosc_reduce.errors import DataError
from alfosc_reduce.parameters import InputFile
from alfosc_reduce_catalogs.columns import SYSTEMS, bands_in, contents, located

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from astropy.coordinates import SkyCoord
    from astropy.table import QTable, Table
    from astropy.units import Quantity


class FileCatalog(Catalog):
    """A table of stars in a file: what a person keeps, what a colleague sent, what a service gave long ago.

    The columns of a reference table (``ra``, ``dec``, ``pmra``, ``mag_V``, ``mag_V_error``, ...) are taken where the
    file has them; `columns` tells the others. Magnitudes of exactly 0, above 50 or below -10 count as not known.
    """

    name: ClassVar[str] = "file"
    fullname: ClassVar[str] = "a table of your own"
    footprint: ClassVar[str] = "what is in the file"
    main: ClassVar[str] = "path"

    path: InputFile
    """The file; the format is seen from what is in it."""
    columns: dict[str, str] = Field(default={})
    """Name in a reference table -> name in the file: ``{ ra = "RAJ2000", mag_V = "Vmag", mag_V_error = "e_Vmag" }``."""
    units: dict[str, str] = Field(default={})
    """Units of columns that the file does not give, by name in a reference table; else degrees, mas and mas/yr."""
    epoch: float | None = None
    """Julian year of the positions, if there is no column ``epoch``; 2000 if nothing is said and nothing moves."""
    systems: dict[str, Literal["AB", "Vega"]] = Field(default={})
    """System of the magnitudes by band, where it is not the usual one (u g r i z y AB, all others Vega)."""
    release: str = ""
    """What the table is, for the record; by default the name of the file."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return the bands in the file, each with its system."""
        table = self._table()
        return self._systems(table, bands_in(located(self.columns, table.colnames, str(self.path))))

    def sources(self, centre: SkyCoord, radius: Quantity) -> QTable:
        """Return the sources of the file in a cone; see `Catalog.sources`."""
        table = self._table()
        own = {name: name for name in table.colnames} if "MAGSYS" in table.meta else {}  # a reference table keeps all
        columns = own | located(self.columns, table.colnames, str(self.path))
        try:
            found: dict[str, Any] = contents(table, columns, self.units)
        except DataError as error:
            raise DataError(f"{self.path}: {error}; see the parameters columns and units") from None
        epoch = found.pop("epoch", None)
        return make_reference(
            **found,
            epoch=self._epoch(table, columns) if epoch is None else epoch,
            systems=self._systems(table, list(found["magnitudes"])),
            catalog=self.name,
            centre=centre,
            radius=radius,
            release=self.release or self.path.name,
            source=str(table.meta.get("SOURCE", self.path.name)),
        )

    def _epoch(self, table: Table, columns: Mapping[str, str]) -> float:
        if self.epoch is None and "pmra" in columns and "pmdec" in columns:
            raise DataError(f"{self.path}: has proper motions, but no epoch of its positions; give epoch = YEAR")
        return 2000.0 if self.epoch is None else self.epoch

    def _systems(self, table: Table, bands: list[str]) -> dict[str, str]:
        told = table.meta.get("MAGSYS", {})
        told = told if isinstance(told, dict) else {}
        return {band: str(self.systems.get(band) or told.get(band) or SYSTEMS.get(band, "Vega")) for band in bands}

    def _table(self) -> Table:
        return read_table(self.path)


def read_table(path: Path) -> Table:
    """Return the table in a FITS, VOTable, ECSV or CSV file, whatever its name ends with.

    Raises
    ------
    DataError
        If it cannot be read as any of these.
    """
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = _kind(path)
            if kind == "product":
                return _product(path)
            table = Table.read(path, format=kind)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path}: not a table in FITS, VOTable, ECSV or CSV: {first_line(error)}") from error
    if not table.colnames:
        raise DataError(f"{path}: not a table in FITS, VOTable, ECSV or CSV: it has no columns")
    return table


def first_line(error: Exception) -> str:
    """Return what an error says first."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _kind(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(28800)
    if head.startswith(b"\x1f\x8b"):
        return "fits"
    if head.startswith(b"SIMPLE"):
        return "product" if b"PRODTYPE= 'QTable" in head else "fits"
    if b"<VOTABLE" in head[:4096].upper():
        return "votable"
    return "ascii.ecsv" if head.lstrip().startswith(b"# %ECSV") else "ascii.csv"


def _product(path: Path) -> Any:
    from alfosc_reduce.products import load

    return load(path)
