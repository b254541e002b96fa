"""Reduce the real ALFOSC night as a user would, and measure the result against what is known of it.

    python benchmarks/real_night.py [FOLDER OF RAW FRAMES] [-o WORK FOLDER]

prints one line a number, with the limit that it must keep. The same functions serve the tests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measures import Measure

KINDS = {"bias": 30, "flat": 5, "arc": 2, "object": 2, "standard": 2}
OI_LINES = {"[OI] 5577": 5578.887, "[OI] 6300": 6302.046}
"""Vacuum wavelengths in Angstrom, from the NIST Atomic Spectra Database."""
TELLURIC = ((6270, 6330), (6860, 6970), (7160, 7400), (7570, 7720), (8110, 8380), (8920, 9900))
TARGET, STANDARD = "GQ125005+280041", "HD84937"


def reduce_night(raw: Path, folder: Path) -> None:
    """Run ``init`` and ``run`` on a folder of raw frames, in fresh processes."""
    command = [sys.executable, "-m", "alfosc_reduce"]
    subprocess.run([*command, "init", "spec", str(raw), "-o", str(folder)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*command, "run", str(folder / "recipe.toml"), "--quiet"], check=True)


def all_measures(folder: Path) -> Iterator[Measure]:
    """Yield every number of the real night from its reduced folder."""
    yield from classification(folder)
    yield from arcs(folder)
    yield from sky_lines(folder)
    yield from oxygen(folder)
    yield places(folder)
    yield from sky_noise(folder)
    yield from objects(folder)
    yield difference_of_exposures(folder)
    yield standard_against_table(folder)
    yield from response(folder)
    yield slit_loss(folder)


def quality(folder: Path, step: str) -> dict[str, dict[str, Any]]:
    """Return the quality numbers of all tasks of a step, by label."""
    document = json.loads((folder / "reduced" / "qc.json").read_text())
    return {task["label"]: task["quality"] for task in document["tasks"] if task["step"] == step}


def product(folder: Path, step: str, frame: str, output: str = "result") -> Any:
    """Return a product from the store, for what is not published."""
    from alfosc_reduce import load
    from alfosc_reduce.reduction import Choices, look_ahead, prepare

    run = look_ahead(prepare(folder / "recipe.toml", Choices()))
    return load(run.store.product(run.results[f"{step}[{frame}]"].key, output))


def classification(folder: Path) -> Iterator[Measure]:
    """Count the frames of each kind."""
    from astropy.table import Table

    kinds = list(Table.read(folder / "frames.ecsv")["kind"])
    for kind, number in KINDS.items():
        yield Measure(f"frames classified as {kind}", kinds.count(kind), number, number)


def arcs(folder: Path) -> Iterator[Measure]:
    """Look at the fit of each arc."""
    for label, numbers in quality(folder, "wavelengths").items():
        yield Measure(f"arc rms in px ({label})", numbers["rms_px"], 0, 0.09)
        yield Measure(f"arc lines ({label})", numbers["n_lines"], 30, 200)


def sky_lines(folder: Path) -> Iterator[Measure]:
    """Measure where the [OI] lines fall in the extracted sky."""
    for frame in ("ALDc200205", "ALDc200206"):
        spectrum = product(folder, "extract", frame)[0]
        wave = spectrum.spectral_axis.value
        for name, truth in OI_LINES.items():
            offset = centroid(wave, spectrum.meta["columns"]["SKY"].value, truth) - truth
            yield Measure(f"{name} offset in A ({frame})", offset, -0.7, 0.7)


def oxygen(folder: Path) -> Iterator[Measure]:
    """Where the [OI] lines fall by the profile of the slit, and how well whole bands of lines are foretold."""
    for frame in ("ALDc200205", "ALDc200206"):
        for name, key in (("[OI] 5577", "sky_line_5579_offset"), ("[OI] 6300", "sky_line_6302_offset")):
            yield Measure(
                f"{name} offset in A, as arc lines ({frame})", quality(folder, "sky")[frame][key], -0.15, 0.15
            )
        band = quality(folder, "flexure")[frame]["flexure_left_out_band_px"]
        yield Measure(f"worst band of OH or [OI] without itself, px ({frame})", band, 0, 0.046)


def places(folder: Path) -> Measure:
    """How far apart the two exposures put the target on the sky."""
    east, north = (
        [quality(folder, "objects")[frame][key] for frame in ("ALDc200205", "ALDc200206")]
        for key in ("object_ra_deg", "object_dec_deg")
    )
    apart = 3600 * np.hypot((east[1] - east[0]) * np.cos(np.radians(north[0])), north[1] - north[0])
    return Measure("the target's place on the sky in two exposures, arcsec apart", float(apart), 0, 1)


def centroid(wave: np.ndarray, sky: np.ndarray, near: float) -> float:
    """Return the flux-weighted centre of a line over a straight continuum, within 16 A."""
    side = (np.abs(wave - near) > 20) & (np.abs(wave - near) < 60)
    line = np.abs(wave - near) < 16
    continuum = np.polyval(np.polyfit(wave[side] - near, sky[side], 1), wave - near)
    weight = (sky - continuum)[line]
    return float(np.sum(weight * wave[line]) / np.sum(weight))


def robust_std(values: np.ndarray) -> float:
    """Return 1.4826 times the median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def sky_noise(folder: Path) -> Iterator[Measure]:
    """Compare the residual of the sky in rows without object with its error, 3500-9100 A."""
    from alfosc_reduce.images import usable, variance_of

    for frame in ("ALDc200205", "ALDc200206"):
        image = product(folder, "sky", frame, "image")
        traces = product(folder, "objects", frame)
        extracted = product(folder, "extract", frame)[0]
        wave = extracted.spectral_axis.value
        rows = np.arange(image.shape[0])
        blank = np.abs(rows - np.median(traces.centres[0])) > 5 * traces.fwhm[0]
        good = usable(image) & blank[:, None] & ((wave > 3500) & (wave < 9100))[None, :]
        pull = (np.asarray(image.data) / np.sqrt(variance_of(image)))[good]
        yield Measure(f"sky residual / sigma ({frame})", robust_std(pull), 0.95, 1.05)


def objects(folder: Path) -> Iterator[Measure]:
    """Count the objects on each frame."""
    for frame in ("ALDc200205", "ALDc200206", "ALDc200086", "ALDc200087"):
        yield Measure(f"objects ({frame})", len(product(folder, "objects", frame)), 1, 1)


def difference_of_exposures(folder: Path) -> Measure:
    """Compare the difference of the two exposures, scaled to each other, with its error, 4000-9000 A."""
    first, second = (product(folder, "extract", frame)[0] for frame in ("ALDc200205", "ALDc200206"))
    wave = first.spectral_axis.value
    flux, variance, good = interpolated(second, wave)
    use = good & ~first.mask & (wave > 4000) & (wave < 9000)
    centre = np.median(wave[use])
    smooth = np.polynomial.Polynomial.fit(
        wave[use] - centre, first.flux.value[use] / np.median(first.flux.value[use]), 3
    )
    other = np.polynomial.Polynomial.fit(wave[use] - centre, flux[use] / np.median(first.flux.value[use]), 3)
    scale = smooth(wave - centre) / other(wave - centre)
    pull = (first.flux.value - scale * flux) / np.sqrt(first.uncertainty.array + scale**2 * variance)
    return Measure("(exposure 1 - exposure 2) / sigma", robust_std(pull[use]), 0.9, 1.1)


def interpolated(spectrum: Any, wave: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return flux, its variance and where it is usable, interpolated linearly to other wavelengths."""
    own = spectrum.spectral_axis.value
    right = np.clip(np.searchsorted(own, wave), 1, len(own) - 1)
    weight = np.clip((wave - own[right - 1]) / (own[right] - own[right - 1]), 0, 1)
    flux, variance = spectrum.flux.value, spectrum.uncertainty.array
    good = ~spectrum.mask[right] & ~spectrum.mask[right - 1]
    return (
        (1 - weight) * flux[right - 1] + weight * flux[right],
        (1 - weight) ** 2 * variance[right - 1] + weight**2 * variance[right],
        good,
    )


def standard_against_table(folder: Path) -> Measure:
    """Compare the calibrated standard with its table in the table's own bins, 4000-8800 A outside telluric bands."""
    from alfosc_reduce import get_instrument

    spectrum = product(folder, "fluxcal", "ALDc200086")[0]
    table = get_instrument("alfosc").standard(spectrum.meta["header"]).table
    wave, flux = spectrum.spectral_axis.value, spectrum.flux.value
    ratios = [
        np.mean(flux[inside]) / row["flux"].value
        for row in table
        if 4000 < row["wavelength"].value < 8800
        and not any(a - 30 < row["wavelength"].value < b + 30 for a, b in TELLURIC)
        and np.sum(inside := np.abs(wave - row["wavelength"].value) < max(row["width"].value, 20) / 2) > 2
    ]
    return Measure("standard against its table, rms in %", 100 * float(np.std(ratios)), 0, 1.5)


def response(folder: Path) -> Iterator[Measure]:
    """Say how well bins of the star's table are foretold that the response did not know, and what frames differ by."""
    (numbers,) = quality(folder, "response").values()
    for name, key, high in (
        ("response, bins left out, better exposure, %", "rms_cross_validated_percent", 1.0),
        ("response, bins left out, exposures together, %", "rms_cross_validated_all_percent", 0.8),
        ("what the exposures differ by, of one, %", "frames_differ_percent", 0.6),
        ("response in Balmer lines, %", "rms_balmer_percent", 2.0),
    ):
        yield Measure(name, numbers[key], 0, high)


def slit_loss(folder: Path) -> Measure:
    """Return the light that the second standard exposure caught, relative to the first."""
    from astropy.table import QTable

    paths = list((folder / "reduced" / "calib").glob("response_*.fits"))
    frames = QTable.read(paths[0], hdu="FRAMES")
    scale = {str(row["frame"]).removesuffix(".fits"): float(row["scale"]) for row in frames}
    return Measure("light caught by the second standard exposure", scale["ALDc200087"], 0.40, 0.48)


def main() -> int:
    """Print all measures; exit non-zero if one is out of its limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", nargs="?", default="../shared/data/alfosc-longslit", type=Path)
    parser.add_argument("-o", "--folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="real-night-"))
    if not (folder / "reduced" / "qc.json").exists():
        reduce_night(arguments.raw, folder)
    passed = True
    for measure in all_measures(folder):
        print(measure, flush=True)
        passed &= measure.passed
    print(f"products in {folder}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
