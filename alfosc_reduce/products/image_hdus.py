"""``CCDData`` as FITS: ``SCI``, uncertainty (``VAR``, ``STD`` or ``IVAR``), ``FLAGS``, and ``MASK`` where needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.flags import mask_of

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

_STRUCTURE = (
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "PCOUNT", "GCOUNT", "BZERO", "BSCALE",
    "EXTNAME", "PRODTYPE", "CHECKSUM", "DATASUM", "END",
)  # fmt: skip
_UNCERTAINTIES = {"var": "VAR", "std": "STD", "ivar": "IVAR"}


def image_to_hdus(image: CCDData) -> fits.HDUList:
    """Return the HDUs of an image; ``SCI`` carries the header (so that viewers find the WCS and ``DISPAXIS``)."""
    from astropy.io import fits

    header = clean_header(image.meta)
    header["BUNIT"] = image.unit.to_string()
    if image.wcs is not None:
        header.update(image.wcs.to_header())
    primary = fits.PrimaryHDU()
    primary.header["PRODTYPE"] = "CCDData"
    hdus = [primary, fits.ImageHDU(np.asarray(image.data), header, name="SCI")]
    if image.uncertainty is not None:
        name = _UNCERTAINTIES[image.uncertainty.uncertainty_type]
        hdus.append(fits.ImageHDU(np.asarray(image.uncertainty.array), name=name))
    implied = np.zeros(image.shape, bool)
    if image.flags is not None:
        implied = mask_of(image.flags)
        hdus.append(fits.ImageHDU(np.asarray(image.flags, np.int16), name="FLAGS"))
    if image.mask is not None and (image.flags is None or not np.array_equal(implied, image.mask)):
        hdus.append(fits.ImageHDU(np.asarray(image.mask, np.uint8), name="MASK"))
    return fits.HDUList(hdus)


def hdus_to_image(hdus: fits.HDUList, *, copy: bool) -> CCDData:
    """Return the image in `hdus`; with `copy`, as native arrays in memory."""
    from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

    kinds = {"VAR": VarianceUncertainty, "STD": StdDevUncertainty, "IVAR": InverseVariance}
    names = {hdu.name for hdu in hdus}
    header = hdus["SCI"].header
    unit = header.get("BUNIT", "adu")
    found = next((name for name in kinds if name in names), None)
    flags = _plane(hdus["FLAGS"].data, copy) if "FLAGS" in names else None
    mask = hdus["MASK"].data.astype(bool) if "MASK" in names else None
    if mask is None and flags is not None:
        mask = mask_of(flags)
    return CCDData(
        _plane(hdus["SCI"].data, copy),
        unit=unit,
        uncertainty=kinds[found](_plane(hdus[found].data, copy), copy=False) if found else None,
        mask=mask,
        flags=flags,
        meta=clean_header(header),
    )


def clean_header(meta: Any) -> fits.Header:
    """Return `meta` as a FITS header without the cards that describe an array."""
    from astropy.io import fits

    header = meta.copy() if isinstance(meta, fits.Header) else fits.Header(dict(meta))
    for key in _STRUCTURE:
        header.remove(key, ignore_missing=True, remove_all=True)
    return header


def _plane(data: NDArray[Any], copy: bool) -> NDArray[Any]:
    return np.array(data, dtype=data.dtype.newbyteorder("=")) if copy else data
