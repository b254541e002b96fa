"""How surely arcs are identified: the real arcs of eleven grisms, as they are, perturbed, and under false names.

    python benchmarks/arc_identification.py FOLDER_OF_OBSERVATIONS [TRIALS]

prints one row a grism: the plain arc against its own wavelengths (pixels), then for each perturbation how many of the
trials were solved / refused / solved wrongly, then how many arcs under the name of another grism, or mirrored, were
refused, and last arcs simulated for the grisms that were never measured, with dispersions other than the table's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from alfosc_reduce_longslit.identification.arc import identify_arc
from alfosc_reduce_longslit.lines.finding import background, find_lines
from alfosc_reduce_longslit.lines.profile import LineProfile
from astropy.io import fits

from alfosc_reduce import DataError, get_instrument
from alfosc_reduce.instrument import Disperser

GRISMS = (3, 4, 5, 7, 8, 10, 11, 17, 18, 19, 20)
CHANGES = ("shifted", "half missing", "half false", "noisy", "binned 2", "binned 4", "window", "flipped")
LAMPS = "He+Ne+Ar"
NOMINAL = (6, 12, 14, 15, 16)


class Uncertain(type(get_instrument("alfosc"))):  # type: ignore[misc]
    """The instrument with its dispersion known to 2 per cent only, and its bend to some pixels."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.stretch = 1 + rng.uniform(-0.02, 0.02)
        self.bend = rng.uniform(-8e-3, 8e-3, 2)

    def disperser(self, header: fits.Header) -> Disperser:
        known = super().disperser(header)
        scale = np.array(known.scale)
        scale[2:] += self.bend * scale[1]
        scale[1] *= self.stretch
        return Disperser(known.name, known.dispersion, known.wavelengths, None, tuple(scale), known.centre)


@dataclass
class Arc:
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
    lines = find_lines(arc.flux)
    floor, flux, pixel = background(arc.flux, lines.fwhm), arc.flux.copy(), np.arange(len(arc.flux))
    part, binning = slice(None), 1
    if change == "half missing":
        for line in rng.permutation(len(lines))[: len(lines) // 2]:
            near = np.abs(pixel - lines.x[line]) < 1.2 * lines.fwhm
            flux[near] = np.minimum(flux, floor)[near]
    elif change == "half false":
        profile = LineProfile(lines.fwhm, 0.4)
        for place in rng.uniform(50, len(flux) - 20, len(lines) // 2):
            flux += rng.choice(lines.height) * lines.fwhm * profile(pixel - place)
    elif change == "noisy":
        quiet = np.abs(flux - floor) < np.percentile(np.abs(flux - floor), 60)
        flux += rng.normal(0, 2 * np.std(np.diff(flux[quiet])), len(flux))
    elif change.startswith("binned"):
        binning = min(int(change[-1]), int(4 / arc.step))
    elif change == "window":
        first = int(rng.uniform(0.1, 0.4) * len(flux))
        part = slice(first, first + int(0.55 * len(flux)))
    length = len(flux) // binning * binning
    rows = [v[:length].reshape(-1, binning).mean(axis=1)[part] for v in (flux, arc.wave, arc.x)]
    return Arc(rows[0], rows[1], rows[2], arc.step * binning)


def header_of(arc: Arc, grism: int, shift: float = 0.0, sign: float = 1.0) -> fits.Header:
    header = fits.Header()
    header.update({"GRISM": f"Grism_#{grism}", "LAMP": LAMPS, "OBJECT": f"arc {grism}"})
    centre = get_instrument("alfosc").disperser(header).centre
    header.update({"DISPPIX0": centre + sign * (arc.x[0] + shift), "DISPSTEP": sign * arc.step})
    return header


def verdict(arc: Arc, header: fits.Header, instrument: object) -> tuple[str, float, float]:
    """Return solved, refused or wrong, the rms against the arc's own wavelengths in pixels, and the margin."""
    try:
        found = identify_arc(arc.flux, header, instrument)
    except DataError:
        return "refused", np.nan, np.nan
    x, pixel = found.found.x[found.match.found], np.arange(len(arc.wave))
    off = (found.wavelength(x) - np.interp(x, pixel, arc.wave)) / np.interp(x, pixel, np.gradient(arc.wave))
    right = np.percentile(np.abs(off), 75) < max(1.0, 0.5 * found.found.fwhm)
    return ("solved" if right else "wrong"), float(np.sqrt(np.mean(off**2))), found.match.margin


def nominal(grism: int, off: float, gases: list[str], rng: np.random.Generator) -> tuple[Arc, fits.Header]:
    """Simulate an arc of a grism that was never measured: dispersion off by a share, place and bend at random."""
    header = fits.Header({"GRISM": f"Grism_#{grism}", "LAMP": "+".join(gases), "DISPPIX0": 1.0, "DISPSTEP": 1.0})
    disperser, u = get_instrument("alfosc").disperser(header), (np.arange(2052) - 1026) / 1000
    dispersion = disperser.dispersion * (1 + off * rng.choice([-1, 1]))
    middle = np.mean(disperser.wavelengths) + rng.normal(0, 100) * dispersion
    wave = middle + 1000 * dispersion * (u + rng.uniform(0, 0.08) * u**2 + rng.uniform(-0.03, 0.005) * u**3)
    table = get_instrument("alfosc").lamp_lines(gases)
    light = np.asarray(table["strength"], float) * rng.lognormal(0, 0.6, len(table))
    light *= np.exp(-0.5 * np.square((table["wavelength"].value - middle) / (0.45 * np.ptp(wave))))
    place = np.interp(table["wavelength"].value, wave, np.arange(2052), left=-1, right=-1)
    inside = (place > 16) & (place < 2035)
    flux, profile, reach = np.full(2052, 200.0), LineProfile(4.7, 0.5), np.arange(-15, 16)
    for x, strength in zip(place[inside], light[inside] / light[inside].max() * 4e5, strict=True):
        flux[round(x) + reach] += strength * profile(round(x) + reach - x)
    noisy = rng.poisson(np.minimum(flux, 1.2e5)) + rng.normal(0, 6, 2052)
    return Arc(noisy, wave, np.arange(2052.0), 1.0), header


def never_measured(trials: int, rng: np.random.Generator) -> None:
    instrument = get_instrument("alfosc")
    for off in (0.0, 0.05, 0.1, 0.2):
        found = [
            verdict(*nominal(grism, off, gases, rng), instrument)[0]
            for grism in NOMINAL
            for gases in (["He", "Ne"], ["Ne"], ["He"], ["Th", "Ar"])
            for _ in range(trials)
        ]
        counts = ", ".join(f"{found.count(word)} {word}" for word in ("solved", "refused", "wrong"))
        print(f"never measured, dispersion off by {off:.0%}: {counts}", flush=True)


def main(folder: Path, trials: int) -> None:
    rng = np.random.default_rng(2020)
    instrument = get_instrument("alfosc")
    total = {"solved": 0, "refused": 0, "wrong": 0}
    print(f"{'grism':>5} {'rms px':>7} {'margin':>7}  " + "  ".join(f"{change:>12}" for change in CHANGES))
    for grism in GRISMS:
        arc = read(folder, grism)
        _, rms, margin = verdict(arc, header_of(arc, grism), instrument)
        cells = []
        for change in CHANGES:
            count = dict.fromkeys(total, 0)
            for _ in range(trials):
                trial = changed(arc, change, rng)
                sign = -1.0 if change == "flipped" else 1.0
                header = header_of(trial, grism, rng.uniform(-150, 150), sign)
                count[verdict(trial, header, Uncertain(rng))[0]] += 1
            total = {key: total[key] + count[key] for key in total}
            cells.append("/".join(str(value) for value in count.values()))
        print(f"{grism:>5} {rms:>7.2f} {margin:>7.0f}  " + "  ".join(f"{cell:>12}" for cell in cells), flush=True)
    print("perturbed: " + ", ".join(f"{value} {key}" for key, value in total.items()))
    false = [
        verdict(Arc(arc.flux[::-1] if a == b else arc.flux, arc.wave, arc.x, arc.step), header_of(arc, b), instrument)[
            0
        ]
        for a in GRISMS
        for arc in (read(folder, a),)
        for b in GRISMS
    ]
    print(f"under a false name or mirrored: {false.count('refused')} of {len(false)} refused")
    never_measured(max(trials // 3, 1), rng)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
