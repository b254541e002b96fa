"""What a header and an instrument say of the wavelength scale before the arc is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_longslit.identification.pattern import UNIT, Expectation
from alfosc_reduce_longslit.lines.groups import KnownLines

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Disperser, Instrument

_OPTICAL = (3500.0, 10000.0)
_LAMPS = re.compile("He|Ne|Ar|Th")


@dataclass(frozen=True)
class Axis:
    """Where the pixels of a frame lie on the detector, along the dispersion.

    Attributes
    ----------
    start
        Detector pixels from the reference (to the red) at the centre of the first pixel.
    step
        Detector pixels a pixel, positive.
    sure
        False if the header does not say where the frame lies on the detector.
    """

    start: float
    step: float
    sure: bool

    def position(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return detector pixels from the reference at pixels `x`."""
        return self.start + self.step * x

    def pixel(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the pixels at detector pixels from the reference."""
        return (position - self.start) / self.step


def axis_of(header: Header, disperser: Disperser, nx: int) -> Axis:
    """Return where the pixels of an oriented frame lie along the dispersion."""
    step = float(header.get("DISPSTEP", _binning(header)))
    span = (disperser.wavelengths[1] - disperser.wavelengths[0]) / disperser.dispersion
    centre = disperser.centre if disperser.centre is not None else span / 2
    if "DISPPIX0" not in header:
        return Axis(-abs(step) * (nx - 1) / 2, abs(step), sure=False)
    return Axis(float(np.sign(step)) * (float(header["DISPPIX0"]) - centre), abs(step), sure=True)


def _binning(header: Header) -> float:
    parts = str(header.get("CCDSUM", "1 1")).split()
    axis = int(header.get("DISPAXIS", 1))
    return float(parts[min(axis, len(parts)) - 1]) if axis in (1, 2) else 1.0


def expectation_of(disperser: Disperser, axis: Axis) -> Expectation:
    """Return what to expect of the scale.

    Narrow where the instrument has measured it: wide enough for flexure and mounting, too narrow for another grism.
    Else wide about the middle of the wavelength range, with the bend of a usual grism.
    """
    more = 0.0 if axis.sure else 120.0
    if disperser.scale:
        return Expectation(np.array(disperser.scale, np.float64), shift=160.0 + more)
    middle, dispersion = float(np.mean(disperser.wavelengths)), disperser.dispersion
    usual = np.array([middle, dispersion * UNIT, 0.045 * dispersion * UNIT, -0.01 * dispersion * UNIT])
    return Expectation(usual, shift=300.0 + more, stretch=0.12, bend=(40.0, 25.0), measured=False)


def lamps_of(header: Header, given: str = "") -> list[str]:
    """Return the gases that shine, of He, Ne, Ar, Th, from `given` or the header.

    Raises
    ------
    DataError
        If neither names one.
    """
    text = given or str(header.get("LAMP", ""))
    found = sorted(set(_LAMPS.findall(text)))
    if not found:
        raise DataError(
            f"arc {header.get('FILENAME', header.get('OBJECT', ''))}: which lamp is it? Neither the header (LAMP = "
            f"{header.get('LAMP', 'missing')!r}) nor the parameter 'lamps' names He, Ne, Ar or Th; set lamps = 'He+Ne'"
        )
    return found


def known_lines(instrument: Instrument, lamps: list[str]) -> list[KnownLines]:
    """Return the lines of the lamps, as often as there are guesses of how bright one gas is beside another.

    First as the instrument lists them, which holds for lamps that shine together; then, for lamps that were exposed
    each for itself, with the strongest optical line of each gas alike. Impurities that the instrument lists keep their
    strength relative to the strongest line of all.
    """
    table = instrument.lamp_lines(lamps)
    wavelength = np.asarray(getattr(table["wavelength"], "value", table["wavelength"]), np.float64)
    ion = np.asarray(table["ion"]).astype(str)
    strength = np.asarray(table["strength"], np.float64).copy()
    optical = (wavelength > _OPTICAL[0]) & (wavelength < _OPTICAL[1])
    strength /= strength.max(where=optical, initial=1e-30)
    listed = KnownLines(wavelength, strength, ion, np.zeros(len(wavelength)))
    alike = strength.copy()
    for gas in lamps:
        mine = np.char.startswith(ion, gas)
        if (mine & optical).any():
            alike[mine] /= strength[mine & optical].max()
    return [listed, KnownLines(wavelength, alike, ion, listed.doubt)] if len(lamps) > 1 else [listed]
