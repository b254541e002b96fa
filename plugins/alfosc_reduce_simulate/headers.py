"""Headers as the real ones: the cards of a real frame as template, and what an exposure changes."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from astropy.coordinates import EarthLocation
    from astropy.io.fits import Header

    from alfosc_reduce_simulate.observations import Exposure, Night

PARKED = (267.2837, 28.9875)
"""Where the telescope points for calibrations of the day, degrees (the zenith, as it happened to be)."""
_MJD_ZERO = 2400000.5
_LAMPS = {"He": 1, "Ne": 2, "Halogen": 3, "ThAr": 4}
_TYPES = {
    "bias": ("BIAS", "IMAGING", "CALIB"),
    "flat": ("FLAT,LAMP", "SPECTROSCOPY", "CALIB"),
    "arc": ("WAVE,LAMP", "SPECTROSCOPY", "CALIB_ON_OBJECT"),
    "object": ("OBJECT", "SPECTROSCOPY", "SCIENCE"),
    "standard": ("OBJECT", "SPECTROSCOPY", "SCIENCE"),
}


def headers(night: Night, exposure: Exposure, site: EarthLocation, orientation: str) -> tuple[Header, Header]:
    """Return the primary header and that of the image of one exposure.

    Parameters
    ----------
    night, exposure
        What is observed.
    site
        Where the telescope stands.
    orientation
        Of the slit, ``Horizontal`` or ``Vertical``.
    """
    primary, image = (header.copy() for header in _templates())
    for cards in (
        _times(exposure),
        _beam(night, exposure, orientation),
        _pointing(exposure, site, orientation),
        _names(night, exposure),
    ):
        for key, value in cards.items():
            primary[key] = value
    x, y = night.readout.binning
    primary["DETWIN1"], primary["DETXBIN"], primary["DETYBIN"] = night.readout.text, x, y
    image["CRVAL1"], image["CRVAL2"] = float(night.readout.window[0]), float(night.readout.window[2])
    image["CRPIX1"], image["CRPIX2"], image["CDELT1"], image["CDELT2"] = float(x), float(y), x, y
    image["CCDSUM"] = f"{x} {y}"
    image["GAIN"], image["RDNOISE"] = night.detector.header_gain, night.detector.header_read_noise
    return primary, image


def air_mass(ra: float, dec: float, time: datetime, site: EarthLocation) -> float:
    """Return the air mass (Young & Irvine 1967) of a position in degrees at a UTC time."""
    secant = 1 / math.cos(_observed(ra, dec, time, site)[1])
    return secant * (1 - 0.0012 * (secant**2 - 1))


@lru_cache(maxsize=1)
def _templates() -> tuple[Header, Header]:
    from astropy.io.fits import Header

    folder = Path(__file__).parent / "data"
    texts = [(folder / name).read_text(encoding="ascii") for name in ("primary.txt", "extension.txt")]
    first, second = (Header.fromstring(text, sep="\n") for text in texts)
    return first, second


def _times(exposure: Exposure) -> dict[str, Any]:
    start = exposure.start.isoformat(timespec="milliseconds")
    end = exposure.start + timedelta(seconds=exposure.seconds + 12)
    return {
        "DATE-OBS": start,
        "DATE_OBS": start,
        "DATE-AVG": exposure.middle.isoformat(timespec="milliseconds"),
        "DATE": end.isoformat(timespec="seconds"),
        "EXPTIME": exposure.seconds,
        "FILENAME": exposure.name,
        "UT": round(exposure.start.hour + exposure.start.minute / 60 + exposure.start.second / 3600, 6),
    }


def _beam(night: Night, exposure: Exposure, orientation: str) -> dict[str, Any]:
    lamps = {"flat": ("Halogen",), "arc": night.lamps}.get(exposure.kind, ())
    cards: dict[str, Any] = {f"CLAMP{number}": int(name in lamps) for name, number in _LAMPS.items()}
    cards |= {"CMIRROR": int(bool(lamps)), "SHSTAT": "CLOSED" if exposure.kind == "bias" else "OPEN"}
    if exposure.kind == "bias":
        empty = {"ALAPRTNM": "Open", "ALAPRORI": "Any", "ALAPRALG": "N", "ALGRNM": "Open_(Lyot)", "ALGRORI": "Any"}
        return cards | empty | {"ALGRALG": "N", "FBFLTNM": "Open", "FBFLTID": 1002, "FBFLTPOS": 0}
    along = "Y" if orientation == "Horizontal" else "X"
    cards |= {
        "ALAPRTNM": night.slit,
        "ALAPRORI": orientation,
        "ALAPRALG": along,
        "ALGRNM": night.grism,
        "ALGRALG": along,
    }
    number = {"Open": 1002, "WG345 356_LP": 94}.get(night.filter, 0)
    return cards | {"FBFLTNM": night.filter, "FBFLTID": number}


def _pointing(exposure: Exposure, site: EarthLocation, orientation: str) -> dict[str, Any]:
    target = exposure.target
    ra, dec = (target.ra, target.dec) if target else PARKED
    if target is None:
        return {"RA": ra, "DEC": dec, "TELALT": 89.747, "AIRMASS": 1.00001, "ROTPOS": -90.0, "TRACKMOD": "poweroff"}
    azimuth, zenith, hour_angle = _observed(ra, dec, exposure.start, site)
    return {
        "RA": ra,
        "DEC": dec,
        "TELALT": 90 - math.degrees(zenith),
        "AZIMUTH": math.degrees(azimuth) % 360,
        "AIRMASS": 1 / math.cos(zenith),
        "ST": ((math.degrees(hour_angle) + ra) / 15) % 24,
        "FIELD": _upright(hour_angle, dec, site) - (90 if orientation == "Vertical" else 0),
        "ROTPOS": -90.0 if orientation == "Vertical" else 0.0,
        "OBJRA": ra / 15,
        "OBJDEC": dec,
    }


def _upright(hour_angle: float, dec: float, site: EarthLocation) -> float:
    """Return the field rotation, degrees, that sets a horizontal slit upright: the parallactic angle."""
    here, there = site.lat.rad, math.radians(dec)
    below = math.tan(here) * math.cos(there) - math.sin(there) * math.cos(hour_angle)
    return math.degrees(math.atan2(math.sin(hour_angle), below))


def _names(night: Night, exposure: Exposure) -> dict[str, Any]:
    kind, mode, category = _TYPES[exposure.kind]
    name = exposure.target.name if exposure.target else ""
    called = {"bias": "bias", "flat": "Halogen 1 alfosc-calibs", "arc": f"{''.join(night.lamps)} {name}"}.get(
        exposure.kind, name
    )
    return {"OBJECT": called, "TCSTGT": name, "IMAGETYP": kind, "OBS_MODE": mode, "IMAGECAT": category}


def _observed(ra: float, dec: float, time: datetime, site: EarthLocation) -> tuple[float, float, float]:
    """Return azimuth, zenith distance and hour angle in radians, without refraction."""
    import erfa  # type: ignore[import-untyped]

    day = (time - time.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 86400
    start = time.toordinal() - 678576
    found = erfa.atco13(
        math.radians(ra), math.radians(dec), 0.0, 0.0, 0.0, 0.0, _MJD_ZERO + start, day, 0.0,
        site.lon.rad, site.lat.rad, site.height.value, 0.0, 0.0, 0.0, 0.0, 0.0, 0.55,
    )  # fmt: skip
    return float(found[0]), float(found[1]), float(found[2])
