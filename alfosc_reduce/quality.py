"""``qc.json`` read again: the numbers of a reduction beside their limits, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alfosc_reduce.errors import ConfigurationError, DataError
from alfosc_reduce.limits import Verdict, bounds_text, judged, value_text
from alfosc_reduce.recipe_file import read_recipe

FILE = "qc.json"
_RANK = [Verdict.FAIL.value, Verdict.WARNING.value, Verdict.PASS.value]


def quality_of(source: Path) -> dict[str, Any]:
    """Return the numbers and verdicts of a reduction.

    Parameters
    ----------
    source
        A recipe, whose present limits judge the numbers of its last run; or a ``qc.json``, which holds verdicts.

    Raises
    ------
    ConfigurationError
        If the recipe is wrong, or nothing was reduced yet.
    DataError
        If the file does not hold what a run writes.
    """
    if source.suffix == ".json":
        return _read(source)
    file = read_recipe(source)
    return judged(_read(source.absolute().parent / "reduced" / FILE), file.recipe.limits, file.own_limits)


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if all({"quality", "verdicts", "kinds"} <= set(entry) for entry in document["tasks"]):
            return document
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there are no numbers yet; run 'alfosc-reduce run' first") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run 'alfosc-reduce run' again") from None
    raise DataError(f"{path}: was not written by this version; run 'alfosc-reduce run' again")


def quality_report(document: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the table of numbers with how many passed, and whether a limit is broken."""
    counts = document["verdicts"]
    lines = [*_table(document), "", ", ".join(f"{counts[word]} {word}" for word in reversed(_RANK))]
    troubles = [f"{e['task']}: {e['state']}: {e['message']}" for e in document["tasks"] if e["state"] != "done"]
    troubles += [f"{e['task']}: cannot run: {e['message']}" for e in document["cannot_run"]]
    return "\n".join([*lines, *document["idle_limits"], *troubles]), counts[Verdict.FAIL.value] > 0


def _table(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table of all numbers that have limits, failures first."""
    rows = [
        (found["verdict"], entry["task"], name, value_text(entry["quality"][name]), bounds_text(found["limit"]))
        for entry in document["tasks"]
        for name, found in entry["verdicts"].items()
    ]
    rows.sort(key=lambda row: _RANK.index(row[0]))
    return _aligned([("", "task", "number", "value", "limit"), *rows]) if rows else iter(["no number has a limit"])


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
