"""Figures inside the page: PNG as it is while small, else repacked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

SMALL = 40_000
"""Bytes up to which a figure is taken as it is."""


def data_uris(paths: Iterable[Path]) -> dict[Path, str]:
    """Return `data_uri` of many files, two at a time; packing leaves Python's lock alone."""
    wanted = [path for path in paths if path.is_file()]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(wanted, pool.map(data_uri, wanted), strict=True))


def data_uri(path: Path) -> str:
    """Return a PNG file as the address of itself; a large one repacked as WebP, still sharp enough to read."""
    content = path.read_bytes()
    if len(content) <= SMALL:
        return f"data:image/png;base64,{b64encode(content).decode()}"
    from PIL import Image

    packed = BytesIO()
    Image.open(BytesIO(content)).convert("RGB").save(packed, "WEBP", quality=75, method=0)
    return f"data:image/webp;base64,{b64encode(packed.getvalue()).decode()}"


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG file, so that the page does not jump when it appears."""
    with path.open("rb") as stream:
        head = stream.read(24)
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
