"""SDSS, Pan-STARRS and SkyMapper: magnitudes in the bands of Sloan over most of the sky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from alfosc_reduce_catalogs.columns import bare, contents
from alfosc_reduce_catalogs.service import Query, ServiceCatalog

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

VIZIER = "https://tapvizier.cds.unistra.fr/TAPVizieR/tap"
_MJD_2000, _YEAR = 51544.5, 365.25
_GALAXY = 3
"""Class of an extended object in SDSS."""
_POINT = 0.05
"""Magnitudes by which the Kron magnitude of a star may be brighter than its PSF magnitude (Farrow et al. 2014)."""
_STAR_LIKE = 0.5


class SdssCatalog(ServiceCatalog):
    """SDSS DR16 (primary, clean photometry): PSF magnitudes u g r i z, near AB (u - 0.04, z + 0.02 mag from AB)."""

    name: ClassVar[str] = "sdss"
    fullname: ClassVar[str] = "SDSS DR16"
    release: ClassVar[str] = "SDSS DR16 (VizieR V/154/sdss16)"
    footprint: ClassVar[str] = (
        "a third of the sky, most of it north of the celestial equator and far from the Milky Way"
    )
    citation: ClassVar[str] = "2020ApJS..249....3A"
    declinations: ClassVar[tuple[float, float]] = (-26.0, 85.5)

    urls: tuple[str, ...] = Field(default=(VIZIER,))
    """Addresses of TAP services with the tables of VizieR."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return u g r i z."""
        return dict.fromkeys("ugriz", "AB")

    def queries(self) -> Sequence[Query]:
        """Return the query for primary objects with clean photometry."""
        columns = {
            "source_id": '"objID"',
            "ra": '"RA_ICRS"',
            "dec": '"DE_ICRS"',
            "date": '"ObsDate"',
            "class": '"class"',
        }
        columns |= {f"mag_{band}": f'"{band}pmag"' for band in "ugriz"}
        columns |= {f"mag_{band}_error": f'"e_{band}pmag"' for band in "ugriz"}
        return _or_bare(Query(columns, '"V/154/sdss16"', '"mode" = 1 AND "clean" = 1'), '"mode" = 1')

    def reference(self, table: Table, columns: Mapping[str, str], query: Query) -> dict[str, Any]:
        """Return the columns of the reference table; positions are of the night they were observed."""
        found = contents(table, _without(columns, "date", "class"), query.units)
        found["epoch"] = _or(_column(table, columns, "date"), 2005.0)
        found["extended"] = _column(table, columns, "class") == _GALAXY
        return found


class PanStarrsCatalog(ServiceCatalog):
    """Pan-STARRS DR1: mean PSF magnitudes g r i z y (AB), positions tied to Gaia DR1, without proper motions."""

    name: ClassVar[str] = "panstarrs"
    fullname: ClassVar[str] = "Pan-STARRS DR1"
    release: ClassVar[str] = "Pan-STARRS DR1 (VizieR II/349/ps1)"
    footprint: ClassVar[str] = "declinations above -30"
    citation: ClassVar[str] = "2016arXiv161205560C"
    declinations: ClassVar[tuple[float, float]] = (-30.0, 90.0)

    urls: tuple[str, ...] = Field(default=(VIZIER,))
    """Addresses of TAP services with the tables of VizieR."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return g r i z y."""
        return dict.fromkeys("grizy", "AB")

    def queries(self) -> Sequence[Query]:
        """Return the query for objects seen more than once in more than one band."""
        columns = {"source_id": '"objID"', "ra": '"RAJ2000"', "dec": '"DEJ2000"', "ra_error": '"e_RAJ2000"'}
        columns |= {"dec_error": '"e_DEJ2000"', "date": '"Epoch"', "kron": '"iKmag"'}
        columns |= {f"mag_{band}": f'"{band}mag"' for band in "grizy"}
        columns |= {f"mag_{band}_error": f'"e_{band}mag"' for band in "grizy"}
        units = {"ra_error": "arcsec", "dec_error": "arcsec"}
        measured = '("rmag" IS NOT NULL OR "imag" IS NOT NULL)'
        return _or_bare(Query(columns, '"II/349/ps1"', f'{measured} AND "Nd" > 2', units=units), measured)

    def reference(self, table: Table, columns: Mapping[str, str], query: Query) -> dict[str, Any]:
        """Return the columns of the reference table; extended is what is brighter in its Kron aperture."""
        found = contents(table, _without(columns, "date", "kron"), query.units)
        found["epoch"] = _or(_year(_column(table, columns, "date")), 2012.5)
        kron, point = _column(table, columns, "kron"), found["magnitudes"]["i"][0]
        found["extended"] = (point - kron) > _POINT
        return found


class SkyMapperCatalog(ServiceCatalog):
    """SkyMapper DR4: PSF magnitudes u g r i z (AB; its u and v are narrower than elsewhere, v is left out)."""

    name: ClassVar[str] = "skymapper"
    fullname: ClassVar[str] = "SkyMapper DR4"
    release: ClassVar[str] = "SkyMapper DR4"
    footprint: ClassVar[str] = "declinations below +16 (complete below +2)"
    citation: ClassVar[str] = "2024PASA...41...61O"
    declinations: ClassVar[tuple[float, float]] = (-90.0, 16.0)

    urls: tuple[str, ...] = Field(default=("https://api.skymapper.nci.org.au/public/tap",))
    """Addresses of TAP services with the table ``dr4.master``."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return u g r i z."""
        return dict.fromkeys("ugriz", "AB")

    def queries(self) -> Sequence[Query]:
        """Return the query for objects without grave flags."""
        columns = {"source_id": "object_id", "ra": "raj2000", "dec": "dej2000", "ra_error": "e_raj2000"}
        columns |= {"dec_error": "e_dej2000", "date": "mean_epoch", "star": "class_star"}
        columns |= {f"mag_{band}": f"{band}_psf" for band in "ugriz"}
        columns |= {f"mag_{band}_error": f"e_{band}_psf" for band in "ugriz"}
        return _or_bare(Query(columns, "dr4.master", "flags < 4"), "")

    def reference(self, table: Table, columns: Mapping[str, str], query: Query) -> dict[str, Any]:
        """Return the columns of the reference table."""
        found = contents(table, _without(columns, "date", "star"), query.units)
        found["epoch"] = _or(_year(_column(table, columns, "date")), 2017.0)
        found["extended"] = _column(table, columns, "star") < _STAR_LIKE
        return found


def _without(columns: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: column for name, column in columns.items() if name not in names}


def _or_bare(query: Query, where: str) -> tuple[Query, Query]:
    """Return a query, and a simpler one for a service that has changed: names, positions and magnitudes alone."""
    columns = {
        name: column for name, column in query.columns.items() if name in ("source_id", "ra", "dec") or "mag" in name
    }
    return query, Query(columns, query.table, where, "this service has changed: epochs are rough, shapes not known")


def _column(table: Table, columns: Mapping[str, str], name: str) -> NDArray[np.float64]:
    """Return a column as plain numbers; NaN where the query did not ask for it."""
    return bare(table, columns[name]) if name in columns else np.full(len(table), np.nan)


def _year(mjd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Julian years of modified Julian dates."""
    return 2000.0 + (mjd - _MJD_2000) / _YEAR


def _or(values: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
    """Return values with gaps filled: an epoch must be known, if only roughly."""
    return np.where(np.isfinite(values), values, otherwise)
