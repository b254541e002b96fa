"""Where an image lies on the sky: a centre, a radius, an outline."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.io.fits import Header
    from astropy.nddata import CCDData


@dataclass(frozen=True)
class Field:
    """A piece of sky.

    Attributes
    ----------
    centre
        A single position.
    radius
        From the centre to the farthest corner.
    corners
        The corners of the image, None if only its size is known.
    """

    centre: SkyCoord
    radius: u.Quantity
    corners: SkyCoord | None = None


def field_of(image: CCDData) -> Field:
    """Return the field of an image, from its WCS, else from its pointing and its pixel scale.

    Raises
    ------
    DataError
        If the header has neither.
    """
    ny, nx = image.shape
    name = image.meta.get("FILENAME", "the image")
    if min(nx, ny) < 1:
        raise DataError(f"{name}: has no pixels; leave it out")
    wcs = _celestial(image)
    if wcs is not None:
        corners = _on_sky(wcs, [-0.5, nx - 0.5, nx - 0.5, -0.5], [-0.5, -0.5, ny - 0.5, ny - 0.5])
        centre = _on_sky(wcs, (nx - 1) / 2, (ny - 1) / 2)
        if np.isfinite(corners.ra.deg).all() and np.isfinite(centre.ra.deg):
            return Field(centre, centre.separation(corners).max(), corners)
    return Field(_pointing(image.meta, name), _half_diagonal(image, name))


def _celestial(image: CCDData) -> Any:
    from astropy.wcs import WCS

    if image.wcs is not None and image.wcs.has_celestial:
        return image.wcs.celestial
    if "CTYPE1" not in image.meta:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = WCS(image.meta)
        except Exception:  # wcslib has many ways to refuse a header
            return None
    return found.celestial if found.has_celestial else None


def _on_sky(wcs: Any, x: Any, y: Any) -> SkyCoord:
    """Return pixels on the sky in plain ICRS, without what the header says of equinox and time."""
    from astropy.coordinates import SkyCoord

    found = wcs.pixel_to_world(np.asarray(x, float), np.asarray(y, float)).icrs
    return SkyCoord(found.ra, found.dec)


def _pointing(header: Header, name: str) -> SkyCoord:
    if "RA" not in header or "DEC" not in header:
        raise DataError(f'{name}: the header has no celestial WCS and no RA and DEC; give centre = "RA DEC" and radius')
    return position(f"{header['RA']} {header['DEC']}", name)


def position(text: str, where: str) -> SkyCoord:
    """Return the position that is written as ``RA DEC``, in degrees or as ``12:34:56.7 -01:23:45`` (hours, degrees).

    Raises
    ------
    DataError
        If it is neither.
    """
    from astropy.coordinates import SkyCoord

    plain = text.replace(",", " ").split()
    try:
        if len(plain) == 2 and not any(mark in text for mark in ":hd"):
            return SkyCoord(float(plain[0]), float(plain[1]), unit="deg")
        return SkyCoord(" ".join(plain), unit=(u.hourangle, u.deg))
    except (ValueError, u.UnitsError):
        raise DataError(
            f'{where}: {text!r} is no position; write degrees, "190.65 -40.75", or "12:42:36.3 -40:44:47"'
        ) from None


def _half_diagonal(image: CCDData, name: str) -> u.Quantity:
    scale = image.meta.get("PIXSCALE")
    if not isinstance(scale, (int, float)) or not scale > 0:
        raise DataError(f"{name}: the header has no celestial WCS and no PIXSCALE; give the radius of the field")
    return 0.5 * float(np.hypot(*image.shape)) * float(scale) * u.arcsec
