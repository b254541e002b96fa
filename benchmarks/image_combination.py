"""What the combination of images keeps and costs: fluxes, places, noise, time and memory, against the truth.

    python benchmarks/image_combination.py [--frames N] [--size NY NX]

First small frames with known stars, through every kernel and method: largest error of a flux and of a place, scatter
of blank pixels over their stated errors, the same for sums over 28 and 317 pixels with the factor of the header.
Then full frames on disk: seconds of processor time, and the largest memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from alfosc_reduce_imaging.combination.combination import CombineImages
from alfosc_reduce_imaging.combination.grid import Outline, common_grid
from alfosc_reduce_imaging.correlated_noise import noise_factor
from alfosc_reduce_imaging.registration.geometry import IDENTITY, PixelMap, similarity
from astropy.io.fits import Header
from astropy.nddata import CCDData
from astropy.table import QTable
from scipy.signal import fftconvolve

from alfosc_reduce import load, save
from alfosc_reduce.images import make_image
from alfosc_reduce.labour import protect

SHIFTS = ((3.5, -2.5), (-4.3, 6.1), (7.7, 3.25))
PLACES = {
    "shifts": [IDENTITY, *(similarity(1, 0, d) for d in SHIFTS)],
    "turns": [IDENTITY, *(similarity(1, r, d) for r, d in zip((0.3, -0.4, 5.0), SHIFTS, strict=True))],
    "scales": [IDENTITY, *(similarity(s, 0.3, d) for s, d in zip((1.03, 0.96, 1.01), SHIFTS, strict=True))],
}
SKY, SECONDS, READ_NOISE, FWHM = 30.0, 100.0, 4.3, 4.0


def frame(name: str, place: PixelMap, stars: Any, size: tuple[int, int], rng: np.random.Generator | None) -> CCDData:
    """Return a frame; without random numbers a perfect one."""
    mean = np.full(size, SKY * SECONDS)
    width = FWHM / 2.3548 / np.sqrt(place.area)
    for (x, y), rate in zip(place.inverse()(stars[:, :2]), stars[:, 2], strict=True):
        part = tuple(slice(max(int(c) - 22, 0), max(int(c) + 23, 0)) for c in (y, x))
        ys, xs = np.mgrid[part]
        r2 = (xs - x) ** 2 + (ys - y) ** 2
        mean[part] += SECONDS * rate / (2 * np.pi * width**2) * np.exp(-0.5 * r2 / width**2)
    data = mean if rng is None else rng.poisson(mean) + READ_NOISE * rng.normal(size=size)
    header = Header({"FILENAME": name, "EXPTIME": SECONDS, "GAIN": 0.16, "RDNOISE": READ_NOISE, "SATURATE": 1e6})
    return make_image(data, unit="electron", header=header, variance=mean + READ_NOISE**2)


def filelist(places: Sequence[PixelMap], size: tuple[int, int]) -> QTable:
    """Return the list of frames that are laid perfectly."""
    n = len(places)
    table = QTable({
        "file": [f"f{i}" for i in range(n)], "use": np.ones(n, bool), "reason": [""] * n,
        "zero_point_offset": np.zeros(n) * u.mag, "fwhm": np.full(n, FWHM) * u.pix,
        "seeing": np.full(n, 0.8) * u.arcsec,
        "nx": np.full(n, size[1]), "ny": np.full(n, size[0]), "bend": [place.bend.ravel() for place in places],
        "dx": [place.offset[0] for place in places] * u.pix, "dy": [place.offset[1] for place in places] * u.pix,
    })  # fmt: skip
    for k, name in enumerate(("xx", "xy", "yx", "yy")):
        table[name] = [place.matrix.ravel()[k] for place in places]
    table.meta["REFERENCE"] = "f0"
    return table


def star_errors(places: Sequence[PixelMap], resampling: Any) -> tuple[float, float]:
    """Return the largest relative error of a flux, and error of a place in pixels."""
    rng = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(*[np.linspace(50, 250, 5)] * 2), axis=-1).reshape(-1, 2)
    stars = np.column_stack([grid + rng.uniform(-0.5, 0.5, grid.shape), rng.uniform(500, 2000, 25)])
    frames = [frame(f"f{i}", place, stars, (300, 300), None) for i, place in enumerate(places)]
    step = CombineImages(method="mean", resampling=resampling, area="intersection")
    image = step(frames, filelist(places, (300, 300)))
    origin = common_grid([Outline(place, (300, 300)) for place in places], "intersection")
    y, x = np.indices(image.shape)
    flux, miss = [], []
    for x0, y0 in stars[:, :2] - [origin.x0, origin.y0]:
        part = np.hypot(x - x0, y - y0) < 12
        light = image.data[part].astype(float)
        flux.append(light.sum())
        miss.append([np.sum(light * (a[part] - c)) / light.sum() for a, c in ((x, x0), (y, y0))])
    return float(np.abs(np.array(flux) / stars[:, 2] - 1).max()), float(np.abs(miss).max())


def noise_errors(places: Sequence[PixelMap], method: Any, resampling: Any, seeds: int = 4) -> list[float]:
    """Return scatter over stated error of pixels, and of sums over 28 and 317 of them."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        frames = [frame(f"f{i}", place, np.empty((0, 3)), (400, 400), rng) for i, place in enumerate(places)]
        step = CombineImages(method=method, resampling=resampling, area="intersection", sky="level")
        image = step(frames, filelist(places, (400, 400)))
        data, variance = (np.asarray(p[20:-20, 20:-20], float) for p in (image.data, image.uncertainty.array))
        data = data - data.mean()
        row = [np.mean(data**2 / variance)]
        for radius in (3, 10):
            y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
            disc = np.hypot(y, x) <= radius
            total, spread = (fftconvolve(plane, disc, "valid") for plane in (data, variance))
            row.append(np.mean(total**2 / spread) / float(noise_factor(disc.sum(), image.meta)) ** 2)
        found.append(row)
    return [float(v) for v in np.sqrt(np.mean(found, axis=0))]


class OnDisk(list[Any]):
    """Frames that are read when they are looked at, as the executor gives them."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Any) -> Any:
        image = load(self.folder / f"f{index}.fits", memmap=True)
        protect(image)
        return image


def cost(places: Sequence[PixelMap], size: tuple[int, int], folder: Path) -> str:
    """Combine full frames and return what it cost."""
    for i, place in enumerate(places):
        if not (folder / f"f{i}.fits").exists():
            save(frame(f"f{i}", place, np.empty((0, 3)), size, np.random.default_rng(i)), folder / f"f{i}.fits")
    before = time.process_time()
    CombineImages()(OnDisk(folder, len(places)), filelist(places, size))
    seconds = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{seconds:5.1f} s of processor time, process at most {memory:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(2102, 2148))
    chosen = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        moves = rng.uniform(-60, 60, (chosen.frames - 1, 2))
        turns = 0.02 * rng.normal(size=chosen.frames - 1)
        full = {
            "shifted": [IDENTITY, *(similarity(1, 0, d) for d in moves)],
            "turned": [IDENTITY, *(similarity(1, r, d) for r, d in zip(turns, moves, strict=True))],
        }
        for name, places in full.items():
            print(f"{chosen.frames} full frames, {name}: {cost(places, tuple(chosen.size), Path(folder))}")
    print("\nframes   kernel        worst flux   worst place (pixels)")
    for name, places in PLACES.items():
        for resampling in ("interpolate", "conserve"):
            flux, place = star_errors(places, resampling)
            print(f"{name:8s} {resampling:12s} {100 * flux:9.3f} %   {place:.4f}")
    print("\nframes   kernel       method    scatter over error: pixels, 28 and 317 pixels summed")
    for name, places in PLACES.items():
        for method, resampling in (*((m, "interpolate") for m in ("mean", "median", "clipped")), ("mean", "conserve")):
            found = "   ".join(f"{v:.3f}" for v in noise_errors(places, method, resampling))
            print(f"{name:8s} {resampling:12s} {method:8s}  {found}")


if __name__ == "__main__":
    main()
