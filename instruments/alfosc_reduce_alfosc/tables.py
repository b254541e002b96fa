"""The reference tables that the package ships, read when first asked for and kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import QTable

DATA = Path(__file__).with_name("data")
"""Where the tables lie; every file names its source in its header."""


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
def records(name: str) -> tuple[dict[str, object], ...]:
    """Return the rows of a shipped table as plain dictionaries, without units; do not change them."""
    shared = _shared(name)
    columns = {key: getattr(shared[key], "value", shared[key]).tolist() for key in shared.colnames}
    return tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
