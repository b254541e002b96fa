"""A field of stars as tables: what a catalogue says of them, and what was measured on an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable

from alfosc_reduce.images import make_image

MJD = 60310.5


@dataclass(frozen=True)
class Field:
    """An image (blank), its sources, the catalogue, and the truth."""

    image: CCDData
    sources: QTable
    reference: QTable
    zero_point: float
    colour_term: float
    true: dict[str, Any]

    @property
    def inputs(self) -> dict[str, Any]:
        return {"image": self.image, "sources": self.sources, "reference": self.reference}


def make_field(
    seed: int = 1,
    count: int = 80,
    *,
    dec: float = 28.0,
    ra: float = 150.0,
    zero_point: float = 25.3,
    colour_term: float = 0.06,
    scatter: float = 0.01,
    colours: tuple[float, float] = (0.2, 1.4),
    unit: str = "electron",
    exposure: float = 200.0,
    outliers: float = 0.0,
) -> Field:
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-200, 200, (2, count))
    r, colour = rng.uniform(15.5, 20.0, count), rng.uniform(*colours, count)
    motion = rng.normal(0, 30, (2, count))
    error = 0.005 + 0.02 * 10 ** (0.4 * (r - 20))
    reference = QTable()
    reference["source_id"] = [f"S{i}" for i in range(count)]
    reference["dec"] = (dec + north / 3600) * u.deg
    reference["ra"] = ((ra + east / 3600 / np.cos(np.radians(dec))) % 360) * u.deg
    reference["pmra"], reference["pmdec"] = motion * u.mas / u.yr
    reference["epoch"] = np.full(count, 2016.0)
    reference["mag_g"] = (r + colour + rng.normal(0, error)) * u.mag
    reference["mag_r"] = (r + rng.normal(0, error)) * u.mag
    reference["mag_g_error"] = reference["mag_r_error"] = error * u.mag
    reference.meta.update(CATALOG="sdss", MAGSYS={"g": "AB", "r": "AB"})
    per_second = unit.endswith("/ s")
    rate = 10 ** (-0.4 * (r - zero_point - colour_term * colour + rng.normal(0, scatter, count)))
    wild = rng.random(count) < outliers
    rate[wild] *= 10 ** (0.4 * rng.uniform(0.2, 1.5, wild.sum()))
    noise = np.sqrt(rate * exposure + 2000.0) / exposure
    flux, noise = (
        (rate + rng.normal(0, noise)) * (1 if per_second else exposure),
        noise * (1 if per_second else exposure),
    )
    years = 2000 + (MJD - 51544.5) / 365.25 - 2016
    sources = QTable()
    sources["id"] = np.arange(1, count + 1)
    sources["x"], sources["y"] = 1000 - east / 0.2138, 1000 + north / 0.2138
    place = rng.normal(0, 0.02, (2, count)) + motion * years / 1000
    sources["ra"] = ((reference["ra"].value + place[0] / 3600 / np.cos(np.radians(dec))) % 360) * u.deg
    sources["dec"] = reference["dec"] + place[1] / 3600 * u.deg
    for name in ("aper", "psf", "auto"):
        sources[f"flux_{name}"], sources[f"flux_{name}_error"] = flux * u.Unit(unit), noise * u.Unit(unit)
    sources["source_flags"], sources["flags"] = np.zeros(count, np.int32), np.zeros(count, np.int16)
    sources["class_star"] = np.full(count, 0.95)
    sources.meta.update(SEEING=1.0, DEPTH5=float(5 * np.sqrt(2000.0)) * (1 if not per_second else 1 / exposure))
    header = fits.Header({"OBJECT": "FIELD", "BAND": "r", "EXPTIME": exposure, "MJD-AVG": MJD, "AIRMASS": 1.3})
    blank = np.zeros((50, 60), np.float32)
    image = make_image(blank, unit=unit, header=header, variance=np.ones_like(blank))
    return Field(image, sources, reference, zero_point, colour_term, {"r": r, "colour": colour})


@pytest.fixture
def field() -> Callable[..., Field]:
    return make_field
