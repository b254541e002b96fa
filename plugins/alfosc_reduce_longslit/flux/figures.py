"""How spectra look: flux with its error, telluric bands shaded; and a standard star beside its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce.spectra import header_of, spectrum_variance
from alfosc_reduce_longslit.flux.quality import Comparison, compare_with_table
from alfosc_reduce_longslit.response.figures import shade_telluric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from specutils import Spectrum

    from alfosc_reduce.instrument import Instrument

_TELLING = 4.0
"""Where the noise is so many times the usual, excursions tell nothing: they are drawn pale and set no limits."""


def flux_figures(spectra: Spectrum | Sequence[Spectrum], instrument: Instrument | None) -> Iterator[tuple[str, Figure]]:
    """Yield the brightest spectrum, and for a standard star the comparison with its table."""
    members = [spectra] if type(spectra).__name__ == "Spectrum" else list(spectra)
    if not members:
        return
    yield "spectrum", spectrum_figure(members[0])
    found = compare_with_table(members[0], instrument) if instrument is not None else None
    if found is not None:
        yield "standard", standard_figure(members[0], found)


def spectrum_figure(spectrum: Spectrum, title: str = "") -> Figure:
    """Return a spectrum with its error; unusable pixels are left out."""
    from matplotlib.figure import Figure

    header = header_of(spectrum)
    figure = Figure(figsize=(9, 4.2), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    wavelength, flux, error = drawn(spectrum)
    good = np.isfinite(flux)
    telling = good & (error <= _TELLING * np.median(error[good])) if good.any() else good
    axes.plot(wavelength, np.where(good & ~_inner(telling), flux, np.nan), color="0.8", lw=0.6, drawstyle="steps-mid")
    axes.plot(wavelength, error, color="0.6", lw=0.7, label="error")
    axes.plot(wavelength, np.where(telling, flux, np.nan), color="C0", lw=0.8, drawstyle="steps-mid", label="flux")
    if good.any():
        axes.set_ylim(*limits_of(flux[good], error[good]))
        axes.set_xlim(wavelength[good].min(), wavelength[good].max())
    axes.axhline(0, color="k", lw=0.6)
    shade_telluric(axes)
    medium = "air" if header.get("AIRORVAC") == "AIR" else "vacuum"
    frame = {"BARYCENT": "barycentric", "TOPOCENT": "topocentric"}.get(str(header.get("SPECSYS")), "")
    axes.set(xlabel=f"wavelength (Å, {medium}{', ' + frame if frame else ''})", ylabel=unit_text(spectrum.flux.unit))
    axes.set_title(title or _title(spectrum), fontsize=10)
    axes.legend(fontsize=8, loc="upper right")
    return figure


def standard_figure(spectrum: Spectrum, found: Comparison) -> Figure:
    """Return a calibrated standard beside its table, and the deviation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    wavelength, flux, _ = drawn(spectrum)
    above.plot(wavelength, flux / found.grey, color="0.6", lw=0.7, label="measured")
    above.plot(found.wavelength, found.table, "k_", ms=7, label="table")
    kinds = {"clear": (found.clear & ~found.balmer, "C0o"), "Balmer": (found.clear & found.balmer, "C1s")}
    kinds["telluric"] = (~found.clear, "C3x")
    for name, (chosen, style) in kinds.items():
        above.plot(found.wavelength[chosen], (found.measured / found.grey)[chosen], style, ms=3.5, label=f"{name} bins")
        below.plot(found.wavelength[chosen], np.clip(100 * found.deviation[chosen], -9.7, 9.7), style, ms=3.5)
    below.axhline(0, color="k", lw=0.8)
    below.set(xlabel="wavelength (Å, vacuum)", ylabel="measured − table (%)", ylim=(-10, 10))
    above.set(ylabel=unit_text(spectrum.flux.unit), ylim=(0, 1.2 * float(found.table.max())))
    above.set_title(_standard_title(spectrum, found), fontsize=10)
    above.legend(fontsize=8)
    shade_telluric(below)
    return figure


def drawn(
    spectrum: Spectrum,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelength (Angstrom), flux and error as they are drawn: NaN where unusable."""
    good = ~np.asarray(spectrum.mask, bool)
    error = np.sqrt(spectrum_variance(spectrum))
    wavelength = np.asarray(spectrum.spectral_axis.to_value(u.AA), np.float64)
    return wavelength, np.where(good, spectrum.flux.value, np.nan), np.where(good, error, np.nan)


def limits_of(flux: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Return limits of the ordinate that show the spectrum and not its noisiest ends."""
    trusted = flux[error <= _TELLING * np.median(error)]
    low, high = np.percentile(trusted if trusted.size else flux, [0.5, 99.7])
    margin = 0.12 * max(high - low, 1e-30)
    return float(min(low - margin, -margin / 2)), float(high + margin)


def _inner(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return `chosen` without the pixels at the borders of its runs, so that two lines drawn beside it meet."""
    inner = chosen.copy()
    inner[1:] &= chosen[:-1]
    inner[:-1] &= chosen[1:]
    return inner


def unit_text(unit: u.UnitBase) -> str:
    """Return the unit as an axis label."""
    if unit.is_equivalent(u.erg / (u.s * u.cm**2 * u.AA)):
        return "flux (erg s⁻¹ cm⁻² Å⁻¹)"
    return f"flux ({unit.to_string()})"


def _title(spectrum: Spectrum) -> str:
    header = header_of(spectrum)
    several = int(header.get("NCOMBINE", 1)) > 1
    frames = f"{header['NCOMBINE']} exposures combined" if several else header.get("FILENAME", "")
    parts = [header.get("OBJECT", ""), frames, f"{header['EXPTIME']:g} s" if "EXPTIME" in header else ""]
    parts += [str(header[key]) for key in ("GRISM", "SLIT") if key in header]
    return "  ".join(str(part) for part in parts if part)


def _standard_title(spectrum: Spectrum, found: Comparison) -> str:
    header = header_of(spectrum)
    rms = found.rms()
    text = f"rms {rms:.2f} % (4000-8800 Å, clear bins)" if rms is not None else ""
    return f"{header.get('OBJECT', '')} {header.get('FILENAME', '')}: measured x {1 / found.grey:.3f}, {text}"
