"""Figures inside the page: PNG as it is while small, else repacked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

SMALL = 40_000
"""Bytes up to which a figure is taken as it is."""

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
        content = path.read_bytes()
        kind, content = ("png", content) if len(content) <= SMALL else ("webp", _repacked(content))
    except OSError:
        return ""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _repacked(content: bytes) -> bytes:
    from PIL import Image

    packed = BytesIO()
    Image.open(BytesIO(content)).convert("RGB").save(packed, "WEBP", quality=75, method=0)
    return packed.getvalue()


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG file, so that the page does not jump when it appears."""
    with path.open("rb") as stream:
        head = stream.read(24)
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
