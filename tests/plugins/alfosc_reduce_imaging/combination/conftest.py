"""Small frames of stars whose fluxes and places are known, and the list that says where the frames lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.registration.geometry import IDENTITY, PixelMap
from astropy.io.fits import Header
from astropy.nddata import CCDData
from astropy.table import QTable

from alfosc_reduce.images import make_image

READ_NOISE = 4.3


@dataclass
class Scene:
    """Stars on the reference's pixels: places (n, 2), counts a second; a sky in counts a second a pixel."""

    xy: Any = field(default_factory=lambda: np.empty((0, 2)))
    rate: Any = field(default_factory=lambda: np.empty(0))
    sky: float = 30.0
    size: int = 300
    seed: int = 1

    def __post_init__(self) -> None:
        """Begin a sequence of random numbers that all frames of the scene share."""
        self.rng = np.random.default_rng(self.seed)

    def frame(
        self,
        name: str,
        place: PixelMap = IDENTITY,
        *,
        seconds: float = 100.0,
        fainter: float = 0.0,
        fwhm: float = 4.0,
        noise: bool = True,
        slope: float = 0.0,
        **cards: Any,
    ) -> CCDData:
        """Return a frame in electrons; `place` brings its pixels to the reference's."""
        gain = seconds * 10 ** (-0.4 * fainter)
        stars = gain * self._stars(place, fwhm)
        x = np.arange(self.size)
        mean = stars + seconds * self.sky * (1 + slope * (x - 150) / 300)
        data = self.rng.poisson(mean) + READ_NOISE * self.rng.normal(size=mean.shape) if noise else mean
        header = Header({
            "FILENAME": name, "OBJECT": "a field", "FILTER": "r", "EXPTIME": seconds, "GAIN": 0.16, "SATURATE": 1e5,
            "RDNOISE": READ_NOISE, "MJD-AVG": 59000.0 + seconds / 86400, "AIRMASS": 1.2, "PIXSCALE": 0.21,
            "DETSEC": "[1:300,1:300]", **cards,
        })  # fmt: skip
        flags = np.where(data > header["SATURATE"], 2, 0)
        return make_image(data, unit="electron", header=header, variance=mean + READ_NOISE**2, flags=flags)

    def _stars(self, place: PixelMap, fwhm: float) -> Any:
        sigma = fwhm / 2.3548
        y, x = np.indices((self.size, self.size))
        light = np.zeros(x.shape)
        area = place.area_at(self.size / 2, self.size / 2)
        for (x0, y0), rate in zip(place.inverse_over((self.size, self.size))(self.xy), self.rate, strict=True):
            part = (
                slice(max(int(y0) - 22, 0), max(int(y0) + 23, 0)),
                slice(max(int(x0) - 22, 0), max(int(x0) + 23, 0)),
            )
            width = sigma / np.sqrt(area)
            r2 = (x[part] - x0) ** 2 + (y[part] - y0) ** 2
            light[part] += rate / (2 * np.pi * width**2) * np.exp(-0.5 * r2 / width**2)
        return light


def _filelist(frames: Sequence[CCDData], places: Sequence[PixelMap], **columns: Any) -> QTable:
    n = len(frames)
    table = QTable({
        "file": [frame.meta["FILENAME"] for frame in frames], "use": np.ones(n, bool), "reason": [""] * n,
        "weight": np.ones(n), "seeing": np.full(n, 0.84) * u.arcsec, "fwhm": np.full(n, 4.0) * u.pix,
        "zero_point_offset": np.zeros(n) * u.mag, "nx": [frame.shape[1] for frame in frames],
        "ny": [frame.shape[0] for frame in frames],
    })  # fmt: skip
    for k, name in enumerate(("xx", "xy", "yx", "yy")):
        table[name] = [place.matrix.ravel()[k] for place in places]
    for k, name in enumerate(("dx", "dy")):
        table[name] = [place.offset[k] for place in places] * u.pix
    table["bend"] = [place.bend.ravel() for place in places]
    for name, values in columns.items():
        unit = getattr(table[name], "unit", None)
        table[name] = values if unit is None else np.asarray(values, float) * unit
    table.meta["REFERENCE"] = str(table["file"][0])
    return table


@pytest.fixture
def filelist() -> Callable[..., QTable]:
    """Make the list of frames that registration would make of perfect stars."""
    return _filelist


@pytest.fixture
def scene() -> Callable[..., Scene]:
    """Make a scene."""
    return Scene


@pytest.fixture
def stars() -> Callable[..., Scene]:
    """Make a scene of 25 well separated stars, not at whole pixels."""

    def make(rate: float = 3000.0, **settings: Any) -> Scene:
        rng = np.random.default_rng(7)
        grid = np.stack(np.meshgrid(*[np.linspace(50, 250, 5)] * 2), axis=-1).reshape(-1, 2)
        return Scene(grid + rng.uniform(-0.5, 0.5, grid.shape), rate * rng.uniform(0.3, 1, len(grid)), **settings)

    return make


def _photometry(image: CCDData, xy: Any, radius: float = 10.0) -> tuple[Any, Any]:
    """Return sums in apertures and centroids (within a Gaussian window) at places of an image without sky."""
    fluxes, places = [], []
    for x0, y0 in xy:
        part = (slice(int(y0) - 14, int(y0) + 16), slice(int(x0) - 14, int(x0) + 16))
        data = np.asarray(image.data[part], float)
        y, x = np.indices(data.shape)
        x, y = x + part[1].start, y + part[0].start
        fluxes.append(float(data[np.hypot(x - x0, y - y0) < radius].sum()))
        cx, cy = x0, y0
        for _ in range(8):
            window = np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 2.0**2) * data
            cx, cy = (c + 2 * float(np.sum(window * (a - c)) / window.sum()) for a, c in ((x, cx), (y, cy)))
        places.append((cx, cy))
    return np.array(fluxes), np.array(places)


@pytest.fixture
def photometry() -> Callable[..., tuple[Any, Any]]:
    """Measure fluxes and places of stars."""
    return _photometry
