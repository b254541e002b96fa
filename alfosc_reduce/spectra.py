"""Extracted spectra: how every step makes and reads ``specutils.Spectrum``.

A spectrum of ours keeps its FITS header in ``meta["header"]``, its flags in ``meta["flags"]``, and what else was
measured at each wavelength (sky, boxcar flux, ...) as quantities in ``meta["columns"]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag, mask_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.io.fits import Header
    from astropy.units import Quantity
    from numpy.typing import ArrayLike, NDArray
    from specutils import Spectrum


def make_spectrum(
    wavelength: Quantity,
    flux: Quantity,
    *,
    variance: ArrayLike,
    header: Header,
    flags: ArrayLike | None = None,
    columns: Mapping[str, Quantity] | None = None,
) -> Spectrum:
    """Return a ``Spectrum`` in this project's form.

    Parameters
    ----------
    wavelength
        Strictly rising, shape (n,).
    flux
        Shape (n,); values that are not finite are set to 0 and flagged.
    variance
        In the square of the flux unit, shape (n,).
    header
        Copied into ``meta["header"]``. ``AIRORVAC`` (``AIR`` or ``VACUUM``) and ``SPECSYS`` say what the wavelengths
        are.
    flags
        Integer flags, shape (n,).
    columns
        More quantities of shape (n,), by upper-case column name (``SKY``, ``FLUX_BOX``, ``ERR_BOX``, ...).
    """
    from astropy.nddata import VarianceUncertainty
    from specutils import Spectrum

    values = np.array(flux.value, dtype=np.float64)
    bits = np.zeros(values.shape, np.int16) if flags is None else np.array(flags, dtype=np.int16)
    errors = np.array(np.broadcast_to(variance, values.shape), dtype=np.float64)
    bad = ~np.isfinite(values) | ~np.isfinite(errors)
    bits[bad] |= Flag.NOT_FINITE
    values[bad] = 0
    errors[bad] = 0
    return Spectrum(
        spectral_axis=wavelength,
        flux=values * flux.unit,
        uncertainty=VarianceUncertainty(errors),
        mask=mask_of(bits),
        meta={"header": header.copy(), "flags": bits, "columns": dict(columns or {})},
    )


def spectrum_variance(spectrum: Spectrum) -> NDArray[np.float64]:
    """Return the variance of a spectrum whatever its kind of uncertainty; infinite if it has none."""
    if spectrum.uncertainty is None:
        return np.full(spectrum.shape, np.inf)
    from astropy.nddata import VarianceUncertainty

    return np.asarray(spectrum.uncertainty.represent_as(VarianceUncertainty).array, dtype=np.float64)


def spectrum_flags(spectrum: Spectrum) -> NDArray[np.int16]:
    """Return a copy of the flags of a spectrum; a mask without flags becomes ``BAD_PIXEL``."""
    flags = np.array(spectrum.meta.get("flags", np.zeros(spectrum.shape)), dtype=np.int16)
    if spectrum.mask is not None:
        flags[np.asarray(spectrum.mask, bool) & ~mask_of(flags)] |= Flag.BAD_PIXEL
    return flags


def header_of(spectrum: Spectrum) -> Header:
    """Return a copy of the FITS header of a spectrum; an empty one if it carries none."""
    from astropy.io.fits import Header

    found = spectrum.meta.get("header")
    return found.copy() if isinstance(found, Header) else Header()


def columns_of(spectrum: Spectrum) -> dict[str, Quantity]:
    """Return the further columns of a spectrum by name."""
    return dict(spectrum.meta.get("columns", {}))
