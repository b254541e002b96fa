"""Headers of images, flats and biases, as the real ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.headers import parallactic_angle, parked, set_readout, templates, times, tracking
from alfosc_reduce_simulate.imaging.bands import band
from alfosc_reduce_simulate.imaging.optics import SCALE
from alfosc_reduce_simulate.imaging.sphere import moved

if TYPE_CHECKING:
    from astropy.coordinates import EarthLocation
    from astropy.io.fits import Header

    from alfosc_reduce_simulate.imaging.observations import ImageExposure, ImagingNight
    from alfosc_reduce_simulate.imaging.optics import Optics

_TYPES = {
    "bias": ("bias", "BIAS", "CALIB"),
    "imaging_flat": ("Sky flat {band}", "FLAT,SKY", "CALIB"),
    "image": ("{target}", "OBJECT", "SCIENCE"),
}
_BLANK_FIELD = (160.0, 50.0)
"""Towards which flats are taken, degrees; the sky over the site at that time is not looked up."""


def image_headers(
    night: ImagingNight, exposure: ImageExposure, optics: Optics | None, site: EarthLocation
) -> tuple[Header, Header]:
    """Return the primary header and that of the image.

    Parameters
    ----------
    night, exposure
        What is observed.
    optics
        The true pointing and field rotation of an image, which the header has a little wrong; None for calibrations.
    site
        Where the telescope stands.
    """
    primary, image = (header.copy() for header in templates())
    for cards in (times(exposure), _beam(exposure), _names(exposure), _pointing(night, exposure, optics, site)):
        for key, value in cards.items():
            primary[key] = value
    set_readout(primary, image, night.readout, night.detector)
    if optics and night.sky_map == "header":
        _set_sky_map(image, night, optics, primary)
    return primary, image


def _beam(exposure: ImageExposure) -> dict[str, Any]:
    cards: dict[str, Any] = {"ALAPRTNM": "Open", "ALAPRORI": "Any", "ALAPRALG": "N", "ALGRNM": "Open_(Lyot)"}
    cards |= {"ALGRORI": "Any", "ALGRALG": "N", "FBFLTNM": "Open", "FBFLTID": 1002, "FBFLTPOS": 0}
    cards["SHSTAT"] = "CLOSED" if exposure.kind == "bias" else "OPEN"
    if exposure.band:
        seen = band(exposure.band)
        cards |= {f"{seen.wheel}NM": seen.filter, f"{seen.wheel}ID": seen.number}
    return cards


def _names(exposure: ImageExposure) -> dict[str, Any]:
    called, kind, category = _TYPES[exposure.kind]
    target = exposure.series.target if exposure.series else ""
    name = called.format(band=exposure.band, target=target)
    return {"OBJECT": name, "TCSTGT": target, "IMAGETYP": kind, "OBS_MODE": "IMAGING", "IMAGECAT": category}


def _pointing(
    night: ImagingNight, exposure: ImageExposure, optics: Optics | None, site: EarthLocation
) -> dict[str, Any]:
    if exposure.kind == "bias":
        return parked()
    ra, dec, angle = _as_told(night, optics) if optics else (*_BLANK_FIELD, -90.0)
    upright = parallactic_angle(ra, dec, exposure.start, site)
    field = angle + 180  # columns rise opposite to the field rotation
    return tracking(ra, dec, exposure.start, site) | {"FIELD": field, "ROTPOS": (field - upright + 180) % 360 - 180}


def _as_told(night: ImagingNight, optics: Optics) -> tuple[float, float, float]:
    """Return pointing and position angle of the columns as the header has them."""
    ra, dec = moved(optics.ra, optics.dec, *night.pointing_error)
    return float(ra), float(dec), optics.angle + night.angle_error


def _set_sky_map(image: Header, night: ImagingNight, optics: Optics, primary: Header) -> None:
    """Write a tangential map that follows from pointing, field rotation and scale, as good as these."""
    for key in ("CDELT1", "CDELT2"):
        image.remove(key)
    angle, (x, y) = math.radians(primary["FIELD"] - 180), optics.reference_pixel()
    steps = SCALE / 3600 * np.array(night.readout.binning)
    matrix = np.array([[math.sin(angle), math.cos(angle)], [math.cos(angle), -math.sin(angle)]]) * steps
    cards: dict[str, Any] = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
    cards |= {"CRVAL1": primary["RA"], "CRVAL2": primary["DEC"], "CRPIX1": x + 1, "CRPIX2": y + 1}
    cards |= {f"CD{i + 1}_{j + 1}": float(matrix[i, j]) for i in (0, 1) for j in (0, 1)}
    for key, value in cards.items():
        image[key] = value
