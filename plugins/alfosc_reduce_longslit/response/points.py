"""Response measured point by point: electrons in the bins of a standard star's table, over the flux of the table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.spectra import header_of, spectrum_variance
from alfosc_reduce_longslit.resampling import edges_of
from alfosc_reduce_longslit.response.atmosphere import (
    TELLURIC_BANDS,
    airmass_of,
    balmer_regions,
    inside,
    transmission,
)

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray
    from specutils import Spectrum

    from alfosc_reduce.instrument import Instrument

FLUX_DENSITY = u.erg / (u.s * u.cm**2 * u.AA)
"""Unit of calibrated spectra."""

_PIXELS_A_BIN = 8
_MINIMUM_COVERAGE = 0.75
_MAXIMUM_ERROR = 0.1
_MINIMUM_RESPONSE = 0.01


@dataclass(frozen=True)
class Points:
    """The response at the bins of one standard frame.

    Attributes
    ----------
    frame, star
        Names.
    airmass
        At mid-exposure.
    low, high
        Edges of the bins, Angstrom, shape (n,).
    response
        (electron / s / Angstrom) for one erg / (s cm2 Angstrom) outside the atmosphere, shape (n,).
    error
        Relative error from the noise of the spectrum, shape (n,).
    reason
        Why a point is not used: ``telluric``, ``balmer``, ``rejected``, or empty; shape (n,).
    seeing, slit
        Full width at half maximum of the star and true width of the slit, arc seconds; NaN if not known.
    """

    frame: str
    star: str
    airmass: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    response: NDArray[np.float64]
    error: NDArray[np.float64]
    reason: NDArray[np.str_]
    seeing: float = math.nan
    slit: float = math.nan

    @property
    def wavelength(self) -> NDArray[np.float64]:
        """Centres of the bins, Angstrom."""
        return (self.low + self.high) / 2

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which points have no reason against them."""
        return np.asarray(self.reason == "")

    def only(self, keep: NDArray[np.bool_]) -> Points:
        """Return a part of the points."""
        names = ("low", "high", "response", "error", "reason")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})


def measure_points(spectrum: Spectrum, instrument: Instrument, *, mask_lines: bool = True) -> Points:
    """Measure the response from one spectrum of a standard star.

    Parameters
    ----------
    spectrum
        In electrons a pixel against vacuum wavelength.
    instrument
        Knows the star's table and the extinction.
    mask_lines
        Leave the Balmer lines out.

    Raises
    ------
    DataError
        If the star, the air mass or the exposure time is not known, or nothing of the spectrum can be used.
    """
    header = header_of(spectrum)
    frame = frame_name(spectrum)
    star = instrument.standard(header)
    if spectrum.flux.unit != u.electron:
        raise DataError(f"{frame}: the response needs electrons a pixel, this spectrum is in {spectrum.flux.unit}")
    low, high, flux = table_bins(star.table, spectrum.spectral_axis.to_value(u.AA))
    rate, error = rate_in_bins(spectrum, low, high)
    airmass = airmass_of(header, instrument)
    response = rate / (flux * transmission((low + high) / 2, airmass, instrument))
    reason = np.full(len(low), "", dtype="U10")
    if mask_lines:
        reason[inside(low, high, balmer_regions())] = "balmer"
    reason[inside(low, high, TELLURIC_BANDS)] = "telluric"
    relative = np.divide(error, np.abs(rate), out=np.full(len(rate), np.inf), where=np.abs(rate) > 0)
    sizes = (float(header.get(key, math.nan)) for key in ("FWHM", "SLITWID"))
    points = Points(frame, star.name, airmass, low, high, response, relative, reason, *sizes)
    return points.only(_trustworthy(points))


def frame_name(spectrum: Spectrum) -> str:
    """Return how the frame of a spectrum is called in tables and log."""
    header = header_of(spectrum)
    return str(header.get("FILENAME", header.get("OBJECT", "a frame")))


def exposure_time(spectrum: Spectrum) -> float:
    """Return the exposure time in seconds; raises `DataError` if the header has none."""
    value = header_of(spectrum).get("EXPTIME")
    if not isinstance(value, int | float) or not value > 0:
        raise DataError(f"{frame_name(spectrum)}: no exposure time (EXPTIME = {value!r}); put it into the header")
    return float(value)


def table_bins(
    table: QTable, wavelength: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return low edges, high edges and mean flux of the bins in which a star is compared with its table.

    A table of mean fluxes brings its own bins; one that samples a spectrum is averaged in bins of some eight pixels of
    `wavelength`, which are the same for frames that flexure has moved against each other.
    """
    centre = u.Quantity(table["wavelength"], u.AA).value
    flux = u.Quantity(table["flux"], FLUX_DENSITY).value
    width = u.Quantity(table["width"], u.AA).value
    if np.all(width > 0):
        return centre - width / 2, centre + width / 2, flux
    first, last = max(centre[0], wavelength[0]), min(centre[-1], wavelength[-1])
    size = float(f"{max(_PIXELS_A_BIN * float(np.median(np.diff(wavelength))), 1.0):.2g}")
    edges = size * np.arange(np.ceil(first / size), max(np.floor(last / size), np.ceil(first / size)) + 1)
    return edges[:-1], edges[1:], np.diff(_integral(centre, flux, edges)) / size


def _integral(x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrate the line through the points (x, y) from x[0] to each of `at`."""
    all_x = np.union1d(x, at)
    all_y = np.interp(all_x, x, y)
    steps = np.diff(all_x) * (all_y[1:] + all_y[:-1]) / 2
    return np.asarray(np.interp(at, all_x, np.concatenate([[0.0], np.cumsum(steps)])), np.float64)


def rate_in_bins(
    spectrum: Spectrum, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return electrons a second and Angstrom in bins, and their error; NaN where masked or outside.

    Masked pixels are replaced by the mean of the rest of the bin if they are less than a quarter of it.
    """
    edges = edges_of(spectrum.spectral_axis.to_value(u.AA))
    good = ~np.asarray(spectrum.mask, bool) if spectrum.mask is not None else np.ones(spectrum.shape, bool)
    overlap = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    overlap = np.where(good, np.clip(overlap, 0, None), 0)
    share = overlap / np.diff(edges)
    covered = overlap.sum(axis=1)
    covered[covered < _MINIMUM_COVERAGE * (high - low)] = np.nan
    time = exposure_time(spectrum)
    rate = share @ np.where(good, spectrum.flux.value, 0) / covered / time
    error = np.sqrt(share**2 @ np.where(good, spectrum_variance(spectrum), 0)) / covered / time
    return rate, error


def _trustworthy(points: Points) -> NDArray[np.bool_]:
    """Return the bins around the peak up to where the light fails on either side."""
    with np.errstate(invalid="ignore"):
        light = (points.response > 0) & (points.error < _MAXIMUM_ERROR)
    if not light.any():
        raise DataError(f"{points.frame}: no light of the standard star {points.star} in the bins of its table")
    peak = np.nanmax(points.response[light])
    dark = ~light | (points.response < _MINIMUM_RESPONSE * peak)
    top = int(np.flatnonzero(light & (points.response == peak))[0])
    # A bin lost to masked pixels in the middle of the spectrum does not end it.
    dark &= np.isfinite(points.response) | (points.reason == "")
    before, after = np.flatnonzero(dark[:top]), np.flatnonzero(dark[top:])
    inner = np.zeros(len(dark), bool)
    inner[before[-1] + 1 if before.size else 0 : top + after[0] if after.size else None] = True
    return inner & light
