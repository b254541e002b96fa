"""Twilight flats of a small camera of which everything is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from astropy.io.fits import Header

from alfosc_reduce.images import make_image

NOISE = 5.8


@dataclass
class Twilight:
    """Frames of 360 x 400 pixels, in electrons: dust, uneven pixels, dark corners; stars that move between frames."""

    shape: tuple[int, int] = (360, 400)
    seed: int = 20
    corner: float | None = 1.15
    columns: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        ny, nx = self.shape
        self.y, self.x = np.mgrid[:ny, :nx].astype(float)
        self.u, self.v = 2 * self.x / (nx - 1) - 1, 2 * self.y / (ny - 1) - 1
        radius = np.hypot(self.u, self.v)
        self.response = (1 - 0.05 * radius**2) * self.rng.normal(1, 0.006, self.shape)
        for cy, cx in ((90, 120), (250, 300)):
            self.response *= 1 - 0.06 * np.exp(-(((np.hypot(self.y - cy, self.x - cx) - 12) / 5) ** 2))
        if self.corner:
            self.response *= 0.02 + 0.98 / (1 + np.exp((radius - self.corner) / 0.01))
        for column, share in self.columns.items():
            self.response[:, column] *= share

    @property
    def field(self) -> np.ndarray:
        """True well inside the field."""
        return self.response > 0.8

    def star(self, flux: float, x: float, y: float, fwhm: float = 4.5) -> np.ndarray:
        """Return a star with the wings of a Moffat profile."""
        alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 2.5) - 1)
        profile = (1 + ((self.x - x) ** 2 + (self.y - y) ** 2) / alpha2) ** -2.5
        return flux * 1.5 / (np.pi * alpha2) * profile

    def light(self, level: float, slope: tuple[float, float] = (0, 0), stars=()) -> np.ndarray:
        """Return the electrons expected: a level with a gradient over the field, and stars (flux, x, y)."""
        sky = level * (1 + 0.5 * slope[0] * self.u + 0.5 * slope[1] * self.v)
        return (sky + sum((self.star(*star) for star in stars), np.zeros(self.shape))) * self.response

    def frame(self, name: str, light: np.ndarray, **cards):
        """Return a corrected frame of expected electrons."""
        data = self.rng.poisson(light) + self.rng.normal(0, NOISE, self.shape)
        values = {
            "FILENAME": f"{name}.fits", "FILTER": "V", "EXPTIME": 5.0, "RDNOISE": NOISE, "GAIN": 0.18, "DISPAXIS": 0,
            "CCDSUM": "1 1", "DETSEC": "[1:400,1:360]", "PIXSCALE": 0.2138,
        }  # fmt: skip
        variance = np.maximum(data, 0) + NOISE**2
        return make_image(data, unit="electron", header=Header(values | cards), variance=variance)

    def frames(self, levels, *, slopes=True, stars: int = 10, brightest: float = 2e6):
        """Return frames with stars at random places."""
        made = []
        for number, level in enumerate(levels):
            slope = tuple(0.01 * self.rng.normal(size=2)) if slopes else (0, 0)
            flux = np.geomspace(2e3, brightest, stars) if stars else ()
            where = [(f, self.rng.uniform(0, 400), self.rng.uniform(0, 360)) for f in flux]
            made.append(self.frame(f"flat{number}", self.light(level, slope, where)))
        return made


@pytest.fixture
def twilight() -> type[Twilight]:
    """Make a small camera."""
    return Twilight
