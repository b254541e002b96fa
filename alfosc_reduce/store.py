"""The store: products under the hash of all that made them. Running again is resuming."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError, ReductionError
from alfosc_reduce.replacement import replacing, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = "record.json"
_UNDRAWN = "undrawn"
"""A file that stands beside products until their figures are drawn."""


class Store:
    """Products on disk, each made whole in a folder of its own and then moved into place in one stroke.

    Their figures follow, so that nobody waits for a drawing; what a killed run did not draw is made anew.

    Parameters
    ----------
    folder
        As a rule ``.alfosc-reduce`` beside the recipe; made if it is not there.

    Raises
    ------
    ReductionError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            for part in (folder, self._products, self._unfinished):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReductionError(f"cannot write into {folder}: {error.strerror}; choose another folder") from error

    @property
    def _products(self) -> Path:
        return self.folder / "products"

    @property
    def _unfinished(self) -> Path:
        return self.folder / "unfinished"

    def place(self, key: str) -> Path:
        """Return the folder of a task's products."""
        return self._products / key[:2] / key

    def __contains__(self, key: str) -> bool:
        """Say whether the task with this key was finished, and all that it made is still there."""
        try:
            record = self.record(key)
            return all(self.product(key, output).is_file() for output in record["entity"]["outputs"])
        except (DataError, KeyError, TypeError):
            return False

    def record(self, key: str) -> dict[str, Any]:
        """Return the record of a finished task; raises `DataError` if there is none."""
        try:
            found: dict[str, Any] = json.loads((self.place(key) / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"the store has no product {key} ({error})") from error
        return found

    def product(self, key: str, output: str) -> Path:
        """Return the file of one output."""
        return self.place(key) / f"{output}.fits"

    @contextmanager
    def drawing(self, key: str) -> Iterator[Path]:
        """Give a new folder for the figures of `key`; it is gone after the block."""
        folder = Path(tempfile.mkdtemp(dir=self._unfinished, prefix=f"figures-{key[:8]}"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def making(self, key: str) -> Iterator[Path]:
        """Give a new folder to write into; when the block ends well it becomes the place of `key`.

        What is killed or fails half-way leaves nothing that anyone trusts.
        """
        try:
            temporary = Path(tempfile.mkdtemp(dir=self._unfinished, prefix=key[:8]))
        except OSError as error:
            raise ReductionError(f"cannot write into {self.folder}: {why_not(self.place(key), error)}") from error
        try:
            yield temporary
            self._move(temporary, self.place(key))
        except OSError as error:
            raise ReductionError(f"cannot write into {self.folder}: {why_not(self.place(key), error)}") from error
        except ReductionError as error:
            if str(temporary) not in str(error):
                raise
            # One sentence for all that fail so: the name of the folder differs, and tells nobody anything.
            raise ReductionError(str(error).replace(str(temporary), str(self.folder))) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _move(self, made: Path, place: Path) -> None:
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            shutil.rmtree(place)
        made.rename(place)

    def scrap(self, key: str) -> Path:
        """Return a folder for what is left of a task that failed; it is kept until the next run."""
        folder = self._unfinished / f"failed-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write_record(self, folder: Path, record: Mapping[str, Any]) -> None:
        """Write the record, the last file of a task."""
        (folder / RECORD).write_text(json.dumps(record, indent=1, default=_plain), encoding="utf-8")

    def await_figures(self, folder: Path) -> None:
        """Note that figures are still to come to products that others may use already."""
        (folder / _UNDRAWN).touch()

    def add_figures(self, key: str, drawn: Path, record: Mapping[str, Any]) -> None:
        """Move figures from a folder beside their products, with the record that names them.

        Raises
        ------
        ReductionError
            If that fails, as on a full disk.
        """
        place = self.place(key)
        try:
            for path in drawn.iterdir():
                path.replace(place / path.name)
            with replacing(place / RECORD) as temporary:
                temporary.write_text(json.dumps(record, indent=1, default=_plain), encoding="utf-8")
            (place / _UNDRAWN).unlink(missing_ok=True)
        except OSError as error:
            raise ReductionError(f"cannot write into {self.folder}: {error.strerror or error}") from error

    def forget(self) -> None:
        """Remove all products."""
        shutil.rmtree(self._products, ignore_errors=True)
        self._products.mkdir(parents=True, exist_ok=True)

    def tidy(self) -> None:
        """Remove what killed runs left unfinished; only to be called under the lock."""
        undrawn = [mark.parent for mark in self._products.glob(f"*/*/{_UNDRAWN}")]
        for path in [*self._unfinished.iterdir(), *undrawn]:
            shutil.rmtree(path, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Return numpy's numbers as Python's, everything else as text."""
    return value.item() if isinstance(value, np.generic) else str(value)
