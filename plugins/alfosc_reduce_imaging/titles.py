"""What stands above figures of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def title_of(meta: Mapping[str, Any]) -> str:
    """Return object, frame and filter of an image (``FILENAME``) or of a table made of it (``FRAME``).

    The name of a combined image is left out where it only says object and filter again.
    """
    target, name, band = (str(meta.get(key) or "") for key in ("OBJECT", "FRAME", "FILTER"))
    name = name or str(meta.get("FILENAME") or "").removesuffix(".fits")
    if _letters(name) == _letters(target + band):
        name = ""
    return "  ".join(dict.fromkeys(part for part in (target, name, band) if part))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
