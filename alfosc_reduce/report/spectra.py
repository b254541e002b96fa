"""Published spectra as data for the page: numbers in base64, read from FITS tables without specutils."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.flags import UNUSABLE, Flag
from alfosc_reduce.publishing import Publication

if TYPE_CHECKING:
    from astropy.io import fits
    from numpy.typing import NDArray

    from alfosc_reduce.store import Store

TYPES = ("Spectrum", "SpectrumList")
_FRAMES = {"BARYCENT": "barycentric", "HELIOCEN": "heliocentric", "TOPOCENT": "as at the telescope"}
_OWN = ("WAVE", "FLUX", "ERR", "MASK", "FLAGS")


def is_spectrum(publication: Publication, store: Store) -> bool:
    """Say whether a published product holds one-dimensional spectra."""
    outputs: Mapping[str, str] = store.record(publication.key)["entity"]["outputs"]
    return outputs.get(publication.source.stem) in TYPES


def spectra_of(publications: Iterable[Publication]) -> list[dict[str, Any]]:
    """Return all spectra of a target, those that join several frames first, then frame by frame.

    Raises
    ------
    OSError, KeyError, ValueError
        If a file is damaged.
    """
    ordered = sorted(publications, key=lambda p: ("frame" in p.result.task.coordinates, p.result.task.time))
    return [spectrum for publication in ordered for spectrum in _objects(publication)]


def _objects(publication: Publication) -> list[dict[str, Any]]:
    from astropy.io import fits

    with fits.open(publication.source, memmap=False) as hdus:
        tables = [hdu for hdu in hdus if hdu.name.startswith("OBJ")]
        names = [f", object {i}" if len(tables) > 1 else "" for i in range(1, len(tables) + 1)]
        return [_spectrum(hdu, _title(publication) + n, publication) for hdu, n in zip(tables, names, strict=True)]


def _title(publication: Publication) -> str:
    where = publication.result.task.coordinates
    return where.get("frame") or "combined"


def _spectrum(hdu: fits.BinTableHDU, title: str, publication: Publication) -> dict[str, Any]:
    header, names = hdu.header, hdu.columns.names
    units = {name: _unit(header, i) for i, name in enumerate(names, start=1)}
    further = [name for name in names if name not in _OWN and units[name] == units["FLUX"]]
    return {
        "title": title,
        "setup": publication.result.task.coordinates.get("setup", ""),
        "unit": units["FLUX"],
        "axis": units["WAVE"],
        "medium": str(header.get("AIRORVAC", "")).lower(),
        "frame": _FRAMES.get(str(header.get("SPECSYS", ""))[:8], ""),
        "x": packed(hdu.data["WAVE"], "<f8"),
        "y": packed(hdu.data["FLUX"]),
        "e": packed(hdu.data["ERR"]),
        "flags": packed(hdu.data["FLAGS"], "<i2"),
        "columns": {name: packed(hdu.data[name]) for name in further},
    }


def _unit(header: fits.Header, number: int) -> str:
    return str(header.get(f"OUNIT{number}", header.get(f"TUNIT{number}", "")))


def packed(values: NDArray[Any], dtype: str = "<f4") -> str:
    """Return numbers as base64 of little-endian bytes, 32-bit floats as a rule."""
    with np.errstate(over="ignore"):
        return b64encode(np.ascontiguousarray(values, dtype=np.dtype(dtype)).tobytes()).decode()


def flag_table() -> list[dict[str, Any]]:
    """Return what the page must know of flags: bit, name, whether it makes a pixel unusable."""
    return [
        {"bit": int(flag), "name": (flag.name or "").lower().replace("_", " "), "unusable": bool(flag & UNUSABLE)}
        for flag in Flag
    ]
