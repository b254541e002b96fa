"""Reduce simulated ALFOSC nights through the whole chain, and measure the results against the truth.

    python benchmarks/simulated_nights.py [NAME ...] [--list] [-o WORK FOLDER] [--seed N]

prints one line a night and one a target. Three targets a night, one exposure each, have a median signal to noise of
about 3, 30 and 300 a pixel; a standard star gives the response. The same functions serve the tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

LEVELS = (3.0, 30.0, 300.0)
"""Signal to noise of the targets."""
PLACES = ((150.70, 28.02, -2.0), (152.10, 30.50, 5.0), (149.30, 26.20, 10.0))
"""Right ascension, declination (degrees) and place along the slit (arc seconds) of the targets, off the slit's dust."""
HENE, ALL = ("He", "Ne"), ("He", "Ne", "ThAr")
ACROSS = (931, 1170, 1, 2102)
"""Window of a horizontal slit: 240 columns, all rows."""
ALONG = (1, 2148, 931, 1170)
"""Window of a vertical slit: all columns, 240 rows."""
WHOLE = (1, 2148, 1, 2102)


@dataclass(frozen=True)
class Case:
    """One night: a setting of the spectrograph."""

    grism: int
    slit: str = "Slit_1.0"
    window: tuple[int, int, int, int] = ACROSS
    binning: tuple[int, int] = (1, 1)
    lamps: tuple[str, ...] = HENE
    filter: str = "Open"
    arcs: tuple[float, ...] = (3.0,)
    seeing: float = 0.9

    @property
    def name(self) -> str:
        shape = "full" if self.window == WHOLE else "window"
        return f"g{self.grism}-{self.slit}-{self.binning[0]}x{self.binning[1]}-{shape}"


BOTH = (3.0, 60.0)
"""Exposures of arcs: a short one for neon, a long one for the rest."""
CASES = (
    Case(3, filter="WG345 356_LP", arcs=(10.0,)),
    Case(4, binning=(1, 2), filter="WG345 356_LP"),
    Case(5, arcs=(10.0,)),
    Case(7, binning=(2, 2), arcs=(10.0,)),
    Case(8, "Vert_1.0", ALONG, lamps=ALL, arcs=BOTH),
    Case(18, "Slit_1.0", lamps=ALL, arcs=(60.0,)),
    Case(19, "Vert_0.75", ALONG, (2, 1), ALL, arcs=BOTH),
    Case(20, "Slit_1.8", binning=(1, 2), lamps=ALL, arcs=BOTH),
    Case(4, "Slit_1.0", WHOLE, (2, 2), filter="WG345 356_LP"),
    Case(4, "Vert_1.3", ALONG, filter="WG345 356_LP", arcs=(10.0,)),
    Case(17, "Vert_1.0", ALONG, lamps=ALL, arcs=BOTH),
    Case(7, "Slit_1.0", WHOLE, lamps=ALL, arcs=BOTH),
    Case(5, "Slit_0.5", binning=(2, 1), arcs=(10.0,)),
    Case(4, "Slit_2.5", filter="WG345 356_LP"),
    Case(20, "Vert_1.0", WHOLE, (2, 2), ALL, arcs=BOTH),
)


def night_of(case: Case, seed: int = 1) -> Any:
    """Return the night of a case: a standard and three targets, the fluxes such that signal to noise is as wanted."""
    from alfosc_reduce_simulate import Night, Readout, standard_target

    from alfosc_reduce import get_instrument

    instrument = get_instrument("alfosc")
    standard = replace(standard_target(instrument, count=1), exposure=30.0)
    night = Night(
        (standard,),
        grism=f"Grism_#{case.grism}",
        slit=case.slit,
        filter=case.filter,
        readout=Readout(case.window, case.binning),
        n_flat=5,
        lamps=case.lamps,
        arc_exposure=case.arcs,
        seeing=case.seeing,
        start="2020-03-20T22:00:00",
        seed=seed,
    )
    fluxes = _fluxes(night, instrument)
    targets = tuple(
        _target(f"SN{level:.0f}", place, flux, arcs=len(case.arcs) * int(level == LEVELS[1]))
        for level, place, flux in zip(LEVELS, PLACES, fluxes, strict=True)
    )
    return replace(night, targets=(replace(standard, arcs=0), *targets))


def _target(name: str, place: tuple[float, float, float], flux: float, arcs: int) -> Any:
    from alfosc_reduce_simulate import Source, Target, power_law

    ra, dec, position = place
    return Target(name, ra, dec, (Source(power_law(flux), position=position),), exposure=600.0, arcs=arcs)


def _fluxes(night: Any, instrument: Any) -> list[float]:
    """Return the fluxes at 5500 A that give the wanted median signal to noise, from the light of a trial exposure."""
    from alfosc_reduce_simulate import exposures, simulate_frame

    trial = replace(night, targets=(_target("trial", PLACES[0], 1e-15, 0),), n_flat=0, n_bias=0)
    light = simulate_frame(trial, exposures(trial)[0], instrument).sources[0]
    lit = light.electrons > 0.1 * light.electrons.max()
    electrons, sky = np.median(light.electrons[lit]), np.median(light.sky[lit])
    step = night.readout.binning[0] if "Vert" not in night.slit else night.readout.binning[1]
    noise = 1.7 * night.seeing / 0.2138 / step * (sky + night.detector.read_noise**2)
    wanted = [(level**2 + np.sqrt(level**4 + 4 * level**2 * noise)) / 2 for level in LEVELS]
    return [1e-15 * float(flux / electrons) for flux in wanted]


def make_and_reduce(case: Case, folder: Path, seed: int = 1, only: tuple[str, ...] = ()) -> Any:
    """Simulate and reduce a night in `folder`, without pictures; return its truth. `only` restricts it to some steps.

    A night that was simulated before is not simulated again.
    """
    from alfosc_reduce_simulate import simulate_night

    from alfosc_reduce import load, save
    from alfosc_reduce.initialisation import initialise
    from alfosc_reduce.reduction import Choices, reduce

    if not (folder / "truth.fits").exists():
        save(simulate_night(night_of(case, seed), folder / "raw"), folder / "truth.fits")
    initialise("spec", [str(folder / "raw")], folder, overwrite=True)
    with patch("alfosc_reduce.labour.draw", lambda figures, folder: []):
        reduce(folder / "recipe.toml", Choices(only=only, jobs=1, quiet=True))
    return load(folder / "truth.fits")


class Products:
    """The products of a reduced night, from its store."""

    def __init__(self, folder: Path) -> None:
        from alfosc_reduce.reduction import Choices, look_ahead, prepare

        self._run = look_ahead(prepare(folder / "recipe.toml", Choices()))

    def __call__(self, step: str, label: str, output: str = "result") -> Any:
        """Return a product; raises `KeyError` if there is none."""
        from alfosc_reduce import load

        found = self._run.results[f"{step}[{label}]"]
        path = self._run.store.product(found.key, output)
        if not path.exists():
            raise KeyError(f"{step}[{label}] has no product")
        return load(path)

    def all(self, step: str) -> list[Any]:
        """Return the products of all tasks of a step."""
        names = [name for name in self._run.results if name.startswith(f"{step}[")]
        return [self(step, name[len(step) + 1 : -1]) for name in names]


@dataclass(frozen=True)
class Pulls:
    """(flux - truth) / error of some pixels."""

    values: np.ndarray

    @property
    def mean(self) -> float:
        return float(np.mean(self.values)) if self.values.size else np.nan

    @property
    def std(self) -> float:
        return float(np.std(self.values)) if self.values.size else np.nan

    @property
    def robust(self) -> float:
        return robust_std(self.values) if self.values.size else np.nan

    def __str__(self) -> str:
        return f"{self.mean:+.2f} {self.std:.2f}({self.robust:.2f})"


@dataclass(frozen=True)
class Found:
    """What came out for one target."""

    level: str
    signal_to_noise: float
    optimal: Pulls
    boxcar: Pulls
    on_lines: Pulls
    bias: float
    bias_error: float
    box_bias: float
    sky: float
    objects: int
    wavelength_rms: float
    wavelength_worst: float
    flux_ratio: float = np.nan
    flux_scatter: float = np.nan

    def __str__(self) -> str:
        return (
            f"    {self.level:<6} S/N {self.signal_to_noise:6.1f}  pull opt {self.optimal}  box {self.boxcar}  "
            f"on lines {self.on_lines}  "
            f"bias % {100 * self.bias:+.2f}+-{100 * self.bias_error:.2f} box {100 * self.box_bias:+.2f}  "
            f"sky/sigma {self.sky:.3f}  objects {self.objects}  wave px rms {self.wavelength_rms:.3f} worst "
            f"{self.wavelength_worst:.3f}  flux {self.flux_ratio:.3f} {100 * self.flux_scatter:.1f} %"
        )


@dataclass(frozen=True)
class Report:
    """What came out for a night."""

    case: Case
    arc_rms: float
    arc_lines: int
    gain: float
    read_noise: float
    response: float
    response_shape: float
    seconds: float
    targets: list[Found] = field(default_factory=list)

    def __str__(self) -> str:
        head = (
            f"{self.case.name:<28} arc {self.arc_rms:.3f} px {self.arc_lines} lines  gain x{self.gain:.4f} noise "
            f"x{self.read_noise:.3f}  response {100 * self.response:+.2f} % shape {100 * self.response_shape:.2f} %  "
            f"{self.seconds:.1f} s"
        )
        return "\n".join([head, *map(str, self.targets)])


def robust_std(values: np.ndarray) -> float:
    """Return 1.4826 times the median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def measure(case: Case, folder: Path, truth: Any, seconds: float = 0.0) -> Report:
    """Compare everything in a reduced folder with the truth."""
    products = Products(folder)
    solutions = products.all("wavelengths")
    detector = products.all("detector")[0]
    files = {str(row["target"]): str(row["file"]) for row in truth.frames if row["kind"] in ("object", "standard")}
    offset, shape = response_error(products, truth, files["SP1036+433"])
    return Report(
        case=case,
        arc_rms=max(solution.rms for solution in solutions),
        arc_lines=min(int(np.sum(solution.lines["used"])) for solution in solutions),
        gain=detector.gain / truth.gain,
        read_noise=detector.read_noise / truth.read_noise,
        response=offset,
        response_shape=shape,
        seconds=seconds,
        targets=[
            measure_target(products, truth, file, target) for target, file in files.items() if target.startswith("SN")
        ],
    )


def measure_target(products: Products, truth: Any, file: str, level: str) -> Found:
    """Compare one exposure with the truth."""
    from alfosc_reduce_simulate.judgement import nearest

    frame = file.partition(".")[0]
    spectra = products("extract", frame)
    spectrum = nearest(truth, file, spectra)
    true = aligned(truth, file, spectrum)
    good = pixels(spectrum)
    error, flux = np.sqrt(spectrum.uncertainty.array), spectrum.flux.value
    columns = spectrum.meta["columns"]
    # An error of the gain scales electrons alike everywhere and cancels in the flux; it is reported by itself.
    true["electrons"] *= float(spectrum.meta["header"]["GAIN"]) / truth.gain
    pull = over(flux - true["electrons"], error)
    box = over(columns["FLUX_BOX"].value - true["electrons"], columns["ERR_BOX"].value)
    miss = (spectrum.spectral_axis.value - true["wavelength"]) / np.gradient(true["wavelength"])
    total = true["electrons"][good].sum()
    ratio, scatter = flux_error(products, truth, file, level)
    return Found(
        level=level,
        signal_to_noise=float(np.median(over(flux, error)[good])),
        optimal=Pulls(pull[good]),
        boxcar=Pulls(box[good]),
        on_lines=Pulls(pull[good & on_lines(true["sky"])]),
        bias=flux[good].sum() / total - 1,
        bias_error=float(np.sqrt(np.sum(error[good] ** 2)) / total),
        box_bias=columns["FLUX_BOX"].value[good].sum() / total - 1,
        sky=sky_residual(products, frame),
        objects=len(spectra),
        wavelength_rms=float(np.sqrt(np.mean(miss[good] ** 2))),
        wavelength_worst=float(np.abs(miss[good]).max()),
        flux_ratio=ratio,
        flux_scatter=scatter,
    )


def over(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return a difference over its error, 0 for pixels without one (they are flagged)."""
    return np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)


def aligned(truth: Any, file: str, spectrum: Any) -> dict[str, np.ndarray]:
    """Return the truth on the pixels of a spectrum."""
    first = round((float(spectrum.meta["header"]["DISPPIX0"]) - truth.first) / truth.step)
    part = slice(first, first + len(spectrum.flux))
    return {name: np.array(values[part], dtype=float) for name, values in truth.of(file).items()}


def pixels(spectrum: Any) -> np.ndarray:
    """Return which pixels are judged: those not flagged as unusable or beyond the arc lines."""
    from alfosc_reduce import Flag

    flags = np.asarray(spectrum.meta["flags"])
    return ~np.asarray(spectrum.mask) & ((flags & int(Flag.EXTRAPOLATED_WAVELENGTH)) == 0)


def on_lines(sky: np.ndarray) -> np.ndarray:
    """Return where the sky stands above twice its running median."""
    from scipy.ndimage import median_filter

    return np.asarray(sky > 2 * median_filter(sky, 101))


def sky_residual(products: Products, frame: str) -> float:
    """Return the robust scatter of residual over error in rows without object."""
    from alfosc_reduce.images import usable, variance_of

    image, traces = products("sky", frame, "image"), products("objects", frame)
    rows = np.arange(image.shape[0])[:, None]
    near = np.zeros(image.shape[0], bool)
    for centre, fwhm in zip(traces.centres, traces.fwhm, strict=True):
        near |= np.abs(rows[:, 0] - np.median(centre)) < 6 * fwhm + np.ptp(centre)
    good = usable(image) & ~near[:, None]
    # The model was fitted to these pixels: their residuals scatter less than their noise by its variance.
    noise = variance_of(image)[good] - 2 * variance_of(products("sky", frame, "sky"))[good]
    return robust_std(np.asarray(image.data)[good] / np.sqrt(noise))


def response_error(products: Products, truth: Any, file: str) -> tuple[float, float]:
    """Return median and robust scatter of response over truth, minus one, outside telluric bands."""
    from alfosc_reduce_simulate.judgement import judged

    from alfosc_reduce import get_instrument

    response, true = products.all("response")[0], truth.of(file)
    row = truth.frames[list(truth.frames["file"]).index(file)]
    table = get_instrument("alfosc").extinction()
    curve = np.interp(true["wavelength"], table["wavelength"].value, np.array(table["extinction"], dtype=float))
    above = true["flux"] * 10 ** (-0.4 * float(row["airmass"]) * curve)
    step = np.gradient(true["wavelength"]) * row["exposure"].to_value("s")
    low, high = response.wavelengths
    use = (true["wavelength"] > low) & (true["wavelength"] < high) & judged(true["wavelength"])
    found = np.interp(true["wavelength"][use], response.wavelength, response.response)
    ratio = found * (step * above)[use] / true["electrons"][use]
    return float(np.median(ratio)) * truth.gain / products.all("detector")[0].gain - 1, robust_std(ratio)


def flux_error(products: Products, truth: Any, file: str, level: str) -> tuple[float, float]:
    """Return median ratio of calibrated flux and truth, and its scatter in bins of 25 pixels; nan for faint ones."""
    from alfosc_reduce_simulate.judgement import judged, nearest, slit_factor

    if level == f"SN{LEVELS[0]:.0f}":
        return np.nan, np.nan
    spectrum = nearest(truth, file, products("fluxcal", file.partition(".")[0]))
    true = aligned(truth, file, spectrum)
    factor = slit_factor(truth, file, 0, slice(0, true["flux"].size))
    good = pixels(spectrum) & judged(true["wavelength"])
    found, expected = spectrum.flux.value[good], (true["flux"] * factor)[good]
    if found.size < 50:
        return np.nan, np.nan
    bins = np.arange(0, found.size - 24, 25)
    ratio = np.add.reduceat(found, bins) / np.add.reduceat(expected, bins)
    return float(np.median(ratio)), robust_std(ratio)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names of nights; all by default")
    parser.add_argument("--list", action="store_true", help="list the nights")
    parser.add_argument("-o", "--folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chosen = [c for c in CASES if not arguments.names or c.name.startswith(tuple(arguments.names))]
    if arguments.list:
        print(*(case.name for case in chosen), sep="\n")
        return 0
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="simulated-nights-"))
    failed = 0
    for case in chosen:
        started = time.perf_counter()
        place = folder / f"{case.name}-{arguments.seed}"
        try:
            truth = make_and_reduce(case, place, arguments.seed, ("fluxcal",))
            print(measure(case, place, truth, time.perf_counter() - started), flush=True)
        except Exception as error:
            failed += 1
            print(f"{case.name:<28} FAILED: {type(error).__name__}: {error}", flush=True)
    print(f"nights in {folder}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
