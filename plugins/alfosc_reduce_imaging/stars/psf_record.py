"""A point spread function as plain values, to travel with a table of sources or in the header of an image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_imaging.stars.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CARD = "PSFMODEL"
"""Keyword of an image whose own stars do not tell its point spread function, such as a difference."""
_FINEST = 9999


def record_of(psf: Psf) -> dict[str, Any]:
    """Return the numbers of a point spread function as lists, to five digits."""
    return {
        "profile": _rounded(psf.profile),
        "table": _rounded(psf.table),
        "step": float(psf.step),
        "shape": [int(size) for size in psf.shape],
        "number": int(psf.number),
    }


def psf_of(record: Mapping[str, Any]) -> Psf:
    """Return the point spread function that `record_of` wrote down."""
    table = np.array(record["table"], np.float64)
    return Psf(
        np.array(record["profile"], np.float64),
        table if table.ndim == 3 else np.zeros((3, 0, 0)),
        float(record["step"]),
        (int(record["shape"][0]), int(record["shape"][1])),
        int(record["number"]),
    )


def card_of(psf: Psf) -> str:
    """Return the value of `CARD`: the record as JSON, the table in whole multiples of ``unit``."""
    unit = float(np.abs(psf.table).max(initial=0)) / _FINEST or 1.0
    whole = np.rint(psf.table / unit).astype(int).tolist()
    return json.dumps(record_of(psf) | {"table": whole, "unit": unit}, separators=(",", ":"))


def psf_in(header: Mapping[str, Any], shape: tuple[int, ...]) -> Psf | None:
    """Return the point spread function that a header states for an image of that shape (ny, nx); None if it does not.

    After a cut, or binning, the one stated is not that of the image any more.
    """
    try:
        record = json.loads(str(header.get(CARD, "")))
        if tuple(record["shape"]) != tuple(shape):
            return None
        return psf_of(record | {"table": (np.array(record["table"], float) * record["unit"]).tolist()})
    except (ValueError, KeyError, TypeError):
        # Another program may mean something else by this keyword.
        return None


def _rounded(values: NDArray[np.float64]) -> Any:
    if values.size == 0:
        return []
    size = np.where(values == 0, 1.0, np.abs(values))
    digits = 10.0 ** (4 - np.floor(np.log10(size)))
    return (np.round(values * digits) / digits).tolist()
