"""Numbers of calibrated spectra, and the comparison of a standard star with its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.spectra import header_of, spectrum_variance
from alfosc_reduce_longslit.resampling import edges_of
from alfosc_reduce_longslit.response.atmosphere import TELLURIC_BANDS, balmer_regions, inside
from alfosc_reduce_longslit.response.points import FLUX_DENSITY, table_bins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from specutils import Spectrum

    from alfosc_reduce.instrument import Instrument

RANGE = (4000.0, 8800.0)
"""Where a standard is compared with its table, Angstrom."""


@dataclass(frozen=True)
class Comparison:
    """A calibrated standard star beside its table, in the table's bins.

    Attributes
    ----------
    wavelength, table, measured
        Centres of the bins (Angstrom), mean fluxes, shape (n,).
    grey
        Median of measured / table, over the bins that are clear.
    clear
        Bins outside telluric bands, shape (n,); `balmer` says which hold a Balmer line.
    balmer
        Shape (n,).
    """

    wavelength: NDArray[np.float64]
    table: NDArray[np.float64]
    measured: NDArray[np.float64]
    grey: float
    clear: NDArray[np.bool_]
    balmer: NDArray[np.bool_]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Measured over table after the grey factor, minus one."""
        return self.measured / (self.grey * self.table) - 1

    def rms(self, *, balmer: bool = False) -> float | None:
        """Return the rms deviation in percent from 4000 to 8800 Angstrom, of the Balmer regions or of the rest."""
        chosen = self.clear & (self.balmer == balmer) & (self.wavelength > RANGE[0]) & (self.wavelength < RANGE[1])
        return 100 * float(np.sqrt(np.mean(self.deviation[chosen] ** 2))) if chosen.any() else None

    def shape_rms(self) -> float | None:
        """Return the rms in percent outside Balmer regions after a quadratic in wavelength, which slit losses are."""
        chosen = self.clear & ~self.balmer & (self.wavelength > RANGE[0]) & (self.wavelength < RANGE[1])
        chosen &= self.measured > 0
        if chosen.sum() < 6:
            return None
        x = (self.wavelength[chosen] - 6400) / 2400
        ratio = np.log(self.measured[chosen] / self.table[chosen])
        rest = ratio - np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyfit(x, ratio, 2))
        return 100 * float(np.sqrt(np.mean(rest**2)))


def compare_with_table(spectrum: Spectrum, instrument: Instrument) -> Comparison | None:
    """Compare a calibrated spectrum of a standard star with its table; None if it is none or has no usable bin."""
    if str(header_of(spectrum).get("FRAMEKND", "")) != "standard" or not spectrum.flux.unit.is_equivalent(FLUX_DENSITY):
        return None
    try:
        star = instrument.standard(header_of(spectrum))
    except DataError:
        return None
    low, high, table = table_bins(star.table, spectrum.spectral_axis.to_value(u.AA))
    measured = _means(spectrum, low, high)
    good = np.isfinite(measured)
    low, high, table, measured = low[good], high[good], table[good], measured[good]
    clear = ~inside(low, high, TELLURIC_BANDS)
    balmer = inside(low, high, balmer_regions())
    if not clear.any():
        return None
    grey = float(np.median((measured / table)[clear]))
    return Comparison((low + high) / 2, table, measured, grey, clear, balmer)


def _means(spectrum: Spectrum, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean fluxes in bins, NaN for bins not wholly covered by usable pixels (three quarters at least)."""
    edges = edges_of(spectrum.spectral_axis.to_value(u.AA))
    good = ~np.asarray(spectrum.mask, bool)
    overlap = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    overlap = np.where(good, np.clip(overlap, 0, None), 0)
    covered = overlap.sum(axis=1)
    covered[covered < 0.75 * (high - low)] = np.nan
    return np.asarray(overlap @ np.where(good, spectrum.flux.value, 0) / covered)


def signal_to_noise(spectrum: Spectrum) -> float | None:
    """Return the median signal to noise a pixel from 4000 to 9000 Angstrom, usable pixels; None if there are none."""
    wavelength = spectrum.spectral_axis.to_value(u.AA)
    variance = spectrum_variance(spectrum)
    good = ~np.asarray(spectrum.mask, bool) & (variance > 0) & (wavelength > 4000) & (wavelength < 9000)
    return float(np.median(spectrum.flux.value[good] / np.sqrt(variance[good]))) if good.any() else None


def flux_quality(
    spectra: Spectrum | Sequence[Spectrum], instrument: Instrument | None
) -> dict[str, float | int | str | bool | None]:
    """Return the numbers of the brightest spectrum."""
    members: list[Any] = [spectra] if type(spectra).__name__ == "Spectrum" else list(spectra)
    if not members:
        return {"objects": 0}
    first = members[0]
    good = ~np.asarray(first.mask, bool)
    numbers: dict[str, float | int | str | bool | None] = {
        "objects": len(members),
        "calibrated": bool(first.flux.unit.is_equivalent(FLUX_DENSITY)),
        "median_flux": float(np.median(first.flux.value[good])) if good.any() else None,
        "signal_to_noise": signal_to_noise(first),
    }
    header = header_of(first)
    if "ORDER2MX" in header:
        numbers["second_order_percent"] = 100 * float(header["ORDER2MX"])
        numbers["second_order_subtracted"] = bool(header.get("ORDER2", False))
    if "REFRLOSS" in header:
        numbers["slit_from_vertical_degrees"] = float(header["SLITANG"])
        numbers["slit_loss_percent"] = 100 * float(header["SLITLOSS"])
        numbers["refraction_loss_percent"] = 100 * float(header["REFRLOSS"])
    found = compare_with_table(first, instrument) if instrument is not None else None
    if found is not None:
        numbers["standard_rms_percent"] = found.rms()
        numbers["standard_balmer_rms_percent"] = found.rms(balmer=True)
        numbers["standard_shape_rms_percent"] = found.shape_rms()
        numbers["standard_grey_factor"] = found.grey
    return numbers
