"""Gaia DR3: the reference for positions, and through its spectra for magnitudes in many bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from alfosc_reduce_catalogs.columns import bare, contents, magnitude
from alfosc_reduce_catalogs.service import Query, ServiceCatalog

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

_EPOCH = 2016.0
_TO_MAGNITUDES = 2.5 / np.log(10)

_SOURCE = {
    "source_id": "source_id", "ra": "ra", "dec": "dec", "ra_error": "ra_error", "dec_error": "dec_error",
    "pmra": "pmra", "pmdec": "pmdec", "pmra_error": "pmra_error", "pmdec_error": "pmdec_error", "ruwe": "ruwe",
    "variable": "phot_variable_flag", "mag_G": "phot_g_mean_mag", "mag_BP": "phot_bp_mean_mag",
    "mag_RP": "phot_rp_mean_mag", "snr_G": "phot_g_mean_flux_over_error", "snr_BP": "phot_bp_mean_flux_over_error",
    "snr_RP": "phot_rp_mean_flux_over_error",
}  # fmt: skip
_SYNTHETIC = {
    **{band: f"{band}_sdss" for band in "ugriz"},
    **{band: f"{band.lower()}_jkc" for band in "UBVRI"},
}
"""Band -> its name in the table of synthetic photometry (Montegriffo et al. 2023)."""


class GaiaCatalog(ServiceCatalog):
    """Gaia DR3: positions at 2016.0, proper motions, G BP RP (Vega), and where a star has a spectrum synthetic
    magnitudes u g r i z (AB) and U B V R I (Vega) of the Gaia Synthetic Photometry Catalogue.

    Synthetic magnitudes outside the range in which they were validated are left out; there are none fainter than
    G = 17.65. Where a service has no synthetic photometry, the table comes without, and the log says so.
    """  # noqa: D205 - one sentence

    name: ClassVar[str] = "gaia"
    fullname: ClassVar[str] = "Gaia DR3 with synthetic photometry"
    release: ClassVar[str] = "Gaia DR3"
    citation: ClassVar[str] = "2023A&A...674A...1G, 2023A&A...674A..33G"
    by_job: ClassVar[bool] = True

    urls: tuple[str, ...] = Field(
        default=("https://gea.esac.esa.int/tap-server/tap", "https://gaia.ari.uni-heidelberg.de/tap")
    )
    """Addresses of TAP services with the schema ``gaiadr3``; the second is asked if the first cannot answer."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return the bands of Gaia and those of its synthetic photometry."""
        own = dict.fromkeys(("G", "BP", "RP"), "Vega")
        return own | dict.fromkeys("ugriz", "AB") | dict.fromkeys("UBVRI", "Vega")

    def queries(self) -> Sequence[Query]:
        """Return the query with synthetic photometry, and the one without."""
        own = {name: f"g.{column}" for name, column in _SOURCE.items()}
        joined = "gaiadr3.gaia_source AS g LEFT OUTER JOIN gaiadr3.synthetic_photometry_gspc AS s"
        return (
            Query(own | _synthetic_columns(), f"{joined} ON s.source_id = g.source_id"),
            Query(own, "gaiadr3.gaia_source AS g", lacks="this service has no synthetic photometry: only G, BP and RP"),
        )

    def reference(self, table: Table, columns: Mapping[str, str], query: Query) -> dict[str, Any]:
        """Return the columns of the reference table, errors worked out from fluxes."""
        own = {
            name: column for name, column in columns.items() if not name.startswith(("mag_", "snr_", "flag_", "flux"))
        }
        found: dict[str, Any] = contents(table, own, query.units)
        found["epoch"] = _EPOCH
        magnitudes = {
            band: (magnitude(table, columns[f"mag_{band}"]), _TO_MAGNITUDES / bare(table, columns[f"snr_{band}"]))
            for band in ("G", "BP", "RP")
        }
        if "mag_V" in columns:
            magnitudes |= {band: _validated(table, columns, band) for band in _SYNTHETIC}
        return found | {"magnitudes": magnitudes}


def _synthetic_columns() -> dict[str, str]:
    """Return the columns of the synthetic photometry: magnitude, flux, its error, and whether it was validated."""
    found: dict[str, str] = {}
    for band, name in _SYNTHETIC.items():
        found |= {f"mag_{band}": f"s.{name}_mag", f"flag_{band}": f"s.{name}_flag"}
        found |= {f"flux_{band}": f"s.{name}_flux", f"fluxerror_{band}": f"s.{name}_flux_error"}
    return found


def _validated(table: Table, columns: Mapping[str, str], band: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return synthetic magnitudes and errors where the standardisation of the band was validated (its flag is 1)."""
    good = bare(table, columns[f"flag_{band}"]) == 1
    flux, error = bare(table, columns[f"flux_{band}"]), bare(table, columns[f"fluxerror_{band}"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.where(good, magnitude(table, columns[f"mag_{band}"]), np.nan),
            np.where(good, _TO_MAGNITUDES * error / flux, np.nan),
        )
