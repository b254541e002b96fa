"""How surely arcs are identified: the real arcs of eleven grisms, as they are, perturbed, and under false names.

    python benchmarks/arc_identification.py FOLDER_OF_OBSERVATIONS [TRIALS [SEED]]

prints one row a grism: the plain arc against its own wavelengths (pixels), then for each perturbation how many of the
trials were solved / refused / solved wrongly. Then what of each arc one lamp alone shows, and how many arcs that must
not be solved were refused: under the name of another grism, mirrored, with their lines in other places. Last arcs
simulated for the grisms that were never measured, with dispersions other than the table's.

The arcs' own wavelengths are extrapolated at their ends: in those of grism 11 helium's line at 10833 Angstrom lies at
10993 and its lines at 7067 and 7283 are 0.4 and 0.6 pixels off; in those of grism 10 the first is 1.4 pixels off.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from alfosc_reduce_longslit.identification.arc import identify_arc
from alfosc_reduce_longslit.lines.profile import LineProfile
from arc_changes import CHANGES, FLIPPED, Arc, changed, header_of, of_one_lamp, read, scrambled
from astropy.io import fits
from measures import Measure

from alfosc_reduce import DataError, get_instrument
from alfosc_reduce.instrument import Disperser

GRISMS = (3, 4, 5, 7, 8, 10, 11, 17, 18, 19, 20)
NOMINAL = (6, 12, 14, 15, 16)
FEWEST = 8
"""Lines of one lamp; with fewer it is right to refuse."""


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


def perturbed(folder: Path, trials: int, rng: np.random.Generator) -> dict[str, Counter[str]]:
    """Print one row a grism, and return the verdicts on each change."""
    total: dict[str, Counter[str]] = {change: Counter() for change in CHANGES}
    print(f"{'grism':>5} {'rms px':>7} {'margin':>7}  " + "  ".join(f"{change:>15}" for change in CHANGES))
    for grism in GRISMS:
        arc = read(folder, grism)
        _, rms, margin = verdict(arc, header_of(arc, grism), get_instrument("alfosc"))
        cells = []
        for change in CHANGES:
            words = Counter(trial(arc, grism, change, rng) for _ in range(trials))
            total[change] += words
            cells.append(row_of(words))
        print(f"{grism:>5} {rms:>7.2f} {margin:>7.0f}  " + "  ".join(f"{cell:>15}" for cell in cells), flush=True)
    print(f"{'all':>5} {'':>7} {'':>7}  " + "  ".join(f"{row_of(total[change]):>15}" for change in CHANGES))
    return total


def trial(arc: Arc, grism: int, change: str, rng: np.random.Generator) -> str:
    arc = changed(arc, change, rng)
    header = header_of(arc, grism, rng.uniform(-150, 150), -1.0 if change in FLIPPED else 1.0)
    return verdict(arc, header, Uncertain(rng))[0]


def row_of(words: Counter[str]) -> str:
    return "/".join(str(words[word]) for word in ("solved", "refused", "wrong"))


def one_lamp(folder: Path, trials: int, rng: np.random.Generator) -> Counter[str]:
    """Print what one lamp alone shows of each arc, and return the verdicts on those with enough lines."""
    total: Counter[str] = Counter()
    for grism in GRISMS:
        whole, cells = read(folder, grism), []
        for lamp in ("He", "Ne", "Ar"):
            arc, lines = of_one_lamp(whole, lamp)
            words = Counter(
                verdict(arc, header_of(arc, grism, rng.uniform(-150, 150), lamps=lamp), Uncertain(rng))[0]
                for _ in range(trials)
            )
            total += words if lines >= FEWEST else Counter({"wrong": words["wrong"]})
            cells.append(f"{lamp} {lines:>2} lines {row_of(words)}" + (" (too few)" if lines < FEWEST else ""))
        print(f"{grism:>5} alone  " + "".join(f"{cell:<32}" for cell in cells), flush=True)
    return total


def deceived(folder: Path, rng: np.random.Generator) -> Counter[str]:
    """Return the verdicts on arcs that must be refused."""
    arcs = {grism: read(folder, grism) for grism in GRISMS}
    words: Counter[str] = Counter()
    for taken, arc in arcs.items():
        for claimed in GRISMS:
            here = Arc(arc.flux[::-1], arc.wave, arc.x, arc.step) if taken == claimed else arc
            for change in ("shifted", rng.choice(["half missing", "half false", "window", "binned 2"])):
                header = header_of(here, claimed, rng.uniform(-150, 150), rng.choice([-1.0, 1.0]))
                words[verdict(changed(here, change, rng), header, Uncertain(rng))[0]] += 1
        for _ in range(5):
            words[verdict(scrambled(arc, rng), header_of(arc, taken), Uncertain(rng))[0]] += 1
    return words


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


def main(folder: Path, trials: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = perturbed(folder, trials, rng)
    alone = one_lamp(folder, trials, rng)
    refused = deceived(folder, rng)
    never_measured(max(trials // 3, 1), rng)
    single = Counter[str]()
    for change in CHANGES:
        single += total[change] if not change.startswith("all") else Counter()
    every = sum(total.values(), Counter(alone))
    print(
        Measure("solved of arcs perturbed in one way", single["solved"] / single.total(), 0.99, 1),
        Measure("solved of arcs of one lamp with 8 lines or more", alone["solved"] / alone.total(), 0.99, 1),
        Measure(f"solved wrongly, of {every.total()} perturbed arcs", every["wrong"], 0, 0),
        Measure(f"solved, of {refused.total()} arcs that must be refused", refused.total() - refused["refused"], 0, 0),
        sep="\n",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in (sys.argv[2:] + ["3", "2020"][len(sys.argv) - 2 :])))
