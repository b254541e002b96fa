"""New sources and zero points on simulated fields, against the truth.

    python benchmarks/new_sources.py [--fields N] [--size PIXELS]

Each field has stars down to the noise (Moffat profiles that change over the field, proper motions, colours), galaxies
(of which a second catalogue knows, or none), saturated stars that bleed, a satellite trail, cosmic rays that nothing
flagged, and ten new stars of a signal to noise of ten, anywhere but on other sources. Positions are of the true WCS.
The catalogue has the stars only: to two magnitudes below the limit of the image, or only to two above it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.wcs import WCS

from alfosc_reduce import get_step
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image

SCALE, EXPOSURE, SKY, READ_NOISE, FULL_WELL = 0.2138, 200.0, 900.0, 5.0, 110_000.0
ZERO_POINT, COLOUR_TERM, SCATTER, MJD = 25.3, 0.06, 0.008, 60310.5
YEARS = 2000 + (MJD - 51544.5) / 365.25 - 2016
NEW = 10


@dataclass(frozen=True)
class Field:
    image: CCDData
    catalogue: QTable
    """Of the stars."""
    survey: QTable
    """Of the galaxies."""
    new: Any
    """x and y of the injected stars."""
    fwhm: float


def sky(size: int, ra: float, dec: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [ra, dec], [size / 2, size / 2]
    wcs.wcs.cd = SCALE / 3600 * np.array([[-1, 0], [0, 1]])
    return wcs


def add(light: Any, x: Any, y: Any, flux: Any, fwhm: float, beta: float = 2.8) -> None:
    size = light.shape[0]
    for a, b, one in zip(x, y, flux, strict=True):
        alpha = fwhm * (1 + 0.03 * ((a / size - 0.5) ** 2 + (b / size - 0.5) ** 2)) / 2 / np.sqrt(2 ** (1 / beta) - 1)
        reach = 90 if one > 1e6 else 50 if one > 3e4 else 25
        rows = slice(max(0, round(b) - reach), max(0, min(size, round(b) + reach + 1)))
        columns = slice(max(0, round(a) - reach), max(0, min(size, round(a) + reach + 1)))
        yy, xx = np.mgrid[rows, columns]
        light[rows, columns] += (
            one * (beta - 1) / np.pi / alpha**2 * (1 + ((xx - a) ** 2 + (yy - b) ** 2) / alpha**2) ** -beta
        )


def make_field(seed: int, size: int, ra: float, dec: float, deeper: float, stars: int) -> Field:
    rng = np.random.default_rng(seed)
    fwhm = rng.uniform(3.8, 6.5)
    wcs = sky(size, ra, dec)
    noise = np.sqrt(SKY + READ_NOISE**2) * np.sqrt(np.pi) * 1.5 * fwhm  # in an aperture of one FWHM, corrected
    limit = ZERO_POINT - 2.5 * np.log10(5 * noise / EXPOSURE)
    x, y = rng.uniform(-20, size + 20, (2, stars))
    magnitude = limit + 1 - np.minimum(rng.exponential(2.2, stars), 10)
    colour = np.clip(rng.normal(0.8, 0.4, stars), -0.2, 1.6)
    motion = rng.normal(0, 12, (2, stars)) * rng.choice([1, 1, 1, 1, 8], stars)
    measured = magnitude + rng.normal(0, SCATTER, stars)
    light = np.zeros((size, size))
    add(light, x, y, flux_of(measured, colour), fwhm)
    galaxies = np.array([add_galaxy(light, rng, limit, fwhm) for _ in range(25)]).T
    seen = magnitude < limit + 0.5
    new = places_for(rng, np.append(x[seen], galaxies[0]), np.append(y[seen], galaxies[1]), size, fwhm)
    add(light, *new, np.full(NEW, 10 * noise * np.sqrt(1 + 10 / noise)), fwhm)
    image = exposed(light, rng, wcs, limit)
    known = catalogue(rng, wcs, x, y, magnitude, colour, motion, limit + deeper)
    ra, dec = wcs.all_pix2world(*galaxies, 0)
    survey = QTable({"source_id": [f"G{i}" for i in range(25)], "ra": ra * u.deg, "dec": dec * u.deg})
    survey["extended"] = np.ones(25, bool)
    return Field(image, known, survey, new, fwhm)


def flux_of(magnitude: Any, colour: Any) -> Any:
    return EXPOSURE * 10 ** (-0.4 * (magnitude - ZERO_POINT - COLOUR_TERM * colour))


def add_galaxy(light: Any, rng: np.random.Generator, limit: float, fwhm: float) -> Any:
    size = light.shape[0]
    middle, radius, angle = (
        rng.uniform(0, size, 2),
        rng.exponential(rng.uniform(1.5, 5), 120),
        rng.uniform(0, 2 * np.pi, 120),
    )
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0)
    a, b = radius * np.cos(angle), radius * np.sin(angle) * flat
    total = flux_of(limit - rng.uniform(0.0, 4.0), 1.0)
    add(light, middle[0] + a * np.cos(turn) - b * np.sin(turn), middle[1] + a * np.sin(turn) + b * np.cos(turn),
        np.full(120, total / 120), fwhm)  # fmt: skip
    return middle


def places_for(rng: np.random.Generator, x: Any, y: Any, size: int, fwhm: float) -> Any:
    found: list[Any] = []
    while len(found) < NEW:
        place = rng.uniform(40, size - 40, 2)
        others = np.append(np.stack([x, y], 1), np.array(found).reshape(-1, 2), axis=0)
        if np.min(np.hypot(*(others - place).T)) > 3 * fwhm and abs(trail_at(size, *place)) > 4 * fwhm:
            found.append(place)
    return np.array(found).T


def trail_at(size: int, x: Any, y: Any) -> Any:
    """Return the distance of pixels from the trail."""
    return (y - 0.3 * size - 0.4 * x) / np.hypot(1, 0.4)


def exposed(light: Any, rng: np.random.Generator, wcs: WCS, limit: float) -> CCDData:
    """Return the image with bleeding, a trail, hits, noise and flags."""
    size = light.shape[0]
    data = light + SKY
    trail = trail_at(size, np.arange(size)[None, :], np.arange(size)[:, None])
    data += 60 * np.exp(-0.5 * (trail / 2.5) ** 2)
    for column in np.flatnonzero((data > 2.5 * FULL_WELL).any(axis=0)):
        middle = int(np.argmax(data[:, column]))
        reach = int(min(120, data[middle, column] / FULL_WELL * 6))
        data[max(0, middle - reach) : middle + reach, column] = 2 * FULL_WELL
    saturated = data > FULL_WELL
    data = rng.poisson(np.minimum(data, FULL_WELL)) + rng.normal(0, READ_NOISE, data.shape)
    hits = rng.integers(0, size, (2, 40))
    data[hits[0], hits[1]] += rng.uniform(300, 5000, 40)
    header = fits.Header({"OBJECT": "FIELD", "FILTER": "r", "BAND": "r", "EXPTIME": EXPOSURE, "MJD-AVG": MJD})
    header.update({"PIXSCALE": SCALE, "GAIN": 1.0, "RDNOISE": READ_NOISE, "SATURATE": FULL_WELL, "WCSRMS": 0.02})
    header.update(wcs.to_header())
    flags = np.where(saturated, int(Flag.SATURATED), 0)
    return make_image(data, unit="electron", header=header, variance=np.maximum(data, 0) + READ_NOISE**2, flags=flags)


def catalogue(
    rng: np.random.Generator, wcs: WCS, x: Any, y: Any, magnitude: Any, colour: Any, motion: Any, limit: float
) -> QTable:
    ra, dec = wcs.all_pix2world(x, y, 0)
    ra = ra - motion[0] * YEARS / 3.6e6 / np.cos(np.radians(dec))
    dec = dec - motion[1] * YEARS / 3.6e6
    error = 0.005 + 0.03 * 10 ** (0.4 * (magnitude - limit))
    table = QTable({"source_id": [f"S{i}" for i in range(len(x))], "ra": ra % 360 * u.deg, "dec": dec * u.deg})
    table["pmra"], table["pmdec"] = motion * u.mas / u.yr
    table["epoch"] = np.full(len(x), 2016.0)
    table["mag_r"], table["mag_r_error"] = (magnitude + rng.normal(0, error)) * u.mag, error * u.mag
    table["mag_g"], table["mag_g_error"] = (magnitude + colour + rng.normal(0, error)) * u.mag, error * u.mag
    table = table[magnitude < limit]
    table.meta.update(CATALOG="file", MAGSYS={"r": "AB", "g": "AB"}, RA=float(wcs.wcs.crval[0]),
                      DEC=float(wcs.wcs.crval[1]), RADIUS=0.5)  # fmt: skip
    return table


def run(seed: int, size: int, ra: float, dec: float, deeper: float, stars: int, survey: bool) -> dict[str, Any]:
    field = make_field(seed, size, ra, dec, deeper, stars)
    started = time.perf_counter()
    sources = get_step("measure_sources")()(field.image).sources
    if "ra" not in sources.colnames:
        ra_found, dec_found = WCS(field.image.meta).all_pix2world(sources["x"].value, sources["y"].value, 0)
        sources["ra"], sources["dec"] = ra_found * u.deg, dec_found * u.deg
    middle = time.perf_counter()
    calibrated = get_step("measure_zero_point")()(field.image, sources, field.catalogue)
    step = get_step("find_new")()
    result = step(calibrated.image, calibrated.sources, field.catalogue, field.survey if survey else None)
    ended = time.perf_counter()
    apart = np.hypot(np.asarray(result.sources["x"].value)[:, None] - field.new[0],
                     np.asarray(result.sources["y"].value)[:, None] - field.new[1])  # fmt: skip
    seen = np.hypot(np.asarray(sources["x"].value)[:, None] - field.new[0],
                    np.asarray(sources["y"].value)[:, None] - field.new[1]) < 3  # fmt: skip
    found = (apart < 3).any(axis=0) if len(apart) else np.zeros(NEW, bool)
    false = int((~(apart < 3).any(axis=1)).sum()) if len(apart) else 0
    return {"field": field, "result": result, "sources": sources, "found": found, "detected": seen.any(axis=0),
            "false": false, "header": calibrated.image.meta, "seconds": (middle - started, ended - middle),
            "inputs": {"image": calibrated.image, "sources": calibrated.sources,
                       "reference": field.catalogue}}  # fmt: skip


CASES = (
    (10.0, 0.0, 2.0, 500, True),
    (150.0, 28.0, 2.0, 120, True),
    (200.0, 75.0, 2.0, 1500, True),
    (0.0, 75.0, -2.0, 500, True),
    (0.0, 75.0, 2.0, 500, False),
)
"""Right ascension, declination, depth of the catalogue below the image's limit, stars, galaxies in a catalogue."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fields", type=int, default=3, help="fields of each kind")
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    for ra, dec, deeper, stars, survey in CASES:
        runs = [run(seed, options.size, ra, dec, deeper, stars, survey) for seed in range(options.fields)]
        found, detected = (sum(int(one[name].sum()) for one in runs) for name in ("found", "detected"))
        zero = np.array([one["header"]["MAGZP"] - ZERO_POINT for one in runs])
        zero_error = np.array([one["header"]["MAGZPERR"] for one in runs])
        slope = [
            (one["header"]["COLTERM"] - COLOUR_TERM) / one["header"]["COLTERR"]
            for one in runs
            if "COLTERM" in one["header"]
        ]
        print(f"dec {dec:+.0f}, {stars} stars, catalogue to {deeper:+.0f} mag of the limit, "
              f"{'with' if survey else 'without'} galaxies, {len(runs)} fields: "
              f"{found} of {NEW * len(runs)} found ({detected} detected), {sum(one['false'] for one in runs)} false; "
              f"zero point off by {np.round(zero, 4)} +- {np.round(zero_error, 4)}, "
              f"colour term pulls {np.round(slope, 1)}; "
              f"{np.mean([one['seconds'][1] for one in runs]):.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
