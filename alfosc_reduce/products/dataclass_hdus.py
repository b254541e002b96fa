"""A frozen dataclass as FITS: arrays as images, tables as tables, the rest as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError, ReductionError

if TYPE_CHECKING:
    from astropy.io import fits

_PLAIN = "FIELDS"


def dataclass_to_hdus(product: Any) -> fits.HDUList:
    """Return the HDUs of a dataclass whose fields are arrays, quantities, tables or plain (JSON) values."""
    from astropy.io import fits

    from alfosc_reduce.products.table_hdus import table_hdu

    kind = type(product)
    primary = fits.PrimaryHDU()
    primary.header["PRODTYPE"] = f"{kind.__module__}:{kind.__qualname__}"
    hdus, plain = [primary], {}
    for field in dataclasses.fields(product):
        value = getattr(product, field.name)
        if any(base.__name__ == "Table" for base in type(value).__mro__):
            hdus.append(table_hdu(value, field.name.upper()))
        elif isinstance(value, np.ndarray):
            hdus.append(_array_hdu(value, field.name.upper()))
        else:
            plain[field.name] = _plain(value, field.name, kind.__name__)
    text = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    hdus.append(fits.ImageHDU(text, name=_PLAIN))
    return fits.HDUList(hdus)


def hdus_to_dataclass(kind: str, hdus: fits.HDUList) -> Any:
    """Return the dataclass that `kind` (``module:Class``) names; raises `DataError` if it is not installed."""
    from alfosc_reduce.products.table_hdus import table_of_hdu

    cls = _class_of(kind)
    values: dict[str, Any] = json.loads(np.asarray(hdus[_PLAIN].data, np.uint8).tobytes())
    present = {hdu.name: hdu for hdu in hdus[1:]}
    for field in dataclasses.fields(cls):
        hdu = present.get(field.name.upper())
        if hdu is not None:
            values[field.name] = table_of_hdu(hdu) if "TFIELDS" in hdu.header else _array(hdu)
        elif field.name in values and isinstance(values[field.name], list):
            values[field.name] = _tuples(values[field.name])
    return cls(**values)


def _class_of(kind: str) -> Any:
    from importlib import import_module

    module, _, name = kind.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"products of type {kind!r} need a package that is not installed ({error})") from error


def _array_hdu(value: Any, name: str) -> fits.ImageHDU:
    from astropy.io import fits

    data = np.asarray(value)
    boolean = data.dtype == bool
    hdu = fits.ImageHDU(data.astype(np.uint8) if boolean else data, name=name)
    if boolean:
        hdu.header["BOOLEAN"] = True
    if getattr(value, "unit", None) is not None:
        hdu.header["BUNIT"] = value.unit.to_string()
    return hdu


def _array(hdu: fits.ImageHDU) -> Any:
    from astropy import units as u

    shape = tuple(hdu.header[f"NAXIS{i}"] for i in range(hdu.header["NAXIS"], 0, -1))
    stored = np.zeros(shape or (0,)) if hdu.data is None else hdu.data
    data = np.array(stored, dtype=stored.dtype.newbyteorder("="))
    if hdu.header.get("BOOLEAN"):
        return data.astype(bool)
    return u.Quantity(data, hdu.header["BUNIT"]) if "BUNIT" in hdu.header else data


def _plain(value: Any, name: str, owner: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise ReductionError(
            f"{owner}.{name} is a {type(value).__name__}: a product's fields are arrays, tables or plain values"
        ) from None
    return value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
