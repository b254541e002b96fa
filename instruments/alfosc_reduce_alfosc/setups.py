"""What stood in the beam: grism, slit, filters and lamps, by the names of the shipped tables.

Something that the tables do not know keeps its name and is remarked upon; it is never taken for an open position.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from alfosc_reduce_alfosc.keywords import is_on, number, text
from alfosc_reduce_alfosc.tables import records

if TYPE_CHECKING:
    from astropy.io.fits import Header

OPEN = "Open"
"""The name of an empty position of a wheel."""

FILTER_WHEELS = ("FAFLT", "FBFLT", "ALFLT")
"""Keyword stems of the three filter wheels, in the order of the light."""

LAMPS = {"CLAMP1": "He", "CLAMP2": "Ne", "CLAMP3": "Halogen", "CLAMP4": "ThAr"}
"""The calibration lamps behind the mirror."""

BAFFLE_LAMPS = {"BFLMP1": "Halogen", "BFLMP2": "Ar", "BFLMP3": "Xe"}
"""The lamps in the baffle of the telescope."""

_GRISM = re.compile(r"gr(?:ism)?[\s_]*#?\s*(\d+)", re.IGNORECASE)
_SLIT = re.compile(r"(slit|vertoff|vert|ech|pol)(?:slit)?(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Element:
    """One optical element.

    Attributes
    ----------
    name
        As in the table, or as in the header where no table knows it.
    known
        Whether the table knows it; an open position is known.
    facts
        Its row of the table; empty if there is none.
    """

    name: str
    known: bool
    facts: dict[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether there is nothing in the beam."""
        return self.name == OPEN


@dataclass(frozen=True)
class Slit:
    """A slit: ``orientation`` is ``Horizontal``, ``Vertical`` or empty (not known), ``width`` in arc seconds or nan."""

    name: str
    known: bool
    orientation: str
    width: float

    @property
    def is_open(self) -> bool:
        """Whether there is no slit."""
        return self.name == OPEN


@dataclass(frozen=True)
class Setup:
    """Everything in the beam of a frame, and what is odd about it."""

    grism: Element
    slit: Slit
    filters: tuple[Element, ...]
    lamps: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def filter_name(self) -> str:
        """All filters in the beam, joined with ``+``; ``Open`` if there is none."""
        return "+".join(element.name for element in self.filters) or OPEN

    @property
    def lamp_name(self) -> str:
        """All lamps in the beam, joined with ``+``; empty if there is none."""
        return "+".join(self.lamps)

    @property
    def disperses(self) -> bool:
        """Whether a grism is in the beam, known or not."""
        return not self.grism.is_open and (self.grism.known or bool(re.search("gr|vph", self.grism.name.lower())))

    @property
    def label(self) -> str:
        """A name for the set-up that is safe in files, e.g. ``Grism_4_Slit_1.0_WG345``."""
        parts = [self.grism.name, self.slit.name, *(element.name for element in self.filters)]
        label = "_".join(part for part in parts if part != OPEN) or OPEN
        return re.sub(r"[^A-Za-z0-9._+-]+", "_", label.replace("#", "")).strip("._")


def setup(header: Header) -> Setup:
    """Return what a header says of grism, slit, filters and lamps.

    Raises
    ------
    DataError
        If the keyword of the grism wheel (``ALGRNM``) or of the aperture wheel (``ALAPRTNM``) is missing.
    """
    grism = find_grism(text(header, "ALGRNM"))
    slit = find_slit(text(header, "ALAPRTNM"), text(header, "ALAPRORI", ""))
    filters, remarks = _filters(header)
    for what, element in (("grism", grism), ("slit", slit)):
        if not element.known:
            remarks.append(f"{what} {element.name!r} is not in the tables")
    return Setup(grism, slit, tuple(filters), _lamps(header), tuple(remarks))


def find_grism(name: str) -> Element:
    """Return an element of the grism wheel by a name as headers write it."""
    if _is_open(name):
        return Element(OPEN, True, {})
    match = _GRISM.search(name)
    rows = [row for row in records("grisms") if match and row["number"] == int(match.group(1))]
    return Element(str(rows[0]["name"]), True, dict(rows[0])) if rows else Element(name, False, {})


def find_slit(name: str, orientation: str = "") -> Slit:
    """Return a slit by a name as headers write it; one of a known family takes its nominal width from the name.

    Parameters
    ----------
    name
        For example ``Slit_1.0``, ``Vert_1.3``, ``VertOff_0.9``, ``Ech_1.6``, ``Pol_1.8``.
    orientation
        Of the header, for apertures that the table does not know.
    """
    if _is_open(name):
        return Slit(OPEN, True, "", math.nan)
    plain = re.sub(r"[\s_]+", "", name).lower()
    match = _SLIT.match(plain)
    if not match:
        known_side = orientation if orientation in {"Horizontal", "Vertical"} else ""
        return Slit(name, False, known_side, math.nan)
    family, nominal = match.group(1), float(match.group(2))
    of_family = [row for row in records("slits") if row["family"] == family]
    row = next((row for row in of_family if row["nominal"] == nominal), None)
    if row is None:
        return Slit(name, True, str(of_family[0]["orientation"]), nominal)
    return Slit(str(row["name"]), True, str(row["orientation"]), float(str(row["width"])))


def find_filter(name: str, number: int | None = None) -> Element:
    """Return a filter by the name in a header, or by its number in the catalogue of the observatory."""
    if _is_open(name):
        return Element(OPEN, True, {})
    row = _filters_by_name().get(_plain(name))
    if row is None and number is not None:
        row = next((row for row in records("filters") if row["id"] == number), None)
    return Element(name, False, {}) if row is None else Element(str(row["short"]), True, dict(row))


@cache
def _filters_by_name() -> dict[str, dict[str, object]]:
    """Return the filters by full and by short name; full names go first."""
    found = {_plain(str(row["short"])): row for row in records("filters")}
    return found | {_plain(str(row["name"])): row for row in records("filters")}


def _filters(header: Header) -> tuple[list[Element], list[str]]:
    elements, remarks = [], []
    for stem in FILTER_WHEELS:
        if f"{stem}NM" not in header:
            remarks.append(f"no keyword {stem}NM: this filter wheel is taken for open")
            continue
        identity = number(header, f"{stem}ID", 0)
        element = find_filter(text(header, f"{stem}NM"), int(identity) or None)
        if not element.known:
            remarks.append(f"filter {element.name!r} is not in the tables")
        if not element.is_open:
            elements.append(element)
    return elements, remarks


def _lamps(header: Header) -> tuple[str, ...]:
    """Return the lamps that shine into the instrument: behind the mirror only if it is in, or nobody says."""
    mirror = "CMIRROR" not in header or is_on(header, "CMIRROR")
    behind = [_lamp_name(header, key, name) for key, name in LAMPS.items() if mirror and is_on(header, key)]
    baffle = [name for key, name in BAFFLE_LAMPS.items() if is_on(header, key)]
    return tuple(dict.fromkeys(behind + baffle))


def _lamp_name(header: Header, keyword: str, usual: str) -> str:
    """Return a lamp by its name in the header, which follows a change of lamps, else by its usual place."""
    written = text(header, keyword.replace("CLAMP", "CLAMPNM"), "").lower()
    for start, name in (
        ("thar", "ThAr"),
        ("hal", "Halogen"),
        ("hene", "HeNe"),
        ("he", "He"),
        ("ne", "Ne"),
        ("ar", "Ar"),
    ):
        if written.startswith(start):
            return name
    return usual


def _is_open(name: str) -> bool:
    return name.strip().lower().startswith(("open", "free", "empty")) or not name.strip()


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
