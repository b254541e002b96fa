"""Magnitudes of candidates, and fluxes of catalogue stars, from whatever zero point there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.bands import bands, magnitudes_of
from alfosc_reduce_imaging.photometry.calibration import Calibration, calibration_of, magnitudes, seconds_of
from alfosc_reduce_imaging.transients.completeness import NOMINAL
from alfosc_reduce_imaging.transients.point_flux import best_flux, profile_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Brightness:
    """Magnitudes.

    Attributes
    ----------
    zero_point
        Magnitude of one unit of flux (of the table, not a second), None if not known.
    magnitude, error
        Of each source, shape (n,); NaN where not known.
    star_flux
        Flux that each object of the catalogue should have in the image, None if not known.
    nominal_flux
        Flux of the magnitude to which the catalogue is known to be complete, None if not known.
    """

    zero_point: float | None
    magnitude: Floats
    error: Floats
    star_flux: Floats | None
    nominal_flux: float | None = None

    def flux_at(self, magnitude: float | None) -> float | None:
        """Return the flux of a magnitude; None if either is not known."""
        if magnitude is None or self.zero_point is None:
            return None
        return float(10 ** (-0.4 * (magnitude - self.zero_point)))

    def magnitude_at(self, flux: float) -> float | None:
        """Return the magnitude of a flux; None if it has none."""
        if self.zero_point is None or not 0 < flux < np.inf:
            return None
        return float(self.zero_point - 2.5 * np.log10(flux))


def brightness_of(image: CCDData, sources: QTable, reference: QTable, by_hand: float | None, name: str) -> Brightness:
    """Return what the zero point of the image, or one set by hand, says of sources and catalogue stars."""
    flux, noise = best_flux(sources, profile_of(image.meta))
    calibration = calibration_of(image.meta) if by_hand is None else Calibration(by_hand)
    if calibration is None:
        unknown = np.full(len(sources), np.nan)
        return Brightness(None, unknown, unknown, None)
    seconds = seconds_of(_unit(image, sources), image.meta, name)
    zero_point = calibration.typical_zero_point + 2.5 * float(np.log10(seconds))
    value, error = magnitudes(flux, np.where(np.isfinite(noise), noise, np.nan), zero_point)
    expected = _star_flux(image, reference, calibration, zero_point)
    return Brightness(zero_point, value, error, expected, _nominal_flux(reference, zero_point))


def _unit(image: CCDData, sources: QTable) -> object:
    columns = [name for name in ("flux_psf", "flux_aper", "flux_auto", "flux") if name in sources.colnames]
    return (sources[columns[0]].unit if columns else None) or image.unit


def _nominal_flux(reference: QTable, zero_point: float) -> float | None:
    catalogue = str(reference.meta.get("CATALOG", "")).lower()
    limit = next((value for name, value in NOMINAL.items() if catalogue.startswith(name)), None)
    return None if limit is None else float(10 ** (-0.4 * (limit - zero_point)))


def _star_flux(image: CCDData, reference: QTable, calibration: Calibration, zero_point: float) -> Floats | None:
    band = calibration.band or str(image.meta.get("BAND", ""))
    found = magnitudes_of(reference, band) if band in bands() else None
    if found is None:
        return None
    value = found.in_system(calibration.system, band).value if calibration.system else found.value
    return np.asarray(10 ** (-0.4 * (value - zero_point)))
