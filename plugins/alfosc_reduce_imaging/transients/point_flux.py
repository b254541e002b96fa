"""The flux of a source as a point of light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Profile(NamedTuple):
    """Moffat profile of the stars: full width at half maximum in pixels, and exponent."""

    fwhm: float
    beta: float

    def enclosed(self, radius: float) -> float:
        """Return the share of a star's light within a radius in pixels."""
        alpha = self.fwhm / (2 * np.sqrt(2 ** (1 / self.beta) - 1))
        return float(1 - (1 + (radius / alpha) ** 2) ** (1 - self.beta))


def profile_of(header: Mapping[str, Any]) -> Profile | None:
    """Return the profile that a difference image states; None for any other image."""
    if "DIFFFWHM" not in header or "DIFFBETA" not in header:
        return None
    return Profile(float(header["DIFFFWHM"]), float(header["DIFFBETA"]))


def best_flux(sources: Table, profile: Profile | None = None) -> tuple[Floats, Floats]:
    """Return the flux of each source as a point, and its error.

    Parameters
    ----------
    sources
        With ``flux_psf``, else ``flux_aper``, ``flux_auto`` or ``flux``.
    profile
        Of a difference image: if its sources were measured without a point spread function given (``PSFGIVEN``), its
        few stars do not tell that, and the aperture of one width (of those in ``meta["APERTURES"]``) is corrected with
        this profile.
    """
    radii = sources.meta.get("APERTURES")
    if sources.meta.get("PSFGIVEN"):
        return _total_flux(sources)
    if profile is not None and isinstance(radii, (list, tuple)) and len(radii):
        chosen = int(np.argmin(np.abs(np.asarray(radii, float) - profile.fwhm)))
        name, share = f"flux_aper_{chosen + 1}", profile.enclosed(float(radii[chosen]))
        if name in sources.colnames:
            noise = numbers(sources, f"{name}_error") / share
            return np.nan_to_num(numbers(sources, name) / share), np.where(noise > 0, noise, np.inf)
    return _total_flux(sources)


def _total_flux(sources: Table) -> tuple[Floats, Floats]:
    """Return the flux of the PSF where it was fitted, else that of an aperture."""
    flux, noise = numbers(sources, "flux_psf"), numbers(sources, "flux_psf_error")
    for name in ("flux_aper", "flux_auto", "flux"):
        missing = ~(np.isfinite(flux) & (noise > 0))
        flux = np.where(missing, numbers(sources, name), flux)
        noise = np.where(missing, numbers(sources, f"{name}_error"), noise)
    return np.nan_to_num(flux), np.where(noise > 0, noise, np.inf)
