"""The two lists of stars: those measured on an image, and those of a catalogue at the time of the image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.astrometry.matching import Detected, Known
from alfosc_reduce_imaging.photometry.columns import numbers, truths
from alfosc_reduce_imaging.photometry.sky_positions import at_epoch, julian_year
from alfosc_reduce_imaging.sources.flags import UNSAFE, SourceFlag

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.table import Table
    from numpy.typing import NDArray

UNSURE = int(UNSAFE | SourceFlag.BAD_FIT)
"""Source flags whose positions say little: at an edge, saturated, masked, badly fitted, a cosmic ray."""
DISTURBED = int(SourceFlag.BLENDED | SourceFlag.NEIGHBOUR | SourceFlag.NONLINEAR)
"""Source flags of blends and neighbours, and of stars near saturation."""
SHARE_UNSURE, SHARE_DISTURBED = 0.25, 0.05
"""Of the full width at half maximum: the position error added to such sources."""
EXTENDED = 100.0
"""Mas: position error added to galaxies."""
UNKNOWN_MOTION = 7.0
"""Mas a year: proper motion that a star of unknown motion may have."""
FIRST_BANDS = ("G", "r", "V", "R", "g", "i", "B", "I", "RP", "BP")
"""Bands by which a catalogue is sorted if it lacks that of the image."""
_log = logging.getLogger(__name__)


def detected_of(sources: Table) -> Detected:
    """Return what is needed of a table of sources (or of stars found on a frame).

    Parameters
    ----------
    sources
        Columns ``x``, ``y`` (0-based); used where they are there: ``x_error``, ``y_error``, ``fwhm`` (pixels),
        ``flux_aper``, ``flux_auto`` or ``flux``, ``source_flags``.
    """
    fwhm = numbers(sources, "fwhm")
    typical = float(np.nanmedian(fwhm)) if np.isfinite(fwhm).any() else 4.0
    errors = np.stack([numbers(sources, name, missing=0.0) for name in ("x_error", "y_error")])
    measured = np.mean(np.where(np.isfinite(errors), errors, 0.5 * typical) ** 2, axis=0)
    flags = flags_of_sources(sources)
    share = np.select([(flags & UNSURE) != 0, (flags & DISTURBED) != 0], [SHARE_UNSURE, SHARE_DISTURBED], 0.0)
    return Detected(numbers(sources, "x"), numbers(sources, "y"), _flux(sources), measured + (share * typical) ** 2)


def flags_of_sources(sources: Table) -> NDArray[np.int64]:
    """Return the source flags as integers, 0 where the table has none."""
    return np.nan_to_num(numbers(sources, "source_flags", missing=0.0)).astype(np.int64)


def _flux(sources: Table) -> NDArray[np.float64]:
    for name in ("flux_aper", "flux_auto", "flux", "flux_psf"):
        if name in sources.colnames:
            return numbers(sources, name)
    return np.zeros(len(sources))


def known_of(reference: Table, header: Header) -> Known:
    """Return the stars of a reference catalogue where they are when the image was taken.

    Their errors grow with the time since the epoch of the catalogue, most where the motion is not known.
    """
    year = year_of(header)
    variance = np.mean([_variance(reference, axis, year) for axis in ("ra", "dec")], axis=0)
    variance = variance + np.where(truths(reference, "extended"), EXTENDED**2, 0.0)
    return Known(at_epoch(reference, year), _brightness(reference, str(header.get("BAND", ""))), variance / 1e6)


def year_of(header: Header) -> float | None:
    """Return when an image was taken as a Julian year; None, with a warning, if the header does not say."""
    for keyword in ("MJD-AVG", "MJD-OBS"):
        value = header.get(keyword)
        if isinstance(value, int | float) and np.isfinite(value):
            return julian_year(float(value))
    name = header.get("FILENAME", "this image")
    _log.warning("%s: no date in the header (MJD-AVG); stars are taken where the catalogue has them.", name)
    return None


def _variance(reference: Table, axis: str, year: float | None) -> NDArray[np.float64]:
    """Return the variance of a coordinate in square milliarcseconds."""
    errors = np.nan_to_num(numbers(reference, f"{axis}_error", missing=0.0))
    if year is None or "epoch" not in reference.colnames:
        return errors**2
    time = np.nan_to_num(year - numbers(reference, "epoch"))
    name = f"pm{axis}"
    lacking = ~np.isfinite(numbers(reference, name))
    if "pm_known" in reference.colnames:
        lacking |= ~truths(reference, "pm_known")
    drift = np.where(lacking, UNKNOWN_MOTION, np.nan_to_num(numbers(reference, f"{name}_error", missing=0.0)))
    return errors**2 + (drift * time) ** 2


def _brightness(reference: Table, band: str) -> NDArray[np.float64]:
    """Return fluxes in the band of the image, or the first that most stars have; 0 where there is none."""
    names = [f"mag_{name}" for name in (band, *FIRST_BANDS) if f"mag_{name}" in reference.colnames]
    names += [name for name in reference.colnames if name.startswith("mag_") and not name.endswith("_error")]
    for name in names:
        magnitudes = numbers(reference, name)
        if 2 * np.count_nonzero(np.isfinite(magnitudes)) > len(magnitudes):
            return np.nan_to_num(10 ** (-0.4 * (magnitudes - np.nanmedian(magnitudes))))
    return np.zeros(len(reference))
