"""What is known of an arc once its lines are identified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.identification.pattern import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.identification.expectation import Axis
    from alfosc_reduce_longslit.identification.pattern import Identification
    from alfosc_reduce_longslit.lines.finding import FoundLines
    from alfosc_reduce_longslit.lines.groups import KnownLines


@dataclass(frozen=True)
class IdentifiedArc:
    """An arc whose lines are known.

    Attributes
    ----------
    axis
        Where the pixels lie on the detector.
    found
        The lines found.
    known
        The lines of the lamps.
    lines
        The same, but those too close to be told apart merged.
    match
        The identification, its indices into `found` and `lines`.
    title
        What a person calls the arc.
    """

    axis: Axis
    found: FoundLines
    known: KnownLines
    lines: KnownLines
    match: Identification
    title: str = ""

    def wavelength(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the wavelength in Angstrom at pixels of the middle row."""
        position = self.axis.position(np.asarray(x, np.float64))
        return np.asarray(np.polynomial.polynomial.polyval(position / UNIT, self.match.coefficients), np.float64)

    def unidentified(self) -> NDArray[np.float64]:
        """Return the pixels of the lines that were found and not identified."""
        return self.found.x[np.setdiff1d(np.arange(len(self.found)), self.match.found)]
