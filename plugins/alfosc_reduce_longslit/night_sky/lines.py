"""The emission lines of the night sky."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SkyLines:
    """Lines by rising wavelength.

    Attributes
    ----------
    wavelength
        Vacuum, Angstrom, shape (n,).
    strength
        Relative; good to 20 per cent within a system, to a factor of two between systems, shape (n,).
    system
        Name of the ion, for OH with the band: lines of one system brighten and fade together, shape (n,).
    """

    wavelength: NDArray[np.float64]
    strength: NDArray[np.float64]
    system: NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.wavelength)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> SkyLines:
        """Return some of the lines."""
        return SkyLines(self.wavelength[chosen], self.strength[chosen], self.system[chosen])


@lru_cache(maxsize=1)
def sky_lines() -> SkyLines:
    """Return the lines of OI, NI, NaI, OH and O2 from 5199 to 10528 Angstrom; the file names their sources."""
    from astropy.table import Table

    table = Table.read(Path(__file__).parents[1] / "data" / "sky_lines.ecsv")
    ion, band = np.asarray(table["ion"]).astype(str), np.asarray(table["band"]).astype(str)
    system = np.where(band == "-", ion, np.char.add(np.char.add(ion, " "), band))
    return SkyLines(np.array(table["wavelength"]), np.array(table["strength"]), system)
