"""What a person opens: products copied from the store into ``reduced/`` under names from the headers."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from alfosc_reduce import provenance
from alfosc_reduce.errors import ConfigurationError, ReductionError
from alfosc_reduce.execution import Result, Run, State
from alfosc_reduce.frames import Frame
from alfosc_reduce.names import distinct_names, plain_ascii, safe_name
from alfosc_reduce.plan import Plan, Task
from alfosc_reduce.products import load
from alfosc_reduce.products.exports import FORMATS, export
from alfosc_reduce.replacement import replacing
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
            except (OSError, ValueError, ReductionError) as error:
                problems.append(f"{publication.path} was not written: {error}")
        self._remember()
        return problems

    def remove_others(self, publications: Iterable[Publication]) -> None:
        """Remove what an earlier run published and this one does not, unless a person has changed it since."""
        wanted = {publication.path for publication in publications}
        for path in [p for p in self._known if p not in wanted]:
            with suppress(OSError):
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
        elif path.suffix.lower() in FORMATS:
            export(load(publication.source), path)
        else:
            with replacing(path) as temporary:
                shutil.copyfile(publication.source, temporary)
        self._known[publication.path] = [publication.key, *self._stamp(path)]

    def _remember(self) -> None:
        with suppress(OSError), replacing(self._memory) as temporary:
            temporary.write_text(json.dumps(self._known), encoding="utf-8")


def _write_fits(publication: Publication, path: Path, store: Store) -> None:
    """Copy a product, with the calibrations it used in its header and its provenance as a table."""
    from astropy.io import fits

    from alfosc_reduce.products.files import write_whole

    records = provenance.chain(store, publication.key)
    with fits.open(publication.source, memmap=False) as hdus:
        hdus[0].header.update(calibration_cards(records[:-1]))
        write_whole(fits.HDUList([*hdus, provenance.table_hdu(records)]), path)


def calibration_cards(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return cards ``CALnn`` that name the calibrations that went in (gathered products), in order."""
    names = [plain_ascii(r["entity"]["name"]) for r in records if "frame" not in r["activity"]["coordinates"]]
    return {f"CAL{i:02d}": name for i, name in enumerate(names[:99], 1)}


SafeNames = Mapping[str, Mapping[str, str]]


def safe_coordinates(frames: Iterable[Frame]) -> SafeNames:
    """Return, for each coordinate, a name for files for each value that it has in a night."""
    values: dict[str, set[str]] = {}
    for frame in frames:
        for name, value in frame.coordinates.items():
            values.setdefault(name, set()).add(value)
    return {name: distinct_names(sorted(found)) for name, found in values.items()}


def publications(output: Mapping[str, Sequence[Origin]], run: Run, names: SafeNames) -> list[Publication]:
    """Return what the recipe's table ``output`` asks for, as far as it was made.

    Where a path has several sources, the last of them that was made is taken: it stands for the earlier stages.
    """
    found: dict[tuple[str, str], Publication] = {}
    for template, origin in ((t, o) for t, origins in output.items() for o in origins):
        for result in _made(run):
            if result.task.step.name == origin.step and origin.admits(result.task.coordinates):
                path, product = _fill(template, result.task, names), run.store.product(result.key, origin.output)
                what = json.dumps({**result.task.coordinates, "": template}, sort_keys=True)
                found[path, what] = Publication(path, result.key, product, result)
    return _distinct(list(found.values()))


def check_output(output: Mapping[str, Sequence[Origin]], plan: Plan) -> None:
    """Raise `ConfigurationError` if a path leaves ``reduced/`` or uses a coordinate that its products do not have."""
    problems = [
        f"output.{template!r}: must be a path below reduced/"
        for template in output
        if Path(template).is_absolute() or ".." in Path(template).parts
    ]
    steps = {task.step.name: task for task in plan.tasks}
    for template, origins in output.items():
        try:
            for origin in origins:
                if origin.step in steps:
                    _fill(template, steps[origin.step], {})
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)


def _made(run: Run) -> list[Result]:
    return [result for result in run.results.values() if result.state in (State.DONE, State.CACHED)]


def _fill(template: str, task: Task, safe: SafeNames) -> str:
    names = {n: safe.get(n, {}).get(value) or safe_name(value) for n, value in task.coordinates.items()}
    try:
        return template.format_map(names)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise ConfigurationError(
            f"output.{template!r}: {task.step.name} has no coordinate {error}; there are: {', '.join(names)}"
        ) from None


def _distinct(found: Sequence[Publication]) -> list[Publication]:
    """Return publications of which no two go to one path: where they would, a hash tells them apart.

    It is that of the data, so that what belongs together (an image and its sources) has one; only where that is not
    enough it is that of the product.
    """
    return _apart(_apart(found, _data), _product)


def _apart(found: Sequence[Publication], what: Callable[[Publication], str]) -> list[Publication]:
    counts = Counter(publication.path.lower() for publication in found)
    return [p if counts[p.path.lower()] == 1 else replace(p, path=_marked(p.path, what(p))) for p in found]


def _data(publication: Publication) -> str:
    return json.dumps(dict(publication.result.task.coordinates), sort_keys=True)


def _product(publication: Publication) -> str:
    return f"{publication.result.task.name}/{publication.source.name}"


def _marked(path: str, what: str) -> str:
    place = Path(path)
    return str(place.with_name(f"{place.stem}-{sha256(what.encode()).hexdigest()[:6]}{place.suffix}"))


def figures(run: Run, names: SafeNames) -> list[Publication]:
    """Return the figures of all tasks, as ``figures/<target or calib>/<step>_<label>_<name>.png``."""
    found = []
    for result in run.results.values():
        task, target = result.task, result.task.coordinates.get("target", "")
        folder = names.get("target", {}).get(target, "") if target else "calib"
        for source in _drawn(result, run.store):
            path = f"figures/{folder}/{task.step.name}_{safe_name(task.label)}_{source.name}"
            found.append(Publication(path, result.key or source.parent.name, source, result))
    return _distinct(found)


def _drawn(result: Result, store: Store) -> list[Path]:
    """Return the figures of a finished task, or those that show why it failed."""
    if result.state in (State.DONE, State.CACHED):
        return [store.place(result.key) / f"{name}.png" for name in store.record(result.key)["figures"]]
    return list(result.figures)
