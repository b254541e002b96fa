"""Spectra of one object on one grid, at one level, as their mean."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from alfosc_reduce.spectra import header_of, spectrum_variance
from alfosc_reduce_longslit.combination.grid import Stack, stack_spectra
from alfosc_reduce_longslit.combination.mean import Combined, combine, smooth_weights
from alfosc_reduce_longslit.combination.scale import Light, scale_curve
from alfosc_reduce_longslit.response.points import frame_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from specutils import Spectrum

_log = logging.getLogger(__name__)


def combine_group(spectra: Sequence[Spectrum], *, scale: bool) -> tuple[Stack, Combined, int]:
    """Combine spectra of one object and unit.

    Parameters
    ----------
    spectra
        Two or more.
    scale
        Whether to bring them to one level.

    Returns
    -------
    tuple
        The stack on one grid, the mean, and the number of the reference exposure.
    """
    reference = int(np.argmax([_signal(spectrum) for spectrum in spectra]))
    stack = stack_spectra(spectra, reference)
    scales = _scales(spectra, stack, reference, scale=scale)
    weights = smooth_weights(stack.variance, stack.good, scales)
    return stack, combine(stack.flux, stack.variance, stack.good, scales, weights), reference


def _signal(spectrum: Spectrum) -> float:
    variance = spectrum_variance(spectrum)
    good = ~np.asarray(spectrum.mask, bool) & (variance > 0) & np.isfinite(variance)
    return float(np.median(spectrum.flux.value[good] / np.sqrt(variance[good]))) if good.any() else -np.inf


def _scales(spectra: Sequence[Spectrum], stack: Stack, reference: int, *, scale: bool) -> NDArray[np.float64]:
    """Return what each exposure is multiplied with, shape (n, nx)."""
    scales = np.repeat(_exposure_ratios(spectra, reference)[:, None], stack.flux.shape[1], axis=1)
    lights = [Light(*parts) for parts in zip(stack.flux, stack.variance, stack.good, strict=True)]
    for i, light in enumerate(lights):
        if i == reference or not scale or not (light.good & stack.good[reference]).any():
            continue
        found = scale_curve(light, lights[reference])
        if found is None:
            _log.info("%s is too faint to be scaled; its level is kept.", frame_name(spectra[i]))
        else:
            scales[i] = found
    return scales


def _exposure_ratios(spectra: Sequence[Spectrum], reference: int) -> NDArray[np.float64]:
    """Return the ratios of exposure times for spectra in electrons, ones for fluxes."""
    ratios = np.ones(len(spectra))
    if u.electron not in spectra[reference].flux.unit.bases:
        return ratios
    times = [header_of(spectrum).get("EXPTIME") for spectrum in spectra]
    if all(isinstance(time, int | float) and time > 0 for time in times):
        ratios = times[reference] / np.array(times, dtype=np.float64)
    return ratios
