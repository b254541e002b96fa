"""Raw files: plain, gzipped or tile-compressed FITS, to one header and one array.

Plain and gzipped files are taken apart here, which is several times faster than opening them as HDU lists and tells a
truncated file from a whole one; tile-compressed ones (``.fz``) are left to astropy.
"""

from __future__ import annotations

import gzip
import re
import zlib
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from astropy.io.fits import Header
    from numpy.typing import NDArray

BLOCK = 2880
"""Bytes in a FITS block."""

_GZIP = b"\x1f\x8b"

_MOST_BLOCKS = 200
"""A header longer than this many blocks is none."""

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}

_OF_THE_ARRAY = {
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "EXTEND", "PCOUNT", "GCOUNT",
    "BZERO", "BSCALE", "INHERIT", "CHECKSUM", "DATASUM", "BLANK", "", "COMMENT", "HISTORY", "END",
}  # fmt: skip

_OF_COMPRESSION = re.compile(
    r"Z(IMAGE|TILE\d+|CMPTYPE|NAME\d+|VAL\d+|BITPIX|NAXIS\d*|TENSION|PCOUNT|GCOUNT|QUANTIZ|DITHER0|EXTEND|SIMPLE|BLANK"
    r"|MASKCMP|HECKSUM|DATASUM)|T(FIELDS|TYPE\d+|FORM\d+|HEAP)"
)


class Raw(NamedTuple):
    """A raw frame.

    Attributes
    ----------
    header
        Primary header with that of the first image merged in.
    data
        ADU, shape (ny, nx); wrapped negative values mended.
    wrapped
        True where a value was mended, same shape.
    """

    header: Header
    data: NDArray[Any]
    wrapped: NDArray[np.bool_]


class _Unit(NamedTuple):
    header: Header
    offset: int


def read_header(path: Path) -> Header:
    """Return the primary header with that of the first image merged in, without reading or decompressing the pixels.

    Raises
    ------
    DataError
        If the file is no FITS file, or ends within its headers.
    """
    try:
        with path.open("rb") as file:
            units = _units(_unpacked(file), path)
    except (EOFError, OSError, zlib.error) as error:
        raise _broken(path, error) from error
    return _merged(units)


def read_raw(path: Path) -> Raw:
    """Return header and pixels of a raw file.

    Raises
    ------
    DataError
        If the file is no FITS file, is truncated, or holds no two-dimensional image.
    """
    content = _content(path)
    units = _units(BytesIO(content), path)
    header = _merged(units)
    packed = bool(units[-1].header.get("ZIMAGE"))
    stored = _decompressed(content, path) if packed else _pixels(content, units[-1], path)
    return Raw(header, *_mended(stored, units[-1].header))


def _unpacked(file: BufferedReader) -> IO[bytes]:
    packed = file.peek(2)[:2] == _GZIP
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != _GZIP:
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise _broken(path, error) from error


def _units(stream: IO[bytes], path: Path) -> list[_Unit]:
    """Return the primary header, and that of the first extension where the primary unit holds no pixels."""
    primary = _next_header(stream, path)
    if primary.header.get("NAXIS", 0) > 0:
        return [primary]
    if not stream.read(1):
        raise DataError(f"{path.name}: no image in the file, only a header; leave the frame out")
    stream.seek(-1, 1)
    return [primary, _next_header(stream, path)]


def _next_header(stream: IO[bytes], path: Path) -> _Unit:
    from astropy.io.fits import Header

    blocks = b""
    for _ in range(_MOST_BLOCKS):
        block = stream.read(BLOCK)
        if not blocks and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            raise DataError(f"{path.name}: no FITS file (it begins with {block[:8]!r}); leave it out")
        blocks += block
        if len(block) < BLOCK:
            raise DataError(f"{path.name}: the file is truncated, it ends within a header; copy it again")
        if any(block[start : start + 8] == b"END     " for start in range(0, BLOCK, 80)):
            return _Unit(Header.fromstring(blocks.decode("ascii", "replace")), stream.tell())
    raise DataError(f"{path.name}: a header without end; the file is damaged, copy it again")


def _merged(units: list[_Unit]) -> Header:
    header = units[0].header.copy()
    for card in units[-1].header.cards if len(units) > 1 else ():
        if card.keyword not in _OF_THE_ARRAY and not _OF_COMPRESSION.fullmatch(card.keyword):
            header[card.keyword] = (card.value, card.comment)
    return header


def _pixels(content: bytes, unit: _Unit, path: Path) -> NDArray[Any]:
    header = unit.header
    if header.get("NAXIS") != 2 or 0 in (header.get("NAXIS1"), header.get("NAXIS2")):
        raise DataError(f"{path.name}: no image in the file (NAXIS = {header.get('NAXIS')}); leave the frame out")
    shape = header["NAXIS2"], header["NAXIS1"]
    dtype = np.dtype(_DTYPES[header["BITPIX"]])
    wanted = shape[0] * shape[1] * dtype.itemsize
    found = len(content) - unit.offset
    if found < wanted:
        raise DataError(
            f"{path.name}: the file is truncated, {found} of {wanted} bytes of the image are there; copy it again"
        )
    return np.frombuffer(content, dtype, shape[0] * shape[1], unit.offset).reshape(shape)


def _decompressed(content: bytes, path: Path) -> NDArray[Any]:
    """Return the pixels of a tile-compressed image as a plain file would hold them."""
    import warnings

    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with fits.open(BytesIO(content), do_not_scale_image_data=True, memmap=False) as units:
                return np.array(units[1].data)
    except (OSError, ValueError, TypeError, RuntimeError, Warning) as error:
        raise _broken(path, error) from error


def _mended(values: NDArray[Any], header: Header) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Scale stored values; those that wrapped around below zero become negative again.

    Negative values of the 32-bit read-out are written as if they were unsigned, near 2^32 = 4.29e9.
    """
    zero, scale = header.get("BZERO", 0), header.get("BSCALE", 1)
    if values.dtype.kind == "i" and values.dtype.itemsize == 4 and zero == 2**31 and scale == 1:
        unsigned = values.astype(np.uint32)
        mended = (unsigned ^ np.uint32(2**31)).view(np.int32)
        return mended, mended < 0
    scaled = values.astype(np.float64) * scale + zero
    wrapped = scaled >= 2.0**31
    scaled[wrapped] -= 2.0**32
    return scaled, wrapped


def _broken(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path.name}: the file is damaged or truncated ({error}); copy it again")
