"""Skies with stars, and what may cross them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io.fits import Header

from alfosc_reduce.images import make_image

SKY, NOISE = 400.0, 20.0


def stars(rng: np.random.Generator, shape: tuple[int, int], number: int = 60, brightest: float = 1e6) -> Any:
    """Return the light of Moffat stars of FWHM 4.5 pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    light = np.zeros(shape, np.float32)
    for flux in np.geomspace(1e3, brightest, number):
        px, py = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        reach = np.s_[max(int(py) - 60, 0) : int(py) + 60, max(int(px) - 60, 0) : int(px) + 60]
        r2 = (x[reach] - px) ** 2 + (y[reach] - py) ** 2
        light[reach] += flux * 1.5 / (np.pi * 11.5) * (1 + r2 / 11.5) ** -2.5
    return light


@pytest.fixture(scope="session")
def sky() -> Callable[..., Any]:
    """Make the pixels of a field, stars and all, with a noise of 20 a pixel."""

    def make(seed: int = 1, shape: tuple[int, int] = (700, 760), *, number: int = 60) -> Any:
        rng = np.random.default_rng(seed)
        light = SKY + stars(rng, shape, number)
        return (light + rng.normal(0, 1, shape) * np.sqrt(light)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def across() -> Callable[..., Any]:
    """Give the distance of every pixel from a line through a point, and that along it."""

    def make(shape: tuple[int, int], angle: float, x0: float, y0: float) -> tuple[Any, Any]:
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return -(x - x0) * s + (y - y0) * c, (x - x0) * c + (y - y0) * s

    return make


@pytest.fixture(scope="session")
def exposure() -> Callable[..., Any]:
    """Make an image of pixels."""

    def make(data: Any, flags: Any = None) -> Any:
        header = Header({"FILENAME": "t1.fits", "OBJECT": "field", "EXPTIME": 60.0})
        return make_image(data, unit="electron", header=header, variance=np.maximum(data, 1), flags=flags)

    return make
