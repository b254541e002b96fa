"""How good an extracted spectrum is, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.spectra import columns_of, header_of, spectrum_flags, spectrum_variance

if TYPE_CHECKING:
    from specutils import Spectrum

RANGE = (4000.0, 9000.0)
"""Angstrom over which numbers are given; all of a spectrum that lies elsewhere."""


def quality_of_spectrum(spectrum: Spectrum) -> dict[str, float | int | str | bool | None]:
    """Return signal to noise, the bound that photons and read noise set, and optimal against boxcar."""
    from alfosc_reduce.flags import Flag, mask_of

    wave, flux = spectrum.spectral_axis.value, spectrum.flux.value
    error, flags, columns = np.sqrt(spectrum_variance(spectrum)), spectrum_flags(spectrum), columns_of(spectrum)
    inside = (wave > RANGE[0]) & (wave < RANGE[1])
    good = ~mask_of(flags) & (error > 0) & (inside if inside.any() else True)
    if not good.any():
        return {"snr_median": None}
    snr, bound = flux[good] / error[good], flux[good] / columns["BOUND"].value[good]
    box, box_error = columns["FLUX_BOX"].value[good], columns["ERR_BOX"].value[good]
    weight = 1 / np.maximum(box_error, 1e-12) ** 2
    header = header_of(spectrum)
    return {
        "snr_median": float(np.median(snr)),
        "snr_bound_median": float(np.median(bound)),
        "snr_over_bound": float(np.median(snr) / np.median(bound)) if np.median(bound) > 0 else None,
        "boxcar_over_optimal": _ratio(box, flux[good], weight),
        "snr_boxcar_median": float(np.median(box / np.maximum(box_error, 1e-12))),
        "fwhm_arcsec": float(header["FWHM"]),
        "position_arcsec": float(header["OBJPOS"]),
        "partial_fraction": float(np.mean((flags[good] & Flag.PARTIAL) != 0)),
        "masked_fraction": float(np.mean(mask_of(flags))),
    }


def _ratio(
    box: np.ndarray[tuple[int], np.dtype[np.float64]],
    flux: np.ndarray[tuple[int], np.dtype[np.float64]],
    weight: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> float | None:
    below = float(np.sum(weight * flux**2))
    return float(np.sum(weight * box * flux)) / below if below > 0 else None
