"""The numbers of a zero point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable

    from alfosc_reduce_imaging.photometry.zero_point_measurement import Measurement


def zero_point_quality(
    image: CCDData, sources: QTable, measured: Measurement | None
) -> dict[str, float | int | str | bool | None]:
    """Return zero point, error, colour term, scatter, how aperture and PSF agree, and the limiting magnitude."""
    header = image.meta
    found: dict[str, float | int | str | bool | None] = {
        "zero_point": header["MAGZP"],
        "zero_point_error": header.get("MAGZPERR"),
        "zero_point_stars": header["MAGZPN"],
        "magnitude_system": header.get("MAGSYS"),
        "band": header.get("MAGBAND"),
        "colour_term": header.get("COLTERM"),
        "colour_term_error": header.get("COLTERR"),
        "colour": header.get("COLOR"),
        "limiting_magnitude": header.get("MAGLIM"),
    }
    if measured is not None:
        fit, stars = measured.fit, measured.stars
        pull = fit.residual[fit.used] / np.maximum(fit.sigma[fit.used], 1e-9)
        found |= {
            "zero_point_scatter": fit.scatter,
            "zero_point_rms": float(np.std(fit.residual[fit.used])),
            "zero_point_pull": float(np.std(pull)),
            "stars_matched": stars.counts["matched"],
            "stars_rejected": int((stars.good & ~fit.used).sum()),
            "psf_less_aperture": _psf_offset(sources, measured),
        }
    return found


def _psf_offset(sources: QTable, measured: Measurement) -> float | None:
    """Return the median difference of PSF and aperture magnitudes of the stars used."""
    rows = measured.stars.source[measured.fit.used]
    difference = (numbers(sources, "mag_psf") - numbers(sources, "mag_aper"))[rows]
    known = difference[np.isfinite(difference)]
    return float(np.median(known)) if len(known) else None
