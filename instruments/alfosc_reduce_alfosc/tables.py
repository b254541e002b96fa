"""The reference tables that the package ships, read when first asked for and kept."""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.table import QTable

DATA = Path(__file__).with_name("data")
"""Where the tables lie; every file names its source in its header."""

_DATATYPE = re.compile(r"^# - \{name: .*datatype: (\w+)", re.MULTILINE)

_READERS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "bool": "True".__eq__,
    "int32": int,
    "int64": int,
    "float64": float,
}


@cache
def _shared(name: str) -> QTable:
    from astropy.table import QTable

    if name.endswith(".fits"):
        return QTable.read(DATA / name, format="fits", hdu=1)
    return QTable.read(DATA / f"{name}.ecsv", format="ascii.ecsv")


def table(name: str) -> QTable:
    """Return a copy of a shipped table.

    Parameters
    ----------
    name
        ``detectors``, ``grisms``, ``slits``, ``filters``, ``lamp_lines``, ``extinction``, ``site``, ``standards``, or
        the ``file`` of a standard.
    """
    return _shared(name).copy()


@cache
def records(name: str) -> tuple[dict[str, Any], ...]:
    """Return the rows of a shipped table as plain dictionaries, without units; do not change them.

    It is read without astropy's tables, whose import costs more than classifying a night.
    """
    lines = (DATA / f"{name}.ecsv").read_text(encoding="utf-8").splitlines()
    kinds = [_READERS[kind] for kind in _DATATYPE.findall("\n".join(line for line in lines if line.startswith("#")))]
    names, *rows = csv.reader(line for line in lines if not line.startswith("#"))
    return tuple({key: kind(value) for key, kind, value in zip(names, kinds, row, strict=True)} for row in rows)
