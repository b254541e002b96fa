"""Instruments of which tests need only a part."""

from __future__ import annotations

from typing import ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import EarthLocation
from astropy.io.fits import Header
from astropy.table import QTable

from alfosc_reduce import Instrument

LA_PALMA = EarthLocation.from_geodetic(-17.885 * u.deg, 28.757 * u.deg, 2382 * u.m)


def usual_extinction(wavelength: np.ndarray) -> np.ndarray:
    return np.asarray(0.1 + 0.3 * (4000 / wavelength) ** 4)


class StandIn(Instrument):
    """An instrument without frames: a curve of extinction, a place on Earth, and what a test adds."""

    name = "stand-in"
    curve: ClassVar = staticmethod(usual_extinction)
    """Magnitudes an air mass at wavelengths in Angstrom."""

    def __init__(self, location: EarthLocation = LA_PALMA) -> None:
        self.location = location

    def recognises(self, header: Header) -> bool:
        return True

    def describe(self, header: Header) -> None:  # type: ignore[override]
        raise NotImplementedError

    def read(self, path: object) -> None:  # type: ignore[override]
        raise NotImplementedError

    def extinction(self) -> QTable:
        wave = np.arange(3000, 11000, 10.0)
        return QTable({"wavelength": wave * u.AA, "extinction": self.curve(wave)})

    def site(self) -> EarthLocation:
        return self.location
