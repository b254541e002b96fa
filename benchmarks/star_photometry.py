"""How right total fluxes of isolated stars are on a combined image, from many fields: bias at S/N 50, and pulls.

    python benchmarks/star_photometry.py [--fields N]

Each field is that of the night `isolated` of `simulated_images.py`, or of `dec0` with its galaxies and faint stars,
with another seed: four dithered frames with photon and read noise, divided by their true flat, go through find_stars,
register_images, combine_images and measure_sources. Stars are isolated and without flags, as the judge of a night has
it, and sorted by their true signal to noise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from alfosc_reduce_imaging.patterns.matching import match_pattern
from alfosc_reduce_simulate.imaging import image_exposures
from alfosc_reduce_simulate.imaging.comparison import clipped_scatter, robust_mean
from alfosc_reduce_simulate.imaging.field import sources_of
from alfosc_reduce_simulate.imaging.frames import conditions_of
from alfosc_reduce_simulate.imaging.light import picture
from alfosc_reduce_simulate.imaging.response import flat_response
from astropy.io.fits import Header
from measures import Measure
from scipy.spatial import KDTree
from simulated_images import CASES, night_of

from alfosc_reduce import get_step
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image
from alfosc_reduce.registry import get_instrument

READ_NOISE, FULL_WELL, SCALE = 4.3, 1.15e5, 0.2138
APART, NEGLIGIBLE = 6.0 / SCALE, 10 ** (-0.4 * 6.5)
RANGES, AT_FIFTY = ((5, 20), (20, 50), (50, 100)), (35, 80)
FEWEST = 50
SURE = 0.0008
"""Error in magnitudes from which on a bias is judged."""
DARK = 0.5
"""Response below which a pixel is outside the field."""


def frames_of(night: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each image of a night in electrons, divided by its flat, and the truth of its sources."""
    site = get_instrument("alfosc").site()
    for exposure in [one for one in image_exposures(night) if one.kind == "image"]:
        rng = np.random.default_rng(exposure.seed)
        light, truth = picture(night, exposure, conditions_of(night, exposure, site, rng), rng)
        response = flat_response(night.detector, night.readout, exposure.band)
        flat = np.where(response > DARK, response, np.nan)
        counts = rng.poisson(light) + READ_NOISE * rng.standard_normal(light.shape)
        flags = np.where(flat > 0, 0, int(Flag.OUTSIDE_FIELD)) | np.where(counts > FULL_WELL, int(Flag.SATURATED), 0)
        header = Header({"FILENAME": exposure.name, "OBJECT": "field", "FILTER": "r", "EXPTIME": exposure.seconds})
        header.update({"RDNOISE": READ_NOISE, "SATURATE": FULL_WELL, "PIXSCALE": SCALE})
        variance = (np.maximum(counts, 0) + READ_NOISE**2) / flat**2
        yield make_image(counts / flat, unit="electron", header=header, variance=variance, flags=flags), truth


def sources_and_truth(night: Any) -> tuple[Any, Any, Any]:
    """Return the sources of a night's combined image, the truth of its reference frame, and places on the image."""
    frames = list(frames_of(night))
    images = [image for image, _ in frames]
    filelist = get_step("register_images")()([get_step("find_stars")()(image) for image in images])
    sources = get_step("measure_sources")()(get_step("combine_images")()(images, filelist)).sources
    reference = filelist.meta["REFERENCE"]
    truth = next(one for image, one in frames if str(image.meta["FILENAME"]).startswith(reference))
    places = np.column_stack([truth.x, truth.y])
    bright = np.argsort(-truth.electrons)[:300]
    found = match_pattern(
        places[bright], truth.electrons[bright], positions(sources), sources["flux_aper"].value,
        tolerance=1.5, max_shift=150, max_rotation=0.001, max_scale=0.0005,
    )  # fmt: skip
    return sources, truth, places @ found.matrix.T + found.offset


def positions(sources: Any) -> Any:
    return np.column_stack([sources["x"].value, sources["y"].value])


def stars_of(night: Any) -> dict[str, Any]:
    """Return flux over truth less 1, and true signal to noise, of the isolated stars, for each kind of flux."""
    sources, truth, places = sources_and_truth(night)
    distance, true = KDTree(places).query(positions(sources))
    mutual = KDTree(positions(sources)).query(places)[1][true] == np.arange(len(sources))
    clean = (np.asarray(sources["flags"]) == 0) & (np.asarray(sources["source_flags"]) == 0)
    stars = (distance < 1 / SCALE) & mutual & clean & alone(night, truth, places)[true]
    found = {}
    for kind in ("aper", "psf"):
        flux, error = (sources[f"flux_{kind}{end}"].value[stars] for end in ("", "_error"))
        ratio, strength = flux / truth.electrons[true[stars]], flux / error
        scale = np.exp(robust_mean(np.log(ratio[(strength > 100) & (strength < 3000)]))[0])
        found[kind] = np.stack([ratio / scale - 1, strength * scale / ratio])
    return found


def alone(night: Any, truth: Any, places: Any) -> Any:
    """Say which true sources are stars without a neighbour that counts."""
    isolated = np.asarray(sources_of(night.series[0].field)["kind"])[truth.number - 1] == "star"
    for one, other in KDTree(places).query_pairs(APART, output_type="ndarray"):
        isolated[one] &= truth.electrons[other] < NEGLIGIBLE * truth.electrons[one]
        isolated[other] &= truth.electrons[one] < NEGLIGIBLE * truth.electrons[other]
    return isolated


def measures(name: str, fields: int) -> Iterator[Measure]:
    """Yield biases and pulls over many fields."""
    each = [stars_of(night_of(**(CASES[name] | {"seed": 30 + i}))) for i in range(fields)]
    for kind in ("aper", "psf"):
        off, strength = np.concatenate([one[kind] for one in each], axis=1)
        for low, high in RANGES:
            pulls = (off * strength)[(strength > low) & (strength < high)]
            if len(pulls) > FEWEST:
                label = f"{name}: flux_{kind}, S/N {low}-{high}, {len(pulls)} stars, pull"
                yield Measure(label, clipped_scatter(pulls), 0.9, 1.1)
        near = -1.0857 * off[(strength > AT_FIFTY[0]) & (strength < AT_FIFTY[1])]
        bias, error = robust_mean(near)
        if error < SURE:
            label = f"{name}: flux_{kind}, S/N near 50, {len(near)} stars, bias +- {error:.4f} (mag)"
            yield Measure(label, bias, -0.002, 0.002)


def main() -> int:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=8, help="of each kind")
    fields, failed = parser.parse_args().fields, 0
    for name in ("isolated", "dec0"):
        for one in measures(name, fields):
            print(one, flush=True)
            failed += not one.passed
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
