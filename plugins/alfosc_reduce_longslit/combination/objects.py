"""Which spectrum of one exposure shows the same object as which of another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import astropy.units as u

from alfosc_reduce.spectra import header_of
from alfosc_reduce_longslit.response.points import frame_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from specutils import Spectrum, SpectrumList

_log = logging.getLogger(__name__)

TOLERANCE = 1.0
"""Objects match if their distances from the target agree within so many arc seconds."""


def match_objects(exposures: Sequence[SpectrumList]) -> list[list[Spectrum]]:
    """Group the spectra of exposures of one field by object.

    The target may lie anywhere along the slit in each exposure, so the brightest object of each is taken for the same,
    and the others are matched by their distance from it (``OBJPOS``, arc seconds).

    Parameters
    ----------
    exposures
        The objects of each exposure, brightest first; exposures without objects are ignored.

    Returns
    -------
    list
        One list of spectra an object, the target first. An object seen once stays alone.
    """
    groups: list[list[Spectrum]] = []
    offsets: list[float | None] = []
    for objects in exposures:
        taken: set[int] = set()
        for order, spectrum in enumerate(objects):
            offset = 0.0 if order == 0 else _offset(spectrum, objects[0])
            found = _nearest(offset, offsets, taken)
            if found is None:
                groups.append([])
                offsets.append(offset)
                found = len(groups) - 1
            taken.add(found)
            groups[found].append(spectrum)
    return groups


def _nearest(offset: float | None, offsets: Sequence[float | None], taken: set[int]) -> int | None:
    if offset is None:
        return None
    distances = {i: abs(other - offset) for i, other in enumerate(offsets) if other is not None and i not in taken}
    best = min(distances, key=lambda i: distances[i], default=None)
    return best if best is not None and distances[best] <= TOLERANCE else None


def _offset(spectrum: Spectrum, target: Spectrum) -> float | None:
    here, there = header_of(spectrum).get("OBJPOS"), header_of(target).get("OBJPOS")
    if not isinstance(here, int | float) or not isinstance(there, int | float):
        return None
    return float(here) - float(there)


def of_one_unit(spectra: Sequence[Spectrum]) -> list[Spectrum]:
    """Return the spectra that share a unit: those with calibrated flux if there are any; the others are named."""
    calibrated = [s for s in spectra if s.flux.unit.is_equivalent(u.erg / (u.s * u.cm**2 * u.AA))]
    kept = calibrated or [s for s in spectra if s.flux.unit == spectra[0].flux.unit]
    for spectrum in spectra:
        if not any(spectrum is other for other in kept):
            _log.warning(
                "%s is left out of the combination: it is in %s, the others are in %s.",
                frame_name(spectrum), spectrum.flux.unit, kept[0].flux.unit,
            )  # fmt: skip
    return kept
