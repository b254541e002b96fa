"""The flux of a source as a point of light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def best_flux(sources: Table) -> tuple[Floats, Floats]:
    """Return the flux of each source as a point, and its error: of the PSF where it was fitted, else of an aperture."""
    flux, noise = numbers(sources, "flux_psf"), numbers(sources, "flux_psf_error")
    for name in ("flux_aper", "flux_auto", "flux"):
        missing = ~(np.isfinite(flux) & (noise > 0))
        flux = np.where(missing, numbers(sources, name), flux)
        noise = np.where(missing, numbers(sources, f"{name}_error"), noise)
    return np.nan_to_num(flux), np.where(noise > 0, noise, np.inf)
