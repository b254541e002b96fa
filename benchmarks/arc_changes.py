"""Real arcs, and what is done to them to see whether their lines are still identified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from alfosc_reduce_longslit.lines.finding import FoundLines, background, find_lines
from alfosc_reduce_longslit.lines.profile import LineProfile
from astropy.io import fits

from alfosc_reduce import get_instrument

LAMPS = "He+Ne+Ar"
CHANGES = (
    "shifted", "half missing", "half false", "noisy", "binned 2", "binned 4", "window", "flipped",
    "all but missing", "all",
)  # fmt: skip
"""With each the arc is also shifted by up to 150 pixels, its dispersion off by up to 2 %, and bent by some pixels."""
TOGETHER = {
    "all but missing": ("half false", "noisy", "binned 2"),
    "all": ("half missing", "half false", "noisy", "binned 2"),
}
FLIPPED = ("flipped", "all but missing", "all")


@dataclass(frozen=True)
class Arc:
    """An arc with its own wavelengths (vacuum Angstrom), at detector pixels `x`, `step` of them a pixel."""

    flux: np.ndarray
    wave: np.ndarray
    x: np.ndarray
    step: float


def read(folder: Path, grism: int) -> Arc:
    with fits.open(folder / "arcs-alfosc" / f"not_alfosc_grism{grism}.fits") as units:
        wave, flux = (np.array(units[1].data[name], float).ravel() for name in ("wave", "flux"))
        step = float(units[1].header["BINSPEC"])
    x = (np.arange(len(wave)) - (len(wave) - 1) / 2) * step
    return Arc(np.nan_to_num(flux), wave, x, step)


def changed(arc: Arc, change: str, rng: np.random.Generator) -> Arc:
    if change in TOGETHER:
        for part in TOGETHER[change]:
            arc = changed(arc, part, rng)
        return arc
    if change == "half missing":
        lines = find_lines(arc.flux)
        return replace(arc, flux=without(arc.flux, lines, rng.permutation(len(lines))[: len(lines) // 2]))
    if change == "half false":
        return replace(arc, flux=arc.flux + false_lines(arc.flux, rng))
    if change == "noisy":
        return replace(arc, flux=arc.flux + noise(arc.flux, rng))
    if change.startswith("binned"):
        return binned(arc, min(int(change[-1]), int(4 / arc.step)))
    if change == "window":
        first = int(rng.uniform(0.1, 0.4) * len(arc.flux))
        part = slice(first, first + int(0.55 * len(arc.flux)))
        return Arc(arc.flux[part], arc.wave[part], arc.x[part], arc.step)
    return arc


def without(flux: np.ndarray, lines: FoundLines, which: np.ndarray) -> np.ndarray:
    """Cut lines out; what of them reaches farther than the cut stays, as false lines."""
    floor, pixel, flux = background(flux, lines.fwhm), np.arange(len(flux)), flux.copy()
    for line in which:
        near = np.abs(pixel - lines.x[line]) < 1.2 * lines.fwhm
        flux[near] = np.minimum(flux, floor)[near]
    return flux


def false_lines(flux: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many lines as there are, as bright, anywhere."""
    lines, pixel = find_lines(flux), np.arange(len(flux))
    profile = LineProfile(lines.fwhm, 0.4)
    places = rng.uniform(50, len(flux) - 20, len(lines))
    return np.sum([rng.choice(lines.height) * lines.fwhm * profile(pixel - place) for place in places], axis=0)


def noise(flux: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise with twice the standard deviation of that of the arc, where it is faint."""
    away = np.abs(flux - background(flux, find_lines(flux).fwhm))
    quiet = away < np.percentile(away, 60)
    return rng.normal(0, 2 * np.std(np.diff(flux[quiet])), len(flux))


def binned(arc: Arc, binning: int) -> Arc:
    length = len(arc.flux) // binning * binning
    rows = (values[:length].reshape(-1, binning).mean(axis=1) for values in (arc.flux, arc.wave, arc.x))
    return Arc(*rows, arc.step * binning)


def of_one_lamp(arc: Arc, lamp: str) -> tuple[Arc, int]:
    """Cut out the lines of all other lamps; also return how many lines of this one are left.

    A line found is of the lamp whose lines within a line's width make most light, each lamp as bright as its strongest
    line in the arc; lines of no lamp stay.
    """
    lines, pixel = find_lines(arc.flux), np.arange(len(arc.flux))
    wave, width = (np.interp(lines.x, pixel, row) for row in (arc.wave, lines.fwhm * np.abs(np.gradient(arc.wave))))
    light = {}
    for gas in ("He", "Ne", "Ar", "Th"):
        table = get_instrument("alfosc").lamp_lines([gas])
        own = np.char.startswith(np.asarray(table["ion"]).astype(str), gas)
        listed, strength = table["wavelength"].value[own], np.asarray(table["strength"], float)[own]
        near = np.abs(listed[None, :] - wave[:, None]) < 0.6 * width[:, None]
        here = np.where(near, strength[None, :], 0).sum(axis=1)
        strongest = np.argsort(-here)[:5]
        light[gas] = here * np.median(lines.height[strongest] / np.maximum(here[strongest], 1e-9))
    total = np.sum(list(light.values()), axis=0)
    mine = light[lamp] > 0.5 * total
    kept = mine & (total > 0)
    return replace(arc, flux=without(arc.flux, lines, np.flatnonzero(~mine & (total > 0)))), int(kept.sum())


def header_of(arc: Arc, grism: int, shift: float = 0.0, sign: float = 1.0, lamps: str = LAMPS) -> fits.Header:
    header = fits.Header()
    header.update({"GRISM": f"Grism_#{grism}", "LAMP": lamps, "OBJECT": f"arc {grism}"})
    centre = get_instrument("alfosc").disperser(header).centre
    header.update({"DISPPIX0": centre + sign * (arc.x[0] + shift), "DISPSTEP": sign * arc.step})
    return header


def scrambled(arc: Arc, rng: np.random.Generator) -> Arc:
    """The lines of an arc in other places, about as crowded, their heights shuffled."""
    lines, pixel = find_lines(arc.flux), np.arange(len(arc.flux))
    profile, flux = LineProfile(lines.fwhm, 0.4), background(arc.flux, lines.fwhm)
    flux = flux + rng.normal(0, np.median(np.abs(arc.flux - flux)), len(flux))
    for height, place in zip(lines.height, rng.permutation(lines.x) + rng.normal(0, 25, len(lines)), strict=True):
        flux += height * lines.fwhm * profile(pixel - place)
    return replace(arc, flux=flux)
