"""A small night, reduced once for all workers, of which every test gets a copy to spoil."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from alfosc_reduce.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    code
        Exit code.
    said
        What stood on the terminal.
    log
        The text of ``reduced/log.txt``.
    tasks
        Entries of ``reduced/qc.json`` by task.
    cannot
        Reasons of the tasks that cannot run.
    """

    code: int
    said: str
    log: str
    tasks: dict[str, Any]
    cannot: dict[str, str]

    def which(self, state: str) -> set[str]:
        """Return the tasks of a state, those of gathering steps by their step alone."""
        found = {name for name, task in self.tasks.items() if task["state"] == state}
        return {name if name.count("[") == 1 and " " not in name else name.partition("[")[0] for name in found}

    def message(self, name: str) -> str:
        """Return why a task failed; `name` is how it begins."""
        return next(str(task["message"]) for task in self.tasks.values() if task["task"].startswith(name))

    def remarks(self, name: str) -> str:
        """Return what was said in a task."""
        return " ".join(self.tasks[name]["remarks"])


class Reduction:
    """A folder with raw frames, and the command line at work in it."""

    def __init__(self, folder: Path, kinds: dict[str, list[str]], capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.kinds, self._capture = folder, kinds, capture

    def files(self, kind: str) -> list[Path]:
        """Return the raw files that were made as a kind, in the order of observation."""
        return [self.folder / "raw" / name for name in self.kinds[kind]]

    def names(self, kind: str) -> list[str]:
        """Return the names of the frames that were made as a kind."""
        return [path.stem for path in self.files(kind)]

    def command(self, *words: str) -> Ended:
        """Call the command line."""
        with pytest.raises(SystemExit) as caught:
            main(words)
        shown = self._capture.readouterr()
        assert "Traceback" not in shown.err
        code = caught.value.code
        return self.ended(code if isinstance(code, int) else 0, shown.out + shown.err)

    def ended(self, code: int, said: str) -> Ended:
        """Return how a command ended, with what it left."""
        log, document = "", {"tasks": [], "cannot_run": []}
        with suppress(FileNotFoundError, NotADirectoryError):
            log = (self.folder / "reduced/log.txt").read_text(encoding="utf-8")
            document = json.loads((self.folder / "reduced/qc.json").read_text(encoding="utf-8"))
        tasks = {task["task"]: task for task in document["tasks"]}
        return Ended(code, said, log, tasks, {task["task"]: task["message"] for task in document["cannot_run"]})

    def init(self) -> Ended:
        """Classify the frames anew."""
        place = str(self.folder)
        return self.command("init", "spec", f"{place}/raw", "--folder", place, "--overwrite")

    def run(self, *words: str) -> Ended:
        """Reduce in this process."""
        return self.command("run", str(self.folder / "recipe.toml"), "--jobs", "1", *words)

    def spectra(self) -> set[str]:
        """Return the names of the published one-dimensional spectra."""
        return {path.name for path in (self.folder / "reduced").rglob("*_spec1d.fits")}


def change(path: Path, edit: Callable[[Any], Any] | None = None, **cards: Any) -> None:
    """Change the pixels of a raw file by a function, and its keywords; a keyword that is None is removed."""
    with fits.open(path) as hdus:
        headers = [hdu.header.copy() for hdu in hdus]
        data = hdus[1].data
    for name, value in cards.items():
        for header in headers:
            if value is None:
                header.remove(name, ignore_missing=True)
            elif name in header:
                header[name] = value
    image = fits.ImageHDU(data if edit is None else edit(data), headers[1])
    fits.HDUList([fits.PrimaryHDU(header=headers[0]), image]).writeto(path, overwrite=True, output_verify="ignore")


@pytest.fixture
def spoil() -> Callable[..., None]:
    """Change pixels and keywords of a raw file."""
    return change


@pytest.fixture(scope="session")
def reduced_night(tiny_night: Any, shared_folder: Any) -> Path:
    """A folder with the tiny night, reduced; nobody writes into it."""
    from alfosc_reduce.initialisation import initialise
    from alfosc_reduce.reduction import Choices, reduce

    with shared_folder("reduced_night") as folder:
        if not (folder / "reduced/qc.json").exists():
            shutil.copytree(tiny_night.raw, folder / "raw", dirs_exist_ok=True)
            initialise("spec", [str(folder / "raw")], folder, overwrite=True)
            assert reduce(folder / "recipe.toml", Choices(jobs=1, quiet=True)) == 0
    return Path(folder)


@pytest.fixture
def night(reduced_night: Path, tiny_night: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Reduction:
    """A copy of the night with everything that was made of it: what a test does not touch is not done again."""
    folder = tmp_path / "night"
    shutil.copytree(reduced_night / "raw", folder / "raw")
    shutil.copytree(
        reduced_night / ".alfosc-reduce/products", folder / ".alfosc-reduce/products", copy_function=os.link
    )
    for name in ("recipe.toml", "frames.ecsv"):
        shutil.copy(reduced_night / name, folder / name)
    frames = tiny_night.truth.frames
    kinds = {kind: [path.name for path in tiny_night.files(kind)] for kind in set(map(str, frames["kind"]))}
    return Reduction(folder, kinds, capfd)


@pytest.fixture(scope="session")
def toys() -> Path:
    """The folder with the toy package, whose steps break as they are told."""
    return Path(__file__).resolve().parents[1] / "core" / "toys"
