"""What the search for new sources needs to know of an image, from its header and the table of its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.photometry.columns import numbers
from alfosc_reduce_imaging.photometry.sky_positions import julian_year
from alfosc_reduce_imaging.transients.point_flux import profile_of
from alfosc_reduce_imaging.transients.search import POSITION, Scene

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable


def scene_of(image: CCDData, sources: QTable) -> Scene:
    """Return the scene; raises `DataError` if neither header nor WCS tell the scale of the pixels."""
    header, meta = image.meta, sources.meta
    name = str(header.get("FILENAME") or header.get("OBJECT") or "this image")
    scale = _number(header.get("PIXSCALE")) or _number(meta.get("PIXSCALE")) or scale_of(image)
    if scale is None:
        raise DataError(f"{name}: neither PIXSCALE nor a WCS tell the size of its pixels; run solve_wcs before")
    seeing = _number(meta.get("SEEING")) or _number(header.get("SEEING"))
    profile = profile_of(header)
    mjd = next((_number(header.get(key)) for key in ("MJD-AVG", "MJD-OBS") if key in header), None)
    return Scene(
        shape=(int(image.shape[0]), int(image.shape[1])),
        scale=scale,
        seeing=profile.fwhm if profile else seeing / scale if seeing else _median_width(sources),
        astrometry=_number(header.get("WCSRMS")) or POSITION,
        year=None if mjd is None else julian_year(mjd),
        name=name,
        profile=profile,
    )


def scale_of(image: CCDData) -> float | None:
    """Return the arc seconds of a pixel that the WCS in the header says, None without one."""
    from astropy.wcs.utils import proj_plane_pixel_scales

    wcs = wcs_of(image)
    return None if wcs is None else float(np.sqrt(np.prod(proj_plane_pixel_scales(wcs)))) * 3600


def wcs_of(image: CCDData) -> Any:
    """Return the celestial WCS in the header of an image, None if there is none."""
    import warnings

    from astropy.wcs import WCS, FITSFixedWarning

    if not str(image.meta.get("CTYPE1", "")).strip():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(image.meta)
    return wcs.celestial if wcs.has_celestial else None


def _median_width(sources: QTable) -> float:
    width = numbers(sources, "fwhm")
    known = width[np.isfinite(width) & (width > 0)]
    return float(np.median(known)) if len(known) else 4.0


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) and value > 0 else None
