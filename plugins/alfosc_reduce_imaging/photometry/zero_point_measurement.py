"""From matched stars to a calibration."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.photometry.bands import Magnitudes, advice_for, magnitudes_of
from alfosc_reduce_imaging.photometry.calibration import Calibration
from alfosc_reduce_imaging.photometry.zero_point_fit import LEAST_STARS, ZeroPointFit, fit_zero_point
from alfosc_reduce_imaging.photometry.zero_point_stars import Stars, calibration_stars

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

NOTEWORTHY = 0.05
"""Magnitudes of scatter beyond the errors that are worth a warning."""
SLOPE = 0.2
"""Of the logarithm of an error with magnitude, where photons of the star make it."""

LEAST_ERROR = 0.002
"""Magnitudes: by so much stars scatter beyond their photon noise on the best images (flats, wings, what cosmic rays
leave). Many stars show it themselves; among few, two or three bright ones would else decide alone."""


class Measurement(NamedTuple):
    """The stars and the fit behind a zero point."""

    stars: Stars
    fit: ZeroPointFit
    calibration: Calibration


def measure_zero_point(
    sources: Table,
    reference: Table | None,
    blank: Calibration,
    *,
    year: float | None,
    seeing: float,
    seconds: float,
    name: str,
) -> Measurement:
    """Measure the zero point of an image from its sources and a catalogue.

    Parameters
    ----------
    sources, reference
        As of `MeasureZeroPoint`.
    blank
        Says the band and the system.
    year
        Julian year of the image, None if not known.
    seeing
        Full width at half maximum in arc seconds.
    seconds
        What fluxes are divided by.
    name
        Of the image, for errors.

    Raises
    ------
    DataError
        If the catalogue has no such magnitudes, or too few stars are good.
    """
    magnitudes = catalogue_magnitudes(reference, blank.band, name).in_system(blank.system, blank.band)
    stars = calibration_stars(sources, reference, magnitudes, blank.band, year, seeing)
    return _measured(stars, seconds, replace(blank, catalogue=magnitudes.source), name)


def catalogue_magnitudes(reference: Table | None, band: str, name: str) -> Magnitudes:
    """Return the magnitudes of a catalogue's objects in a band; raises `DataError` if it has none."""
    if reference is None or not len(reference):
        raise DataError(
            f"{name}: no zero point: no catalogue of this field (fetch_catalog gives one; without network prepare it "
            "with 'alfosc-reduce catalog fetch'). Or set params.zero_point by hand"
        )
    found = magnitudes_of(reference, band)
    if found is None:
        columns = [key[4:] for key in reference.colnames if key.startswith("mag_") and not key.endswith("_error")]
        raise DataError(
            f"{name}: no zero point: {reference.meta.get('CATALOG', 'the catalogue')} has {', '.join(columns) or 'no'} "
            f"magnitudes, which do not give {band}; {advice_for(reference)}, or set params.zero_point"
        )
    return found


def tell(measured: Measurement, name: str) -> None:
    """Say in the log what a person should know of a zero point."""
    fit = measured.fit
    if fit.remark:
        _log.info("%s: %s; the zero point is that of the mean star.", name, fit.remark)
    if fit.scatter > NOTEWORTHY:
        _log.warning(
            "%s: stars scatter by %.3f mag about the zero point beyond their errors: flat, clouds or catalogue.",
            name, fit.scatter,
        )  # fmt: skip


def _measured(stars: Stars, seconds: float, blank: Calibration, name: str) -> Measurement:
    good = stars.good
    if good.sum() < LEAST_STARS:
        told = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in stars.counts.items() if count)
        raise DataError(
            f"{name}: no zero point: {good.sum()} good stars, it takes {LEAST_STARS} ({told or 'none matched'}); "
            "check the positions (solve_wcs), take a deeper catalogue, or set params.zero_point"
        )
    stars = replace(stars, error=np.hypot(stars.error, LEAST_ERROR))
    difference = stars.catalogue - stars.instrumental - 2.5 * np.log10(seconds)
    fit = _fit(difference, stars.error, stars)
    if not stars.errors_stated:
        errors = growing_errors(fit.residual[fit.used], stars.catalogue[good][fit.used], stars.catalogue)
        if errors is not None:
            stars = replace(stars, error=np.hypot(stars.error, errors))
            fit = _fit(difference, stars.error, stars)
    fit = _whole(fit, difference, stars)
    return Measurement(stars, fit, _calibration(stars, fit, blank))


def _fit(difference: NDArray[np.float64], error: NDArray[np.float64], stars: Stars) -> ZeroPointFit:
    good = stars.good
    colour = stars.colour[good] if stars.colour_name else None
    return fit_zero_point(difference[good], error[good], colour, stars.colour_error[good])


def growing_errors(
    residual: NDArray[np.float64], magnitude: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return errors for stars of a catalogue that states none, if their residuals grow as photon noise does.

    Parameters
    ----------
    residual, magnitude
        Of the stars used, shape (n,).
    wanted
        Magnitudes of the stars for which errors are asked, shape (m,).

    Returns
    -------
    array or None
        Shape (m,); None if one scatter for all is as likely.
    """
    if len(residual) < LEAST_STARS:
        return None
    middle = float(np.median(magnitude))
    growth = np.log(10) * SLOPE * (magnitude - middle)
    amplitude = float(np.sqrt(np.mean((residual * np.exp(-growth)) ** 2)))
    plain = float(np.sqrt(np.mean(residual**2)))
    if not amplitude > 0 or len(residual) * np.log(plain / amplitude) < growth.sum():
        return None
    faint = np.where(np.isfinite(wanted), wanted, magnitude.max())
    return np.asarray(amplitude * 10 ** (SLOPE * (faint - middle)))


def _whole(fit: ZeroPointFit, difference: NDArray[np.float64], stars: Stars) -> ZeroPointFit:
    """Return the fit with residuals of all matched stars, those not asked among them."""
    term = fit.colour_term or 0.0
    residual = difference - fit.zero_point - term * (stars.colour if fit.colour_term is not None else 0.0)
    used = np.zeros(len(difference), bool)
    used[stars.good] = fit.used
    return replace(fit, used=used, residual=residual, sigma=np.hypot(stars.error, fit.scatter))


def _calibration(stars: Stars, fit: ZeroPointFit, blank: Calibration) -> Calibration:
    return replace(
        blank,
        zero_point=round(fit.zero_point, 6),
        error=round(fit.error, 6),
        stars=int(fit.used.sum()),
        colour=stars.colour_name,
        colour_term=None if fit.colour_term is None else round(fit.colour_term, 6),
        colour_error=None if fit.colour_error is None else round(fit.colour_error, 6),
        typical_colour=None if fit.typical_colour is None else round(fit.typical_colour, 4),
        scatter=round(fit.scatter, 6),
    )
