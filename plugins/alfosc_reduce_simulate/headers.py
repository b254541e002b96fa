"""Headers as the real ones: the cards of a real frame as template, and what an exposure changes."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from astropy.coordinates import EarthLocation
    from astropy.io.fits import Header

    from alfosc_reduce_simulate.detector import Detector, Readout
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


class Timed(Protocol):
    """What the times in a header follow from: an exposure of any kind."""

    @property
    def name(self) -> str:
        """File name."""

    @property
    def start(self) -> datetime:
        """UTC."""

    @property
    def seconds(self) -> float:
        """Exposure time."""

    @property
    def middle(self) -> datetime:
        """UTC."""


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
    primary, image = (header.copy() for header in templates())
    for cards in (
        times(exposure),
        _beam(night, exposure, orientation),
        _pointing(exposure, site, orientation),
        _names(night, exposure),
    ):
        for key, value in cards.items():
            primary[key] = value
    set_readout(primary, image, night.readout, night.detector)
    return primary, image


def set_readout(primary: Header, image: Header, readout: Readout, detector: Detector) -> None:
    """Write window, binning, gain and noise into both headers."""
    x, y = readout.binning
    primary["DETWIN1"], primary["DETXBIN"], primary["DETYBIN"] = readout.text, x, y
    image["CRVAL1"], image["CRVAL2"] = float(readout.window[0]), float(readout.window[2])
    image["CRPIX1"], image["CRPIX2"], image["CDELT1"], image["CDELT2"] = float(x), float(y), x, y
    image["CCDSUM"] = f"{x} {y}"
    image["GAIN"], image["RDNOISE"] = detector.header_gain, detector.header_read_noise


def air_mass(ra: float, dec: float, time: datetime, site: EarthLocation) -> float:
    """Return the air mass (Young & Irvine 1967) of a position in degrees at a UTC time."""
    secant = 1 / math.cos(observed(ra, dec, time, site)[1])
    return secant * (1 - 0.0012 * (secant**2 - 1))


@lru_cache(maxsize=1)
def templates() -> tuple[Header, Header]:
    """Return the cards of a real frame and of its image, to be copied before they are changed."""
    from astropy.io.fits import Header

    folder = Path(__file__).parent / "data"
    texts = [(folder / name).read_text(encoding="ascii") for name in ("primary.txt", "extension.txt")]
    first, second = (Header.fromstring(text, sep="\n") for text in texts)
    return first, second


def times(exposure: Timed) -> dict[str, Any]:
    """Return the cards that follow from the time and name of an exposure."""
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
    if target is None:
        return parked()
    cards = tracking(*pointing(exposure, site), exposure.start, site) | {"OBJRA": target.ra / 15, "OBJDEC": target.dec}
    turned = 90 if orientation == "Vertical" else 0
    field = parallactic_angle(target.ra, target.dec, exposure.start, site) - turned
    return cards | {"FIELD": field, "ROTPOS": -float(turned)}


def pointing(exposure: Exposure, site: EarthLocation) -> tuple[float, float]:
    """Return where the telescope points in an exposure of a target, right ascension and declination in degrees.

    An upright slit lies along the parallactic angle, and rows rise against it: to move a target up the rows by its nod,
    the telescope moves along that angle.
    """
    target = exposure.target
    if target is None:
        return PARKED
    moved = target.nod * exposure.number / 3600 if exposure.kind in ("object", "standard") else 0.0
    angle = math.radians(parallactic_angle(target.ra, target.dec, exposure.start, site))
    east = moved * math.sin(angle) / math.cos(math.radians(target.dec))
    return target.ra + east, target.dec + moved * math.cos(angle)


def parked() -> dict[str, Any]:
    """Return where the telescope points for calibrations of the day."""
    ra, dec = PARKED
    return {"RA": ra, "DEC": dec, "TELALT": 89.747, "AIRMASS": 1.00001, "ROTPOS": -90.0, "TRACKMOD": "poweroff"}


def tracking(ra: float, dec: float, start: datetime, site: EarthLocation) -> dict[str, Any]:
    """Return the cards of a telescope that follows a position, in degrees, from `start` on."""
    azimuth, zenith, hour_angle = observed(ra, dec, start, site)
    return {
        "RA": ra,
        "DEC": dec,
        "TELALT": 90 - math.degrees(zenith),
        "AZIMUTH": math.degrees(azimuth) % 360,
        "AIRMASS": 1 / math.cos(zenith),
        "ST": ((math.degrees(hour_angle) + ra) / 15) % 24,
        "OBJRA": ra / 15,
        "OBJDEC": dec,
    }


def parallactic_angle(ra: float, dec: float, time: datetime, site: EarthLocation) -> float:
    """Return the field rotation, degrees, that sets a horizontal slit upright."""
    hour_angle = observed(ra, dec, time, site)[2]
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


def observed(ra: float, dec: float, time: datetime, site: EarthLocation) -> tuple[float, float, float]:
    """Return azimuth, zenith distance and hour angle in radians, without refraction."""
    import erfa  # type: ignore[import-untyped]

    day = (time - time.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 86400
    start = time.toordinal() - 678576
    found = erfa.atco13(
        math.radians(ra), math.radians(dec), 0.0, 0.0, 0.0, 0.0, _MJD_ZERO + start, day, 0.0,
        site.lon.rad, site.lat.rad, site.height.value, 0.0, 0.0, 0.0, 0.0, 0.0, 0.55,
    )  # fmt: skip
    return float(found[0]), float(found[1]), float(found[2])
