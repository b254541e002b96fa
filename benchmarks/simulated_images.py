"""Reduce simulated nights of ALFOSC images as a user would, and measure the results against the truth.

    python benchmarks/simulated_images.py [NAME ...] [--list] [-o WORK FOLDER] [--binning N] [--jobs N]

prints one line a number, with the limit that it must keep; then time and memory. The same functions serve the tests.
A night has four dithered images of 120 s in r, five twilight flats, eleven biases of the whole detector; the field has
stars, galaxies, 25 transients of a signal to noise of 10 and more, a variable and a moving object. The night
`isolated` has stars of a signal to noise of some 50 and nothing else: what photometry is held to.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measures import Measure

FEWEST = 12
"""Stars that a number of a night is judged by."""
ENOUGH = 500
"""Stars that tell a pull to 0.03."""
FAINT = 22.5
"""Magnitude of the brightest of the faint transients; the faintest is fainter by 0.4."""
BAT, XRT = (20.0, -10.0, 1.5), (30.0, 15.0, 6.0)
"""Circles: arc seconds east and north of the middle of the field; radius in arc minutes, arc seconds."""
CASES: dict[str, dict[str, Any]] = {
    "dec0": {"declination": 0.0, "seed": 2},
    "dec28": {"declination": 28.0, "seed": 3},
    "dec75": {"declination": 75.0, "seed": 4},
    "ra0": {"declination": 28.0, "ra": 0.02, "seed": 6},
    "off": {"declination": 28.0, "seed": 9, "pointing_error": (85.0, -85.0), "angle_error": 5.0},
    "crowded": {"declination": 10.0, "seed": 8, "stars": 2500},
    "isolated": {"declination": 20.0, "seed": 10, "stars": 800, "galaxies": 0, "magnitudes": (17.5, 21.9)},
    "sparse": {"declination": 60.0, "seed": 7, "stars": 40, "galaxies": 20},
}
"""Nights by name."""


def night_of(
    declination: float,
    ra: float = 160.0,
    seed: int = 5,
    *,
    stars: int = 500,
    galaxies: int = 150,
    binning: int = 1,
    faint: float = FAINT,
    magnitudes: tuple[float, float] = (12.5, 23.5),
    **changes: Any,
) -> Any:
    """Return the night of a case; `changes` are attributes of the `ImagingNight`."""
    from alfosc_reduce_simulate import Readout
    from alfosc_reduce_simulate.imaging import Field, Injected, demo_imaging_night

    base = demo_imaging_night(declination, ra, seed)
    changing = tuple(one for one in base.series[0].field.injected if one.kind != "transient")
    brightest, faintest = magnitudes
    field = Field(ra, declination, stars, galaxies, brightest, faintest, slope=0.14, seed=seed, injected=changing)
    field = replace(field, injected=(Injected(31.0, 14.0, 21.0), *transients(field, 24, faint), *changing))
    series = replace(base.series[0], target="Simulated field", field=field)
    return replace(base, series=(series,), readout=Readout(binning=(binning, binning)), **changes)


def transients(field: Any, number: int, faint: float) -> tuple[Any, ...]:
    """Return transients, up to 0.4 mag fainter than `faint`, apart from all that is in the field."""
    from alfosc_reduce_simulate.imaging import Injected
    from alfosc_reduce_simulate.imaging.field import sources_of
    from alfosc_reduce_simulate.imaging.sphere import to_plane

    sources = sources_of(field)
    there = np.stack(to_plane(sources["ra"].value, sources["dec"].value, (field.ra, field.dec)), axis=1)
    room = np.where(sources["mag_r"].value < 17.5, 20.0, 6.0)
    rng, found = np.random.default_rng((field.seed, 3)), np.zeros((0, 2))
    while len(found) < number:
        place = rng.uniform(-175, 175, 2)
        free = np.all(np.hypot(*(there - place).T) > room) and np.hypot(*place) < 200
        if free and (not len(found) or np.hypot(*(found - place).T).min() > 12):
            found = np.vstack([found, place])
    return tuple(Injected(*map(float, place), faint + 0.4 * rng.uniform(), 0.3) for place in found)


def make(night: Any, folder: Path) -> None:
    """Write raw frames, truth and catalogues, the table of frames and a recipe; what is there is not made again."""
    from alfosc_reduce_simulate.imaging.demo import EXACT, TRUTH, with_parameter, write_imaging_night
    from alfosc_reduce_simulate.imaging.sphere import moved

    from alfosc_reduce.initialisation import initialise

    if not (folder / TRUTH).exists():
        write_imaging_night(night, folder)
    initialise("phot", [str(folder / "raw")], folder, overwrite=True)
    text = (folder / "recipe.toml").read_text()
    field = night.series[0].field
    for step in ("catalog", "photometric_catalog"):
        text = with_parameter(text, step, "catalogs", f'["file:{EXACT}"]')
    for name, (east, north, radius) in (("bat", BAT), ("xrt", XRT)):
        ra, dec = moved(field.ra, field.dec, east, north)
        text = with_parameter(text, "new", name, f'"{float(ra)} {float(dec)} {radius}"')
    (folder / "recipe.toml").write_text(text)


def run(folder: Path, *words: str) -> tuple[float, float]:
    """Reduce a night in fresh processes; return wall time in seconds and the largest memory of all of them in MB."""
    command = [sys.executable, "-m", "alfosc_reduce", "run", str(folder / "recipe.toml"), "--quiet", *words]
    started, largest = time.perf_counter(), 0.0
    process = subprocess.Popen(command)
    watch = threading.Thread(target=process.wait)
    watch.start()
    while watch.is_alive():
        largest = max(largest, memory(process.pid))
        watch.join(0.1)
    return time.perf_counter() - started, largest


def memory(pid: int) -> float:
    """Return what a process and its children hold, in MB, shared pages counted once; 0 where nobody tells."""
    total = 0.0
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return total


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]


def verdict(folder: Path) -> Any:
    """Return what the judge says of the one field of a reduced night."""
    from alfosc_reduce_simulate.imaging.judgement import judge_night

    from alfosc_reduce import load

    return judge_night(load(folder / "truth.fits"), folder / "reduced")[0]


def noise(folder: Path, combined: Any = None) -> Any:
    """Return what the judge says of the noise of an image on the pixels of the published one, by default of that."""
    from alfosc_reduce_imaging.correlated_noise import noise_factor
    from alfosc_reduce_simulate.imaging.judgement import true_sources
    from alfosc_reduce_simulate.imaging.noise import BOX, judge_noise

    from alfosc_reduce import load
    from alfosc_reduce.images import header_wcs, usable, variance_of

    truth = load(folder / "truth.fits")
    image = load(next(path for path in sorted((folder / "reduced").glob("*/*_r_SDSS.fits"))))
    true = true_sources(truth, "Simulated field", "r")
    x, y = header_wcs(image.meta).all_world2pix(true["ra"].value, true["dec"].value, 0)
    image = image if combined is None else combined
    factor = float(noise_factor(BOX**2, image.meta))
    reach = 5.0 / (0.2138 * truth.binning[0])
    return judge_noise(np.asarray(image.data), variance_of(image), usable(image), x, y, reach=reach, correlation=factor)


def products(folder: Path, step: str, output: str = "result") -> list[Any]:
    """Return what a step made, from the store, by the order of its tasks."""
    from alfosc_reduce import load
    from alfosc_reduce.reduction import Choices, look_ahead, prepare

    run = look_ahead(prepare(folder / "recipe.toml", Choices()))
    names = sorted(name for name in run.results if name.startswith(f"{step}["))
    return [load(run.store.product(run.results[name].key, output)) for name in names]


def other_methods(name: str, folder: Path) -> Iterator[Measure]:
    """Yield the noise of the mean and of the median of the same frames."""
    from alfosc_reduce import get_step

    images, filelist = products(folder, "trails"), products(folder, "register")[0]
    for method in ("mean", "median"):
        found = noise(folder, get_step("combine_images")(method=method)(images, filelist))
        yield Measure(f"{name}: noise of the {method}, pixels, over expected", found.pixel, 0.97, 1.03)
        yield Measure(f"{name}: noise of the {method}, {found.boxes} sums", found.box, 0.97, 1.03)


def one_image(name: str, folder: Path) -> Measure:
    """Return how long it takes from an image to its calibrated catalogue, in seconds of one processor."""
    from alfosc_reduce import get_step

    image, reference = products(folder, "combine")[0], products(folder, "catalog")[0]
    started = time.process_time()
    sources = get_step("measure_sources")()(image).sources
    solved = get_step("solve_wcs")()(image, sources, reference)
    get_step("measure_zero_point")()(solved.image, solved.sources, reference)
    return Measure(
        f"{name}: one image to its calibrated catalogue (s of processor)", time.process_time() - started, 0, 4
    )


def quality(folder: Path, step: str) -> dict[str, Any]:
    """Return the quality numbers of the first task of a step."""
    tasks = json.loads((folder / "reduced" / "qc.json").read_text())["tasks"]
    return next((task["quality"] for task in tasks if task["step"] == step), {})


def measures(name: str, folder: Path) -> Iterator[Measure]:
    """Yield every number of a night that it has the stars for, with its limit.

    The pull of some hundred stars scatters by 0.06: in a single night its limits are wider by two standard errors;
    `together` holds all nights to the limits themselves.
    """
    found = verdict(folder)
    if found.sky.number >= FEWEST:
        yield Measure(f"{name}: WCS, rms over the field (arcsec)", found.sky.rms, 0, 0.005)
        yield Measure(f"{name}: WCS, worst (arcsec)", found.sky.worst, 0, 0.02)
    aperture = found.magnitudes[0]
    yield Measure(f"{name}: zero point less truth (mag)", aperture.zero_point, -0.003, 0.003)
    yield from colour_term(name, folder)
    for one in found.magnitudes:
        if one.name == "mag_auto" or min(one.faint, one.weak) < FEWEST:
            continue
        yield bias(f"{name}: {one.name}", one.bias, one.bias_error, one.faint)
        wide = 0.1 + 2 * one.pull_error
        yield Measure(f"{name}: {one.name}, (measured - true) / error, {one.weak} stars", one.pull, 1 - wide, 1 + wide)
    pixels = noise(folder)
    yield Measure(f"{name}: noise of the combined image, pixels, over expected", pixels.pixel, 0.97, 1.03)
    yield Measure(f"{name}: noise of the combined image, {pixels.boxes} sums", pixels.box, 0.97, 1.03)
    yield Measure(f"{name}: seeing over truth, worst frame, less 1", found.seeing, -0.03, 0.03)
    if found.new and found.new.injected:
        share = found.new.found / max(found.new.injected, 1)
        yield Measure(f"{name}: new sources, found of {found.new.injected}", share, 0.95, 1)
        yield Measure(f"{name}: new sources, false", found.new.false, 0, 0.9)
        yield Measure(f"{name}: new sources, in a wrong class", found.new.misjudged or 0, 0, 0)


def bias(name: str, value: float, error: float, stars: int) -> Measure:
    """Return the bias of magnitudes at a signal to noise near 50; its limit is wider by three standard errors."""
    wide = 0.002 + 3 * error
    return Measure(f"{name}, bias at S/N 50, {stars} stars, +- {error:.4f} (mag)", value, -wide, wide)


def together(found: Sequence[Any]) -> Iterator[Measure]:
    """Yield what the stars of all nights say of magnitudes, given the verdicts on each."""
    for name in ("mag_aper", "mag_psf"):
        each = [one for night in found for one in night.magnitudes if one.name == name and one.faint >= FEWEST]
        if sum(one.weak for one in each) < ENOUGH:
            continue
        weak, weight = np.array([one.weak for one in each]), np.array([one.bias_error for one in each]) ** -2.0
        pull = np.sqrt(np.average(np.square([one.pull for one in each]), weights=weak))
        yield Measure(f"all nights: {name}, (measured - true) / error, {weak.sum()} stars", float(pull), 0.9, 1.1)
        mean = float(np.average([one.bias for one in each], weights=weight))
        yield bias(f"all nights: {name}", mean, float(weight.sum() ** -0.5), sum(one.faint for one in each))


def colour_term(name: str, folder: Path) -> Iterator[Measure]:
    """Yield by how many of its errors the colour term is off."""
    from alfosc_reduce import load

    truth = load(folder / "truth.fits")
    numbers = quality(folder, "zero_point")
    term, error = numbers.get("colour_term"), numbers.get("colour_term_error")
    if term is not None and error:
        off = (term - float(truth.bands["colour_term"][0])) / error
        yield Measure(f"{name}: colour term less truth ({term:+.4f} +- {error:.4f}), sigma", off, -2, 2)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of nights; all by default")
    parser.add_argument("--list", action="store_true", help="list the nights")
    parser.add_argument("-o", "--folder", type=Path)
    parser.add_argument("--binning", type=int, default=1)
    parser.add_argument("--jobs", default="2")
    arguments = parser.parse_args()
    if arguments.list:
        print(*CASES, sep="\n")
        return 0
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="simulated-images-"))
    names = arguments.names or list(CASES)
    failed = sum(print_case(name, folder, arguments.binning, arguments.jobs) for name in names)
    judged = [*together([verdict(folder_of(name, folder, arguments.binning)) for name in names])]
    failed += sum(not one.passed for one in judged)
    print("", *judged, sep="\n")
    print(f"nights in {folder}; {failed} numbers out of their limits")
    return int(failed > 0)


def folder_of(name: str, folder: Path, binning: int) -> Path:
    """Return where a night lies."""
    return folder / (name if binning == 1 else f"{name}-{binning}")


def print_case(name: str, folder: Path, binning: int, jobs: str) -> int:
    """Simulate, reduce and judge a night; return how many numbers are out of their limits."""
    place = folder_of(name, folder, binning)
    started = time.perf_counter()
    make(night_of(binning=binning, **CASES[name]), place)
    print(f"\n{name}: simulated and classified in {time.perf_counter() - started:.1f} s", flush=True)
    seconds, megabytes = run(place, "--jobs", jobs)
    try:
        found = [*measures(name, place)]
    except Exception as error:
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        return 1
    if binning == 1:
        found += [*other_methods(name, place), one_image(name, place)] if name == "dec28" else []
        found.append(Measure(f"{name}: raw frames to magnitudes, {jobs} processes (s)", seconds, 0, 15))
        found.append(Measure(f"{name}: largest memory of all processes (MB)", megabytes, 0, 800))
    print(*found, sep="\n", flush=True)
    return sum(not one.passed for one in found)


if __name__ == "__main__":
    sys.exit(main())
