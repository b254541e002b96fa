"""Full frames from raw to clean: what each calibration step of images costs, and how near it comes to the truth.

    python benchmarks/imaging_calibration.py [--keep FOLDER]

A night of 2148 x 2102 pixels in i is simulated (11 biases, 5 twilight flats with stars, 6 dithered exposures with
fringes), and each step called on it. The last lines put cosmic rays of the simulator on fields of stars of known width.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from alfosc_reduce import Flag, get_instrument, get_step

TIMES: dict[str, list[float]] = {}


def call(name: str, *inputs: Any, **named: Any) -> Any:
    step, start = get_step(name)(), time.process_time()
    result = step(*inputs, **named)
    TIMES.setdefault(name, []).append(time.process_time() - start)
    return result


def simulate(folder: Path) -> Any:
    from alfosc_reduce_simulate.imaging import Field, ImageSeries, ImagingNight, simulate_imaging_night

    series = (ImageSeries("field", Field(150.0, 28.0), band="i", seconds=300.0, count=6),)
    night = ImagingNight(series=series, n_bias=11, n_flat=5)
    if not list(folder.glob("*.fits")):
        simulate_imaging_night(night, folder)
    return night


def reduce(folder: Path, night: Any) -> None:
    read, frames = get_instrument("alfosc").read, {}
    for path in sorted(folder.glob("*.fits")):
        image = call("subtract_overscan", read(path))
        frames.setdefault(image.meta["FRAMEKND"], []).append(image)
    bias = call("combine_bias", frames["bias"])
    detector = call("measure_detector", frames["bias"], frames["imaging_flat"])
    print(f"gain {detector.gain:.4f} +- {detector.gain_error:.4f}, true {night.detector.gain}")
    flats, images = ([call("correct_frame", one, bias, None, detector) for one in frames[kind]]
                     for kind in ("imaging_flat", "image"))  # fmt: skip
    frames.clear()
    flat = call("combine_imaging_flat", flats)
    judge_flat(flat, night)
    images = [call("reject_cosmic_rays", call("divide_flat", image, flat)) for image in images]
    fringes = call("combine_fringes", images)
    judge_fringes(fringes, night)
    after = [call("subtract_fringes", image, fringes) for image in images]
    left = [image.meta["FRNGRES"] / image.meta["FRNGAMP"] for image in after]
    print(f"fringes left where the fit did not look: {100 * np.mean(left):.2f} % of their amplitude")


def part_of(image: Any) -> tuple[slice, slice]:
    x1, x2, y1, y2 = (int(number) for number in re.findall(r"\d+", image.meta["DETSEC"]))
    return slice(y1 - 1, y2), slice(x1 - 1, x2)


def even(ratio: np.ndarray) -> np.ndarray:
    from alfosc_reduce_imaging.flats.illumination import coordinates, fit_surface, surface

    v, u = (coordinates(np.arange(n), n) for n in ratio.shape)
    return ratio / surface(fit_surface(ratio), v, u)


def judge_flat(flat: Any, night: Any) -> None:
    from alfosc_reduce_simulate.imaging.response import flat_response

    truth = flat_response(night.detector, night.readout, "i")[part_of(flat)]
    good = (np.asarray(flat.flags) & int(Flag.OUTSIDE_FIELD | Flag.BAD_PIXEL | Flag.NO_FLAT)) == 0
    ratio = even(np.where(good, flat.data / truth, np.nan))
    error = np.where(good, np.sqrt(flat.uncertainty.array) / flat.data, np.nan)
    pull = ((ratio - 1) / error)[good]
    boxes = ratio[: 16 * (ratio.shape[0] // 16), : 16 * (ratio.shape[1] // 16)]
    boxes = boxes.reshape(boxes.shape[0] // 16, 16, -1, 16).mean((1, 3))
    expected = np.nanmedian(error) / 16
    outside = (np.asarray(flat.flags) & int(Flag.OUTSIDE_FIELD)) != 0
    print(f"flat: error {100 * np.nanmedian(error):.2f} %, pull {np.std(pull):.3f}, "
          f"beyond 5 sigma {np.mean(abs(pull) > 5):.1e}; "
          f"boxes of 16 pixels {100 * np.nanstd(boxes):.3f} % (expected {100 * expected:.3f}), worst "
          f"{100 * np.nanmax(abs(boxes - 1)):.2f} %")  # fmt: skip
    print(f"field: {100 * outside.mean():.2f} % outside, {100 * np.mean(truth < 0.5):.2f} % get less than half")


def judge_fringes(fringes: Any, night: Any) -> None:
    from alfosc_reduce_imaging.fringes.exposures import smooth_sky
    from alfosc_reduce_simulate.imaging.response import fringe_pattern

    truth = fringe_pattern(night.readout, "i")[part_of(fringes)]
    good = np.asarray(fringes.flags) == 0
    slope = np.sum(truth[good] * fringes.data[good]) / np.sum(fringes.data[good] ** 2)
    away = np.where(good, truth - slope * fringes.data, np.nan)
    # What is a surface of second degree is taken for sky, and goes with the background.
    left = np.nanstd(away - smooth_sky(away)) / np.std(truth[good])
    noise = slope * np.sqrt(np.median(fringes.uncertainty.array[good])) / np.std(truth[good])
    print(f"pattern of fringes: {100 * left:.1f} % of it wrong, {100 * noise:.1f} % are its noise")


def cosmic_rays() -> None:
    from alfosc_reduce_ccd.image_hits import image_hits
    from scipy.ndimage import binary_dilation

    print("cosmic rays: stars (FWHM, px), sky, found of pixels above 6 sigma on sky, flagged where none is")
    for fwhm, sky in ((1.4, 1000), (2.2, 300), (2.8, 300), (2.8, 3000), (4.7, 1000), (9.0, 1000)):
        rng = np.random.default_rng(1)
        stars, charge = field_of(rng, fwhm)
        data = rng.poisson(sky + stars) + rng.normal(0, 5.8, stars.shape) + charge
        bad = binary_dilation(data > 110000, np.ones((9, 7)))
        hit, _ = image_hits(data.astype(np.float32), bad, narrowest=max(1.2, 0.75 * fwhm))
        noise = np.sqrt(sky + stars + 34)
        there = (charge > 6 * noise) & (stars < noise) & ~bad
        false = hit & ~binary_dilation(charge > 0.5 * noise, np.ones((3, 3)))
        lit = stars > 3 * noise
        print(f"  {fwhm:.1f}  {sky:5d}  {100 * hit[there].mean():6.2f} % of {there.sum()}, {false.sum()} false, "
              f"{np.count_nonzero(false & lit)} of {lit.sum()} pixels of stars")  # fmt: skip


def field_of(rng: Any, fwhm: float) -> tuple[np.ndarray, np.ndarray]:
    from alfosc_reduce_simulate import cosmic_rays as simulator

    shape, over, reach = (1000, 1000), 5, int(6 * fwhm) + 6
    stars, charge = np.zeros(shape), np.zeros(shape)
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 3) - 1)
    for flux in np.geomspace(100, 5e6, 300):
        y0, x0 = rng.uniform(reach, 999 - reach, 2)
        y, x = (int(c) - reach + (np.arange((2 * reach + 1) * over) + 0.5) / over - 0.5 for c in (y0, x0))
        profile = (1 + ((x[None] - x0) ** 2 + (y[:, None] - y0) ** 2) / alpha2) ** -3
        size = 2 * reach + 1
        light = flux * 2 / (np.pi * alpha2 * over**2) * profile.reshape(size, over, size, over).sum((1, 3))
        stars[int(y0) - reach : int(y0) + reach + 1, int(x0) - reach : int(x0) + reach + 1] += light
    for _ in range(400):
        x, y, free = simulator._point(rng) if rng.uniform() < 0.35 else simulator._track(rng)
        row, column = (np.floor(rng.uniform(0, 1000) + track).astype(int) for track in (y, x))
        inside = (row >= 0) & (row < 1000) & (column >= 0) & (column < 1000)
        np.add.at(charge, (row[inside], column[inside]), free[inside])
    return stars, charge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder in which the raw night is kept and found again")
    chosen = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        reduce(folder, simulate(folder))
    for name, seconds in TIMES.items():
        print(f"{name:24s} {np.mean(seconds):6.3f} s of one processor, {len(seconds)} times")
    cosmic_rays()


if __name__ == "__main__":
    main()
