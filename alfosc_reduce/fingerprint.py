"""Hashes of what products are made of: raw files, code and parameters."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from alfosc_reduce.errors import DataError
from alfosc_reduce.replacement import replacing


def digest(value: Any) -> str:
    """Return a hash of plain data (anything JSON can write), the same on every machine."""
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


@cache
def code_fingerprint(package: str) -> str:
    """Return a hash of all files of an imported top-level package or module: changed code makes new products."""
    module = sys.modules[package]
    folders = list(getattr(module, "__path__", []))
    total = blake2b(b"" if folders else Path(str(module.__file__)).read_bytes(), digest_size=16)
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(str(path.relative_to(folder)).encode())
                total.update(path.read_bytes())
    return total.hexdigest()


def code_of(plugin: type) -> str:
    """Return a hash of the packages that the code of a step or catalogue stands in: its own and the core."""
    own = plugin.__module__.partition(".")[0]
    return digest([code_fingerprint(own), code_fingerprint("alfosc_reduce")])


def file_digest(path: Path) -> str:
    """Return a hash of a file's content; raises `DataError` if it cannot be read."""
    total = blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return total.hexdigest()


class FileHashes:
    """Content hashes of raw files, remembered by size and times so that each file is read once.

    The time of the last change of state counts too: no copying or touching can set it back.

    Parameters
    ----------
    memory
        A JSON file; need not exist yet.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[Any]] = _read_json(memory)
        self._changed = False

    def __getitem__(self, path: Path) -> str:
        """Return the hash of a file."""
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns]
        known = self._known.get(str(path))
        if known is None or known[:-1] != stamp:
            known = [*stamp, file_digest(path)]
            self._known[str(path)] = known
            self._changed = True
        return str(known[-1])

    def remember(self) -> None:
        """Write what is known to disk, whole or not at all; if that cannot be, files are read again next time."""
        if self._changed:
            with suppress(OSError), replacing(self._memory) as temporary:
                temporary.write_text(json.dumps(self._known), encoding="utf-8")
            self._changed = False


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
