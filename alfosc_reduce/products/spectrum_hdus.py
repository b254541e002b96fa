"""Spectra as FITS: one binary table an object (``OBJ1``, ``OBJ2``, ...) that every viewer of tables opens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce.products.image_hdus import clean_header
from alfosc_reduce.spectra import columns_of, header_of, spectrum_flags, spectrum_variance

if TYPE_CHECKING:
    from astropy.io import fits
    from specutils import Spectrum, SpectrumList

_STANDARD = ("WAVE", "FLUX", "ERR", "MASK", "FLAGS")
_FORMATS = {"f8": "D", "f4": "E", "i2": "I", "i4": "J", "i8": "K", "b1": "L"}
_AXIS_KEYS = r"WCSAXES|WCSNAME|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT)\d|(CD|PC)\d_\d"
_TABLE_KEYS = r"TFIELDS|(TTYPE|TFORM|TUNIT|TDISP|TNULL|OUNIT)\d+"


def spectra_to_hdus(spectra: Any) -> fits.HDUList:
    """Return the HDUs of one spectrum or a list of them."""
    from astropy.io import fits

    single = type(spectra).__name__ == "Spectrum"
    members = [spectra] if single else list(spectra)
    primary = fits.PrimaryHDU()
    if members:
        primary.header.extend(_without_axes(clean_header(header_of(members[0]))), unique=True)
    primary.header["PRODTYPE"] = "Spectrum" if single else "SpectrumList"
    return fits.HDUList([primary, *(_table(spectrum, i + 1) for i, spectrum in enumerate(members))])


def _table(spectrum: Spectrum, number: int) -> fits.BinTableHDU:
    from astropy.io import fits

    columns = _columns(spectrum)
    hdu = fits.BinTableHDU.from_columns([_column(name, values) for name, values in columns.items()])
    for i, values in enumerate(columns.values(), start=1):
        unit = getattr(values, "unit", None)
        if unit is not None and u.electron in unit.bases:
            hdu.header[f"OUNIT{i}"] = (unit.to_string(), f"unit of column {i}; FITS only knows counts")
    hdu.header.extend(_without_axes(clean_header(header_of(spectrum))), unique=True)
    hdu.name = f"OBJ{number}"
    return hdu


def _columns(spectrum: Spectrum) -> dict[str, Any]:
    mask = np.zeros(spectrum.shape, bool) if spectrum.mask is None else np.array(spectrum.mask, bool)
    error = np.sqrt(spectrum_variance(spectrum))
    # A masked pixel without an error must not look infinitely good to a reader that ignores masks.
    error[mask & (error == 0)] = np.nan
    return {
        "WAVE": u.Quantity(spectrum.spectral_axis),
        "FLUX": spectrum.flux,
        "ERR": error * spectrum.flux.unit,
        "MASK": mask,
        "FLAGS": spectrum_flags(spectrum),
        **columns_of(spectrum),
    }


def _column(name: str, values: Any) -> fits.Column:
    from astropy.io import fits

    array = np.asarray(getattr(values, "value", values))
    unit = _standard_unit(getattr(values, "unit", None) or u.dimensionless_unscaled)
    return fits.Column(name, _FORMATS[array.dtype.kind + str(array.dtype.itemsize)], unit=unit or None, array=array)


def _standard_unit(unit: u.UnitBase) -> str:
    """Return `unit` as the FITS standard writes it, which has counts where we have electrons."""
    try:
        return str(unit.to_string("fits"))
    except ValueError:
        return str(unit.to_string()).replace("electron", "count")


def _without_axes(header: fits.Header) -> fits.Header:
    """Drop a WCS of the frame that the spectrum came from: a reader would take it for that of the table."""
    keys = [
        key for key in header if re.fullmatch(r"(WCSAXES|WCSNAME|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT)\d|(CD|PC)\d_\d)", key)
    ]
    for key in keys:
        header.remove(key, remove_all=True)
    return header


def hdus_to_spectra(hdus: fits.HDUList) -> SpectrumList:
    """Return all spectra in a file, masks and flags included."""
    from specutils import SpectrumList

    return SpectrumList([hdu_to_spectrum(hdu) for hdu in hdus[1:] if hdu.name.startswith("OBJ")])


def hdu_to_spectrum(hdu: fits.BinTableHDU) -> Spectrum:
    """Return the spectrum in one table."""
    from astropy.nddata import VarianceUncertainty
    from specutils import Spectrum

    columns = {c.name: _quantity(hdu, c.name, i) for i, c in enumerate(hdu.columns, start=1)}
    header = clean_header(hdu.header)
    for key in [key for key in header if re.fullmatch(_TABLE_KEYS, key)]:
        header.remove(key, ignore_missing=True, remove_all=True)
    mask = np.array(hdu.data["MASK"], bool)
    error = columns["ERR"].value
    error[mask & np.isnan(error)] = 0
    return Spectrum(
        spectral_axis=columns["WAVE"],
        flux=columns["FLUX"],
        uncertainty=VarianceUncertainty(np.square(error)),
        mask=mask,
        meta={
            "header": header,
            "flags": np.array(hdu.data["FLAGS"], np.int16),
            "columns": {name: column for name, column in columns.items() if name not in _STANDARD},
        },
    )


def _quantity(hdu: fits.BinTableHDU, name: str, number: int) -> u.Quantity:
    values = np.asarray(hdu.data[name])
    unit = u.Unit(hdu.header.get(f"OUNIT{number}", hdu.header.get(f"TUNIT{number}", "")))
    return u.Quantity(values.astype(values.dtype.newbyteorder("=")), unit, dtype=None)
