"""Arcs are identified rightly or refused, whatever was done to them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from alfosc_reduce_longslit.identification.arc import identify_arc
from alfosc_reduce_longslit.identification.identified import IdentifiedArc
from alfosc_reduce_longslit.lines.finding import find_lines
from alfosc_reduce_longslit.lines.profile import LineProfile
from arc_changes import header_of as arc_header
from arc_changes import of_one_lamp, read
from astropy.io import fits

from alfosc_reduce import DataError, get_instrument

GRISMS = (3, 4, 5, 7, 8, 10, 17, 18, 19, 20)
WIDTH = 4.7
INSTRUMENT = get_instrument("alfosc")


def header_of(grism: int, start: float, step: float, lamp: str) -> fits.Header:
    header = fits.Header()
    header.update({"GRISM": f"Grism_#{grism}", "LAMP": lamp, "OBJECT": f"arc {grism}"})
    centre = INSTRUMENT.disperser(header).centre
    assert centre is not None
    header.update({"DISPPIX0": centre + np.sign(step) * start, "DISPSTEP": step})
    return header


def synthetic(
    grism: int, seed: int, *, lamp: str = "He+Ne", step: int = 1, window: slice = slice(None), keep: float = 1.0,
    false: float = 0.0, flip: bool = False,
):  # fmt: skip
    """An arc from the tables, its scale shifted, stretched and bent at random: spectrum, true wavelengths, header."""
    rng = np.random.default_rng([grism, seed])
    position = np.arange(-1022, 1022, step) + (step - 1) / 2
    disperser = INSTRUMENT.disperser(header_of(grism, 0.0, 1.0, lamp))
    scale = np.array(disperser.scale)
    u = (position + rng.uniform(-130, 130)) / 1000 * (1 + rng.uniform(-0.018, 0.018))
    u = u + rng.uniform(-0.006, 0.006) * u**2
    wave = np.polynomial.polynomial.polyval(u, scale)
    rising = np.flatnonzero(np.diff(wave) > 0)
    lines = INSTRUMENT.lamp_lines(lamp.split("+"))
    place = np.interp(lines["wavelength"].value, wave[rising], rising, left=np.nan, right=np.nan)
    light = np.asarray(lines["strength"]) / np.nanmax(np.where(np.isfinite(place), lines["strength"], np.nan)) * 4e5
    light *= rng.lognormal(0, 0.3, len(light)) * (rng.random(len(light)) < keep)
    good = np.isfinite(place) & (light > 100)
    place, light = place[good], light[good]
    extra = int(false * min(len(place), 60))
    place = np.append(place, rng.uniform(0, len(position), extra))
    light = np.append(light, rng.choice(light, extra) if extra else [])
    profile = LineProfile(WIDTH / step, 0.4)
    pixel = np.arange(len(position))
    spectrum = 200.0 + sum(strength * profile(pixel - x) for x, strength in zip(place, light, strict=True))
    spectrum = rng.poisson(spectrum) + rng.normal(0, 6, len(pixel))
    sign = -1.0 if flip else 1.0
    return spectrum[window], wave[window], header_of(grism, position[window][0], sign * step, lamp)


def error_of(result: IdentifiedArc, wave: np.ndarray) -> float:
    """Robust largest error of the identified scale over the lines, in pixels."""
    x = result.found.x[result.match.found]
    pixel = np.arange(len(wave))
    slope = np.interp(x, pixel, np.gradient(wave))
    return float(np.percentile(np.abs(result.wavelength(x) - np.interp(x, pixel, wave)) / slope, 80))


@pytest.mark.parametrize("grism", GRISMS)
def test_every_grism_is_identified_from_the_tables(grism: int) -> None:
    spectrum, wave, header = synthetic(grism, 1, lamp="He+Ne+Ar")
    assert error_of(identify_arc(spectrum, header, INSTRUMENT), wave) < 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"step": 2}, {"step": 4}, {"flip": True}, {"keep": 0.5}, {"false": 0.5}, {"window": slice(500, 1700)},
        {"lamp": "Ne"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("grism", [4, 7, 20])
def test_perturbed_arcs_are_solved_or_refused(grism: int, change: dict) -> None:
    spectrum, wave, header = synthetic(grism, 2, **change)
    try:
        result = identify_arc(spectrum, header, INSTRUMENT)
    except DataError as refusal:
        assert "beyond doubt" in str(refusal)
        assert change.keys() & {"keep", "false", "lamp", "window"}
    else:
        assert error_of(result, wave) < 1.0


@pytest.mark.parametrize(("taken", "claimed"), [(4, 7), (7, 4), (20, 5), (5, 4), (8, 20), (19, 18)])
def test_the_arc_of_another_grism_is_refused(taken: int, claimed: int) -> None:
    spectrum, _, header = synthetic(taken, 3)
    header["GRISM"] = f"Grism_#{claimed}"
    with pytest.raises(DataError, match="cannot be identified beyond doubt"):
        identify_arc(spectrum, header, INSTRUMENT)


def test_a_mirrored_arc_is_refused() -> None:
    spectrum, _, header = synthetic(4, 4)
    with pytest.raises(DataError, match="beyond doubt"):
        identify_arc(spectrum[::-1], header, INSTRUMENT)


def test_a_refused_arc_can_be_looked_at() -> None:
    spectrum, _, header = synthetic(4, 4)
    with pytest.raises(DataError, match="beyond doubt") as refusal:
        identify_arc(spectrum[::-1], header, INSTRUMENT)
    assert [name for name, _ in refusal.value.figures] == ["refused"]
    again = pickle.loads(pickle.dumps(refusal.value))
    assert str(again) == str(refusal.value)


def nominal(grism: int, seed: int, off: float):
    """An arc of a grism that was never measured, its dispersion off by a share: spectrum, wavelengths, header."""
    rng = np.random.default_rng([grism, seed])
    header = fits.Header(
        {"GRISM": f"Grism_#{grism}", "LAMP": "He+Ne", "OBJECT": "arc", "DISPPIX0": 1.0, "DISPSTEP": 1.0}
    )
    disperser = INSTRUMENT.disperser(header)
    dispersion, pixel = disperser.dispersion * (1 + off), np.arange(2052)
    u = (pixel - 1026) / 1000
    wave = np.mean(disperser.wavelengths) + 1000 * dispersion * (u + 0.04 * u**2 - 0.01 * u**3)
    table = INSTRUMENT.lamp_lines(["He", "Ne"])
    strength = np.asarray(table["strength"]) * rng.lognormal(0, 0.5, len(table))
    place = np.interp(table["wavelength"].value, wave, pixel, left=-99, right=-99)
    spectrum, profile = np.full(len(wave), 200.0), LineProfile(WIDTH, 0.4)
    for x, light in zip(place[place > 20], strength[place > 20] / strength[place > 20].max() * 4e5, strict=True):
        near = slice(max(int(x) - 12, 0), int(x) + 13)
        spectrum[near] += light * profile(pixel[near] - x)
    return rng.poisson(np.minimum(spectrum, 1.2e5)) + rng.normal(0, 6, len(wave)), wave, header


@pytest.mark.parametrize("off", [0.0, -0.1, 0.2])
@pytest.mark.parametrize("grism", [6, 14, 15, 16])
def test_a_grism_that_was_never_measured_is_solved_rightly_or_refused(grism: int, off: float) -> None:
    spectrum, wave, header = nominal(grism, 1, off)
    try:
        result = identify_arc(spectrum, header, INSTRUMENT)
    except DataError as refusal:
        assert off, refusal
    else:
        assert error_of(result, wave) < 1.0


def test_an_unknown_lamp_is_asked_for() -> None:
    spectrum, wave, header = synthetic(4, 5)
    header["LAMP"] = ""
    with pytest.raises(DataError, match="set lamps = 'He\\+Ne'"):
        identify_arc(spectrum, header, INSTRUMENT)
    assert error_of(identify_arc(spectrum, header, INSTRUMENT, "He+Ne"), wave) < 1.0


def test_noise_alone_is_refused() -> None:
    spectrum = np.random.default_rng(6).normal(100, 5, 2000)
    with pytest.raises(DataError, match=r"lines|doubt"):
        identify_arc(spectrum, header_of(4, -1000.0, 1.0, "He+Ne"), INSTRUMENT)


@pytest.mark.parametrize("grism", [3, 4, 5, 7, 8, 10, 11, 17, 18, 19, 20])
def test_the_real_arc_of_each_grism_is_identified(testdata, grism: int) -> None:
    with fits.open(testdata / "arcs-alfosc" / f"not_alfosc_grism{grism}.fits") as units:
        wave, flux = (np.array(units[1].data[name], float).ravel() for name in ("wave", "flux"))
        step = float(units[1].header["BINSPEC"])
    header = header_of(grism, -(len(wave) - 1) / 2 * step, step, "He+Ne+Ar")
    result = identify_arc(np.nan_to_num(flux), header, INSTRUMENT)
    x = result.found.x[result.match.found]
    pixel = np.arange(len(wave))
    listed = result.lines.wavelength[result.match.known]
    off = (listed - np.interp(x, pixel, wave)) / np.interp(x, pixel, np.gradient(wave))
    assert abs(np.median(off)) < 0.25
    assert np.median(np.abs(off)) < 0.35


@pytest.mark.parametrize("shift", [-120.0, -40.0, 0.0, 75.0])
def test_six_lines_of_helium_are_too_few(testdata, shift: float) -> None:
    """With two lines that are none they make a smooth scale that is wrong by four pixels."""
    arc, lines = of_one_lamp(read(testdata, 4), "He")
    assert lines == 6
    with pytest.raises(DataError, match="beyond doubt"):
        identify_arc(arc.flux, arc_header(arc, 4, shift, lamps="He"), INSTRUMENT)


def test_found_lines_lie_where_they_were_put() -> None:
    rng = np.random.default_rng(7)
    place = np.arange(40, 960, 46) + rng.uniform(-3, 3, 20)
    profile = LineProfile(2.3, 0.1)
    spectrum = 50 + sum(2e4 * profile(np.arange(1000) - x) for x in place)
    found = find_lines(rng.poisson(spectrum).astype(float))
    assert len(found) == 20
    assert np.abs(found.x - place).max() < 0.15
    assert found.fwhm == pytest.approx(2.3, abs=0.4)
