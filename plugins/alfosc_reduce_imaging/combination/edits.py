"""The list of frames as a person edited it, and which list a combination goes by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError, suggest
from alfosc_reduce_imaging.combination.exposures import is_used
from alfosc_reduce_imaging.registration.filelist import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable

_YES = {"true", "yes", "1", "y"}
_NO = {"false", "no", "0", "n"}


def read_filelist(path: Path) -> QTable:
    """Read a list of frames, ECSV or FITS.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or lacks the columns ``file`` and ``use``.
    """
    from astropy.table import QTable

    try:
        if path.suffix.lower() in (".fits", ".fit"):
            from alfosc_reduce.products import load

            table = load(path)
        else:
            table = QTable.read(path, format="ascii.ecsv")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such list of frames; give the path from where you run") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as a list of frames ({error}); mend it, or register anew") from error
    lacking = {"file", "use"} - set(table.colnames)
    if lacking:
        raise DataError(f"{path}: a list of frames has the columns file and use, here is no {', '.join(lacking)}")
    return table


def with_edits(filelist: QTable | None, edited: QTable, path: Path) -> QTable:
    """Return the list of frames with ``use`` and ``weight`` of the edited one; without a list, the edited one.

    Parameters
    ----------
    filelist
        As registered now, or None.
    edited
        As read from `path`.

    Raises
    ------
    DataError
        If a name in the edited list is not one of the frames, or a frame is to be used that was never registered.
    """
    result = (edited if filelist is None else filelist).copy()
    names = [str(name) for name in result["file"]]
    use, weight = np.array(result["use"], bool) if filelist is not None else _uses(edited, path), _weights(result)
    for row, wanted, factor in zip(edited, _uses(edited, path), _weights(edited), strict=True):
        name = str(row["file"])
        if name not in names:
            raise DataError(f"{path}: no frame is called {name!r}; {suggest(name, names)}")
        use[names.index(name)], weight[names.index(name)] = wanted, factor
    result["use"], result["weight"] = use, weight
    for row in result:
        if row["use"] and not np.isfinite(place_of(row).matrix).all():
            raise DataError(
                f"{path}: {row['file']} cannot be used, for nobody knows where it lies ({row['reason']}); "
                "set its use to false"
            )
    return result


def check_names(filelist: QTable, names: Sequence[str], path: Path) -> None:
    """Raise `DataError` if the list names a frame to be used that is not there."""
    for row in filelist:
        if is_used(row) and str(row["file"]) not in names:
            raise DataError(f"{path}: no image is called {row['file']!r}; {suggest(str(row['file']), names)}")


def _uses(table: QTable, path: Path) -> Any:
    found = []
    for row in table:
        word = str(row["use"]).strip().lower()
        if word not in _YES | _NO:
            raise DataError(f"{path}: use of {row['file']} is {row['use']!r}; write True or False")
        found.append(word in _YES)
    return np.array(found, bool)


def _weights(table: QTable) -> Any:
    if "weight" not in table.colnames:
        return np.ones(len(table))
    return np.clip(np.nan_to_num(np.ma.filled(np.asarray(table["weight"], float), 1.0), nan=1.0), 0, None)
