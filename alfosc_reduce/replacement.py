"""Files that are replaced whole or not at all."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, and move it there in one stroke; nothing is left if that fails."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def why_not(path: Path, error: OSError) -> str:
    """Say why a file cannot be written, and what to do where that is clear."""
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            return f"{folder} is a file, and a folder is needed there; move it away"
        if folder.is_dir():
            break
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.strerror}; make room, and run again"
    return error.strerror or str(error)
