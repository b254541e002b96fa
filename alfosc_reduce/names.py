"""Names from headers made safe for files and folders."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from hashlib import sha256
from pathlib import Path

_ENDINGS = (".fits", ".fit", ".fts")
_PACKED = (".gz", ".fz", ".bz2")


def safe_name(text: str) -> str:
    """Return `text` as one harmless path component.

    Spaces, slashes, colons and other characters that trouble shells become ``_``; dots at the start go; an empty
    result becomes ``unnamed``.

    >>> safe_name("NGC 1/2: a..b")
    'NGC_1_2_a..b'
    >>> safe_name("../..")
    'unnamed'
    """
    cleaned = re.sub(r"[^A-Za-z0-9.+\-]+", "_", plain_ascii(text)).strip("_. ")
    return cleaned[:100] or "unnamed"


def plain_ascii(text: str) -> str:
    """Return `text` without accents and without what ASCII, and so FITS, cannot say."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def distinct_names(texts: list[str]) -> dict[str, str]:
    """Return a safe name for each text; texts that would share one get a short hash appended."""
    names = {text: safe_name(text) for text in texts}
    while shared := _shared(names):
        names |= {text: f"{names[text]}-{sha256(text.encode()).hexdigest()[:6]}" for text in shared}
    return names


def _shared(names: dict[str, str]) -> list[str]:
    counts = Counter(name.lower() for name in names.values())
    return [text for text, name in names.items() if counts[name.lower()] > 1]


def stem(path: Path) -> str:
    """Return a frame's name without its FITS endings: ``ALDc200205`` for ``ALDc200205.fits.gz``."""
    name = path.name
    for ending in (*_PACKED, *_ENDINGS):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name
