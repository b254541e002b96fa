"""Save and load any product; files are written whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import DataError, ReductionError
from alfosc_reduce.replacement import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from astropy.io import fits

KEYWORD = "PRODTYPE"
"""Primary header keyword that names the product's type: ``CCDData``, ``Spectrum``, ``SpectrumList``, ``QTable``, or
``module:Class`` of a dataclass."""


def save(product: Any, path: str | Path, *, cards: Mapping[str, Any] | None = None) -> Path:
    """Write a product to a FITS file, atomically.

    Parameters
    ----------
    product
        ``CCDData``, ``Spectrum``, a list of ``Spectrum``, ``Table`` or a frozen dataclass of arrays, tables and plain
        values.
    path
        Replaced if it exists.
    cards
        Further cards of the primary header.

    Raises
    ------
    ReductionError
        If the product is of another type, or the file cannot be written (full disk, read-only folder).
    """
    path = Path(path)
    hdus = hdus_of(product)
    hdus[0].header.update(dict(cards or {}))
    write_whole(hdus, path)
    return path


def write_whole(hdus: fits.HDUList, path: Path) -> None:
    """Write HDUs to a file beside `path` and move it there in one stroke; raises `ReductionError` if that fails."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ReductionError(f"cannot write {path}: {why_not(path, error)}") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            hdus.writeto(stream)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except (OSError, AttributeError) as error:
        raise ReductionError(f"cannot write {path}: {_reason(path, error)}") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    """Return what a new file of this person does not allow: a temporary file allows nobody else anything."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _reason(path: Path, error: Exception) -> str:
    """Say why writing failed; astropy may trip over its own check for free space, which hides what happened."""
    found = error if isinstance(error, OSError) else error.__context__
    if not isinstance(found, OSError):
        raise error
    return why_not(path, found) if found.strerror else "the disk is full; make room, and run again"


def hdus_of(product: Any) -> fits.HDUList:
    """Return the FITS HDUs of a product; raises `ReductionError` for a type that has none."""
    names = {base.__name__ for base in type(product).__mro__}
    if "CCDData" in names:
        from alfosc_reduce.products.image_hdus import image_to_hdus

        return image_to_hdus(product)
    if "Spectrum" in names or "SpectrumList" in names or _is_spectra(product):
        from alfosc_reduce.products.spectrum_hdus import spectra_to_hdus

        return spectra_to_hdus(product)
    if "Table" in names:
        from alfosc_reduce.products.table_hdus import table_to_hdus

        return table_to_hdus(product)
    if dataclasses.is_dataclass(product) and not isinstance(product, type):
        from alfosc_reduce.products.dataclass_hdus import dataclass_to_hdus

        return dataclass_to_hdus(product)
    raise ReductionError(
        f"a product of type {type(product).__name__!r} cannot be saved; "
        "return CCDData, Spectrum, SpectrumList, QTable or a frozen dataclass of arrays, tables and plain values"
    )


def _is_spectra(product: Any) -> bool:
    return isinstance(product, list) and bool(product) and all(type(p).__name__ == "Spectrum" for p in product)


def load(path: str | Path, *, memmap: bool = False) -> Any:
    """Read a product that `save` wrote.

    Parameters
    ----------
    path
        The file.
    memmap
        Leave image planes on disk until they are used (they are then big-endian and read-only).

    Raises
    ------
    DataError
        If the file is missing, damaged, or no product of this package.
    """
    try:
        # Planes are copied out of a map of the file: read first, they would be in memory twice.
        with _opened(path, memmap=True, lazy=memmap) as hdus:
            if not (kind := hdus[0].header.get(KEYWORD)):
                raise _no_product(path)
            if kind == "CCDData" or memmap:
                return _from_hdus(str(kind), hdus, copy=not memmap)
        with _opened(path, memmap=False) as hdus:
            return _from_hdus(str(kind), hdus, copy=True)
    except (OSError, TypeError, ValueError, KeyError, EOFError, UserWarning) as error:
        type_of_file(path)  # says so if there is no FITS file at all
        raise DataError(f"{path}: damaged product ({error}); remove it and run again") from error


def type_of_file(path: str | Path) -> str:
    """Return the product type that a file declares; raises `DataError` if it declares none."""
    kind = header_of_file(path).get(KEYWORD)
    if not kind:
        raise _no_product(path)
    return str(kind)


def _no_product(path: str | Path) -> DataError:
    return DataError(f"{path}: a FITS file, but no product of this package (no {KEYWORD} keyword)")


def header_of_file(path: str | Path) -> fits.Header:
    """Return the primary header of a FITS file; raises `DataError` if it cannot be read."""
    try:
        with _opened(path, memmap=True) as hdus:
            header: fits.Header = hdus[0].header.copy()
            return header
    except (OSError, ValueError, EOFError, UserWarning) as error:
        raise DataError(f"{path}: cannot be read as FITS ({error})") from error


@contextmanager
def _opened(path: str | Path, *, memmap: bool, lazy: bool | None = None) -> Iterator[fits.HDUList]:
    """Open a FITS file; what astropy only warns of in a damaged one is an error here."""
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    with warnings.catch_warnings(), Path(path).open("rb") as stream:
        warnings.filterwarnings("error", ".*(truncated|validating header)", AstropyUserWarning)
        with fits.open(stream, memmap=memmap, lazy_load_hdus=memmap if lazy is None else lazy) as hdus:
            yield hdus


def _from_hdus(kind: str, hdus: fits.HDUList, *, copy: bool) -> Any:
    if kind == "CCDData":
        from alfosc_reduce.products.image_hdus import hdus_to_image

        return hdus_to_image(hdus, copy=copy)
    if kind in ("Spectrum", "SpectrumList"):
        from alfosc_reduce.products.spectrum_hdus import hdus_to_spectra

        spectra = hdus_to_spectra(hdus)
        return spectra[0] if kind == "Spectrum" else spectra
    if kind == "QTable":
        from alfosc_reduce.products.table_hdus import hdus_to_table

        return hdus_to_table(hdus)
    from alfosc_reduce.products.dataclass_hdus import hdus_to_dataclass

    return hdus_to_dataclass(kind, hdus)
