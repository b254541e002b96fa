"""Star lists of a small simulated field, as seen by frames that are shifted, turned and clouded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.registration.geometry import PixelMap, similarity
from astropy.table import QTable

SIZE = 2048


class Stars:
    """A field of stars around a frame; `seen` is what one frame finds of it."""

    def __init__(self, number: int, seed: int = 1) -> None:
        """Scatter `number` stars a frame, with fluxes that fall as those of real fields do."""
        self.rng = np.random.default_rng(seed)
        total = int(number * (1 + 800 / SIZE) ** 2)
        self.xy = self.rng.uniform(-400, SIZE + 400, (total, 2))
        self.flux = 8000 * 10 ** (0.4 * np.minimum(self.rng.exponential(1.2, total), 6.0))

    def seen(
        self,
        name: str,
        affine: PixelMap | None = None,
        *,
        fainter: float = 0.0,
        fwhm: float = 4.0,
        missing: float = 0.0,
        exposure: float = 100.0,
        **meta: Any,
    ) -> QTable:
        """Return the star list of a frame; `affine` is true: field = affine(frame)."""
        places = (affine or similarity(1.0, 0.0, (0, 0))).inverse_over((SIZE, SIZE))(self.xy)
        inside = ((places > 3) & (places < SIZE - 4)).all(axis=1) & (self.rng.uniform(size=len(places)) >= missing)
        true = self.flux[inside] * 10 ** (-0.4 * fainter) * exposure / 100
        noise = np.sqrt(true + 3000 * exposure / 100 * fwhm**2 / 4)
        flux = true + noise * self.rng.normal(size=len(true))
        keep = np.flatnonzero(flux > 5 * noise)
        order = keep[np.argsort(-flux[keep])]
        scatter = 0.5 * fwhm * (noise / true)[:, None] * self.rng.normal(size=(len(true), 2))
        xy = (places[inside] + scatter)[order]
        table = QTable({
            "x": xy[:, 0] * u.pix, "y": xy[:, 1] * u.pix, "flux": flux[order] * u.electron,
            "flux_error": noise[order] * u.electron, "fwhm": np.full(len(order), fwhm) * u.pix,
            "ellipticity": np.full(len(order), 0.05), "theta": np.zeros(len(order)) * u.deg,
            "flags": np.zeros(len(order), np.int16),
        })  # fmt: skip
        table.meta = {
            "FRAME": name, "OBJECT": "field", "FILTER": "r", "EXPTIME": exposure, "NX": SIZE, "NY": SIZE,
            "PIXSCALE": 0.21, "SKY": 30 * exposure, "SKYNOISE": float(np.sqrt(30 * exposure)), "SEEING": 0.21 * fwhm,
            "SEEINGPX": fwhm, "ELLIPTIC": 0.05, **meta,
        }  # fmt: skip
        return table


@pytest.fixture
def field() -> Callable[..., Stars]:
    """Make a field of stars."""
    return Stars


def _error(found: PixelMap, true: PixelMap) -> tuple[float, float]:
    grid = np.stack(np.meshgrid(*[np.linspace(0, SIZE - 1, 9)] * 2), axis=-1).reshape(-1, 2)
    there = true(grid)
    inside = ((there > -0.5) & (there < SIZE)).all(axis=1)
    miss = np.hypot(*(found(grid) - there)[inside].T)
    return float(np.sqrt(np.mean(miss**2))), float(miss.max())


@pytest.fixture
def map_error() -> Callable[[PixelMap, PixelMap], tuple[float, float]]:
    """Say how far two maps of a frame are apart: rms and largest, in pixels of the part that lies on the reference."""
    return _error
