"""Roughly where on the sky the pixels of an image lie, from pointing, field rotation and scale."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from alfosc_reduce_alfosc.keywords import text
from alfosc_reduce_alfosc.sky import direction

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from alfosc_reduce_alfosc.readout import Readout

Cards = dict[str, tuple[object, str]]

_OF_A_MAP = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[12]$|(CD|PC)[12]_[12]$|LONPOLE$|LATPOLE$|WCSAXES$")


def is_celestial(header: Header) -> bool:
    """Say whether a header maps its pixels to right ascension and declination."""
    kinds = {str(header.get(f"CTYPE{axis}", ""))[:4].rstrip("-") for axis in (1, 2)}
    return kinds == {"RA", "DEC"}


def keywords_of_map(header: Header) -> list[str]:
    """Return the keywords of a header that describe its axes."""
    return [keyword for keyword in header if _OF_A_MAP.match(keyword)]


def sky_map(header: Header, chip: Readout) -> Cards:
    """Return a tangential map of the raw array, good to the telescope's pointing; empty if the header has no pointing.

    The pointing falls on the middle of the exposed detector. Columns rise along the position angle ``FIELD`` + 180
    degrees, as two exposures of a target nodded along the slit show, rows 90 degrees further: north is up and east is
    left at a field rotation of 90 degrees. A header without ``FIELD`` is taken to have that rotation. That the sky is
    not mirrored is assumed.

    Parameters
    ----------
    header
        Raw and merged.
    chip
        How the frame was read.
    """
    pointing = direction(header)
    if pointing is None:
        return {}
    angle = math.radians(_field_rotation(header) + 180)
    across, up = (chip.detector.scale * binning / 3600 for binning in chip.binning)
    cards: Cards = {
        "CTYPE1": ("RA---TAN", "from pointing and field rotation"),
        "CTYPE2": ("DEC--TAN", "from pointing and field rotation"),
        "CUNIT1": ("deg", ""),
        "CUNIT2": ("deg", ""),
        "CRVAL1": (pointing[0], "[deg] pointing"),
        "CRVAL2": (pointing[1], "[deg] pointing"),
    }
    for axis, place in enumerate(_middle(chip), start=1):
        cards[f"CRPIX{axis}"] = (place, "middle of the detector")
    cards["CD1_1"] = (across * math.sin(angle), "[deg]")
    cards["CD2_1"] = (across * math.cos(angle), "[deg]")
    cards["CD1_2"] = (up * math.cos(angle), "[deg]")
    cards["CD2_2"] = (-up * math.sin(angle), "[deg]")
    return cards


def _field_rotation(header: Header) -> float:
    try:
        angle = float(text(header, "FIELD", "90"))
    except ValueError:
        return 90.0
    return angle if math.isfinite(angle) else 90.0


def _middle(chip: Readout) -> tuple[float, float]:
    """Return the array pixel (1-based) where the middle of the exposed detector falls; it may lie off the window."""
    starts = chip.window[0], chip.window[2]
    spans = chip.detector.x_light, chip.detector.y_light
    x, y = (
        (sum(span) / 2 - start + 0.5) / step + 0.5
        for span, start, step in zip(spans, starts, chip.binning, strict=True)
    )
    return x, y
