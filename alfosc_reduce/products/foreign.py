"""Images and tables that other programs wrote, read into the forms that steps take."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import make_image

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from astropy.time import Time

TABLES = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".vot": "votable", ".vo": "votable", ".xml": "votable"}
"""Formats of tables by the ending of the file; anything else is taken for FITS."""

_BEGINNINGS = ("TIME-OBS", "UTSTART", "UT", "UTC")
_SECONDS_A_DAY = 86400.0


def read_image(path: str | Path) -> CCDData:
    """Return the first two-dimensional image of a FITS file.

    Parameters
    ----------
    path
        FITS, packed or not; of any camera.

    Returns
    -------
    CCDData
        In the unit that ``BUNIT`` says, else ADU; without a variance, which such files rarely hold. The header keeps
        what the file says; ``FILENAME`` is added, ``MJD-AVG`` where date and exposure time tell it, and ``RA`` and
        ``DEC`` become degrees.

    Raises
    ------
    DataError
        If the file cannot be read as FITS, or holds no image with two axes.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    path = Path(path)
    try:
        quiet = warnings.catch_warnings(action="ignore", category=AstropyWarning)
        with quiet, fits.open(path, memmap=False) as hdus:
            unit = next((hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2), None)
            if unit is None:
                raise DataError(f"{path}: no image with two axes in it")
            data = np.asarray(unit.data, np.float32)
            header = _plain_header(hdus[0].header, unit.header)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise DataError(f"{path}: cannot be read as FITS ({error})") from error
    header.setdefault("FILENAME", path.name)
    _set_time(header)
    _set_pointing(header)
    return make_image(data, unit=_unit(header), header=header)


def read_table(path: str | Path) -> QTable:
    """Return a table from ECSV, CSV, VOTable or FITS; raises `DataError` if it cannot be read."""
    from astropy.table import QTable
    from astropy.units import UnitsWarning

    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitsWarning)
            return QTable.read(path, format=TABLES.get(path.suffix.lower(), "fits"))
    except Exception as error:  # each format fails in its own way
        text = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read as a table ({text})") from error


def _plain_header(primary: fits.Header, own: fits.Header) -> fits.Header:
    """Return both headers as one, without what describes an array and without cards that break the FITS standard."""
    from astropy.io import fits

    from alfosc_reduce.products.image_hdus import clean_header

    merged = fits.Header()
    for card in [*primary.cards, *(own.cards if own is not primary else ())]:
        if card.keyword in ("", "COMMENT", "HISTORY"):
            continue
        try:
            merged[card.keyword] = (card.value, card.comment)
        except (ValueError, fits.VerifyError):
            continue
    return clean_header(merged)


def _unit(header: fits.Header) -> str:
    import astropy.units as u

    text = str(header.get("BUNIT", "")).strip()
    if not text or text.lower() in {"adu", "counts", "count", "dn", "adus"}:
        return "adu"
    try:
        return str(u.Unit(text).to_string())
    except ValueError:
        return "adu"


def _set_time(header: fits.Header) -> None:
    """Write the middle of the exposure where the header tells its start and length."""
    if "MJD-AVG" in header:
        return
    start, seconds = _start(header), header.get("EXPTIME")
    if start is None or not isinstance(seconds, int | float):
        return
    header["MJD-AVG"] = (round(float(start.mjd) + seconds / 2 / _SECONDS_A_DAY, 9), "[d] middle of the exposure, UTC")


def _start(header: fits.Header) -> Time | None:
    from astropy.time import Time

    date = str(header.get("DATE-OBS", "")).strip()
    clock = next((str(header[keyword]).strip() for keyword in _BEGINNINGS if ":" in str(header.get(keyword, ""))), "")
    text = date if "T" in date else f"{date}T{clock}" if date and clock else ""
    try:
        return Time(text, format="isot", scale="utc") if text else None
    except ValueError:
        return None


def _set_pointing(header: fits.Header) -> None:
    """Turn ``RA`` and ``DEC`` given as text with colons (hours, degrees) into degrees."""
    from astropy.coordinates import SkyCoord

    values: tuple[Any, Any] = header.get("RA"), header.get("DEC")
    if not all(isinstance(value, str) and ":" in value for value in values):
        return
    try:
        found = SkyCoord(*values, unit=("hourangle", "deg"))
    except ValueError:
        return
    header["RA"] = (round(float(found.ra.deg), 7), "[deg] pointing")
    header["DEC"] = (round(float(found.dec.deg), 7), "[deg] pointing")
