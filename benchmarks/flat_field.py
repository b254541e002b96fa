"""What the flat of the real night is good for, wavelength by wavelength: regress what pixels really do on the flat.

    python benchmarks/flat_field.py [FOLDER OF RAW FRAMES]

Two light sources that are no lamp tell how pixels respond: the night sky of the two science exposures (residuals after
a smooth sky, relative to it), and the two exposures of the standard star (rows of its image relative to each other, all
structure longer than 31 columns taken off). Either is regressed on the flat less one, and no frame is divided by a flat
before. A slope of 1 says that dividing by the flat does what it should; 0 that the flat holds structure which the light
does not have; below 0.5 division does more harm than good. Then the two exposures of the standard star are divided by
flats used over different ranges, and compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

EDGES = (3700, 4000, 4300, 4600, 4900, 5200, 5600, 6000, 6500, 7000, 7500, 8000, 8400, 8800, 9200, 9600)
SCIENCE, STANDARD, ARC = ("ALDc200205", "ALDc200206"), ("ALDc200086", "ALDc200087"), "ALDc200088"
FLATS, BIASES = range(200337, 200342), range(210004, 210020)
HIGH_PASS = 31


@dataclass(frozen=True)
class Flat:
    """Two flats and what is known of their light, shape (ny, nx); the lamp's share of each column, shape (nx,).

    `fixed` is half of the frames over the smooth model, `other` the other half: their product has no bias by noise.
    """

    fixed: np.ndarray
    other: np.ndarray
    lit: np.ndarray
    fraction: np.ndarray


class Night:
    """Frames of the night, corrected as the recipe does."""

    def __init__(self, raw: Path) -> None:
        from alfosc_reduce import get_instrument, get_step

        self.raw, self.instrument, self.step = raw, get_instrument("alfosc"), get_step
        self.bias = get_step("combine_bias")()([self.trimmed(f"ALDc{n}") for n in BIASES])
        self.detector = get_step("measure_detector")()(
            [self.trimmed(f"ALDc{n}") for n in BIASES], [self.trimmed(f"ALDc{n}") for n in FLATS]
        )
        arc = get_step("combine_arcs")()([self.frame(ARC)])
        self.wavelengths = get_step("solve_wavelengths")()(arc, self.instrument)

    def trimmed(self, name: str) -> Any:
        return self.step("subtract_overscan")()(self.instrument.read(next(self.raw.glob(f"{name}.fits*"))))

    def frame(self, name: str) -> Any:
        return self.step("correct_frame")()(self.trimmed(name), self.bias, None, self.detector)


def flat_of(night: Night) -> Flat:
    """Return the flat from all frames over one smooth model, and from alternate frames."""
    from alfosc_reduce_ccd.lamp import lamp_model

    from alfosc_reduce.images import usable

    frames = [night.frame(f"ALDc{n}") for n in FLATS]
    good = np.all([usable(frame) for frame in frames], axis=0)
    data = np.array([np.asarray(frame.data, np.float64) for frame in frames])
    model = lamp_model(np.where(good, data.mean(axis=0), np.nan), 50)
    smooth = np.where(model.model > 0, model.model, np.nan)
    halves = [data[k::2].mean(axis=0) / smooth for k in (0, 1)]
    halves = [half / np.nanmedian(half, axis=0) for half in halves]
    return Flat(halves[0], halves[1], good & (model.model > 0), model.lamp_fraction)


def from_sky(night: Night, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return residual over sky (shape (ny, nx)), NaN where an object is, and its standard error."""
    from alfosc_reduce_longslit.sky.quality import residuals_of

    from alfosc_reduce.images import usable, variance_of

    image = night.step("reject_cosmic_rays")()(night.frame(name))
    found = night.step("subtract_sky")()(image, night.wavelengths)
    _, blank = residuals_of(found.image)
    level = np.maximum(np.asarray(found.sky.data, np.float64), 1)
    error = np.sqrt(variance_of(found.image)) / level
    return np.where(blank & usable(image), np.asarray(found.image.data) / level, np.nan), error


def from_star(night: Night, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative excess of the pixels in the core of the star's image, and its error; NaN elsewhere."""
    from alfosc_reduce.images import usable, variance_of

    image = night.frame(name)
    data = np.asarray(image.data, np.float64)
    centre = np.argmax(np.median(data, axis=1))
    core = np.abs(np.arange(len(data)) - centre)[:, None] <= 4
    bright = core & usable(image) & (data > 300)
    value = np.where(bright, np.log(np.maximum(data, 1)), np.nan)
    return value, np.sqrt(variance_of(image)) / np.maximum(data, 1)


def without_smooth(value: np.ndarray, error: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Take off what the rows of a column have in common, and what is longer than `HIGH_PASS` columns along a row."""
    from scipy.ndimage import uniform_filter1d

    weight = np.where(used, 1 / error**2, 0)
    rest = np.where(used, value, 0)
    for _ in range(6):
        common = np.sum(weight * rest, axis=0) / np.maximum(weight.sum(axis=0), 1e-30)
        rest = np.where(used, rest - common, 0)
        share = uniform_filter1d(used.astype(float), HIGH_PASS, axis=1)
        smooth = uniform_filter1d(rest, HIGH_PASS, axis=1) / np.maximum(share, 1e-3)
        rest = np.where(used, rest - smooth, 0)
    return rest


def regress(value: np.ndarray, error: np.ndarray, flat: Flat, columns: np.ndarray) -> tuple[float, float, float]:
    """Return the slope of `value` on the flat less one over some columns, its error, and the rms of the flat there."""
    part = np.s_[:, columns]
    weight = np.where(np.isfinite(value[part]), 1 / error[part] ** 2, 0)
    first, second = (np.nan_to_num(half[part]) for half in (flat.fixed, flat.other))
    power = float(np.sum(weight * first * second))
    total = float(weight.sum())
    both = (first + second) / 2
    slope = float(np.sum(weight * np.nan_to_num(value[part]) * both)) / power
    return slope, float(np.sqrt(np.sum(weight * both**2))) / abs(power), float(np.sqrt(max(power, 0) / total))


def table(night: Night, flat: Flat, names: tuple[str, ...], source: Any) -> Iterator[tuple[float, ...]]:
    """Yield, for each range of wavelength, its ends and the weighted mean slope with its error, and the flat's rms."""
    wave = night.wavelengths(np.arange(flat.lit.shape[1]), flat.lit.shape[0] / 2)
    values = []
    for name in names:
        value, error = source(night, name)
        used = np.isfinite(value) & flat.lit & np.isfinite(flat.fixed) & (np.abs(flat.fixed - 1) < 0.2)
        halves = (without_smooth(half - 1, error, used) for half in (flat.fixed, flat.other))
        own = Flat(*halves, flat.lit, flat.fraction)
        rest = without_smooth(value, error, used)
        spread = 1.4826 * np.median(np.abs(rest[used] / error[used]))
        kept = used & (np.abs(rest) < 5 * max(spread, 1) * error)
        values.append((np.where(kept, rest, np.nan), error, own))
    for low, high in pairwise(EDGES):
        columns = np.flatnonzero((wave > low) & (wave < high))
        slopes = np.array([regress(*each, columns) for each in values])
        weight = slopes[:, 1] ** -2
        mean = float(np.sum(weight * slopes[:, 0]) / weight.sum())
        yield low, high, float(np.median(flat.fraction[columns])), mean, float(weight.sum() ** -0.5), slopes[0, 2]


VARIANTS = {
    "no flat": (np.inf, 0, False),
    "lamp's share >= 0.8": (5000, 1e5, False),
    "lamp's share >= 0.8, to 9200": (5000, 9200, False),
    "from 4600": (4600, 9200, False),
    "from 4300": (4300, 9200, False),
    "from 4600, scattered light off": (4600, 9200, True),
    "from 4300, scattered light off": (4300, 9200, True),
}
"""First and last wavelength that a flat is used at, and whether the lamp's share is taken out of its structure."""
CHUNKS = ((4300, 4600), (4600, 5000), (5000, 5500), (5500, 6000), (6000, 6800), (7000, 7500), (7750, 8100),
          (8400, 8800), (8800, 9200), (9200, 9600))  # fmt: skip


def variant(flat: Flat, wave: np.ndarray, like: Any, choice: tuple[float, float, bool]) -> Any:
    """Return a flat of some range of wavelength as `divide_flat` takes it."""
    from alfosc_reduce.images import make_image

    low, high, subtract = choice
    structure = (flat.fixed * 3 + flat.other * 2) / 5 - 1
    if subtract:
        structure = structure / np.maximum(flat.fraction, 0.2)
    known = flat.lit & np.isfinite(structure) & (np.abs(structure) < 0.3) & (wave >= low) & (wave <= high)
    return make_image(1 + np.where(known, structure, 0), unit="", header=like.meta, variance=0.0)


def spectrum_of(night: Night, name: str, choice: tuple[float, float, bool], flat: Flat) -> Any:
    """Return the optimally extracted brightest object of a frame, divided by a flat."""
    image = night.frame(name)
    wave = night.wavelengths(np.arange(image.shape[1]), image.shape[0] / 2)
    image = night.step("divide_flat")()(image, variant(flat, wave, image, choice))
    found = night.step("subtract_sky")()(night.step("reject_cosmic_rays")()(image), night.wavelengths)
    traces = night.step("trace_objects")()(found.image, found.sky)
    return night.step("extract_optimal")()(found.image, traces, night.wavelengths, found.sky)[0]


def agreement(night: Night, choice: tuple[float, float, bool], flat: Flat) -> list[float]:
    """Return the robust scatter of the ratio of the two standard exposures about a parabola in each chunk, per cent."""
    first, second = (spectrum_of(night, name, choice, flat) for name in STANDARD)
    wave = first.spectral_axis.value
    ratio = np.interp(wave, second.spectral_axis.value, second.flux.value) / first.flux.value
    scatter = []
    for low, high in CHUNKS:
        part = (wave > low) & (wave < high)
        x, y = (wave[part] - low) / (high - low), ratio[part] / np.median(ratio[part])
        kept = np.ones(x.size, bool)
        for _ in range(4):
            rest = y - np.polyval(np.polyfit(x[kept], y[kept], 2), x)
            kept = np.abs(rest) < 4 * 1.4826 * np.median(np.abs(rest))
        scatter.append(100 * float(np.std(rest[kept])))
    return scatter


def print_agreement(night: Night, flat: Flat) -> None:
    """Print the agreement of the two standard exposures with each variant of the flat."""
    print("\nscatter of the ratio of the two standard exposures about a parabola, per cent, in chunks of wavelength")
    print(f"{'':34}" + "".join(f"{low:6d}" for low, _ in CHUNKS))
    for name, choice in VARIANTS.items():
        print(f"{name:34}" + "".join(f"{value:6.2f}" for value in agreement(night, choice, flat)))


def main() -> None:
    """Print the table for sky and star, and the agreement of the standard exposures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", nargs="?", default="../shared/data/alfosc-longslit", type=Path)
    night = Night(parser.parse_args().raw)
    flat = flat_of(night)
    print("range (Angstrom)   lamp's share   slope on the flat: sky           star          rms of the flat")
    rows = zip(table(night, flat, SCIENCE, from_sky), table(night, flat, STANDARD, from_star), strict=True)
    for (low, high, share, sky, sky_error, rms), (*_, star, star_error, _) in rows:
        print(f"{low:5.0f}-{high:5.0f} {share:14.2f} {sky:23.2f} +- {sky_error:.2f} {star:10.2f} +- {star_error:.2f} "
              f"{100 * rms:10.2f} %")  # fmt: skip
    print_agreement(night, flat)


if __name__ == "__main__":
    main()
