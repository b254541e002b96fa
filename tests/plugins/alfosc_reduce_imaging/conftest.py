"""Small fields of stars whose truth is known, for tests of anything that measures stars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image

OVERSAMPLING = 4


@dataclass(frozen=True)
class SkyField:
    """An image of stars in electrons.

    `light` is what the stars give on average, `data` has sky, photon and read noise. Positions count from 0; `fwhm` and
    `beta` are those of the Moffat profile before it falls on pixels.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    light: np.ndarray
    data: np.ndarray
    variance: np.ndarray
    sky: float
    noise: float
    fwhm: float
    beta: float

    def image(self, unit: str = "electron", header: dict[str, Any] | None = None, **options: Any) -> Any:
        """Return a ``CCDData``; pixels above 100 000 electrons are flagged as saturated."""
        cards = {"EXPTIME": 100.0, "PIXSCALE": 0.2138, "OBJECT": "field", "FILTER": "r", "MJD-AVG": 58940.1}
        cards |= {"FILENAME": "ALxx01.fits", "AIRMASS": 1.2} | (header or {})
        scale = 100.0 if unit.endswith("s") else 1.0
        flags = options.get("flags", np.where(self.data > 1e5, int(Flag.SATURATED), 0))
        variance = self.variance / scale**2 if options.get("variance", True) else None
        return make_image(self.data / scale, unit=unit, header=fits.Header(cards), variance=variance, flags=flags)

    def matched(self, x: np.ndarray, y: np.ndarray, reach: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of found and true stars that belong together."""
        from scipy.spatial import KDTree

        distance, index = KDTree(np.column_stack([self.x, self.y])).query(np.column_stack([x, y]))
        return np.flatnonzero(distance < reach), index[distance < reach]


@pytest.fixture(scope="session")
def star_light() -> Callable[..., tuple[int, int, np.ndarray]]:
    """Pixels of one star of light 1: whole pixel (x, y) of the middle, and the stamp."""
    return _star


@pytest.fixture(scope="session")
def sky_field() -> Callable[..., SkyField]:
    """Make a field: ``sky_field(shape=(400, 400), number=60, fwhm=4.5, ...)``."""
    return _field


def _star(
    x: float, y: float, fwhm: float, beta: float, ellipticity: float, theta: float, half: int
) -> tuple[int, int, np.ndarray]:
    """Return a star averaged over its pixels; far out, where it is smooth, taken at their centres."""
    shape = (fwhm, beta, ellipticity, theta)
    ix, iy = round(x), round(y)
    stamp, core = _moffat(ix - x, iy - y, half, 1, *shape), min(half, int(3 * fwhm) + 1)
    middle = slice(half - core, half + core + 1)
    stamp[middle, middle] = _moffat(ix - x, iy - y, core, OVERSAMPLING, *shape)
    return ix, iy, stamp


def _moffat(
    dx: float, dy: float, half: int, over: int, fwhm: float, beta: float, ellipticity: float, theta: float
) -> np.ndarray:
    side = 2 * half + 1
    fine = (np.arange(side * over) + 0.5) / over - 0.5 - half
    right, up = fine[None, :] + dx, fine[:, None] + dy
    core = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
    major, minor = core / np.sqrt(1 - ellipticity), core * np.sqrt(1 - ellipticity)
    c, s = np.cos(np.radians(theta)), np.sin(np.radians(theta))
    square = ((right * c + up * s) / major) ** 2 + ((up * c - right * s) / minor) ** 2
    light = (beta - 1) / (np.pi * major * minor) * (1 + square) ** -beta
    return light.reshape(side, over, side, over).mean((1, 3))


def _field(
    *, shape: tuple[int, int] = (400, 400), number: int = 60, fwhm: float = 4.5, beta: float = 3.0,
    ellipticity: float = 0.0, theta: float = 0.0, sky: float = 300.0, read_noise: float = 5.0, seed: int = 1,
    flux: Any = (1e3, 1e5), grid: bool = True, positions: Any = None, widening: float = 0.0, margin: float = 12.0,
) -> SkyField:  # fmt: skip
    rng = np.random.default_rng(seed)
    x, y = _positions(rng, shape, number, grid, margin) if positions is None else np.array(positions, float)
    number = len(x)
    if isinstance(flux, tuple):
        flux = np.exp(rng.uniform(np.log(flux[0]), np.log(flux[1]), number))
    flux = np.broadcast_to(np.asarray(flux, float), number)
    light = np.zeros(shape)
    for i in range(number):
        width = fwhm * (1 + widening * (x[i] / shape[1] - 0.5))
        half = int(np.clip(8 * width * (flux[i] / 1e4) ** 0.25, 5 * width, 20 * width))
        ix, iy, stamp = _star(x[i], y[i], width, beta, ellipticity, theta, half)
        rows, columns = iy + np.arange(-half, half + 1), ix + np.arange(-half, half + 1)
        on_y, on_x = (rows >= 0) & (rows < shape[0]), (columns >= 0) & (columns < shape[1])
        light[np.ix_(rows[on_y], columns[on_x])] += flux[i] * stamp[np.ix_(on_y, on_x)]
    counts = rng.poisson(light + sky)
    data = counts + rng.normal(0, read_noise, shape)
    variance = np.maximum(data, 0) + read_noise**2
    noise = float(np.sqrt(sky + read_noise**2))
    return SkyField(x, y, np.array(flux), light, data, variance, sky, noise, fwhm, beta)


def _positions(
    rng: np.random.Generator, shape: tuple[int, int], number: int, grid: bool, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions on a grid, each off its place by some pixels, so that stars are isolated; or anywhere."""
    if not grid:
        return rng.uniform(margin, shape[1] - margin, number), rng.uniform(margin, shape[0] - margin, number)
    side = int(np.ceil(np.sqrt(number)))
    gx, gy = np.meshgrid((np.arange(side) + 0.5) * shape[1] / side, (np.arange(side) + 0.5) * shape[0] / side)
    jitter = rng.uniform(-4, 4, (2, side * side))
    return (gx.ravel() + jitter[0])[:number], (gy.ravel() + jitter[1])[:number]
