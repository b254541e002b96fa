"""What the tables say of spectra: grisms and lamp lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError, suggest
from alfosc_reduce.instrument import Disperser
from alfosc_reduce_alfosc.setups import find_filter, find_grism
from alfosc_reduce_alfosc.tables import records, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from numpy.typing import ArrayLike, NDArray

LAMPS = ("He", "Ne", "Ar", "Th")
"""The lamps of the table of lines; the ThAr lamp is ``Th`` and ``Ar``."""

_PARTS = {"HeNe": ("He", "Ne"), "ThAr": ("Th", "Ar")}


BLUE_EDGE = 160.0
"""A long-pass filter still lets light through this far (Angstrom) below its cut-on, which is at half its height."""

ORDERS = 1.9
"""Second-order light shows near so many times its wavelength."""


def disperser(name: str, filters: str = "") -> Disperser:
    """Return a grism by a name as headers write it; raises `DataError` for one that the table does not know.

    Parameters
    ----------
    name
        Of the grism.
    filters
        Names of all filters in the beam, joined with ``+``: a long-pass filter keeps second-order light away.
    """
    facts = find_grism(name).facts
    if not facts:
        known = [str(row["name"]) for row in records("grisms")]
        raise DataError(f"grism {name!r} is not in the tables: {suggest(name, known)}")
    limit, centre = float(facts["second_order"]), float(facts["centre"])
    return Disperser(
        name=str(facts["name"]),
        dispersion=float(facts["dispersion"]),
        wavelengths=(float(facts["first"]), float(facts["last"])),
        second_order=None if math.isnan(limit) else max(limit, ORDERS * _bluest(filters)),
        scale=tuple(float(term) for term in str(facts["scale"] or "").split()),
        centre=None if math.isnan(centre) else centre,
        second_order_place=_series(facts["second_place"]),
        second_order_strength=_series(facts["second_strength"]),
    )


def _series(text: object) -> tuple[float, ...]:
    """Return numbers of a table's cell; an empty cell is masked and reads as dashes or None."""
    words = "" if text is None else str(text).strip("- ") and str(text)
    return tuple(float(term) for term in words.split())


def _bluest(filters: str) -> float:
    """Return the shortest wavelength that long-pass filters let through, Angstrom; 0 without any."""
    facts = [find_filter(name).facts for name in filters.split("+") if name]
    cuts = [float(row["wavelength"]) for row in facts if row and math.isnan(float(row["fwhm"]))]
    return max(cuts, default=BLUE_EDGE) - BLUE_EDGE


def lamp_lines(lamps: Sequence[str]) -> QTable:
    """Return the lines of lamps, sorted by wavelength; see `Alfosc.lamp_lines`.

    A line that several of the lamps show (argon is an impurity of neon) is there once, as strong as in the strongest.
    """
    wanted = {part for lamp in lamps for part in _PARTS.get(lamp, (lamp,))}
    wrong = sorted(wanted - set(LAMPS))
    if wrong:
        raise DataError(f"no lines of lamp {wrong[0]!r} in the tables: {suggest(wrong[0], LAMPS)}")
    lines = table("lamp_lines")
    chosen = lines[np.isin(lines["lamp"], sorted(wanted))]
    chosen = chosen[np.lexsort((-chosen["strength"], chosen["wavelength"].value))]
    first = np.append(True, np.diff(chosen["wavelength"].value) > 0)
    return chosen["wavelength", "wavelength_air", "ion", "strength"][first]


def air_wavelength(vacuum: ArrayLike) -> NDArray[np.float64]:
    """Return wavelengths in standard air for vacuum ones, both in Angstrom.

    Ciddor 1996, Applied Optics 35, 1566, in the form of Morton 2000, ApJS 130, 403.
    """
    wave = np.asarray(vacuum, dtype=np.float64)
    squared = (1e4 / wave) ** 2
    index = 1 + 0.0000834254 + 0.02406147 / (130 - squared) + 0.00015998 / (38.9 - squared)
    return wave / index
