"""The odds of a wavelength scale are honest: chance seldom reaches them, absence hardly lowers them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alfosc_reduce_longslit.identification.arc import is_certain, merged_by_gas
from alfosc_reduce_longslit.identification.identification import identify, match, shining
from alfosc_reduce_longslit.identification.pattern import Expectation, Pattern
from alfosc_reduce_longslit.identification.score import levels, missed_brilliance, oddity, odds_of_scale
from alfosc_reduce_longslit.lines.groups import KnownLines

EXPECTED = Expectation(np.array([6000.0, 2000.0, 60.0, -10.0]))
LIMITS = (-1000.0, 1000.0)


def lamps(rng: np.random.Generator, gases: tuple[str, ...] = ("He I", "Ne I")) -> Pattern:
    """Lines of lamps that all show, found where the expected scale puts them, to a tenth of a line's width."""
    count = 30
    position = np.sort(rng.uniform(-990, 990, count * len(gases)))
    strength = 10 ** rng.uniform(-2.5, 0, len(position))
    return Pattern(
        position=position + rng.normal(0, 0.3, len(position)),
        height=1e4 * strength * 10 ** rng.normal(0, 0.2, len(position)),
        wavelength=EXPECTED.wavelength(position),
        strength=strength,
        ion=rng.permutation(np.repeat(gases, count)),
        resolution=4.7,
        limits=LIMITS,
    )


def odds(pattern: Pattern) -> float:
    pairs = match(pattern, EXPECTED.coefficients, 1.6)
    return odds_of_scale(pattern, EXPECTED, EXPECTED.coefficients, *pairs)


def thinned(pattern: Pattern, keep: np.ndarray) -> Pattern:
    return replace(pattern, position=pattern.position[keep], height=pattern.height[keep])


def test_lines_anywhere_seldom_reach_high_odds() -> None:
    """Of a fixed scale, odds above e^3 come by chance less often than e^-3."""
    rng = np.random.default_rng(1)
    pattern = lamps(rng)
    random = [odds(replace(pattern, position=np.sort(rng.uniform(*LIMITS, 60)))) for _ in range(400)]
    assert np.mean(np.array(random) > 3) < np.exp(-3)
    assert odds(pattern) > 100


def test_half_of_the_lines_missing_costs_no_more_than_half_of_the_odds() -> None:
    rng = np.random.default_rng(2)
    pattern = lamps(rng)
    half = [odds(thinned(pattern, np.sort(rng.permutation(60)[:30]))) for _ in range(20)]
    assert np.mean(half) > 0.4 * odds(pattern)
    assert min(half) > 30


def test_heights_that_do_not_go_with_the_list_lower_the_odds() -> None:
    rng = np.random.default_rng(3)
    pattern = lamps(rng)
    shuffled = replace(pattern, height=rng.permutation(pattern.height))
    assert odds(shuffled) < 0.7 * odds(pattern)


def test_each_gas_has_its_own_brightness() -> None:
    rng = np.random.default_rng(4)
    pattern = lamps(rng)
    weak = pattern.ion == "Ne I"
    height = np.where(weak, 1e-2 * pattern.height, pattern.height)
    everything = np.arange(60)
    found = levels(height, pattern.strength, pattern.ion, everything, everything)
    assert found[~weak][0] == pytest.approx(4.0, abs=0.2)
    assert found[weak][0] == pytest.approx(2.0, abs=0.2)
    assert odds(replace(pattern, height=height)) > 0.9 * odds(pattern)


def test_a_lamp_in_the_list_that_does_not_shine_is_recognised() -> None:
    rng = np.random.default_rng(5)
    pattern = lamps(rng, ("He I", "Ne I", "Ar I"))
    dark = pattern.ion == "Ar I"
    lit = thinned(pattern, ~dark)
    best = identify(lit, EXPECTED)
    assert best.score > 50
    assert not shining(lit, EXPECTED, best)[dark].any()
    assert shining(lit, EXPECTED, best)[~dark].all()
    assert not dark[best.known].any()


def test_brilliant_lines_that_are_not_there_are_missed_but_a_dark_gas_is_forgiven() -> None:
    expected = np.array([6.0, 6.2, 6.1, 3.0])
    gases = np.array(["He I", "Ne I", "Ne I", "He I"])
    assert missed_brilliance(np.array([4.0, 5.0]), expected, gases) == pytest.approx(-3 * np.log(2))
    assert missed_brilliance(np.array([5.9]), expected, gases) == 0
    assert missed_brilliance(np.array([2.0]), np.full(99, 6.0), np.full(99, "Ar II")) == pytest.approx(-4.0)


def test_a_strange_scale_is_unlikely_but_a_shifted_or_stretched_one_is_not() -> None:
    pattern = lamps(np.random.default_rng(6))
    usual = EXPECTED.coefficients
    assert oddity(pattern, EXPECTED, usual) == pytest.approx(0, abs=1e-6)
    assert oddity(pattern, EXPECTED, usual + np.array([250.0, 0, 0, 0])) > -0.2
    assert oddity(pattern, EXPECTED, usual * [1, 1.02, 1, 1]) > -0.2
    assert oddity(pattern, EXPECTED, usual + np.array([900.0, 0, 0, 0])) < -20
    assert oddity(pattern, EXPECTED, usual * [1, 1.06, 1, 1]) < -10
    assert oddity(pattern, EXPECTED, usual + np.array([0, 0, 80.0, 0])) < -5


@pytest.mark.parametrize("seed", range(5))
def test_lines_in_other_places_are_not_certain(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    pattern = lamps(rng)
    wrong = identify(replace(pattern, position=np.sort(rng.uniform(*LIMITS, 60))), EXPECTED)
    assert wrong.score < 20


def crowded(seed: int) -> Pattern:
    """Six crowds of ten lines found, and ten known lines in each, that have nothing to do with each other."""
    rng = np.random.default_rng([8, seed])
    middle = rng.uniform(-900, 900, 6)[:, None]
    found, known = (np.sort((middle + rng.normal(0, 30, (6, 10))).ravel()) for _ in range(2))
    strength = 10 ** rng.uniform(-2.5, 0, 60)
    return Pattern(
        position=found, height=1e4 * rng.permutation(strength), wavelength=EXPECTED.wavelength(known),
        strength=strength, ion=np.full(60, "Ne I"), resolution=4.7, limits=LIMITS,
    )  # fmt: skip


def test_crowds_that_lie_over_each_other_are_no_proof() -> None:
    """Argon in the red: counted as if lines found lay anywhere, chance would reach odds of e^40."""
    random = np.array([odds(crowded(seed)) for seed in range(200)])
    assert np.mean(random > 3) < 0.1
    assert random.max() < 15


def test_a_comb_that_fits_when_moved_by_a_tooth_is_not_certain() -> None:
    rng, count = np.random.default_rng(9), 30
    tooth = 2 * 980 / (count - 1)
    known = -980 + tooth * np.arange(-4, count + 4)
    comb = Pattern(
        position=np.linspace(-980, 980, count) + rng.normal(0, 0.3, count),
        height=1e4 * 10 ** rng.normal(0, 0.1, count),
        wavelength=EXPECTED.wavelength(known),
        strength=np.ones(len(known)),
        ion=np.full(len(known), "Ne I"),
        resolution=4.7,
        limits=LIMITS,
    )
    best = identify(comb, EXPECTED)
    assert best.score > 50
    assert not is_certain(best)


def test_the_odds_know_how_strange_a_scale_is() -> None:
    pattern, strange = lamps(np.random.default_rng(10)), EXPECTED.coefficients * [1, 1.06, 1, 1]
    moved = replace(pattern, wavelength=Expectation(strange).wavelength(pattern.position))
    pairs = match(moved, strange, 1.6)
    unexpected, expected = (odds_of_scale(moved, what, strange, *pairs) for what in (EXPECTED, Expectation(strange)))
    assert unexpected - expected == pytest.approx(oddity(moved, EXPECTED, strange))
    assert unexpected < expected - 10


def test_the_odds_know_which_brilliant_lines_are_missing() -> None:
    pattern, missing = lamps(np.random.default_rng(11)), np.array([5400.0, 6300.0, 7100.0, 7500.0])
    brilliant = replace(
        pattern,
        wavelength=np.append(pattern.wavelength, missing),
        strength=np.append(pattern.strength, np.full(4, 30.0)),
        ion=np.append(pattern.ion, np.full(4, "Ne I")),
    )
    assert odds(brilliant) < odds(pattern) - 2


def test_lines_of_two_gases_in_one_place_stay_two() -> None:
    """Which is the brighter is not known: strengths compare within a gas."""
    lines = KnownLines(
        np.array([6000.0, 6000.6, 6001.0, 6040.0]), np.array([1.0, 0.5, 900.0, 1.0]),
        np.array(["He I", "He I", "Ne I", "Ne I"]), np.zeros(4),
    )  # fmt: skip
    merged = merged_by_gas(lines, np.full(4, 2.0))
    np.testing.assert_array_equal(merged.ion, ["He I", "Ne I", "Ne I"])
    np.testing.assert_allclose(merged.wavelength, [6000.2, 6001.0, 6040.0])
