"""Absorption by molecules of the atmosphere, measured in a standard star and scaled to another air mass."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce.spectra import header_of, spectrum_variance
from alfosc_reduce_longslit.resampling import edges_of
from alfosc_reduce_longslit.response.atmosphere import MOLECULAR_BANDS, TELLURIC_BANDS, airmass_of, inside, transmission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray
    from specutils import Spectrum

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_longslit.products import Response

SATURATION = {"O2": 0.58, "H2O": 0.60}
"""The depth of a band grows with this power of the air mass: its lines are saturated, its depth at our resolution is
not proportional to the column (Buton et al. 2013, A&A 549, A8, section 4.3)."""

DOUBT = {"O2": 0.05, "H2O": 0.1}
"""Errors of `SATURATION`. The physics of the lines (``benchmarks/oxygen.py``) gives 0.55 in the A band, 0.52 in the B
band and 0.74 in the faint gamma band at 15 Angstrom; H2O has stronger and weaker lines."""

CHANGE = {"O2": 0.03, "H2O": 0.2}
"""By what part the depth differs from that of the standard besides air mass: oxygen is well mixed, water comes and
goes within hours."""

_SIDE = 70.0
_LEAST = 5
_DARKEST = 0.02
_STEP = 0.1


class Absorption(NamedTuple):
    """What molecules leave of the light: the transmission and its relative error, shape (n,)."""

    transmission: NDArray[np.float64]
    error: NDArray[np.float64]


class Depth(NamedTuple):
    """Depth of the bands at air mass 1 in one spectrum: values, errors, NaN outside the bands; shape (n,)."""

    depth: NDArray[np.float64]
    error: NDArray[np.float64]


def measure_telluric(spectra: Sequence[Spectrum], instrument: Instrument, response: Response) -> QTable | None:
    """Measure the bands in spectra of standard stars.

    Each spectrum is divided by extinction and response, which leaves the smooth spectrum of the star times the bands.
    A line through both sides of a band (70 Angstrom each) is the star; stars without strong lines there are assumed.

    Parameters
    ----------
    spectra
        In electrons a pixel against vacuum topocentric wavelength; the wavelengths of the first are kept.
    instrument
        Knows the extinction.
    response
        Of these spectra.

    Returns
    -------
    QTable or None
        As `Response.telluric`; the mean of all spectra, weighted. None if no band could be measured.
    """
    from astropy.table import QTable

    if not spectra:
        return None
    wavelength = np.asarray(spectra[0].spectral_axis.to_value(u.AA), np.float64)
    found = [_at(wavelength, spectrum, band_depths(spectrum, instrument, response)) for spectrum in spectra]
    weight = np.array([np.where(np.isfinite(d.depth), 1 / np.square(d.error), 0) for d in found])
    total = weight.sum(axis=0)
    known = total > 0
    if not known.any():
        return None
    mean = np.sum(weight * np.nan_to_num([d.depth for d in found]), axis=0)[known] / total[known]
    table = QTable({"wavelength": wavelength[known], "molecule": _molecules(wavelength[known])})
    table["depth"], table["error"] = mean, 1 / np.sqrt(total[known])
    table.meta["airmass"] = float(np.mean([airmass_of(header_of(spectrum), instrument) for spectrum in spectra]))
    return table


def band_depths(spectrum: Spectrum, instrument: Instrument, response: Response) -> Depth:
    """Return the depths of all bands that have a continuum on both sides, scaled to air mass 1."""
    wavelength = np.asarray(spectrum.spectral_axis.to_value(u.AA), np.float64)
    airmass = airmass_of(header_of(spectrum), instrument)
    smooth = np.exp(np.interp(wavelength, response.wavelength, np.log(response.response), left=np.nan, right=np.nan))
    night = float(response.points.meta.get("extinction_scale", 1.0))
    smooth = smooth * transmission(wavelength, night * airmass, instrument) * np.diff(edges_of(wavelength))
    with np.errstate(invalid="ignore", divide="ignore"):
        star = np.log(spectrum.flux.value / smooth)
        noise = np.sqrt(spectrum_variance(spectrum)) / np.abs(spectrum.flux.value)
    good = np.isfinite(star) & np.isfinite(noise) & (noise < 0.5) & ~np.asarray(spectrum.mask, bool)
    depth, error = np.full((2, len(wavelength)), np.nan)
    for molecule, low, high in MOLECULAR_BANDS:
        band = good & (wavelength > low) & (wavelength < high)
        line = _continuum(wavelength, star, noise, good, (low, high))
        if line is None or not band.any():
            continue
        scale = airmass ** SATURATION[molecule]
        depth[band] = (line[0][band] - star[band]) / scale
        error[band] = np.hypot(noise[band], line[1]) / scale
    return Depth(depth, error)


def absorption(table: QTable | None, wavelength: NDArray[np.float64], airmass: float) -> Absorption:
    """Return the transmission of the bands at an air mass.

    Parameters
    ----------
    table
        `Response.telluric`; without it all light passes.
    wavelength
        Vacuum, topocentric, Angstrom, shape (n,).
    airmass
        At mid-exposure.

    Returns
    -------
    Absorption
        Its error holds that of the measurement, what the bands may have changed since (`CHANGE`), and that of the
        growth with air mass (`DOUBT`).
    """
    through, error = np.ones(len(wavelength)), np.zeros(len(wavelength))
    if table is None:
        return Absorption(through, error)
    further = np.log(airmass / float(table.meta.get("airmass", airmass)))
    for molecule, low, high in MOLECULAR_BANDS:
        own = (table["wavelength"] > low) & (table["wavelength"] < high)
        band = (wavelength > low) & (wavelength < high)
        if not own.any():
            continue
        scale = airmass ** SATURATION[molecule]
        depth, noise = _between(
            wavelength[band], *(np.asarray(table[n][own]) for n in ("wavelength", "depth", "error"))
        )
        through[band] = np.maximum(np.exp(-scale * depth), _DARKEST)
        error[band] = scale * np.hypot(noise, np.hypot(CHANGE[molecule], DOUBT[molecule] * further) * depth)
    return Absorption(through, error)


def _between(
    at: NDArray[np.float64], x: NDArray[np.float64], depth: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interpolate depths and their errors, which grow where the band is steep.

    Band heads are as sharp as the pixels: light through another part of the slit, or another phase of the pixels,
    changes a depth by a part of the step between neighbours (`_STEP`).
    """
    if len(x) < 4:
        return np.interp(at, x, depth), np.interp(at, x, error)
    from scipy.interpolate import CubicSpline

    inside = np.clip(at, x[0], x[-1])
    found = -np.log(np.maximum(CubicSpline(x, np.exp(-depth))(inside), _DARKEST))
    after = np.clip(np.searchsorted(x, at), 1, len(x) - 1)
    return found, np.hypot(np.interp(at, x, error), _STEP * np.abs(depth[after] - depth[after - 1]))


def _continuum(
    wavelength: NDArray[np.float64],
    star: NDArray[np.float64],
    noise: NDArray[np.float64],
    good: NDArray[np.bool_],
    band: tuple[float, float],
) -> tuple[NDArray[np.float64], float] | None:
    """Return a line through both sides of a band at all wavelengths, and its error; None if a side is missing."""
    low, high = band
    clear = good & ~inside(wavelength, wavelength, TELLURIC_BANDS)
    sides = [clear & (wavelength > low - _SIDE) & (wavelength <= low), clear & (wavelength >= high)]
    sides[1] &= wavelength < high + _SIDE
    if min(side.sum() for side in sides) < _LEAST:
        return None
    # Medians stand above weak lines and outliers.
    (x1, y1), (x2, y2) = ((np.mean(wavelength[side]), np.median(star[side])) for side in sides)
    error = float(np.hypot(*(1.25 * np.median(noise[side]) / np.sqrt(side.sum()) for side in sides)) / 2)
    return y1 + (y2 - y1) / (x2 - x1) * (wavelength - x1), error


def _at(wavelength: NDArray[np.float64], spectrum: Spectrum, found: Depth) -> Depth:
    """Bring depths to other wavelengths, band by band."""
    own = np.asarray(spectrum.spectral_axis.to_value(u.AA), np.float64)
    if np.array_equal(own, wavelength):
        return found
    known = np.isfinite(found.depth)
    if known.sum() < 2:
        return Depth(*np.full((2, len(wavelength)), np.nan))
    near = np.interp(wavelength, own, known.astype(float)) > 0.5
    moved = [np.where(near, np.interp(wavelength, own[known], values[known]), np.nan) for values in found]
    return Depth(*moved)


def _molecules(wavelength: NDArray[np.float64]) -> NDArray[np.str_]:
    names = np.full(len(wavelength), "", dtype="U3")
    for molecule, low, high in MOLECULAR_BANDS:
        names[(wavelength > low) & (wavelength < high)] = molecule
    return names
