"""Answers of services on disk: VOTables by query and cone, written whole, shared by all processes of a user."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from alfosc_reduce_catalogs.cone import Cone, written

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_NAME = re.compile(r"ra(?P<ra>[\d.]+)_dec(?P<dec>[-\d.]+)_r(?P<radius>[\d.]+)(?P<cut>_cut)?\.vot")


def cache_folder() -> Path:
    """Return where answers are kept: ALFOSC_REDUCE_CACHE, or the user's cache folder."""
    if own := os.environ.get("ALFOSC_REDUCE_CACHE"):
        return Path(own).expanduser() / "catalogs"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "alfosc-reduce" / "catalogs"


@dataclass(frozen=True)
class Shelf:
    """The answers to one query, at all places of the sky.

    Attributes
    ----------
    folder
        Of these answers alone.
    """

    folder: Path

    def find(self, cone: Cone, asked: Cone) -> Path | None:
        """Return the smallest answer that holds all sources in `cone`.

        Parameters
        ----------
        cone
            What is wanted.
        asked
            What the service would be asked for: a cut-off answer counts if it answers exactly this.
        """
        fitting = [
            (held.radius, path) for path, held, cut in self._answers() if (held == asked if cut else held.holds(cone))
        ]
        return min(fitting)[1] if fitting else None

    def _answers(self) -> Iterator[tuple[Path, Cone, bool]]:
        if self.folder.is_dir():
            for path in sorted(self.folder.iterdir()):
                if found := _NAME.fullmatch(path.name):
                    yield path, Cone(*(float(found[key]) for key in ("ra", "dec", "radius"))), bool(found["cut"])

    def put(self, asked: Cone, answer: bytes, *, complete: bool) -> None:
        """Keep an answer, whole or not at all; where that cannot be, the next run asks again."""
        place = f"ra{written(asked.ra)}_dec{written(asked.dec)}_r{written(asked.radius)}"
        path = self.folder / f"{place}{'' if complete else '_cut'}.vot"
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(answer)
            temporary.replace(path)
        except OSError as error:
            logger.info("the answer of the service could not be kept in %s: %s", self.folder, error.strerror)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let only one process at a time ask this: the others wait, and find the answer."""
        import fcntl

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            stream = (self.folder / "lock").open("a")
        except OSError:
            yield
            return
        with stream:
            with suppress(OSError):
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def shelf_for(catalog: str, query: str) -> Shelf:
    """Return the shelf for a query (with its cone left open) of a catalogue."""
    return Shelf(cache_folder() / catalog / blake2b(query.encode(), digest_size=8).hexdigest())


REST = 60.0
"""Seconds for which a service that failed is left in peace."""


def note_failure(url: str) -> None:
    """Remember that a service failed just now, for the other processes of a run too."""
    mark = _mark(url)
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def since_failure(url: str) -> float | None:
    """Return how many seconds ago a service failed; None if that is long ago, or never."""
    try:
        ago = time.time() - _mark(url).stat().st_mtime
    except OSError:
        return None
    return ago if 0 <= ago < REST else None


def _mark(url: str) -> Path:
    return cache_folder() / f"failed-{blake2b(url.encode(), digest_size=8).hexdigest()}"
