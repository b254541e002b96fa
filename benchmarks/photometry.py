"""How well and how fast stars are measured: fields of Moffat stars with known fluxes, on full frames.

    python benchmarks/photometry.py [--fields N] [--seeing PIXELS ...]

prints for each seeing: seeing over truth, bias and pulls of total fluxes (aperture and point spread function) by signal
to noise, spurious sources, pulls of forced photometry on empty sky, and the seconds of CPU of find_stars,
measure_sources and force_photometry on one core. `sources_beside_photutils.py` puts the pieces beside photutils.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from scenes import READ_NOISE, SHAPE, SKY, add_stars, fluxes
from scipy.spatial import KDTree

from alfosc_reduce import get_step
from alfosc_reduce.images import make_image

RANGES = ((10, 30), (30, 100), (100, 1000))


@dataclass
class Stars:
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    image: Any


def field(fwhm: float, number: int, seed: int) -> Stars:
    """Return isolated stars on a grid, brighter ones less common; 6 per cent wider in the corners."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(number)))
    grid = np.meshgrid((np.arange(side) + 0.5) * SHAPE[1] / side, (np.arange(side) + 0.5) * SHAPE[0] / side)
    x, y = (one.ravel()[:number] + rng.uniform(-6, 6, number) for one in grid)
    flux = fluxes(rng, number, 1500)
    light = np.full(SHAPE, SKY)
    add_stars(light, x, y, flux, fwhm)
    data = rng.poisson(light) + rng.normal(0, READ_NOISE, SHAPE)
    header = fits.Header({"EXPTIME": 100.0, "PIXSCALE": 0.2138, "FILENAME": "field.fits"})
    variance = np.maximum(data, 0) + READ_NOISE**2
    return Stars(x, y, flux, make_image(data, unit="electron", header=header, variance=variance))


def timed(name: str, *inputs: Any, **parameters: Any) -> tuple[Any, float]:
    start = time.process_time()
    result = get_step(name)(**parameters)(*inputs)
    return result, time.process_time() - start


def judge(stars: Stars, sources: Any) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """Return flux over truth less one, and pulls, by kind and range of signal to noise."""
    distance, index = KDTree(np.column_stack([stars.x, stars.y])).query(
        np.column_stack([sources["x"].value, sources["y"].value])
    )
    found = {}
    for kind in ("aper", "psf"):
        flux, error, truth = sources[f"flux_{kind}"].value, sources[f"flux_{kind}_error"].value, stars.flux[index]
        for i, (low, high) in enumerate(RANGES):
            use = (distance < 2) & (truth > low * error) & (truth < high * error)
            found[kind, i] = (flux[use] / truth[use] - 1, (flux - truth)[use] / error[use])
    found["spurious", 0] = (np.count_nonzero(distance > 3) * np.ones(1), np.zeros(1))
    return found


def report(fwhm: float, number: int) -> None:
    truth = np.hypot(fwhm, 0.68)
    seeing, seconds, found, forced = [], [], [], []
    for seed in range(number):
        stars = field(fwhm, 900, seed)
        table, first = timed("find_stars", stars.image)
        (sources, _), second = timed("measure_sources", stars.image)
        rng = np.random.default_rng(seed)
        empty = rng.uniform(60, 2040, (400, 2))
        far = KDTree(np.column_stack([stars.x, stars.y])).query(empty)[0] > 25
        places = tuple(f"{x:.3f} {y:.3f} pix" for x, y in empty[far])
        fluxes, third = timed("force_photometry", stars.image, positions=places)
        seeing.append(table.meta["SEEINGPX"] / truth / 1.015)
        seconds.append((first, second, third))
        found.append(judge(stars, sources))
        forced.append(fluxes["flux_psf"].value / fluxes["flux_psf_error"].value)
    print(f"seeing {fwhm} pixels: measured over truth {np.mean(seeing):.3f}; seconds of find_stars, measure_sources, "
          f"force_photometry {np.round(np.mean(seconds, axis=0), 2)}")  # fmt: skip
    for kind in ("aper", "psf"):
        for i, (low, high) in enumerate(RANGES):
            bias, pull = (np.concatenate([one[kind, i][part] for one in found]) for part in (0, 1))
            weight = np.square(pull / bias)
            mean = 1.0857 * np.average(bias, weights=weight)
            print(f"  flux_{kind:4}  S/N {low:3}-{high:4}: {len(bias):4} stars, bias {mean:+.4f} +- "
                  f"{1.0857 / np.sqrt(weight.sum()):.4f} mag, pull {np.std(pull):.3f}")  # fmt: skip
    spurious = sum(one["spurious", 0][0][0] for one in found)
    empty_pull = np.concatenate(forced)
    print(f"  spurious sources a field {spurious / number:.1f}; forced on empty sky: pull {np.std(empty_pull):.3f}, "
          f"mean {np.mean(empty_pull):+.3f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fields", type=int, default=2)
    parser.add_argument("--seeing", type=float, nargs="+", default=[2.5, 4.5, 8.0])
    arguments = parser.parse_args()
    for fwhm in arguments.seeing:
        report(fwhm, arguments.fields)


if __name__ == "__main__":
    main()
