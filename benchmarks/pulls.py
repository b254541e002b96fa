"""Measure the errors of extracted spectra against the truth on many simulated exposures, each number with its error.

    python benchmarks/pulls.py [NAME ...] [--list] [-n EXPOSURES] [--levels 3 30 300] [--seed N] [--jobs N] [-o FILE]

One exposure of a target tells mean and scatter of (flux - truth) / error to 0.03 at best, and hardly anything on sky
lines. Here a setting is calibrated once (biases, flats, arc, standard), and then many independent exposures of its
target, each elsewhere on the slit, go through the steps of the recipe one by one, from overscan to extraction. Standard
errors come from the scatter between exposures: what the pixels of one exposure share is in them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from simulated_nights import ALL, BOTH, CASES, LEVELS, Case, night_of, on_lines, over, pixels, robust_std

EXPOSURES = 12
"""Of each signal to noise."""
LIMIT = 0.03
"""By which mean and standard deviation of a pull may differ from 0 and 1."""
BIAS = 0.003
"""By which the total flux may differ from the truth."""
MORE = (
    Case(10, filter="WG345 356_LP", lamps=ALL, arcs=BOTH),
    Case(11, filter="WG345 356_LP", lamps=ALL, arcs=BOTH),
)
"""Settings beyond those of the simulated nights."""
STATISTICS = ("mean", "std", "robust")
METHODS = ("optimal", "boxcar")


@dataclass(frozen=True)
class Calibration:
    """What a setting is calibrated with."""

    case: Case
    night: Any
    instrument: Any
    bias: Any
    detector: Any
    flat: Any
    solution: Any
    guide: Any


@dataclass(frozen=True)
class Exposed:
    """Errors of one exposure: pulls by method, which of them on sky lines; ratios of sums; objects found."""

    level: float
    pulls: dict[str, np.ndarray]
    lines: np.ndarray
    bias: dict[str, float]
    bias_error: float
    signal_to_noise: float
    objects: int
    sky: float


def calibrate(case: Case, seed: int) -> Calibration:
    """Simulate and reduce what all exposures of a setting share."""
    from alfosc_reduce_ccd.bias import CombineBias
    from alfosc_reduce_ccd.detector import MeasureDetector
    from alfosc_reduce_ccd.flat import CombineFlat
    from alfosc_reduce_longslit.objects.objects import TraceObjects
    from alfosc_reduce_longslit.wavelengths.arcs import CombineArcs
    from alfosc_reduce_longslit.wavelengths.wavelengths import SolveWavelengths
    from alfosc_reduce_simulate import exposures, simulate_frame

    from alfosc_reduce import get_instrument

    instrument, night = get_instrument("alfosc"), night_of(case, seed)
    frames: dict[str, list[Any]] = {}
    for exposure in exposures(night):
        if exposure.kind != "object":
            raw = raw_frame(simulate_frame(night, exposure, instrument), instrument)
            frames.setdefault(exposure.kind, []).append(without_overscan(raw))
    bias = CombineBias()(frames["bias"])
    detector = MeasureDetector()(frames["bias"], frames["flat"])
    flats, arcs = ([corrected(one, bias, detector) for one in frames[kind]] for kind in ("flat", "arc"))
    solution = SolveWavelengths()(CombineArcs()(arcs), instrument)
    shared = Calibration(case, night, instrument, bias, detector, CombineFlat()(flats), solution, None)
    star = without_sky(shared, frames["standard"][0])[0].image
    return replace(shared, guide=TraceObjects()(star))


def raw_frame(frame: Any, instrument: Any) -> Any:
    """Return a simulated frame as the instrument reads it from disk."""
    with tempfile.TemporaryDirectory() as folder:
        return instrument.read(frame.write(Path(folder) / frame.exposure.name))


def without_overscan(raw: Any) -> Any:
    """Return the frame less its overscan."""
    from alfosc_reduce_ccd.overscan import SubtractOverscan

    return SubtractOverscan()(raw)


def corrected(image: Any, bias: Any, detector: Any) -> Any:
    """Return the frame in electrons."""
    from alfosc_reduce_ccd.correction import CorrectFrame

    return CorrectFrame()(image, bias=bias, detector=detector)


def without_sky(shared: Calibration, image: Any) -> tuple[Any, Any]:
    """Take a frame of a target from the overscan to its sky; return that with the wavelengths used."""
    from alfosc_reduce_ccd.cosmic_rays import RejectCosmicRays
    from alfosc_reduce_ccd.flatfield import DivideFlat
    from alfosc_reduce_longslit.flexure.flexure import CorrectFlexure
    from alfosc_reduce_longslit.sky.sky import SubtractSky

    flat = DivideFlat()(corrected(image, shared.bias, shared.detector), shared.flat)
    image = RejectCosmicRays()(flat)
    waves = CorrectFlexure()(image, shared.solution)
    return SubtractSky()(image, waves), waves


def expose(shared: Calibration, level: float, number: int) -> Exposed:
    """Simulate one exposure of the target of a signal to noise, reduce it, and compare it with the truth."""
    from alfosc_reduce_longslit.extraction.extraction import ExtractOptimal
    from alfosc_reduce_longslit.objects.objects import TraceObjects
    from alfosc_reduce_simulate import simulate_frame, truth_of
    from alfosc_reduce_simulate.judgement import nearest

    frame = simulate_frame(*plan(shared, level, number), shared.instrument)
    truth = truth_of(shared.night, frame)
    found, waves = without_sky(shared, without_overscan(raw_frame(frame, shared.instrument)))
    traces = TraceObjects()(found.image, found.sky, shared.guide, shared.instrument)
    spectra = ExtractOptimal()(found.image, traces, waves, found.sky)
    spectrum = nearest(truth, frame.exposure.name, spectra)
    return compared(truth, frame.exposure.name, spectrum, level, len(spectra), sky_scatter(found, traces))


def plan(shared: Calibration, level: float, number: int) -> tuple[Any, Any]:
    """Return night and exposure of a target: its light as in the night of the setting, its place on the slit by lot."""
    from alfosc_reduce_simulate import exposures

    target = next(one for one in shared.night.targets if one.name == f"SN{level:.0f}")
    place = np.random.default_rng((number, round(level))).uniform(-14, 14)
    target = replace(target, sources=(replace(target.sources[0], position=float(place)),))
    night = replace(shared.night, targets=(target,))
    exposure = next(one for one in exposures(night) if one.kind == "object")
    return night, replace(exposure, seed=(shared.night.seed, round(level), 1000 + number))


def compared(truth: Any, file: str, spectrum: Any, level: float, objects: int, sky: float) -> Exposed:
    """Compare one spectrum with the truth on its pixels."""
    from simulated_nights import aligned

    true, good = aligned(truth, file, spectrum), pixels(spectrum)
    # An error of the gain scales electrons alike everywhere and cancels in the flux; it is reported by the nights.
    electrons = true["electrons"] * float(spectrum.meta["header"]["GAIN"]) / truth.gain
    columns, error = spectrum.meta["columns"], np.sqrt(spectrum.uncertainty.array)
    values = {
        "optimal": (spectrum.flux.value, error),
        "boxcar": (columns["FLUX_BOX"].value, columns["ERR_BOX"].value),
    }
    total = electrons[good].sum()
    return Exposed(
        level=level,
        pulls={name: over(flux - electrons, sigma)[good] for name, (flux, sigma) in values.items()},
        lines=on_lines(true["sky"])[good],
        bias={name: float(flux[good].sum() / total - 1) for name, (flux, _) in values.items()},
        bias_error=float(np.sqrt(np.sum(error[good] ** 2)) / total),
        signal_to_noise=float(np.median(over(spectrum.flux.value, error)[good])),
        objects=objects,
        sky=sky,
    )


def sky_scatter(found: Any, traces: Any) -> float:
    """Return the robust scatter of residual over error in the rows without the object."""
    from alfosc_reduce.images import usable, variance_of

    image, rows = found.image, np.arange(found.image.shape[0])
    near = np.zeros(len(rows), bool)
    for centre, fwhm in zip(traces.centres, traces.fwhm, strict=True):
        near |= np.abs(rows - np.median(centre)) < 6 * fwhm + np.ptp(centre)
    good = usable(image) & ~near[:, None]
    # The model was fitted to these pixels: their residuals scatter less than their noise by its variance.
    noise = variance_of(image)[good] - 2 * variance_of(found.sky)[good]
    positive = noise > 0
    return robust_std(np.asarray(image.data)[good][positive] / np.sqrt(noise[positive]))


@dataclass(frozen=True)
class Number:
    """A number and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:+.3f}+-{self.error:.3f}"

    def beyond(self, limit: float) -> bool:
        """Return whether it exceeds a limit by more than twice its error."""
        return bool(abs(self.value) > limit + 2 * self.error)


def pooled(groups: list[np.ndarray], statistic: str) -> Number:
    """Return a statistic of all pulls, its error from leaving out one exposure after the other (jackknife)."""
    groups = [group for group in groups if group.size]
    if len(groups) < 3:
        return Number(np.nan, np.nan)
    rest = np.array(
        [_statistic(np.concatenate([*groups[:i], *groups[i + 1 :]]), statistic) for i in range(len(groups))]
    )
    error = np.sqrt((len(groups) - 1) * np.mean((rest - rest.mean()) ** 2))
    return Number(_statistic(np.concatenate(groups), statistic), float(error))


def _statistic(values: np.ndarray, statistic: str) -> float:
    if statistic == "mean":
        return float(np.mean(values))
    return (float(np.std(values)) if statistic == "std" else robust_std(values)) - 1


def average(values: list[float]) -> Number:
    """Return a mean and its standard error."""
    return Number(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))))


def summary(name: str, level: float, found: list[Exposed]) -> list[str]:
    """Return the lines of the table for one setting and signal to noise, with what is beyond its limit named."""
    lines = []
    for method in METHODS:
        text, bad = [], []
        for where, chosen in (("off", False), ("on", True)):
            groups = [one.pulls[method][one.lines == chosen] for one in found]
            numbers = {statistic: pooled(groups, statistic) for statistic in STATISTICS}
            bad += [f"{where} {key}" for key, number in numbers.items() if number.beyond(LIMIT)]
            text.append(f"{where} lines " + " ".join(f"{key} {number}" for key, number in numbers.items()))
        bias = average([one.bias[method] for one in found])
        bad += ["bias"] if bias.beyond(BIAS) else []
        text.append(f"bias % {100 * bias.value:+.3f}+-{100 * bias.error:.3f}")
        lines.append(
            f"{name:<24} SN{level:<4.0f} {method:<8} {'   '.join(text)}   {'BAD ' + ', '.join(bad) if bad else 'ok'}"
        )
    false = sum(one.objects - 1 for one in found)
    sky = average([one.sky for one in found])
    lines.append(
        f"{'':<24} S/N {np.median([one.signal_to_noise for one in found]):.1f}  {len(found)} exposures, "
        f"{sum(one.lines.sum() for one in found)} of {sum(one.lines.size for one in found)} pixels on lines, "
        f"sky/sigma {sky.value:.3f}+-{sky.error:.3f}  false objects {false}"
    )
    return lines


def run(job: tuple[Case, float, list[int], int]) -> list[Exposed]:
    """Reduce some exposures of one setting."""
    case, level, numbers, seed = job
    return [expose(_calibrated(case, seed), level, number) for number in numbers]


@lru_cache(maxsize=1)
def _calibrated(case: Case, seed: int) -> Calibration:
    import logging

    logging.disable(logging.WARNING)
    return calibrate(case, seed)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names of settings; all by default")
    parser.add_argument("--list", action="store_true", help="list the settings")
    parser.add_argument("-n", "--number", type=int, default=EXPOSURES, help="exposures of each signal to noise")
    parser.add_argument("--levels", type=float, nargs="+", default=list(LEVELS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="settings reduced at the same time")
    parser.add_argument("-o", "--output", type=Path, help="pickle all pulls into this file")
    arguments = parser.parse_args()
    chosen = [c for c in (*CASES, *MORE) if not arguments.names or c.name.startswith(tuple(arguments.names))]
    if arguments.list:
        print(*(case.name for case in chosen), sep="\n")
        return 0
    kept, failed = {}, 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for case, found in zip(chosen, pool.map(_setting, [(case, arguments) for case in chosen]), strict=True):
            print(*found[0], sep="\n", flush=True)
            kept[case.name] = found[1]
            failed += any("BAD" in line for line in found[0])
    if arguments.output:
        import pickle

        arguments.output.write_bytes(pickle.dumps(kept))
    return int(failed > 0)


def _setting(job: tuple[Case, argparse.Namespace]) -> tuple[list[str], dict[float, list[Exposed]]]:
    case, arguments = job
    started, lines, kept = time.process_time(), [], {}
    for level in arguments.levels:
        kept[level] = run((case, level, list(range(arguments.number)), arguments.seed))
        lines += summary(case.name, level, kept[level])
    return [*lines, f"{'':<24} {time.process_time() - started:.0f} s of processor time"], kept


if __name__ == "__main__":
    sys.exit(main())
