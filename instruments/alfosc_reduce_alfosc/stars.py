"""Spectrophotometric standards: found by position with proper motion, and by any of their names."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from alfosc_reduce_alfosc.tables import records

RADIUS = 60.0
"""A pointing within this many arc seconds of a standard, at the date, is at the standard: acquisition moves some 30."""

NAME_RADIUS = 600.0
"""A frame named after a standard but pointed further from it than this, in arc seconds, shows something else."""

_J2000 = 51544.5


def find_star(names: tuple[str, ...], ra: float | None, dec: float | None, mjd: float) -> dict[str, Any] | None:
    """Return the row of a standard in the table ``standards``, or None.

    Parameters
    ----------
    names
        What the headers call the target; tried when the position does not decide.
    ra, dec
        Pointing in degrees, ICRS; None if not known.
    mjd
        Date, to which proper motions are applied.
    """
    here = None if ra is None or dec is None else (ra, dec)
    if here:
        near = by_position(*here, mjd)
        if near:
            return near
    named = next((row for row in map(by_name, names) if row), None)
    if named and here and separation(named, *here, mjd) > NAME_RADIUS:
        return None
    return named


def by_position(ra: float, dec: float, mjd: float) -> dict[str, Any] | None:
    """Return the standard within `RADIUS` of a position in degrees at a date, the nearest if there are several."""
    rows = [(separation(row, ra, dec, mjd), row["name"], row) for row in records("standards")]
    distance, _, row = min(rows, key=lambda item: item[:2])
    return row if distance <= RADIUS else None


def by_name(name: str) -> dict[str, Any] | None:
    """Return the standard of a name or alias, however spaced and cased, also with words after it."""
    words = re.split(r"[\s,;]+", name.strip())
    for count in range(len(words), 0, -1):
        found = _by_alias().get(plain_name("".join(words[:count])))
        if found:
            return found
    return None


def separation(row: dict[str, Any], ra: float, dec: float, mjd: float) -> float:
    """Return how far, in arc seconds, a position in degrees is from a standard at a date."""
    years = (mjd - _J2000) / 365.25
    star_dec = row["dec"] + years * row["pmdec"] / 3.6e6
    star_ra = row["ra"] + years * row["pmra"] / 3.6e6 / math.cos(math.radians(row["dec"]))
    first, second = math.radians(star_dec), math.radians(dec)
    turn = math.radians(ra - star_ra)
    chord = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * math.sin(turn / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(chord)))) * 3600


def plain_name(name: str) -> str:
    """Return a name without case, spaces and signs: ``BD+33d2642`` and ``bd +33 2642`` are the same."""
    return re.sub(r"(?<=\d)D(?=\d)", "", re.sub(r"[^A-Z0-9]", "", name.upper()))


@cache
def _by_alias() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in records("standards"):
        for alias in (str(row["name"]), *str(row["aliases"]).split(";")):
            if alias and alias != "None":
                found.setdefault(plain_name(alias), row)
    return found
