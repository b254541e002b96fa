"""A header with a new map of the sky, and nothing left of the old one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from alfosc_reduce_imaging.astrometry.sky_map import SkyMap

STALE = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CRDER|CSYER)\d$|(CD|PC)\d_\d$|CD\d{6}$|PC\d{6}$|P[VS]\d_\d+$"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)$|LT[MV]\d(_\d)?$|WAT\d_\d{3}$|WCSDIM$|WCSAXES$|WCSNAME$"
    r"|LONPOLE$|LATPOLE$|RADESYS$|RADECSYS$|EQUINOX$|EPOCH$|DC-FLAG$"
    r"|WCS(RMS|XRMS|YRMS|NSTAR|FIT|CAT|ERR)$"
)
"""Keywords that describe a map of the sky, of whatever convention."""


def without_map(header: Header) -> Header:
    """Return a copy of a header without any map of the sky."""
    clean = header.copy()
    for keyword in [keyword for keyword in clean if STALE.match(keyword)]:
        clean.remove(keyword, ignore_missing=True, remove_all=True)
    return clean


def header_with(
    header: Header, sky_map: SkyMap, shape: tuple[int, ...], quality: dict[str, tuple[object, str]]
) -> Header:
    """Return a copy of a header with a map, the pixel scale that follows from it, and further cards."""
    result = without_map(header)
    for keyword, card in (sky_map.cards(shape) | quality).items():
        result[keyword] = as_written(card[0]), card[1]
    along_y = float(np.hypot(*sky_map.matrix[:, 1]))
    result["PIXSCALE"] = (round(along_y, 7), "[arcsec/pixel] along y")
    return result


def as_written(value: object) -> object:
    """Return a number with as many digits as a FITS card holds, so that a header read back is the same."""
    return float(f"{value:.13e}") if isinstance(value, float) else value
