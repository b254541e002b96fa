"""What a person opens: products copied from the store into ``reduced/`` under names from the headers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alfosc_reduce import provenance
from alfosc_reduce.errors import ConfigurationError, ReductionError
from alfosc_reduce.execution import Result, Run, State
from alfosc_reduce.names import distinct_names
from alfosc_reduce.store import Store
from alfosc_reduce.wiring import Origin


@dataclass(frozen=True)
class Publication:
    """One file to be: from which product, to which path below ``reduced/``."""

    path: str
    key: str
    source: Path
    result: Result


class Shelf:
    """The folder ``reduced/`` and the memory of what was put there.

    Parameters
    ----------
    folder
        ``reduced``; made if it is not there.
    memory
        A JSON file in the store's folder.
    """

    def __init__(self, folder: Path, memory: Path) -> None:
        self.folder, self._memory = folder, memory
        try:
            self._known: dict[str, list[Any]] = json.loads(memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def put(self, publications: Iterable[Publication], store: Store) -> list[str]:
        """Bring files up to date, each whole or not at all; return a sentence for each that could not be written."""
        problems = []
        for publication in publications:
            if self._is_current(publication):
                continue
            try:
                self._write(publication, store)
            except (OSError, ReductionError) as error:
                problems.append(f"{publication.path} was not written: {error}")
        self._remember()
        return problems

    def remove_others(self, publications: Iterable[Publication]) -> None:
        """Remove what an earlier run published and this one does not, unless a person has changed it since."""
        wanted = {publication.path for publication in publications}
        for path in [p for p in self._known if p not in wanted]:
            if self._stamp(self.folder / path) == self._known[path][1:]:
                (self.folder / path).unlink(missing_ok=True)
            del self._known[path]
        self._remember()

    def _is_current(self, publication: Publication) -> bool:
        known = self._known.get(publication.path)
        return known is not None and known == [publication.key, *self._stamp(self.folder / publication.path)]

    def _stamp(self, path: Path) -> list[int]:
        return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []

    def _write(self, publication: Publication, store: Store) -> None:
        path = self.folder / publication.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".fits":
            _write_fits(publication, path, store)
        else:
            temporary = path.with_name(f".{path.name}.new")
            shutil.copyfile(publication.source, temporary)
            temporary.replace(path)
        self._known[publication.path] = [publication.key, *self._stamp(path)]

    def _remember(self) -> None:
        temporary = self._memory.with_suffix(".new")
        temporary.write_text(json.dumps(self._known), encoding="utf-8")
        temporary.replace(self._memory)


def _write_fits(publication: Publication, path: Path, store: Store) -> None:
    """Copy a product, with the calibrations it used in its header and its provenance as a table."""
    from astropy.io import fits

    from alfosc_reduce.products.files import write_whole

    records = provenance.chain(store, publication.key)
    with fits.open(publication.source, memmap=False) as hdus:
        hdus[0].header.update(calibration_cards(records))
        write_whole(fits.HDUList([*hdus, provenance.table_hdu(records)]), path)


def calibration_cards(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return cards ``CALnn`` that name the calibrations that went in (gathered products), in order."""
    names = [r["entity"]["name"] for r in records if "frame" not in r["activity"]["coordinates"]]
    return {f"CAL{i:02d}": name for i, name in enumerate(names[:99], 1)}


def publications(output: Mapping[str, Origin], run: Run) -> list[Publication]:
    """Return what the recipe's table ``output`` asks for, as far as it was made.

    Raises
    ------
    ConfigurationError
        If a path uses a coordinate that its product does not have.
    """
    safe = distinct_names(sorted({v for r in run.results.values() for v in r.task.coordinates.values()}))
    made = [r for r in run.results.values() if r.state in (State.DONE, State.CACHED)]
    found = []
    for template, origin in output.items():
        for result in (r for r in made if r.task.step.name == origin.step):
            names = {name: safe[value] for name, value in result.task.coordinates.items()}
            path = _fill(template, names, result)
            source = run.store.product(result.key, origin.output)
            found.append(Publication(path, result.key, source, result))
    return found


def _fill(template: str, names: Mapping[str, str], result: Result) -> str:
    try:
        return template.format_map(names)
    except (KeyError, ValueError, IndexError) as error:
        raise ConfigurationError(
            f"output.{template!r}: {result.task.name} has no coordinate {error}; there are: {', '.join(names)}"
        ) from None


def figures(run: Run) -> list[Publication]:
    """Return the figures of all tasks, as ``figures/<target or calib>/<step>_<label>_<name>.png``."""
    found = []
    made = [r for r in run.results.values() if r.state in (State.DONE, State.CACHED)]
    labels = distinct_names(sorted({r.task.label for r in made}))
    targets = distinct_names(sorted({r.task.coordinates.get("target", "") for r in made} - {""}))
    for result in made:
        folder = targets.get(result.task.coordinates.get("target", ""), "calib")
        for name in run.store.record(result.key)["figures"]:
            path = f"figures/{folder}/{result.task.step.name}_{labels[result.task.label]}_{name}.png"
            found.append(Publication(path, result.key, run.store.place(result.key) / f"{name}.png", result))
    return found
