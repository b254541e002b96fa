"""One run at a time in one folder; the operating system frees the lock when a run dies."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alfosc_reduce.errors import ReductionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` during the block.

    Raises
    ------
    ReductionError
        If another run holds it; the text gives its process number.
    """
    import fcntl

    path = folder / "lock"
    try:
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise ReductionError(f"cannot write {path}: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise ReductionError(
                f"another run (process {holder}) works in {folder.parent}; wait for it, or use another folder"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
