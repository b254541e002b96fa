"""A small detector whose every electron is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.nddata import CCDData

from alfosc_reduce import Flag
from alfosc_reduce.images import make_image

GAIN, NOISE, LEVEL = 0.18, 5.8, 11600.0


@dataclass
class Detector:
    """Raw frames of 160 columns and 240 exposed rows, 18 rows of overscan above."""

    nx: int = 160
    ny: int = 240
    overscan: int = 18
    gain: float = GAIN
    noise: float = NOISE
    level: float = LEVEL
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(20200320))

    @property
    def structure(self) -> np.ndarray:
        """Bias structure in ADU: a curve along x as in the real frames, steep first columns."""
        x = np.arange(self.nx)
        return 120 * np.exp(-x / 60) + 2500 * np.exp(-x / 1.2)

    def raw(self, light=None, *, drift=0.0, slope=0.0, name="raw", **cards) -> CCDData:
        """Return a raw frame of `light` electrons (shape (ny, nx)) in ADU."""
        shape = (self.ny + self.overscan, self.nx)
        electrons = self.rng.normal(0, self.noise, shape)
        if light is not None:
            electrons[: self.ny] += self.rng.poisson(light)
        ramp = slope * (np.arange(self.nx) / (self.nx - 1) - 0.5)
        data = np.round(electrons / self.gain + self.level + drift + self.structure + ramp)
        return make_image(data, unit="adu", header=self.header(name, **cards))

    def header(self, name="raw", **cards) -> Header:
        """Return the normalised header of an instrument."""
        values = {
            "INSTRUME": "test", "FILENAME": f"{name}.fits", "OBJECT": "star", "EXPTIME": 10.0,
            "BIASSEC": f"[1:{self.nx},{self.ny + 1}:{self.ny + self.overscan}]",
            "TRIMSEC": f"[1:{self.nx},1:{self.ny}]", "DETSEC": f"[851:{850 + self.nx},1:{2 * self.ny}]",
            "CCDSUM": "1 2", "GAIN": 0.16, "RDNOISE": 4.3, "SATURATE": 700000.0, "LINMAX": 600000.0,
            "DISPAXIS": 2, "DISPSIGN": -1, "PIXSCALE": 0.2138,
        }  # fmt: skip
        return Header(values | cards)


@pytest.fixture
def detector() -> Detector:
    """A fresh detector, its noise always the same."""
    return Detector()


@pytest.fixture
def electrons():
    """Make an image in electrons with its variance."""

    def make(data, noise=NOISE, flags=None, **cards) -> CCDData:
        values = np.asarray(data, float)
        header = Header(
            {"FILENAME": "frame.fits", "OBJECT": "star", "RDNOISE": noise, "GAIN": GAIN, "DISPAXIS": 1} | cards
        )
        variance = np.maximum(values, 0) + noise**2
        return make_image(values, unit="electron", header=header, variance=variance, flags=flags)

    return make


@pytest.fixture
def bad_pixel() -> int:
    """The bit of a bad pixel."""
    return int(Flag.BAD_PIXEL)
