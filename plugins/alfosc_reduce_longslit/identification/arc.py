"""The lines of one arc, found and identified, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_longslit.identification.expectation import (
    Axis,
    axis_of,
    expectation_of,
    known_lines,
    lamps_of,
)
from alfosc_reduce_longslit.identification.identification import identify
from alfosc_reduce_longslit.identification.identified import IdentifiedArc
from alfosc_reduce_longslit.identification.pattern import Expectation, Identification, Pattern
from alfosc_reduce_longslit.identification.score import gas_of
from alfosc_reduce_longslit.lines.finding import FoundLines, find_lines
from alfosc_reduce_longslit.lines.groups import KnownLines, joined, merge_close

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.io.fits import Header
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument

LEAST_SCORE = 20.0
LEAST_MARGIN = 6.0
STERN_SCORE, STERN_MARGIN, STERN_SHARE, STERN_LIGHT = 25.0, 20.0, 0.7, 0.93
"""What is asked where the scale was never measured and may lie beyond what is searched: also that so many of the lines
found, and so much of their light, are identified. A scale that is right in part only passes for right else."""
SURE = 40.0
"""Odds (logarithm) at which no other guess of the lamps' brightness is tried."""
FEWEST, SEVERAL, FEW_SCORE = 8, 10, 30.0
"""Lines that an identification needs, and the odds that fewer than `SEVERAL` need: six lines of helium and two false
ones were found wrong by 4 pixels at odds of 20 to 22, where eight and nine true ones have 36 and more."""
CLOSE = 0.5
"""Lines closer than this share of the line width are looked for as one."""


def identify_arc(
    spectrum: NDArray[np.float64], header: Header, instrument: Instrument, lamps: str = ""
) -> IdentifiedArc:
    """Find and identify the lines of an arc.

    Parameters
    ----------
    spectrum
        Of the middle of the slit, wavelength rising, shape (nx,).
    header
        Of the frame.
    instrument
        For what is known of the grism and the lamps.
    lamps
        Gases, where the header does not say.

    Raises
    ------
    DataError
        If too few lines stand out, or if in doubt.
    """
    disperser = instrument.disperser(header)
    catalogues = known_lines(instrument, lamps_of(header, lamps))
    axis = axis_of(header, disperser, len(spectrum))
    found = find_lines(spectrum)
    if len(found) < FEWEST:
        raise DataError(
            f"arc {_name(header)}: only {len(found)} lines stand out, too few to identify ({FEWEST} are needed); "
            "was the lamp on, is this the right grism, is the exposure saturated all over?"
        )
    limits = (axis.start, axis.start + axis.step * len(spectrum))
    title = f"{_name(header)}, {header.get('LAMP', '')} through {disperser.name}"
    expectation = expectation_of(disperser, axis)
    match, known, lines = _best_match(found, axis, catalogues, limits, expectation)
    if not is_certain(match, None if expectation.measured else len(found)):
        doubtful = IdentifiedArc(axis, found, known, lines, match, title)
        raise DataError(_doubt(match, header, disperser.name, len(found)), _evidence(spectrum, doubtful, expectation))
    return IdentifiedArc(axis, found, known, lines, match, title)


def _best_match(
    found: FoundLines, axis: Axis, catalogues: list[KnownLines], limits: tuple[float, float], expectation: Expectation
) -> tuple[Identification, KnownLines, KnownLines]:
    """Return the best match with any of the catalogues, the lines on the detector, and those that were matched."""
    tried: list[tuple[Identification, KnownLines, KnownLines]] = []
    for catalogue in catalogues:
        lines = likely_lines(catalogue, expectation.wavelength(np.array(limits)))
        width = found.fwhm * axis.step * expectation.dispersion(lines.wavelength, limits)
        merged = merged_by_gas(lines, CLOSE * width).strongest(max(3 * len(found), 60))
        tried.append((identify(_pattern(found, axis, merged, limits), expectation), lines, merged))
        if tried[-1][0].score > SURE:
            break
    return max(tried, key=lambda one: one[0].score)


def _pattern(found: FoundLines, axis: Axis, known: KnownLines, limits: tuple[float, float]) -> Pattern:
    return Pattern(
        position=axis.position(found.x),
        height=found.height,
        wavelength=known.wavelength,
        strength=known.strength,
        ion=known.ion,
        resolution=found.fwhm * axis.step,
        limits=limits,
    )


def likely_lines(known: KnownLines, limits: NDArray[np.float64]) -> KnownLines:
    """Return the known lines that may be on the detector."""
    margin = 0.25 * (limits[1] - limits[0])
    return known.take(np.flatnonzero((known.wavelength > limits[0] - margin) & (known.wavelength < limits[1] + margin)))


def merged_by_gas(known: KnownLines, separation: NDArray[np.float64]) -> KnownLines:
    """Merge lines of one gas closer than `separation` (Angstrom): how bright gases are side by side is not known."""
    gas = gas_of(known.ion)
    own = [np.flatnonzero(gas == name) for name in np.unique(gas)]
    return joined([merge_close(known.take(index), separation[index]) for index in own])


def is_certain(match: Identification, found: int | None = None) -> bool:
    """Say whether a match is beyond doubt: enough lines, far from chance, and far from any other match.

    Parameters
    ----------
    match
        The best one.
    found
        The number of lines found, where nothing better than a table of nominal dispersions says what to expect.
    """
    if found is None:
        needed = LEAST_SCORE if len(match.found) >= SEVERAL else FEW_SCORE
        return len(match.found) >= FEWEST and match.score >= needed and match.margin >= LEAST_MARGIN
    whole = len(match.found) >= max(FEWEST, STERN_SHARE * found) and match.completeness >= STERN_LIGHT
    return whole and match.score >= STERN_SCORE and match.margin >= STERN_MARGIN


def _evidence(
    spectrum: NDArray[np.float64], doubtful: IdentifiedArc, expectation: Expectation
) -> Iterator[tuple[str, Figure]]:
    """Yield the figure of an arc that is refused; nothing is drawn unless somebody asks for it."""
    from alfosc_reduce_longslit.identification.figures import doubtful_lines

    yield "refused", doubtful_lines(spectrum, doubtful, expectation)


def _doubt(match: Identification, header: Header, grism: str, found: int) -> str:
    return (
        f"arc {_name(header)}: its lines cannot be identified beyond doubt as {header.get('LAMP', 'these lamps')} "
        f"through {grism}: the best of all matches explains {len(match.found)} of {found} lines, with odds of "
        f"e^{match.score:.0f} against chance and e^{match.margin:.0f} against the next best (e^{LEAST_SCORE:.0f}, with "
        f"fewer than {SEVERAL} lines e^{FEW_SCORE:.0f}, and e^{LEAST_MARGIN:.0f} are needed). Check that grism and "
        "lamps in the header are what was in the beam, or leave this arc out"
    )


def _name(header: Header) -> str:
    return str(header.get("FILENAME") or header.get("OBJECT") or "frame")
