"""Expected electrons of images and twilight flats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.artefacts import satellite, smeared
from alfosc_reduce_simulate.imaging.bands import band
from alfosc_reduce_simulate.imaging.field import magnitude_at, place_at, sources_of
from alfosc_reduce_simulate.imaging.galaxies import draw_galaxies
from alfosc_reduce_simulate.imaging.optics import SCALE
from alfosc_reduce_simulate.imaging.psf import Shape, draw_stars, shape
from alfosc_reduce_simulate.imaging.response import flat_response, fringe_pattern

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.imaging.conditions import ImageConditions
    from alfosc_reduce_simulate.imaging.observations import Field, ImageExposure, ImagingNight

REACH = 300.0
"""Pixels beyond the frame within which sources are drawn."""
SATURATING = 3000.0
"""By how much brighter than it should be all is on a `saturated` exposure."""
_TWILIGHT_STARS = 40


@dataclass(frozen=True)
class SourceImages:
    """What is true of the sources on and near one image.

    Attributes
    ----------
    number
        Their ``id`` in the table of their field.
    x, y
        Pixels of the raw frame, from 0.
    ra, dec
        Degrees, at the time.
    magnitude
        In the band, at the time.
    electrons
        Expected in total, above the atmosphere's losses and before the flat field.
    sky
        Expected electrons a pixel.
    """

    number: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    electrons: NDArray[np.float64]
    sky: float


@lru_cache(maxsize=4)
def shared_sources(field: Field) -> QTable:
    """Return `sources_of` a field, made once; not to be changed."""
    return sources_of(field)


def picture(
    night: ImagingNight, exposure: ImageExposure, seen: ImageConditions, rng: np.random.Generator
) -> tuple[NDArray[np.float32], SourceImages]:
    """Return the expected electrons of an image, with the response of the pixels, and the truth of its sources."""
    series: Any = exposure.series
    sources = shared_sources(series.field)
    found = _seen(night, exposure, seen, sources)
    light = np.zeros(night.readout.shape, np.float32)
    if exposure.oddity == "blank":
        return light, found
    _draw(light, seen, sources[found.number - 1], found)
    if exposure.oddity in ("defocused", "trailed"):
        light = smeared(light, exposure.oddity, night.readout)
    if exposure.oddity == "satellite":
        light += satellite(light.shape, 0.5 * found.sky, 1.5 * seen.seeing / SCALE / night.readout.binning[0], rng)
    light += np.float32(found.sky) * (1 + np.float32(seen.fringes) * fringes(night, exposure.band))
    light *= flat_response(night.detector, night.readout, exposure.band)
    return light, found


def fringes(night: ImagingNight, name: str) -> NDArray[np.float32] | np.float32:
    """Return the pattern of fringes of a band, or 0 where it has none."""
    return fringe_pattern(night.readout, name) if band(name).fringes else np.float32(0)


def twilight(
    night: ImagingNight, exposure: ImageExposure, level: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the expected electrons of a twilight flat of a level, with stars that move on between flats."""
    binned = float(np.prod(night.readout.binning))
    light = np.full(night.readout.shape, level, np.float32)
    places = np.random.default_rng((night.seed, 991))
    ny, nx = night.readout.shape
    x, y = (places.uniform(-100, size + 100, _TWILIGHT_STARS) for size in (nx, ny))
    flux = level * binned * 10 ** places.uniform(-1.0, 2.0, _TWILIGHT_STARS)
    x, y = x + 35.0 * exposure.number + rng.normal(0, 5), y + 22.0 * exposure.number + rng.normal(0, 5)
    draw_stars(light, x, y, flux, shape(1.1 * night.seeing, x, y, night.readout))
    light *= flat_response(night.detector, night.readout, exposure.band)
    return light


def _seen(night: ImagingNight, exposure: ImageExposure, seen: ImageConditions, sources: QTable) -> SourceImages:
    """Return the sources that leave light on an image."""
    from astropy.time import Time

    hours = (exposure.middle - night.evening).total_seconds() / 3600
    ra, dec = place_at(sources, float(Time(exposure.middle, scale="utc").jyear), hours)
    x, y = seen.optics.pixels(ra, dec)
    ny, nx = night.readout.shape
    near = (x > -REACH) & (x < nx + REACH) & (y > -REACH) & (y < ny + REACH)
    magnitude = magnitude_at(sources, exposure.band, hours)
    filter_ = band(exposure.band)
    colour = sources[f"mag_{filter_.blue}"].value - sources[f"mag_{filter_.red}"].value
    seconds = exposure.seconds * (SATURATING if exposure.oddity == "saturated" else 1.0)
    electrons = seconds * 10 ** (-0.4 * (magnitude - filter_.colour_term * colour - seen.zero_point))
    area = SCALE**2 * float(np.prod(night.readout.binning))
    sky = exposure.seconds * seen.brightness * area * 10 ** (-0.4 * (filter_.sky - filter_.zero_point))
    columns = {"x": x, "y": y, "ra": ra, "dec": dec, "magnitude": magnitude, "electrons": electrons}
    kept = {name: values[near] for name, values in columns.items()}
    return SourceImages(np.asarray(sources["id"])[near], sky=float(sky), **kept)


def _draw(light: NDArray[np.float32], seen: ImageConditions, sources: QTable, found: SourceImages) -> None:
    """Add all sources to an image."""
    form = shape(seen.seeing, found.x, found.y, seen.optics.readout)
    extended = np.asarray(sources["radius"].value > 0)
    for chosen, galaxies in ((~extended, False), (extended, True)):
        own = Shape(form.a[chosen], form.b[chosen], form.c[chosen])
        where = found.x[chosen], found.y[chosen], found.electrons[chosen]
        if galaxies:
            rows = sources[chosen]
            draw_galaxies(light, *where, own, _axes(seen, rows), np.asarray(rows["sersic"]))
        else:
            draw_stars(light, *where, own)


def _axes(seen: ImageConditions, rows: QTable) -> NDArray[np.float64]:
    """Return matrices from pixels to half-light radii of galaxies."""
    angle, radius, ratio = (
        rows["angle"].to_value("rad"),
        rows["radius"].to_value("arcsec"),
        np.asarray(rows["axis_ratio"]),
    )
    long, short = radius / np.sqrt(ratio), radius * np.sqrt(ratio)
    to_sky = seen.optics.matrix() * np.array(seen.optics.readout.binning)
    turn = np.array([[np.sin(angle) / long, np.cos(angle) / long], [np.cos(angle) / short, -np.sin(angle) / short]])
    axes: NDArray[np.float64] = np.moveaxis(turn, -1, 0) @ to_sky
    return axes
