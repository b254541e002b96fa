"""Trails of satellites on simulated frames: how faint they are found, how well they are masked, and how many are false.

    python benchmarks/trails.py [--fields N]

Full frames in r, and in i and z after fringes were made of four exposures, the one with the trail among them, and taken
off. They show 400 to 1600 stars and half as many galaxies, saturated stars and vignetted corners. Trails of a width of
7 pixels cross them at any angle, or end on them. The peak is that on the axis of a trail, over the noise of a pixel.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from measures import Measure

WIDTH = 7.0
PEAKS = (0.1, 0.15, 0.2, 0.3, 1.0, 10.0)
BANDS = ("r", "i", "z")
STARS = (400, 800, 1600)
LIT, FULL = 0.6, 1.2e5
"""Response below which the corners are left out as vignetted, and electrons from which a pixel is saturated."""
MARGIN = 6.0
"""Degrees from rows and columns within which no trail is made: such are left by intent."""


def exposures(seed: int) -> list[Any]:
    """Return dithered exposures in electrons, as the flat leaves them: one, or where there are fringes four."""
    from alfosc_reduce_simulate.imaging import Field, ImageSeries, ImagingNight, image_exposures

    stars, band = STARS[seed % len(STARS)], BANDS[seed // len(STARS) % len(BANDS)]
    field = Field(150.0 + seed, 30.0, stars=stars, galaxies=stars // 2, seed=seed)
    series = ImageSeries("field", field, band=band, count=1 if band == "r" else 4, dither=15.0)
    night = ImagingNight((series,), n_bias=0, n_flat=0, seed=seed)
    rng = np.random.default_rng((seed, 6))
    return [exposure_of(night, exposure, rng) for exposure in image_exposures(night)]


def exposure_of(night: Any, exposure: Any, rng: np.random.Generator) -> Any:
    """Return one of them; what is vignetted or saturated is flagged."""
    from alfosc_reduce_simulate.imaging import simulate_image
    from alfosc_reduce_simulate.imaging.light import picture
    from alfosc_reduce_simulate.imaging.response import flat_response
    from astropy.io.fits import Header

    from alfosc_reduce import Flag, get_instrument
    from alfosc_reduce.images import make_image

    seen: Any = simulate_image(night, exposure, get_instrument("alfosc").site()).conditions
    light, _ = picture(night, exposure, seen, rng)
    variance = light + night.detector.read_noise**2
    data = rng.normal(light, np.sqrt(variance))
    response = flat_response(night.detector, night.readout, exposure.band)
    flags = np.where((response > LIT) & (light < FULL), 0, int(Flag.BAD_PIXEL))
    level = np.maximum(response, 0.05)
    part = np.s_[25:-25, 55:-55]
    header = Header({"EXPTIME": exposure.seconds, "BAND": exposure.band, "RA": seen.optics.ra, "DEC": seen.optics.dec})
    return make_image((data / level)[part], unit="electron", header=header, variance=(variance / level**2)[part],
                      flags=flags[part])  # fmt: skip


def found_on(images: list[Any], light: Any = 0.0) -> tuple[list[Any], float]:
    """Return the trails on the first exposure with `light` added, its fringes taken off, and the seconds it took."""
    from alfosc_reduce_imaging.trails.search import find_trails

    from alfosc_reduce import get_step
    from alfosc_reduce.images import usable

    image = images[0].copy()
    image.data = image.data + np.float32(1) * light
    if len(images) > 1:
        pattern = get_step("combine_fringes")()([image, *images[1:]])
        image = get_step("subtract_fringes")()(image, pattern)
    started = time.process_time()
    return find_trails(np.asarray(image.data), usable(image)), time.process_time() - started


def line(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Any, Any]:
    """Return the distance of every pixel from a line through the middle parts of a frame, and that along it."""
    angle = np.radians(rng.uniform(MARGIN, 90 - MARGIN) + 90 * rng.integers(2))
    y0, x0 = (rng.uniform(0.3, 0.7, 2) * shape).astype(np.float32)
    y, x = (np.arange(size, dtype=np.float32) for size in shape)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return (y[:, None] - y0) * c - (x - x0) * s, (x - x0) * c + (y[:, None] - y0) * s


def masked(trails: list[Any], data: Any) -> Any:
    """Return true under trails."""
    from alfosc_reduce_imaging.trails.search import under

    return np.logical_or.reduce([under(one, data.shape) for one in trails] or [np.zeros(data.shape, bool)])


def looked_at(seed: int) -> Iterator[tuple[str, float]]:
    """Yield what one frame says: name of a measure, and its value."""
    from alfosc_reduce.images import usable

    images = exposures(seed)
    data, good = np.asarray(images[0].data), usable(images[0])
    rng = np.random.default_rng((seed, 5))
    part = data[good][::97]
    noise = 1.4826 * float(np.median(np.abs(part - np.median(part))))
    false, seconds = found_on(images)
    yield "false trails on frames without", float(len(false))
    yield "seconds of processor, without trail", seconds
    for peak in PEAKS:
        for ending in (False, True):
            off, along = line(data.shape, rng)
            light = peak * noise * np.exp(np.float32(-4 * np.log(2) / WIDTH**2) * off**2) * ((along > 0) | (not ending))
            found, seconds = found_on(images, light)
            mask, core = masked(found, data), good & (np.abs(off) < 2) & ((along > 0) | (not ending))
            kind = f"{'ending on the frame' if ending else 'crossing'}, peak {peak:g}"
            covered = float(mask[core].mean())
            yield f"found, {kind}", float(covered > 0.5)
            yield "seconds of processor, with one trail", seconds
            if covered > 0.5:
                yield f"share of its core that is masked, {kind}", covered
                yield f"light left beyond the mask / noise, {kind}", _left(light, mask & good, good, noise, off)
                yield f"width / truth, {kind}", found[0].fwhm / WIDTH
            far = mask & (np.abs(off) > 60)
            yield "share of the frame masked far from the trail", float(far.mean())


def _left(light: Any, mask: Any, good: Any, noise: float, off: Any) -> float:
    """Return the 99th percentile of the light of a trail within 20 pixels of it that is not masked."""
    return float(np.percentile(light[good & ~mask & (np.abs(off) < 20)], 99) / noise)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=9)
    values: dict[str, list[float]] = {}
    for seed in range(parser.parse_args().fields):
        print(f"field {seed}", file=sys.stderr)
        for name, value in looked_at(seed):
            values.setdefault(name, []).append(value)
    found = [*measures(values)]
    print(*found, sep="\n")
    return int(any(not one.passed for one in found))


def measures(values: dict[str, list[float]]) -> Iterator[Measure]:
    """Yield the mean of each number, with its limits where it has any."""
    free = (-np.inf, np.inf)
    for name, numbers in sorted(values.items()):
        limit = free
        if name.startswith("false"):
            limit = (0.0, 0.0)
        elif name.startswith("seconds"):
            limit = (0.0, 0.25)
        elif name.startswith("found, crossing") and float(name.split()[-1]) >= 0.2:
            limit = (0.95, 1.0)
        yield Measure(name, float(np.mean(numbers)), *limit)


if __name__ == "__main__":
    sys.exit(main())
