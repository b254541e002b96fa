"""The stars from which a zero point is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce_imaging.photometry.bands import COLOURS, FURTHER_COLOURS, Magnitudes, colour_of
from alfosc_reduce_imaging.photometry.calibration import POGSON
from alfosc_reduce_imaging.photometry.columns import numbers, truths
from alfosc_reduce_imaging.photometry.sky_positions import Pairs, at_epoch, chord, match, unit_vectors
from alfosc_reduce_imaging.sources.flags import UNSAFE, SourceFlag

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

RADIUS = 1.5
"""Arc seconds within which a source and a catalogue's object are one, at first."""
LARGEST_ERROR = 0.1
"""Magnitudes: the largest error of either that a star may have."""
FEW = 6
"""Stars below which blended and crowded ones are taken, too."""
SPOILT = int(UNSAFE | SourceFlag.NONLINEAR | SourceFlag.SHALLOW)
NOT_LINEAR = int(Flag.SATURATED | Flag.NONLINEAR)
BLENDS = int(SourceFlag.BLENDED | SourceFlag.NEIGHBOUR)
STELLAR = 0.05
"""Least ``class_star``: a width 2.4 sigma from a star's."""
BRIGHTER = 3.0
"""A neighbour at most so many magnitudes fainter makes a star's place crowded."""


@dataclass(frozen=True)
class Stars:
    """What is known of the matched stars, one value each.

    Attributes
    ----------
    source, reference
        Rows in the tables.
    instrumental
        -2.5 log10(flux), of the flux column `flux`.
    catalogue
        Magnitude in the catalogue.
    error
        Of the difference of the two.
    colour, colour_error
        NaN where not known.
    colour_name
        Such as ``g-r``, empty if the catalogue has none.
    good
        Those that a zero point may be measured from.
    flux
        Name of the flux column.
    errors_stated
        False if the catalogue has magnitudes without errors.
    counts
        Matched stars, and how many of them each reason spoils.
    """

    source: NDArray[np.intp]
    reference: NDArray[np.intp]
    instrumental: Floats
    catalogue: Floats
    error: Floats
    colour: Floats
    colour_error: Floats
    colour_name: str
    good: Booleans
    flux: str
    errors_stated: bool
    counts: dict[str, int]


def match_stars(sources: Table, reference: Table, year: float | None) -> Pairs:
    """Match the sources of an image with the objects of a catalogue, moved to a Julian year.

    Pairs much further apart than the others are taken for chance.
    """
    if not {"ra", "dec"} <= set(sources.colnames):
        raise DataError("zero point: the sources have no positions on the sky; run solve_wcs before")
    places = unit_vectors(numbers(sources, "ra"), numbers(sources, "dec"))
    pairs = match(places, at_epoch(reference, year), RADIUS)
    if len(pairs.first) < 4:
        return pairs
    near = pairs.separation <= max(0.3, 4 * float(np.median(pairs.separation)))
    return Pairs(pairs.first[near], pairs.second[near], pairs.separation[near])


def calibration_stars(
    sources: Table, reference: Table, magnitudes: Magnitudes, band: str, year: float | None, seeing: float
) -> Stars:
    """Return the stars of an image that a catalogue has, and which of them a zero point may be measured from.

    Parameters
    ----------
    sources
        From `measure_sources`, with positions on the sky.
    reference
        The catalogue.
    magnitudes
        Of the catalogue's objects in the band of the image.
    band
        That band.
    year
        Julian year of the image, None if not known.
    seeing
        Full width at half maximum in arc seconds.
    """
    pairs = match_stars(sources, reference, year)
    here, there = pairs.first, pairs.second
    name = flux_column(sources)
    flux, noise = numbers(sources, name)[here], numbers(sources, f"{name}_error")[here]
    positive = np.isfinite(flux) & (flux > 0)
    safe = np.where(positive, flux, 1.0)
    own = np.where(positive, POGSON * np.abs(noise) / safe, np.nan)
    spoilt = _spoilt(sources, reference, pairs, magnitudes, own, _crowded(reference, magnitudes, year, seeing))
    good = _good(spoilt, len(here))
    colour_name, colour, colour_error = _colour(reference, band, there, good)
    return Stars(
        source=here,
        reference=there,
        instrumental=np.where(positive, -2.5 * np.log10(safe), np.nan),
        catalogue=magnitudes.value[there],
        error=np.hypot(own, magnitudes.error[there]),
        colour=colour,
        colour_error=colour_error,
        colour_name=colour_name,
        good=good,
        flux=name,
        errors_stated=bool(np.any(magnitudes.error[there] > 0)),
        counts={"matched": len(here), **{reason: int(bad.sum()) for reason, bad in spoilt.items()}},
    )


def flux_column(sources: Table) -> str:
    """Return the column with the total flux that the zero point refers to; raises `DataError` if there is none."""
    for name in ("flux_aper", "flux_psf", "flux_auto"):
        if name in sources.colnames:
            return name
    raise DataError("zero point: the sources have no column flux_aper, flux_psf or flux_auto; run measure_sources")


def _spoilt(
    sources: Table, reference: Table, pairs: Pairs, magnitudes: Magnitudes, own: Floats, crowded: Booleans
) -> dict[str, Booleans]:
    here, there = pairs.first, pairs.second
    bits = numbers(sources, "source_flags", missing=0.0).astype(int)[here]
    pixels = numbers(sources, "flags", missing=0.0).astype(int)[here]
    stellar = numbers(sources, "class_star", missing=1.0)[here]
    value, error = magnitudes.value[there], magnitudes.error[there]
    return {
        "flagged": (bits & SPOILT) != 0,
        "nonlinear": (pixels & NOT_LINEAR) != 0,
        "blended": (bits & BLENDS) != 0,
        "crowded": crowded[there],
        "faint": ~(own <= LARGEST_ERROR) | (error > LARGEST_ERROR),
        "without_magnitude": ~np.isfinite(value),
        "extended": truths(reference, "extended")[there] | (stellar < STELLAR),
        "variable": truths(reference, "variable")[there],
    }


def _good(spoilt: dict[str, Booleans], count: int) -> Booleans:
    """Return what nothing spoils; where that leaves too few, what only neighbours spoil counts, too."""
    mild = ("blended", "crowded")
    severe = np.zeros(count, bool)
    for reason, bad in spoilt.items():
        severe |= bad & (reason not in mild)
    clean = ~severe & ~spoilt["blended"] & ~spoilt["crowded"]
    return clean if clean.sum() >= FEW else ~severe


def _crowded(reference: Table, magnitudes: Magnitudes, year: float | None, seeing: float) -> Booleans:
    """Say which objects have another, not much fainter, within twice the seeing."""
    from scipy.spatial import cKDTree

    crowded = np.zeros(len(reference), bool)
    places = at_epoch(reference, year)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    if len(known) < 2:
        return crowded
    near = cKDTree(places[known]).query_pairs(chord(2 * seeing), output_type="ndarray")
    for one, other in (known[near].T, known[near].T[::-1]):
        disturbed = ~(magnitudes.value[other] > magnitudes.value[one] + BRIGHTER)
        crowded[one[disturbed]] = True
    return crowded


def _colour(reference: Table, band: str, rows: NDArray[np.intp], good: Booleans) -> tuple[str, Floats, Floats]:
    """Return the first colour that (nearly) as many good stars have as have any."""
    found = []
    for name in dict.fromkeys((*COLOURS.get(band, ()), *FURTHER_COLOURS)):
        colour = colour_of(reference, name)
        if colour is not None:
            found.append((name, colour[0][rows], colour[1][rows]))
    most = max((int(np.isfinite(value[good]).sum()) for _, value, _ in found), default=0)
    for name, value, error in found:
        if most and np.isfinite(value[good]).sum() >= 0.8 * most:
            return name, value, error
    return "", np.full(len(rows), np.nan), np.full(len(rows), np.nan)
