"""Images with variance and integer flags: how every step makes and reads ``CCDData``.

The conventions are few. Data are electrons (ADU before the gain is known). The uncertainty is a variance. Flags are
16-bit integers (`alfosc_reduce.Flag`); the mask follows from them. The header is an ``astropy.io.fits.Header`` with
the keywords that the instrument guarantees (`alfosc_reduce.instrument.Instrument.read`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag, mask_of

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from astropy.wcs import WCS
    from numpy.typing import ArrayLike, NDArray


def make_image(
    data: ArrayLike,
    *,
    unit: str,
    header: Header,
    variance: ArrayLike | None = None,
    flags: ArrayLike | None = None,
) -> CCDData:
    """Return a ``CCDData`` in this project's form.

    Parameters
    ----------
    data
        Shape (ny, nx); stored as 32-bit floats.
    unit
        For example ``"adu"`` or ``"electron"``.
    header
        Copied.
    variance
        In `unit` squared, of the same shape or a scalar; None if not known.
    flags
        Integer flags of the same shape; None for none. Pixels that are not finite are flagged here, and set to 0.

    Returns
    -------
    CCDData
        Its mask follows from its flags.
    """
    from astropy.nddata import CCDData, VarianceUncertainty

    values = np.array(data, dtype=np.float32)
    bits = np.zeros(values.shape, np.int16) if flags is None else np.array(flags, dtype=np.int16)
    bad = ~np.isfinite(values)
    if bad.any():
        bits[bad] |= Flag.NOT_FINITE
        values[bad] = 0
    uncertainty = None
    if variance is not None:
        uncertainty = VarianceUncertainty(np.broadcast_to(np.asarray(variance, np.float32), values.shape).copy())
    return CCDData(values, unit=unit, uncertainty=uncertainty, flags=bits, mask=mask_of(bits), meta=header.copy())


def as_it_is(image: CCDData) -> CCDData:
    """Return an image of which nothing is to be changed: itself, but where values that are not finite bear no flag.

    A stranger's image may have such; they are flagged as `make_image` does.
    """
    gaps = ~np.isfinite(np.asarray(image.data))
    if not (gaps & ~mask_of(flags_of(image))).any():
        return image
    return make_image(
        image.data, unit=str(image.unit), header=image.meta, variance=stored_variance(image), flags=flags_of(image)
    )


def variance_of(image: CCDData) -> NDArray[np.float64]:
    """Return the variance of an image as 64-bit floats, whatever kind of uncertainty it carries; infinite if none."""
    if image.uncertainty is None:
        return np.full(image.shape, np.inf)
    from astropy.nddata import VarianceUncertainty

    return np.asarray(image.uncertainty.represent_as(VarianceUncertainty).array, dtype=np.float64)


def stored_variance(image: CCDData) -> NDArray[np.float32] | None:
    """Return the variance of an image as images of this project hold it, not copied where it is so; None if none."""
    if image.uncertainty is None:
        return None
    from astropy.nddata import VarianceUncertainty

    return np.asarray(image.uncertainty.represent_as(VarianceUncertainty).array, dtype=np.float32)


def flags_of(image: CCDData) -> NDArray[np.int16]:
    """Return a copy of the flags of an image; a mask without flags (a stranger's image) becomes ``BAD_PIXEL``."""
    flags = np.zeros(image.shape, np.int16) if image.flags is None else np.array(image.flags, dtype=np.int16)
    if image.mask is not None:
        flags[np.asarray(image.mask, bool) & ~mask_of(flags)] |= Flag.BAD_PIXEL
    return flags


def usable(image: CCDData) -> NDArray[np.bool_]:
    """Return true where an image is finite and its mask and flags allow its use."""
    good: NDArray[np.bool_] = ~mask_of(flags_of(image)) & np.isfinite(np.asarray(image.data))
    return good


def rows_on_slit(image: CCDData) -> slice:
    """Return the rows from the first to the last with a pixel on the slit (without flags ``OUTSIDE_FIELD``: all)."""
    if image.flags is None:
        return slice(0, image.shape[0])
    lit = np.flatnonzero(np.any((np.asarray(image.flags) & int(Flag.OUTSIDE_FIELD)) == 0, axis=1))
    return slice(int(lit[0]), int(lit[-1]) + 1) if lit.size else slice(0, image.shape[0])


def wcs_of(image: CCDData) -> WCS | None:
    """Return the celestial WCS of an image: its own attribute if it has one, else what its header says; None if none.

    What astropy only notes about a header (a date it completes, a keyword it renames) is not said again here.
    """
    if image.wcs is not None:
        return image.wcs if image.wcs.has_celestial else None
    return header_wcs(image.meta)


def header_wcs(header: Header) -> WCS | None:
    """Return the celestial WCS that a header describes, with its distortion; None if it describes none."""
    import warnings

    from astropy.io.fits import Header
    from astropy.wcs import WCS, FITSFixedWarning

    kinds = {str(header.get(f"CTYPE{axis}", "")).partition("-")[0] for axis in (1, 2)}
    if kinds != {"RA", "DEC"}:
        return None
    cards = Header(header, copy=True)
    for keyword in ("NAXIS", "NAXIS1", "NAXIS2"):
        cards.remove(keyword, ignore_missing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(cards)
