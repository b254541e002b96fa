"""Figures inside the page: PNG as it is while small, else as it was packed when it was drawn, or is packed now."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from alfosc_reduce.drawing import PACKED, PACKING, SMALL

ROOM = 10_000_000
"""Bytes that all figures of a page may take; those of a long night beyond it are only linked."""


def data_uris(paths: Iterable[Path], room: int = ROOM) -> dict[Path, str]:
    """Return `data_uri` of files, two at a time (packing leaves Python's lock alone), until `room` bytes are filled."""
    wanted = list(dict.fromkeys(paths))
    found: dict[Path, str] = {}
    with ThreadPoolExecutor(2) as pool:
        while len(found) < len(wanted) and room > 0:
            some = wanted[len(found) : len(found) + 32]
            packed = list(pool.map(data_uri, some))
            found |= dict(zip(some, packed, strict=True))
            room -= sum(map(len, packed))
    return found


def data_uri(path: Path) -> str:
    """Return a PNG file as the address of itself, a large one repacked as WebP; nothing if it cannot be read."""
    try:
        kind, content = ("png", path.read_bytes()) if path.stat().st_size <= SMALL else ("webp", _packed(path))
    except OSError:
        return ""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _packed(path: Path) -> bytes:
    beside = path.with_suffix(PACKED)
    return beside.read_bytes() if beside.is_file() else _repacked(path)


def _repacked(path: Path) -> bytes:
    from PIL import Image

    packed = BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(packed, **PACKING)
    return packed.getvalue()


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG file, so that the page does not jump when it appears."""
    with path.open("rb") as stream:
        head = stream.read(24)
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
