"""From a header to a `FrameInfo`: kind, object, set-up and remarks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alfosc_reduce.instrument import FrameInfo
from alfosc_reduce_alfosc.classification import kind_of, lamp_remark
from alfosc_reduce_alfosc.keywords import exposure_time, frame_name, mid_exposure, mjd, text
from alfosc_reduce_alfosc.readout import Readout, readout
from alfosc_reduce_alfosc.setups import Setup, setup
from alfosc_reduce_alfosc.sky import direction
from alfosc_reduce_alfosc.stars import by_name, find_star
from alfosc_reduce_alfosc.tables import records

if TYPE_CHECKING:
    from astropy.io.fits import Header

_AT_A_TARGET = {"object", "standard", "image", "acquisition"}


@dataclass(frozen=True)
class Description:
    """Everything that is read from one header: the core's `FrameInfo`, and the facts behind it."""

    info: FrameInfo
    readout: Readout
    setup: Setup


def describe(header: Header) -> Description:
    """Classify a frame; raises `DataError` where a needed keyword is missing or malformed."""
    beam, chip = setup(header), readout(header)
    kind = kind_of(header, beam)
    star = star_of(header)
    target = _target(header, star, kind)
    if kind == "object" and star:
        kind = "standard"
    info = FrameInfo(
        kind=kind,
        object=target if kind in _AT_A_TARGET else text(header, "OBJECT", "") or target,
        exposure=exposure_time(header),
        time=mjd(mid_exposure(header)),
        coordinates=_coordinates(chip, beam, target),
        binning=chip.binning_text,
        window=chip.window_text,
        filters=beam.filter_name,
        remarks=_remarks(header, beam, kind, star),
    )
    return Description(info, chip, beam)


def star_of(header: Header) -> dict[str, Any] | None:
    """Return the row of the standard that a frame points at, by position and by name, or None."""
    ra, dec = direction(header) or (None, None)
    return find_star(_names(header), ra, dec, mjd(mid_exposure(header)))


def no_standard(header: Header) -> str:
    """Return a sentence on a frame that points at no standard of the tables: what it is, and what to do."""
    called = text(header, "OBJECT", "")
    if by_name(called):
        found = f"named {called!r}, but the telescope pointed elsewhere: this is no standard star"
    else:
        found = f"{called!r} is no standard star here (of {len(records('standards'))} that are known)"
    return f"{frame_name(header)}: {found}; correct the columns object and kind in the table of frames, or RA and DEC"


def _names(header: Header) -> tuple[str, ...]:
    return tuple(name for name in (text(header, "TCSTGT", ""), text(header, "OBJECT", "")) if name)


def _target(header: Header, star: dict[str, Any] | None, kind: str) -> str:
    """Return what the telescope pointed at: a standard by its clean name, else as the catalogue entry calls it."""
    catalogued, called = text(header, "TCSTGT", ""), text(header, "OBJECT", "")
    if kind in _AT_A_TARGET:
        return str(star["name"]) if star else _clean(catalogued or called) or "unnamed"
    if star and kind not in {"bias", "dark"} and catalogued:
        return str(star["name"])
    return _clean(catalogued)


def _coordinates(chip: Readout, beam: Setup, target: str) -> dict[str, str]:
    return {
        "readout": chip.label,
        "grism": beam.grism.name,
        "slit": beam.slit.name,
        "filter": beam.filter_name,
        "lamp": beam.lamp_name,
        "target": target,
        "setup": beam.label,
    }


def _remarks(header: Header, beam: Setup, kind: str, star: dict[str, Any] | None) -> tuple[str, ...]:
    found = list(beam.remarks)
    found.append(lamp_remark(kind, beam))
    if kind == "object":
        found.append(_misnamed(header, star))
        if not any(_clean(name) for name in _names(header)):
            found.append("no keyword OBJECT or TCSTGT names the target: called 'unnamed'; write it into the table")
        if beam.slit.is_open:
            found.append("no slit is in the beam")
    if beam.disperses and not beam.slit.is_open and not beam.slit.orientation:
        found.append(f"the orientation of slit {beam.slit.name!r} is not known: taken as horizontal")
    if "DETWIN1" not in header:
        found.append("no keyword DETWIN1: taken as a full frame")
    if "DATE-AVG" not in header:
        found.append("no keyword DATE-AVG: the middle of the exposure is DATE-OBS and half of EXPTIME")
    return tuple(remark for remark in found if remark)


def _misnamed(header: Header, star: dict[str, Any] | None) -> str:
    named = next((row for row in map(by_name, _names(header)) if row), None)
    if star or not named:
        return ""
    return f"named after the standard {named['name']}, but the telescope pointed elsewhere"


def _clean(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip()
