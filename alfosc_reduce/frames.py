"""Raw frames: found, read by their headers, classified by the instrument that recognises them."""

from __future__ import annotations

import bz2
import gzip
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from alfosc_reduce.errors import ConfigurationError, DataError
from alfosc_reduce.instrument import FrameInfo
from alfosc_reduce.names import stem

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from alfosc_reduce.instrument import Instrument

_FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz", ".fits.fz", ".fits.bz2")


@dataclass(frozen=True)
class Frame:
    """A raw file of an instrument.

    Attributes
    ----------
    path
        Where it lies.
    instrument
        Entry-point name of the instrument that recognised it.
    info
        What the instrument says of it.
    sequence
        Number of the uninterrupted series of frames of one kind, setup and target that it belongs to.
    """

    path: Path
    instrument: str
    info: FrameInfo
    sequence: int = 0

    @property
    def name(self) -> str:
        """The file's name without endings."""
        return stem(self.path)

    @property
    def coordinates(self) -> dict[str, str]:
        """By what the frame is grouped and matched, its own name, kind and sequence included."""
        own = {"frame": self.name, "kind": self.info.kind, "sequence": str(self.sequence)}
        return {**self.info.coordinates, **own}


@dataclass(frozen=True)
class Rejected:
    """A file that is no frame, and why.

    Attributes
    ----------
    missed
        Whether the table of frames counts on it.
    damaged
        Whether it may be a frame of this night, were it sound: a FITS file that cannot be read or understood.
    """

    path: Path
    reason: str
    missed: bool = False
    damaged: bool = False


@dataclass(frozen=True)
class Night:
    """All files of an input: the frames in time order, and what could not be used."""

    frames: tuple[Frame, ...]
    rejected: tuple[Rejected, ...] = ()


def find_files(patterns: Iterable[str], folder: Path) -> list[Path]:
    """Return the files that `patterns` (files, folders or globs, relative to `folder`) name, sorted, each once.

    A folder stands for the FITS files in it and in its subfolders; products of earlier runs are left out.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for path in sorted(_expand(pattern, folder)):
            found.setdefault(real_place(path), path)
    return list(found.values())


def real_place(path: Path) -> Path:
    """Return `path` by way of no link and no ``..``, its own name kept: two ways to one file look alike."""
    return path.parent.resolve() / path.name


def _expand(pattern: str, folder: Path) -> Iterable[Path]:
    place = folder.absolute() / Path(pattern).expanduser()
    if place.is_dir():
        return (p for p in place.rglob("*") if _names_a_file(p) and not _of_a_run(p.relative_to(place)))
    if place.exists() or _names_a_file(place):
        return (place,)
    # Unlike Path.glob it can begin anywhere, and takes brackets in the name of the folder as they stand.
    names = glob(str(Path(pattern).expanduser()), root_dir=folder, recursive=True)  # noqa: PTH207
    return (path for name in names if _names_a_file(path := folder.absolute() / name))


def _names_a_file(path: Path) -> bool:
    """Say whether a path is a file, or a link that leads nowhere: whose file was meant to be there."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _of_a_run(relative: Path) -> bool:
    return bool({".alfosc-reduce", "reduced"} & set(relative.parts[:-1])) or relative.name.startswith(".")


def read_header(path: Path) -> Header:
    """Return the primary header with that of the first image extension merged in, without reading pixels.

    Raises
    ------
    DataError
        If the file is no FITS file, or is cut off (within packed pixels that shows only when they are read).
    """
    if not path.name.lower().endswith(_FITS):
        raise DataError("no FITS file (by its name)")
    try:
        with _unpacked(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _merged_header(stream, path)
    except FileNotFoundError:
        lost = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else "file not found"
        raise DataError(lost) from None
    except Exception as error:
        text = " ".join(str(error).split())[:120]
        raise DataError(f"not readable as FITS, truncated or damaged ({text})") from None


def _unpacked(path: Path) -> BinaryIO:
    """Open a file, packed or not; the name does not say it, for browsers unpack files and keep their names."""
    with path.open("rb") as stream:
        beginning = stream.read(3)
    if beginning[:2] == b"\x1f\x8b":
        return cast("BinaryIO", gzip.open(path))
    return cast("BinaryIO", bz2.open(path)) if beginning == b"BZh" else path.open("rb")


def _merged_header(stream: BinaryIO, path: Path) -> Header:
    """Read headers one by one: opening a file through its list of extensions takes four times as long."""
    from astropy.io import fits

    if stream.read(6) != b"SIMPLE":
        raise ValueError("it does not begin with SIMPLE")
    stream.seek(0)
    header = last = fits.Header.fromfile(stream)
    if header.get("NAXIS", 0) == 0:
        try:
            last = fits.Header.fromfile(stream)
        except EOFError:
            return header
        image = fits.getheader(path, 1) if last.get("ZIMAGE") else last
        header.extend(image.cards, strip=False, update=True)
    absent = stream.tell() + _data_size(last) - path.stat().st_size
    if absent > 0 and not isinstance(stream, gzip.GzipFile | bz2.BZ2File):
        raise ValueError(f"{absent} bytes are missing at its end")
    return header


def _data_size(header: Header) -> int:
    pixels = prod(header[f"NAXIS{i}"] for i in range(1, header["NAXIS"] + 1)) if header["NAXIS"] else 0
    size = abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + pixels)
    return int(size)


def classify(path: Path, instruments: Sequence[Instrument]) -> Frame | Rejected:
    """Return the frame in a file, or why it is none."""
    try:
        header = read_header(path)
        for key in ("PRODTYPE", "PROVKEY"):
            if key in header:
                return Rejected(path, "a product of a reduction, no raw frame")
        for instrument in instruments:
            if instrument.recognises(header):
                return Frame(path, instrument.name, instrument.describe(header))
    except DataError as error:
        reason = str(error).removeprefix(f"{path.name}: ")
        return Rejected(path, reason, damaged=path.name.lower().endswith(_FITS))
    except Exception as error:
        return Rejected(path, f"its header cannot be understood ({type(error).__name__}: {error})", damaged=True)
    name = header.get("INSTRUME", "not said")
    known = ", ".join(instrument.name for instrument in instruments)
    return Rejected(path, f"a frame of no installed instrument (INSTRUME = {name}; installed: {known})")


def observe(paths: Iterable[Path], instruments: Sequence[Instrument]) -> Night:
    """Classify files and put the frames in time order.

    Raises
    ------
    ConfigurationError
        If two frames have the same name: their products could not be told apart.
    """
    results = _without_copies(classify(path, instruments) for path in paths)
    frames = [r for r in results if isinstance(r, Frame)]
    return Night(in_sequence(frames), tuple(r for r in results if isinstance(r, Rejected)))


def _without_copies(results: Iterable[Frame | Rejected]) -> list[Frame | Rejected]:
    """Reject what is the same exposure as an earlier file, such as ``a.fits.gz`` beside ``a.fits``."""
    seen: dict[str, Frame] = {}
    kept: list[Frame | Rejected] = []
    for result in results:
        if isinstance(result, Frame):
            first = seen.setdefault(result.name, result)
            if first is not result and first.info == result.info:
                result = Rejected(result.path, f"a copy of {first.path}")
        kept.append(result)
    return kept


def in_sequence(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """Return frames in time order, with their sequence numbers, each name once."""
    ordered = sorted(frames, key=lambda f: (f.info.time, f.name))
    _check_names(ordered)
    numbered, number, previous = [], 0, None
    for frame in ordered:
        here = (frame.info.kind, frame.info.coordinates.get("setup"), frame.info.coordinates.get("target"))
        number += here != previous
        previous = here
        numbered.append(replace(frame, sequence=number))
    return tuple(numbered)


def _check_names(frames: Sequence[Frame]) -> None:
    seen: dict[str, Path] = {}
    problems = []
    for frame in frames:
        other = seen.setdefault(frame.name, frame.path)
        if other != frame.path:
            problems.append(
                f"two frames are named {frame.name!r}: {other} and {frame.path}; rename one, or leave it out"
            )
    if problems:
        raise ConfigurationError(problems)


def with_edits(frame: Frame, edits: Mapping[str, str]) -> Frame:
    """Return a frame with what a person wrote over its classification (``kind``, ``object``)."""
    info = frame.info
    if edits.get("kind", info.kind) != info.kind:
        info = replace(info, kind=edits["kind"])
    if edits.get("object", info.object) != info.object:
        coordinates = {**info.coordinates, "target": edits["object"]}
        info = replace(info, object=edits["object"], coordinates=coordinates)
    return replace(frame, info=info)
