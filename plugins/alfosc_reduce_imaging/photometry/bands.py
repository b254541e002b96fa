"""Photometric bands: their systems, their colours, and from one catalogue's bands to another's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import Row, Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DATA = Path(__file__).with_name("data")

COLOURS: Mapping[str, tuple[str, ...]] = {
    "u": ("u-g", "g-r"),
    "g": ("g-r", "g-i"),
    "r": ("g-r", "r-i"),
    "i": ("r-i", "g-i"),
    "z": ("i-z", "r-z"),
    "U": ("U-B", "B-V"),
    "B": ("B-V", "V-I"),
    "V": ("B-V", "V-R", "V-I"),
    "R": ("V-R", "R-I", "V-I"),
    "I": ("V-I", "R-I"),
}
"""The colours in which the colour term of a band is given, the usual one first."""
FURTHER_COLOURS = ("g-r", "B-V", "BP-RP")


@dataclass(frozen=True)
class Magnitudes:
    """Magnitudes of the objects of a catalogue in one band.

    Attributes
    ----------
    value, error
        Magnitudes, shape (n,); NaN where there is none.
    system
        ``AB`` or ``Vega``.
    source
        How they came about, for a person.
    """

    value: Floats
    error: Floats
    system: str
    source: str

    def in_system(self, system: str, band: str) -> Magnitudes:
        """Return the same magnitudes in another system; `band` says by which constant they differ."""
        if system == self.system:
            return self
        step = ab_minus_vega(band) * (1 if system == "AB" else -1)
        return Magnitudes(self.value + step, self.error, system, f"{self.source}, {step:+.2f} to {system}")


def native_system(band: str) -> str:
    """Return the system in which a band is given as a rule; raises `DataError` for a band that is not known."""
    return str(_of_band(band)["native"])


def ab_minus_vega(band: str) -> float:
    """Return by how much the AB magnitude in a band exceeds the Vega magnitude."""
    return float(np.asarray(_of_band(band)["ab_minus_vega"]))


def bands() -> tuple[str, ...]:
    """Return the bands that are known."""
    return tuple(str(band) for band in _table("systems.ecsv")["band"])


def _of_band(band: str) -> Row:
    table = _table("systems.ecsv")
    found = np.flatnonzero(np.asarray(table["band"]) == band)
    if not len(found):
        raise DataError(
            f"zero point: the band {band!r} is not one of {', '.join(bands())}; name the band (params.band)"
        )
    return table[int(found[0])]


@cache
def _table(name: str) -> Table:
    from astropy.table import Table

    return Table.read(DATA / name, format="ascii.ecsv")


def magnitudes_of(reference: Table, band: str) -> Magnitudes | None:
    """Return the magnitudes of a catalogue's objects in a band, transformed if the catalogue has other bands.

    Parameters
    ----------
    reference
        With columns ``mag_<band>`` and ``mag_<band>_error``; its meta names the catalogue and the systems.
    band
        A band of this project, or one that the catalogue has a column for.

    Returns
    -------
    Magnitudes or None
        Objects with a colour outside the range of a transformation have none. Its scatter is in the errors.
    """
    rows = _rows(str(reference.meta.get("CATALOG", "")), band)
    direct = _direct(reference, band)
    if direct is not None and not any(row["base"] == band for row in rows):
        return direct
    for row in rows:
        transformed = _transformed(reference, row)
        if np.isfinite(transformed.value).any():
            return transformed
    return direct


def advice_for(reference: Table) -> str:
    """Return what to do about a catalogue that does not give a band."""
    if str(reference.meta.get("CATALOG", "")).lower().startswith("skymapper"):
        return "no published transformation leads from SkyMapper to U B V R I: fetch gaia, which has B V R I"
    return "choose another catalogue"


def _rows(catalogue: str, band: str) -> list[Row]:
    """Return the transformations to a band; of a catalogue that we know nothing of those for SDSS."""
    table = _table("transformations.ecsv")
    name = catalogue.lower()
    known = {str(one) for one in table["catalogue"]} | {"skymapper"}
    name = next((one for one in known if name.startswith(one)), "" if name.startswith("skymapper") else "sdss")
    return [row for row in table if row["catalogue"] == name and row["band"] == band]


def _direct(reference: Table, band: str) -> Magnitudes | None:
    value = numbers(reference, f"mag_{band}")
    if not np.isfinite(value).any():
        return None
    system = str(dict(reference.meta.get("MAGSYS") or {}).get(band) or _usual_system(band))
    return Magnitudes(value, _errors(reference, band), system, f"{band} of {_name(reference)}")


def _usual_system(band: str) -> str:
    return native_system(band) if band in bands() else "Vega" if band in ("G", "BP", "RP") else "AB"


def _name(reference: Table) -> str:
    return str(reference.meta.get("CATALOG") or "the catalogue")


def _errors(reference: Table, band: str) -> Floats:
    """Return the errors of a band; 0 where the catalogue states none: the scatter that is fitted will tell."""
    error = numbers(reference, f"mag_{band}_error")
    return np.where(np.isfinite(error) & (error > 0), error, 0.0)


def _transformed(reference: Table, row: Row) -> Magnitudes:
    """Return the magnitudes by one transformation; the errors know that base and colour share a band."""
    blue, red = str(row["colour"]).split("-")
    base = str(row["base"])
    colour = numbers(reference, f"mag_{blue}") - numbers(reference, f"mag_{red}")
    coefficients = [float(row[f"c{i}"]) for i in range(5)]
    value = numbers(reference, f"mag_{base}") + np.polynomial.polynomial.polyval(colour, coefficients)
    slope = np.polynomial.polynomial.polyval(colour, np.polynomial.polynomial.polyder(coefficients))
    share = {name: np.full(len(reference), float(name == base)) for name in {base, blue, red}}
    share[blue] += slope
    share[red] -= slope
    variance = sum((share[name] * _errors(reference, name)) ** 2 for name in share) + float(row["rms"]) ** 2
    inside = (colour >= float(row["low"])) & (colour <= float(row["high"]))
    text = f"{row['band']} from {base} and {row['colour']} of {_name(reference)} ({row['source']})"
    return Magnitudes(np.where(inside, value, np.nan), np.sqrt(variance), str(row["system"]), text)


def colour_of(reference: Table, name: str) -> tuple[Floats, Floats] | None:
    """Return a colour such as ``g-r`` of a catalogue's objects and its error, each band in its native system."""
    parts = [magnitudes_of(reference, band) for band in name.split("-")]
    if parts[0] is None or parts[1] is None:
        return None
    blue, red = (_native(part, band) for part, band in zip(parts, name.split("-"), strict=True) if part is not None)
    return blue.value - red.value, np.hypot(blue.error, red.error)


def _native(found: Magnitudes, band: str) -> Magnitudes:
    return found.in_system(native_system(band), band) if band in bands() else found
