"""Exact comparison of products, and a cheap fingerprint that tells whether one was changed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

OF_THE_FILE = ("BUNIT", "EXTNAME", "PRODTYPE")
"""Header keywords that describe how a product is stored, not the product."""


def digest(product: Any) -> str:
    """Return a fingerprint of all that a product holds: arrays, units, masks, flags, headers, nested products.

    Two products have the same digest if they are equal bit for bit (a NaN equals a NaN of the same bits). About a
    gigabyte a second.
    """
    total = hashlib.blake2b(digest_size=16)
    for name, value in parts(product):
        shape = f"{value.shape}{value.dtype.str}" if isinstance(value, np.ndarray) else ""
        total.update(f"{name}{shape}".encode())
        total.update(_bytes(value))
    return total.hexdigest()


def identical(a: Any, b: Any) -> bool:
    """Say whether two products are equal bit for bit, units, masks, flags and headers included."""
    return not differences(a, b)


def differences(a: Any, b: Any, *, rtol: float = 0.0) -> list[str]:
    """Return a sentence for each part in which two products differ; none if they are equal.

    Parameters
    ----------
    a, b
        Any products, or tuples, lists and dictionaries of them.
    rtol
        Relative difference allowed between floating-point values.
    """
    left, right = dict(parts(a)), dict(parts(b))
    told = [f"{name}: only in the first" for name in left if name not in right]
    told += [f"{name}: only in the second" for name in right if name not in left]
    for name in left.keys() & right.keys():
        told += _difference(name, left[name], right[name], rtol)
    return sorted(told)


def _difference(name: str, a: Any, b: Any, rtol: float) -> list[str]:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return [] if repr(a) == repr(b) else [f"{name}: {a!r} against {b!r}"]
    if a.shape != b.shape or a.dtype.newbyteorder("=") != b.dtype.newbyteorder("="):
        return [f"{name}: {a.dtype} {a.shape} against {b.dtype} {b.shape}"]
    floating = a.dtype.kind in "fc"
    same = np.isclose(a, b, rtol=rtol, atol=0, equal_nan=True) if floating else a == b
    return [] if np.all(same) else [f"{name}: {np.count_nonzero(~same)} of {a.size} values differ"]


def parts(value: Any, name: str = "product") -> Iterator[tuple[str, Any]]:
    """Yield all that a product holds as (dotted name, array or plain value), its type among them."""
    yield f"{name}.type", type(value).__name__
    kinds = {base.__name__ for base in type(value).__mro__}
    if "Header" in kinds:
        yield from _cards(value, name)
    elif kinds & {"NDData", "Spectrum"}:
        yield from _nddata(value, name)
    elif "Table" in kinds:
        yield from _table(value, name)
    elif isinstance(value, np.ndarray):
        yield from _array(value, name)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        yield from _mapping(fields, name)
    elif isinstance(value, Mapping):
        yield from _mapping(value, name)
    elif isinstance(value, (list, tuple)):
        yield from _mapping(dict(enumerate(value)), name)
    else:
        yield name, value


def _cards(header: Any, name: str) -> Iterator[tuple[str, Any]]:
    for i, card in enumerate(header.cards):
        if card.keyword not in OF_THE_FILE:
            repeated = i if card.keyword in ("COMMENT", "HISTORY", "") else ""
            yield f"{name}[{card.keyword}{repeated}]", card.value


def _nddata(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield f"{name}.unit", str(value.unit)
    axis = getattr(value, "spectral_axis", None)
    held = {
        "data": np.asarray(value.data),
        "mask": value.mask,
        "flags": getattr(value, "flags", None),
        "meta": value.meta,
    }
    if axis is not None:
        held["spectral_axis"] = axis.quantity if hasattr(axis, "quantity") else axis
    yield from _mapping({key: item for key, item in held.items() if item is not None}, name)
    if value.uncertainty is not None:
        yield f"{name}.uncertainty_type", value.uncertainty.uncertainty_type
        yield from _array(np.asarray(value.uncertainty.array), f"{name}.uncertainty")


def _table(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    for column in value.colnames:
        yield f"{name}[{column}].type", type(value[column]).__name__
        yield from _array(value[column], f"{name}[{column}]")
    yield from _mapping(dict(value.meta), f"{name}.meta")


def _array(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, np.asarray(value)
    unit = getattr(value, "unit", None)
    yield f"{name}.unit", str(unit) if unit is not None else ""
    if isinstance(value, np.ma.MaskedArray):
        yield f"{name}.mask", np.ma.getmaskarray(value)


def _mapping(value: Mapping[Any, Any], name: str) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        yield from parts(item, f"{name}.{key}")


def _bytes(value: Any) -> Any:
    """Return a value as a buffer; of an array the values alone, without a copy where it is contiguous."""
    if not isinstance(value, np.ndarray):
        return repr(value).encode()
    if value.dtype.hasobject:
        return repr(value.tolist()).encode()
    return np.ascontiguousarray(value).reshape(-1).view(np.uint8)
