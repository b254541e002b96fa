"""What a person wants to see of an extraction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import mask_of
from alfosc_reduce.images import usable
from alfosc_reduce.spectra import columns_of, header_of, spectrum_flags, spectrum_variance
from alfosc_reduce_longslit.extraction.quality import quality_of_spectrum
from alfosc_reduce_longslit.slit.part import plain_variance

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from specutils import Spectrum

    from alfosc_reduce_longslit.extraction.profile import Profile

RANGES = 4
BIN = 0.25


def figure_of_spectrum(spectrum: Spectrum) -> Figure:
    """Return the spectrum with its error and the sky, signal to noise with its bound, and boxcar over optimal."""
    from matplotlib.figure import Figure

    header, wave, flux = header_of(spectrum), spectrum.spectral_axis.value, spectrum.flux.value
    error, good, columns = (
        np.sqrt(spectrum_variance(spectrum)),
        ~mask_of(spectrum_flags(spectrum)),
        columns_of(spectrum),
    )
    error = np.where(error > 0, error, np.nan)
    figure = Figure(figsize=(9, 7), dpi=100, layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[2, 1, 1])
    shown = np.where(good, flux, np.nan)
    top.fill_between(wave, shown - error, shown + error, color="C0", alpha=0.3, lw=0, label="error (1 sigma)")
    top.plot(wave, shown, lw=0.7, color="C0", label=f"{header.get('EXTRACT', '')} extraction")
    top.plot(wave, columns["SKY"].value, lw=0.6, color="0.6", label="sky under the object (a pixel)")
    visible = shown[np.isfinite(shown)] if good.any() else np.zeros(1)
    low, high = np.percentile(visible, [1, 99.5])
    high = max(high, 1.0)
    top.set(ylabel="electrons a column", ylim=(min(0, low) - 0.05 * high, 1.25 * high))
    top.legend(fontsize=8, loc="upper left")
    middle.plot(wave, shown / error, lw=0.7, label="reached")
    middle.plot(wave, shown / columns["BOUND"].value, lw=0.6, color="C3", label="bound of photon and read noise")
    middle.set(ylabel="signal to noise\na pixel", ylim=(0, None))
    middle.legend(fontsize=8, loc="upper left")
    _compare(bottom, spectrum, good)
    bottom.set(xlabel="vacuum wavelength (Å)")
    figure.suptitle(_title(header, spectrum), fontsize=10)
    return figure


def _compare(axes: Axes, spectrum: Spectrum, good: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    columns = columns_of(spectrum)
    if "FLUX_BOX" in columns:
        difference = (columns["FLUX_BOX"].value - spectrum.flux.value) / np.maximum(columns["ERR_BOX"].value, 1e-12)
        axes.plot(spectrum.spectral_axis.value, np.where(good, difference, np.nan), ".", ms=2)
        axes.axhline(0, color="k", lw=0.8)
        axes.set(ylabel="(boxcar - optimal)\n/ boxcar error", ylim=(-4, 4))
    else:
        axes.plot(spectrum.spectral_axis.value, ~good, lw=0.8)
        axes.set(ylabel="masked", ylim=(-0.1, 1.1))


def _title(header: Header, spectrum: Spectrum) -> str:
    text = f"{header.get('OBJECT', 'unknown object')}   {header.get('FILENAME', '')}   object {header.get('OBJID', 1)}"
    if "BOUND" in columns_of(spectrum) and "FLUX_BOX" in columns_of(spectrum):
        numbers = quality_of_spectrum(spectrum)
        if numbers["snr_median"] is not None:
            text += (
                f"   S/N {numbers['snr_median']:.1f} of at most {numbers['snr_bound_median']:.1f} a pixel, 4000-9000 Å"
            )
    return text


def figure_of_profile(
    image: CCDData, centre: np.ndarray[tuple[int], np.dtype[np.float64]], spectrum: Spectrum, profile: Profile
) -> Figure:
    """Return the light along the slit relative to the extracted spectrum, and its model, in four ranges of wavelength.

    `centre` is the trace (nx,).
    """
    from matplotlib.figure import Figure

    header = header_of(spectrum)
    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).ravel()
    edges = np.linspace(0, image.shape[1], RANGES + 1).astype(int)
    for axes, low, high in zip(panels, edges[:-1], edges[1:], strict=True):
        _profile_panel(axes, image, centre, spectrum, slice(low, high))
        u = np.linspace(-4, 4, 400)[:, None] * float(header["FWHMPIX"])
        axes.plot(u[:, 0], profile(u, np.array([[(low + high) / 2]]))[:, 0], lw=0.8, color="C3", label="model")
        axes.legend(fontsize=7)
    panels[0].set_ylabel("share of the light a pixel")
    panels[2].set_ylabel("share of the light a pixel")
    for axes in panels[2:]:
        axes.set_xlabel("distance from the trace (pixels)")
    figure.suptitle(
        f"Profile   {header.get('OBJECT', '')}   {header.get('FILENAME', '')}   object {header.get('OBJID', 1)}   "
        f"FWHM {header['FWHM']:.2f} arcsec",
        fontsize=10,
    )
    return figure


def _profile_panel(
    axes: Axes,
    image: CCDData,
    centre: np.ndarray[tuple[int], np.dtype[np.float64]],
    spectrum: Spectrum,
    part: slice,
) -> None:
    header = header_of(spectrum)
    reach = 4 * float(header["FWHMPIX"])
    low, high = np.clip([centre[part].min() - reach, centre[part].max() + reach + 1], 0, image.shape[0]).astype(int)
    near = slice(low, high), part
    u = np.arange(low, high)[:, None] - centre[None, part]
    flux = np.where(mask_of(spectrum_flags(spectrum)), 0, np.maximum(spectrum.flux.value, 0))[part]
    weight = np.where(usable(image)[near] & (np.abs(u) < reach), 1 / np.maximum(plain_variance(image)[near], 1e-9), 0)
    index = np.floor((u + reach) / BIN).astype(int).clip(0, int(2 * reach / BIN))
    size = int(2 * reach / BIN) + 1
    information = np.bincount(index.ravel(), (weight * flux**2).ravel(), size)
    value = np.bincount(index.ravel(), (weight * flux * np.asarray(image.data)[near]).ravel(), size)
    known = information > 1e-12
    place = (np.flatnonzero(known) + 0.5) * BIN - reach
    axes.axhline(0, color="k", lw=0.5)
    axes.errorbar(
        place, value[known] / information[known], information[known] ** -0.5, fmt=".", ms=3, lw=0.6, label="measured"
    )
    width = float(header["APERTURE"]) / 2 * float(header["FWHMPIX"]) / max(float(header["FWHM"]), 1e-9)
    axes.axvspan(-width, width, color="0.92", zorder=0, label="boxcar")
    wave = spectrum.spectral_axis.value[part]
    axes.set_title(f"{wave[0]:.0f}-{wave[-1]:.0f} Å", loc="left", fontsize=9)
    axes.set(ylim=(-0.04, 1.5 / float(header["FWHMPIX"])))
