"""Small star fields made with numpy and astropy's WCS, an implementation that is not ours."""

from __future__ import annotations

import warnings
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

SIZE = (900, 1000)
SCALE = 0.4
YEAR = 2025.0


@dataclass
class StarField:
    """An image (without pixels), its sources, its catalogue, its true map, and how the sources are ordered."""

    image: CCDData
    sources: QTable
    reference: QTable
    truth: WCS

    @property
    def inputs(self) -> dict[str, Any]:
        return {"image": self.image, "sources": self.sources, "reference": self.reference}

    def errors(self, header: fits.Header) -> Any:
        """Return how far a header's map is from the truth over the field, arc seconds, shape (n,)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy tells that it works out one form of the date from the other
            found = WCS(header)
        x, y = (part.ravel() for part in np.meshgrid(np.linspace(0, SIZE[1] - 1, 15), np.linspace(0, SIZE[0] - 1, 15)))
        a, b = found.all_pix2world(x, y, 0), self.truth.all_pix2world(x, y, 0)
        east = (a[0] - b[0] + 180) % 360 - 180
        return 3600 * np.hypot(east * np.cos(np.radians(b[1])), a[1] - b[1])


def true_wcs(ra: float, dec: float, turn: float, distortion: float, mirrored: bool) -> WCS:
    header = fits.Header()
    sip = "-SIP" if distortion else ""
    angle = np.radians(turn)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(
        [1.0 if mirrored else -1.0, 1.0]
    )
    header.update({f"CTYPE{i + 1}": name + sip for i, name in enumerate(("RA---TAN", "DEC--TAN"))})
    header.update({"CRVAL1": ra, "CRVAL2": dec, "CRPIX1": SIZE[1] / 2 + 11.0, "CRPIX2": SIZE[0] / 2 - 7.0})
    header.update({f"CD{i + 1}_{j + 1}": SCALE / 3600 * matrix[i, j] for i, j in np.ndindex(2, 2)})
    if distortion:
        k = distortion / np.hypot(*SIZE) ** 3 * 8
        header.update({"A_ORDER": 3, "B_ORDER": 3, "A_3_0": k, "A_1_2": k, "B_0_3": k, "B_2_1": k})
    return WCS(header)


def make_field(
    *,
    stars: int = 80,
    ra: float = 150.0,
    dec: float = 28.0,
    distortion: float = 2.0,
    false: int = 0,
    error: float = 0.005,
    turn: float = 3.0,
    mirrored: bool = False,
    off: float = 100.0,
    motion: float = 10.0,
    seed: int = 1,
) -> StarField:
    """Return a field whose header is off by `off` arc seconds and by `turn` degrees."""
    rng = np.random.default_rng(seed)
    truth = true_wcs(ra, dec, turn, distortion, mirrored)
    margin = 1.25 * off / SCALE
    share = (SIZE[0] + 2 * margin) * (SIZE[1] + 2 * margin) / SIZE[0] / SIZE[1] - 1
    outside = rng.uniform(-margin, [SIZE[1] + margin, SIZE[0] + margin], (round(3 * stars * share), 2))
    outside = outside[((outside < 0) | (outside > [SIZE[1] - 1, SIZE[0] - 1])).any(axis=1)][: round(stars * share)]
    x, y = np.concatenate([rng.uniform(5, [SIZE[1] - 6, SIZE[0] - 6], (stars, 2)), outside]).T
    now = np.array(truth.all_pix2world(x, y, 0))
    magnitude = 14 + 5 * rng.random(len(x)) ** 0.5
    pmra, pmdec = rng.normal(0, motion, (2, len(x)))
    reference = QTable({"source_id": [f"star {i}" for i in range(len(x))], "mag_r": magnitude})
    reference["ra"] = ((now[0] - pmra * (YEAR - 2016) / 3.6e6 / np.cos(np.radians(now[1]))) % 360) * u.deg
    reference["dec"] = (now[1] - pmdec * (YEAR - 2016) / 3.6e6) * u.deg
    reference["pmra"], reference["pmdec"] = pmra * u.mas / u.yr, pmdec * u.mas / u.yr
    reference["epoch"] = np.full(len(x), 2016.0)
    reference.meta.update(CATALOG="made", RA=ra, DEC=dec)
    px = np.concatenate([x[:stars], rng.uniform(0, SIZE[1] - 1, false)]) + rng.normal(0, error, stars + false)
    py = np.concatenate([y[:stars], rng.uniform(0, SIZE[0] - 1, false)]) + rng.normal(0, error, stars + false)
    mag = np.concatenate([magnitude[:stars], 14 + 5 * rng.random(false) ** 0.5])
    sources = QTable({"id": np.arange(1, len(px) + 1), "x": px * u.pix, "y": py * u.pix})
    sources["x_error"] = sources["y_error"] = np.full(len(px), max(error, 1e-6)) * u.pix
    sources["fwhm"] = np.full(len(px), 3.0) * u.pix
    sources["flux_auto"] = 10 ** (-0.4 * (mag - 25)) * u.electron
    sources["source_flags"] = np.zeros(len(px), np.int32)
    sources.meta.update(FRAME="made", FILTER="r")
    image = CCDData(np.zeros(SIZE, np.float32), unit="electron", meta=wrong_header(truth, off, turn, rng))
    return StarField(image, sources, reference, truth)


def wrong_header(truth: WCS, off: float, turn: float, rng: np.random.Generator) -> fits.Header:
    """Return a header with north up and east left, whose position is off in a random direction."""
    away = rng.uniform(0, 2 * np.pi)
    ra, dec = truth.all_pix2world([[SIZE[1] / 2 - 0.5, SIZE[0] / 2 - 0.5]], 0)[0]
    dec = dec + np.sin(away) * off / 3600
    ra = (ra + np.cos(away) * off / 3600 / np.cos(np.radians(dec))) % 360
    header = fits.Header({"FILENAME": "made", "OBJECT": "field", "MJD-AVG": 51544.5 + (YEAR - 2000) * 365.25})
    header.update({"RA": ra, "DEC": dec, "PIXSCALE": SCALE, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra,
                   "CRVAL2": dec, "CRPIX1": SIZE[1] / 2 + 0.5, "CRPIX2": SIZE[0] / 2 + 0.5,
                   "CD1_1": -SCALE / 3600, "CD2_2": SCALE / 3600})  # fmt: skip
    return header


@pytest.fixture(name="make_field")
def make_field_fixture() -> Callable[..., StarField]:
    return make_field


@pytest.fixture(scope="session")
def plain_field() -> StarField:
    """80 stars with errors of 2 mas; not to be changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return make_field()
