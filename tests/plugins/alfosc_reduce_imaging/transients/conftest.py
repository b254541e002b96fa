"""A field with stars, galaxies, defects and new sources, as the tables that a search works on."""

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
from astropy.wcs import WCS

from alfosc_reduce.images import make_image

SCALE, SIZE, MJD, NOISE, ZERO_POINT = 0.2138, 1024, 60310.5, 60.0, 32.0
"""Arc seconds a pixel; pixels; date; flux error of a faint source; magnitude of one electron."""


@dataclass(frozen=True)
class Field:
    image: CCDData
    sources: QTable
    reference: QTable
    new: Any
    """Rows of the sources that are new."""

    @property
    def inputs(self) -> dict[str, Any]:
        return {"image": self.image, "sources": self.sources, "reference": self.reference}


def sky(ra: float, dec: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [ra, dec], [SIZE / 2, SIZE / 2]
    wcs.wcs.cd = np.array([[-SCALE, 0], [0, SCALE]]) / 3600
    return wcs


def make_sources(x: Any, y: Any, flux: Any, wcs: WCS, rng: np.random.Generator) -> QTable:
    count = len(x)
    noise = np.sqrt(NOISE**2 + flux)
    table = QTable(
        {"id": np.arange(1, count + 1), "x": x + rng.normal(0, 0.1, count), "y": y + rng.normal(0, 0.1, count)}
    )
    ra, dec = wcs.all_pix2world(table["x"], table["y"], 0)
    table["ra"], table["dec"] = ra * u.deg, dec * u.deg
    table["x_error"] = table["y_error"] = np.full(count, 0.1)
    table["fwhm"] = 5 * rng.normal(1, 0.05, count)
    table["ellipticity"] = rng.uniform(0, 0.15, count)
    table["class_star"] = np.full(count, 0.9)
    table["flux_psf"], table["flux_psf_error"] = (flux + rng.normal(0, noise)) * u.electron, noise * u.electron
    table["source_flags"], table["flags"] = np.zeros(count, np.int32), np.zeros(count, np.int16)
    table.meta.update(SEEING=5 * SCALE, PIXSCALE=SCALE)
    return table


def make_field(seed: int = 1, *, ra: float = 150.0, dec: float = 75.0, count: int = 150, new: int = 5,
               deepest: float = 30.0, zero_point: bool = True, flux: float = 10 * NOISE) -> Field:  # fmt: skip
    rng = np.random.default_rng(seed)
    wcs = sky(ra, dec)
    x, y = rng.uniform(30, SIZE - 30, (2, count))
    magnitude = 16 + 9.7 * rng.uniform(0, 1, count) ** 0.6
    x, y, magnitude = (part[10 ** (-0.4 * (magnitude - ZERO_POINT)) > 7 * NOISE] for part in (x, y, magnitude))
    motion = rng.normal(0, 40, (2, len(x)))
    years = 2000 + (MJD - 51544.5) / 365.25 - 2016
    star_ra, star_dec = wcs.all_pix2world(x, y, 0)
    reference = QTable({"source_id": [f"G{i}" for i in range(len(x))]})
    reference["ra"] = (star_ra - motion[0] * years / 3.6e6 / np.cos(np.radians(dec))) % 360 * u.deg
    reference["dec"] = (star_dec - motion[1] * years / 3.6e6) * u.deg
    reference["pmra"], reference["pmdec"] = motion * u.mas / u.yr
    reference["epoch"] = np.full(len(x), 2016.0)
    reference["mag_r"] = magnitude * u.mag
    reference["extended"] = np.zeros(len(x), bool)
    reference = reference[magnitude < deepest]
    reference.meta.update(CATALOG="gaia", MAGSYS={"r": "AB"}, RA=ra, DEC=dec, RADIUS=0.06)
    far = [[a, 500.0] for a in np.arange(60.0, 960.0, 50.0) if np.min(np.hypot(x - a, y - 500)) > 25][:new]
    places = np.array(far).reshape(-1, 2)
    fluxes = np.concatenate([10 ** (-0.4 * (magnitude - ZERO_POINT)), np.full(len(places), flux)])
    sources = make_sources(np.append(x, places[:, 0]), np.append(y, places[:, 1]), fluxes, wcs, rng)
    header = fits.Header({"OBJECT": "FIELD", "BAND": "r", "EXPTIME": 1.0, "MJD-AVG": MJD, "PIXSCALE": SCALE})
    header.update(wcs.to_header())
    if zero_point:
        header.update({"MAGZP": ZERO_POINT, "MAGSYS": "AB", "MAGBAND": "r"})
    pixels = rng.normal(0, 10, (SIZE, SIZE)).astype(np.float32)
    image = make_image(pixels, unit="electron", header=header, variance=np.full_like(pixels, 100.0))
    return Field(image, sources, reference, np.arange(len(x), len(sources)))


@pytest.fixture
def field() -> Callable[..., Field]:
    return make_field


@pytest.fixture
def more_sources() -> Callable[..., QTable]:
    """Make further rows for the sources of a field at given pixels."""

    def make(true: Field, x: Any, y: Any, flux: Any) -> QTable:
        wcs = WCS(true.image.meta)
        return make_sources(np.asarray(x, float), np.asarray(y, float), np.asarray(flux, float), wcs,
                            np.random.default_rng(9))  # fmt: skip

    return make
