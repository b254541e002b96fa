"""How much better than chance a wavelength scale explains where the lines of an arc lie.

Each line found is either a line of the lamps, and then lies where the scale puts one about as bright, or something
else, and then lies anywhere. The odds of a scale are the ratio of the probabilities of all places under this mixture
and with all lines anywhere, given the heights; the share of lines that are the lamps' is not known and averaged over.
Known lines that are absent cost nothing beyond the greater share of those that are there: a lamp may be weak, a list
too long. A strange scale pays for how far it is from what is expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.identification.pattern import UNIT, Expectation, Pattern, dispersion, rising_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH, CROWD = 60.0, 0.75
"""Detector pixels over which the density of the lines found is smoothed, and how much of it is believed."""
ERRORS = ((0.4, 0.05), (0.35, 0.12), (0.25, 0.35))
"""Shares of lines and the errors of their places in line widths: bright ones alone, most, blends and faint ones."""
SPREAD = 0.45
"""Scatter of heights about listed strengths, in powers of ten."""
SURPRISE = 300.0
"""No line alone counts for more than this ratio."""
CLASSES = (
    (0.0, 0.25, (0.4, 0.6, 0.8, 0.95)),
    (0.25, 0.5, (0.2, 0.4, 0.6, 0.8, 0.95)),
    (0.5, 1.0, (0.05, 0.2, 0.5, 0.8)),
)
"""Parts of the lines by falling height, each with shares of the lamps' lines in it that are as likely as each other."""
BRILLIANT, DARK = 0.7, 4.0
"""Powers of ten above the brightest line found from which lines are missed, and the most that all of a gas cost."""
UNLIKELY = -99.0


def odds_of_scale(
    pattern: Pattern,
    expectation: Expectation,
    coefficients: NDArray[np.float64],
    found: NDArray[np.intp],
    known: NDArray[np.intp],
) -> float:
    """Return the logarithm of the odds of a scale against chance.

    Parameters
    ----------
    pattern
        The lines.
    expectation
        Of the scale.
    coefficients
        The scale, wavelength as a power series of position / `UNIT`.
    found, known
        Pairs that are matched with it: they tell how bright each gas is.
    """
    inside = lines_inside(pattern, coefficients)
    if len(found) < 4 or inside.sum() < 4:
        return UNLIKELY
    level = levels(pattern.height, pattern.strength, pattern.ion, found, known)
    expected = (np.log10(np.maximum(pattern.strength, 1e-30)) + level)[inside]
    similar = likeness(np.log10(pattern.height), expected)
    near = _nearness(pattern.distances(coefficients)[:, inside] / pattern.resolution) / pattern.resolution
    model = np.sum(similar * near, axis=1) / np.sum(similar, axis=1)
    ratio = np.minimum(model / chance_density(pattern), SURPRISE)
    missed = missed_brilliance(np.log10(pattern.height), expected, pattern.ion[inside])
    return odds_of_ratios(ratio, pattern.height) + oddity(pattern, expectation, coefficients) + missed


def lines_inside(pattern: Pattern, coefficients: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which known lines a scale puts on the detector, shape (n known,)."""
    place = np.linspace(*pattern.limits, 65)
    wave = np.asarray(np.polynomial.polynomial.polyval(place / UNIT, coefficients), np.float64)
    part = wave[rising_part(wave)]
    return np.asarray((pattern.wavelength > part[0]) & (pattern.wavelength < part[-1]), bool)


def levels(
    height: NDArray[np.float64],
    strength: NDArray[np.float64],
    ion: NDArray[np.str_],
    found: NDArray[np.intp],
    known: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the logarithm of height over listed strength of the gas of each known line, from matched pairs.

    Parameters
    ----------
    height
        Of the lines found, shape (n,).
    strength, ion
        Of known lines, shape (m,).
    found, known
        Pairs matched already.
    """
    difference = np.log10(np.maximum(height[found], 1e-30)) - np.log10(np.maximum(strength[known], 1e-30))
    gas, common = gas_of(ion), float(np.median(difference))
    result = np.full(len(strength), common)
    for name in np.unique(gas[known]):
        mine = gas[known] == name
        result[gas == name] = (mine.sum() * np.median(difference[mine]) + 2 * common) / (mine.sum() + 2)
    return result


def gas_of(ion: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the chemical element of each ion."""
    return np.asarray(np.char.partition(ion, " ")[:, 0])


def likeness(height: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how well heights go with expected ones, both logarithms to base ten, shape (n, m)."""
    off = (height[:, None] - expected[None, :]) / SPREAD
    return np.asarray((1 + np.square(off) / 4) ** -2.5 + 1e-3, np.float64)


def missed_brilliance(height: NDArray[np.float64], expected: NDArray[np.float64], ion: NDArray[np.str_]) -> float:
    """Return what it costs that lines far brighter than all that were found should be there.

    Half of them may be missing, and a gas may not shine at all.
    """
    absent = gas_of(ion)[expected > height.max() + BRILLIANT]
    _, count = np.unique(absent, return_counts=True)
    return -float(np.sum(np.minimum(count * np.log(2.0), DARK)))


def _nearness(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability density of distances in line widths; 0 where the scale falls."""
    density = sum(
        share * np.exp(-0.5 * np.square(distance / width)) / (width * np.sqrt(2 * np.pi)) for share, width in ERRORS
    )
    return np.nan_to_num(np.asarray(density, np.float64))


def chance_density(pattern: Pattern) -> NDArray[np.float64]:
    """Return the probability density, by detector pixels, of any line found to lie where each lies."""
    apart = (pattern.position[:, None] - pattern.position[None, :]) / REACH
    crowd = np.exp(-0.5 * np.square(apart)).mean(axis=1) / (REACH * np.sqrt(2 * np.pi))
    return np.asarray((1 - CROWD) / (pattern.limits[1] - pattern.limits[0]) + CROWD * crowd, np.float64)


def odds_of_ratios(ratio: NDArray[np.float64], height: NDArray[np.float64]) -> float:
    """Return the log odds of lines whose probabilities under a scale and by chance have these ratios.

    Brighter lines are more often the lamps': the share is unknown for each part of the lines by itself.
    """
    order, total = np.argsort(-height, kind="stable"), 0.0
    for first, last, shares in CLASSES:
        part = ratio[order[int(first * len(order)) : int(last * len(order))]]
        each = np.sum([np.log1p(np.array(shares) * (one - 1)) for one in part], axis=0)
        total += float(np.log(np.mean(np.exp(each - np.max(each)))) + np.max(each))
    return total


def oddity(pattern: Pattern, expectation: Expectation, coefficients: NDArray[np.float64]) -> float:
    """Return the logarithm of how likely a scale is before the arc is seen: 0 within what is expected, else less."""
    grid = np.linspace(pattern.limits[0] - 600, pattern.limits[1] + 600, 513)
    wave = expectation.wavelength(grid)
    part = rising_part(wave)
    place = np.linspace(pattern.position.min(), pattern.position.max(), 17)
    place = place[dispersion(coefficients, place) > 0]
    here = np.polynomial.polynomial.polyval(place / UNIT, coefficients)
    place, here = (
        place[(here > wave[part][0]) & (here < wave[part][-1])],
        here[(here > wave[part][0]) & (here < wave[part][-1])],
    )
    if len(place) < 4:
        return UNLIKELY
    there = np.interp(here, wave[part], grid[part])
    slope, shift = np.polyfit(place, there, 1)
    bent = float(np.std(there - slope * place - shift))
    middle = float(np.mean(there - place))
    beyond = [
        max(abs(middle) - expectation.shift, 0) / 20.0,
        max(abs(slope - 1) - expectation.stretch, 0) / (0.2 * expectation.stretch),
        bent / (0.15 * float(np.hypot(*expectation.bend))),
    ]
    return -0.5 * float(np.sum(np.square(beyond)))
