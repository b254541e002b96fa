"""What the tables say of spectra: grisms and lamp lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError, suggest
from alfosc_reduce.instrument import Disperser
from alfosc_reduce_alfosc.setups import find_grism
from alfosc_reduce_alfosc.tables import records, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from numpy.typing import ArrayLike, NDArray

LAMPS = ("He", "Ne", "Ar", "Th")
"""The lamps of the table of lines; the ThAr lamp is ``Th`` and ``Ar``."""

_PARTS = {"HeNe": ("He", "Ne"), "ThAr": ("Th", "Ar")}


def disperser(name: str) -> Disperser:
    """Return a grism by a name as headers write it; raises `DataError` for one that the table does not know."""
    facts = find_grism(name).facts
    if not facts:
        known = [str(row["name"]) for row in records("grisms")]
        raise DataError(f"grism {name!r} is not in the tables: {suggest(name, known)}")
    limit, centre = float(facts["second_order"]), float(facts["centre"])
    return Disperser(
        name=str(facts["name"]),
        dispersion=float(facts["dispersion"]),
        wavelengths=(float(facts["first"]), float(facts["last"])),
        second_order=None if math.isnan(limit) else limit,
        scale=tuple(float(term) for term in str(facts["scale"] or "").split()),
        centre=None if math.isnan(centre) else centre,
    )


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
