"""Spectra as FITS: one binary table an object (``OBJ1``, ``OBJ2``, ...) that every viewer of tables opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.products.image_hdus import clean_header
from alfosc_reduce.spectra import columns_of, header_of, spectrum_flags, spectrum_variance

if TYPE_CHECKING:
    from astropy.io import fits
    from specutils import Spectrum, SpectrumList

_STANDARD = ("WAVE", "FLUX", "ERR", "MASK", "FLAGS")


def spectra_to_hdus(spectra: Any) -> fits.HDUList:
    """Return the HDUs of one spectrum or a list of them."""
    from astropy.io import fits

    single = type(spectra).__name__ == "Spectrum"
    members = [spectra] if single else list(spectra)
    primary = fits.PrimaryHDU()
    if members:
        primary.header.update(clean_header(header_of(members[0])))
    primary.header["PRODTYPE"] = "Spectrum" if single else "SpectrumList"
    return fits.HDUList([primary, *(_table(spectrum, i + 1) for i, spectrum in enumerate(members))])


def _table(spectrum: Spectrum, number: int) -> fits.BinTableHDU:
    from astropy.io import fits
    from astropy.table import QTable

    table = QTable()
    table["WAVE"] = spectrum.spectral_axis.quantity if hasattr(spectrum.spectral_axis, "quantity") else spectrum.spectral_axis
    table["FLUX"] = spectrum.flux
    table["ERR"] = np.sqrt(spectrum_variance(spectrum)) * spectrum.flux.unit
    table["MASK"] = np.zeros(spectrum.shape, bool) if spectrum.mask is None else np.asarray(spectrum.mask, bool)
    table["FLAGS"] = spectrum_flags(spectrum)
    for name, column in columns_of(spectrum).items():
        table[name] = column
    hdu = fits.table_to_hdu(table)
    hdu.header.extend(clean_header(header_of(spectrum)), unique=True)
    hdu.name = f"OBJ{number}"
    return hdu


def hdus_to_spectra(hdus: fits.HDUList) -> SpectrumList:
    """Return all spectra in a file, masks and flags included."""
    from specutils import SpectrumList

    return SpectrumList([hdu_to_spectrum(hdu) for hdu in hdus[1:] if hdu.name.startswith("OBJ")])


def hdu_to_spectrum(hdu: fits.BinTableHDU) -> Spectrum:
    """Return the spectrum in one table."""
    from astropy.nddata import VarianceUncertainty
    from astropy.table import QTable
    from specutils import Spectrum

    table = QTable.read(hdu, astropy_native=False)
    header = clean_header(hdu.header)
    for key in [key for key in header if key.startswith(("TTYPE", "TFORM", "TUNIT", "TFIELDS", "TDISP", "TNULL"))]:
        header.remove(key)
    return Spectrum(
        spectral_axis=_native(table["WAVE"]),
        flux=_native(table["FLUX"]),
        uncertainty=VarianceUncertainty(np.square(_native(table["ERR"]).value)),
        mask=np.asarray(table["MASK"], bool),
        meta={
            "header": header,
            "flags": np.asarray(table["FLAGS"], np.int16),
            "columns": {name: _native(table[name]) for name in table.colnames if name not in _STANDARD},
        },
    )


def _native(column: Any) -> Any:
    from astropy import units as u

    values = np.asarray(column)
    values = values.astype(values.dtype.newbyteorder("="))
    unit = getattr(column, "unit", None)
    return values * (unit if unit is not None else u.dimensionless_unscaled)
