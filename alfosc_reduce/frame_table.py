"""The classification table ``frames.ecsv``: written by ``init``, edited by a person, read by ``run``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from alfosc_reduce.errors import ConfigurationError, suggest
from alfosc_reduce.frames import Frame, Night, in_sequence, with_edits
from alfosc_reduce.instrument import KINDS
from alfosc_reduce.replacement import replacing

if TYPE_CHECKING:
    from astropy.table import Table

COLUMNS = (
    "file", "kind", "object", "exptime", "grism", "slit", "filters", "binning", "window", "date", "use", "remarks",
)  # fmt: skip


_EDITABLE = ("kind", "object", "use")


def frame_table(night: Night, folder: Path) -> Table:
    """Return the classification of a night as a table, files relative to `folder` where they lie below it."""
    from astropy.table import Table

    rows = [_row(frame, folder) for frame in night.frames]
    rows += [_rejected_row(r.path, r.reason, folder) for r in night.rejected]
    types = [float if name == "exptime" else str for name in COLUMNS]
    table = Table(rows=rows or None, names=COLUMNS, dtype=types)
    table["exptime"].unit = "s"
    table["exptime"].format = ".3f"
    table.meta["comments"] = [
        "One line a file. To leave a frame out, write 'no: why' into the column use, or put # before the line.",
        f"kind and object may be corrected here. Kinds: {' '.join(KINDS)}",
    ]
    return table


def _row(frame: Frame, folder: Path) -> tuple[str | float, ...]:
    info, where = frame.info, frame.info.coordinates
    used = "no: kind not known" if info.kind == "unknown" else "yes"
    return (
        relative(frame.path, folder), info.kind, info.object, info.exposure, where.get("grism", ""),
        where.get("slit", ""), info.filters, info.binning, info.window, _date(info.time), used, "; ".join(info.remarks),
    )  # fmt: skip


def _rejected_row(path: Path, reason: str, folder: Path) -> tuple[str | float, ...]:
    return (relative(path, folder), "unknown", "", 0.0, "", "", "", "", "", "", f"no: {reason}", "")


def _date(mjd: float) -> str:
    from astropy.time import Time

    return str(Time(mjd, format="mjd", precision=1).isot)


def relative(path: Path, folder: Path) -> str:
    """Return `path` relative to `folder` if it lies below, else as it is."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def write_table(table: Table, path: Path) -> None:
    """Write the table as ECSV, whole or not at all."""
    with replacing(path) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)


def read_edits(path: Path) -> dict[str, Mapping[str, str]]:
    """Return what stands in the table by file: ``kind``, ``object`` and ``use``; a commented line says ``no``.

    Raises
    ------
    ConfigurationError
        If the table cannot be read, or names a kind that does not exist; all mistakes at once.
    """
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv")["file", *_EDITABLE].filled("")
        rows = {str(r["file"]): {k: str(r[k]).strip() for k in _EDITABLE} for r in table}
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such table; make it with 'alfosc-reduce init'") from None
    except Exception as error:
        raise ConfigurationError(
            f"{path}: not readable as a table ({' '.join(str(error).split())}); mend it, or make it anew with init"
        ) from None
    problems = [
        f"{path}: {file}: there is no kind {row['kind']!r}; {suggest(row['kind'], KINDS)}"
        for file, row in rows.items()
        if row["kind"] not in KINDS
    ]
    problems += [
        f"{path}: {file}: use = {row['use']!r}; write 'yes', or 'no: why'"
        for file, row in rows.items()
        if not re.match(r"(yes|no)\b|$", row["use"], re.IGNORECASE)
    ]
    if problems:
        raise ConfigurationError(problems)
    return {**{file: {"use": "no: commented out"} for file in _commented(path)}, **rows}


def _commented(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    found = (re.match(r'\s*#+\s*("[^"]+"|\S+)', line) for line in lines[start + 1 :])
    return [match.group(1).strip('"') for match in found if match]


def apply_edits(night: Night, edits: Mapping[str, Mapping[str, str]], folder: Path) -> tuple[Night, list[str]]:
    """Return the night as edited, and a sentence for each frame that is left out or that the table does not know."""
    kept: list[Frame] = []
    remarks: list[str] = []
    for frame in night.frames:
        row = edits.get(relative(frame.path, folder))
        if row is None:
            remarks.append(f"{frame.name}: not in the table of frames; used as {frame.info.kind}")
        use = "yes" if row is None else row.get("use", "yes").strip()
        if use.lower().startswith("no"):
            reason = use[2:].strip(" :,;-") or "no reason given"
            remarks.append(f"{frame.name}: left out ({reason})")
        else:
            kept.append(with_edits(frame, row or {}))
    paths = [*(f.path for f in night.frames), *(r.path for r in night.rejected)]
    found = {relative(path, folder) for path in paths}
    lost = [file for file, row in edits.items() if file not in found and "kind" in row]
    remarks += [f"{file}: in the table of frames, but not among the files" for file in lost]
    rejected = tuple(replace(r, missed=_counted_on(edits.get(relative(r.path, folder)))) for r in night.rejected)
    return Night(in_sequence(kept), rejected), remarks


def _counted_on(row: Mapping[str, str] | None) -> bool:
    return row is not None and not row["use"].lower().startswith("no")
