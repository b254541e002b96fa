"""What flats take out and what they leave: illumination, vignetting, dust, dead columns; and fringes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.detector import LIT, Detector, Readout, pixel_response
from alfosc_reduce_simulate.imaging.optics import MIDDLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIELD_STOP = 1190.0
"""Unbinned pixels from the axis where half of the light is cut off."""
_DUST = ((-420.0, 310.0, 0.04), (150.0, -640.0, 0.03), (560.0, 480.0, 0.05), (-700.0, -300.0, 0.02))
_DEAD = ((411, 900, 2064), (1333, 1, 700), (1702, 1500, 2064))
"""Columns (unbinned, from 1) that hardly respond, from row to row."""
_SERIAL = 31


@lru_cache(maxsize=4)
def flat_response(detector: Detector, readout: Readout, band: str) -> NDArray[np.float32]:
    """Return by what light is multiplied, 1 in the median over the field: illumination, pixels, dead columns.

    Parameters
    ----------
    detector, readout
        Of the frame.
    band
        The slow part of the illumination differs from band to band.
    """
    u, v = _places(readout)
    response = illumination(u, v, band) / np.float32(_median(band)) * pixel_response(detector, readout)
    response *= readout.illuminated().astype(np.float32)
    for column, first, last in _DEAD:
        x, y1, y2 = _pixel(column, 1, readout), _pixel(first, 2, readout), _pixel(last, 2, readout)
        if 0 <= x < readout.shape[1]:
            response[max(y1, 0) : max(y2, 0), x] *= 0.02
    response.setflags(write=False)
    return response


def illumination(u: NDArray[Any], v: NDArray[Any], band: str) -> NDArray[np.float32]:
    """Return the light at unbinned pixels off the axis: it falls slowly outward, rings of dust, dark corners."""
    u, v = u.astype(np.float32), v.astype(np.float32)
    radius = np.sqrt(u**2 + v**2)
    slow = 1 - 0.06 * (radius / 1000) ** 2 + 0.012 * u / 1000 - 0.008 * v / 1000 * (1 + (ord(band[0]) % 5) / 5)
    for x, y, depth in _DUST:
        distance = np.sqrt((u - x) ** 2 + (v - y) ** 2)
        slow *= 1 - np.float32(depth) * np.exp(-(((distance - 45) / 14) ** 2))
    inside = np.clip((FIELD_STOP + 40 - radius) / 80, 0, 1)
    shade: NDArray[np.float32] = slow * (0.003 + 0.997 * inside**2 * (3 - 2 * inside))
    return shade


@lru_cache(maxsize=16)
def _median(band: str) -> float:
    """Return the median illumination within the field stop."""
    x = np.arange(LIT[0][0], LIT[0][1] + 1, 16) - MIDDLE[0]
    y = np.arange(LIT[1][0], LIT[1][1] + 1, 16) - MIDDLE[1]
    u, v = x[None, :], y[:, None]
    return float(np.median(illumination(u, v, band)[np.hypot(u, v) < FIELD_STOP - 60]))


@lru_cache(maxsize=4)
def fringe_pattern(readout: Readout, band: str) -> NDArray[np.float32]:
    """Return fringes of unit amplitude and about zero mean: contours of the silicon's thickness, for two sky lines."""
    u, v = (part / 1000 for part in _places(readout))
    rng = np.random.default_rng((_SERIAL, ord(band[0])))
    terms = (1, u, v, u * v, u**2, v**2, u**3, v**3, u**2 * v, u * v**2)
    thickness = sum(size * term for size, term in zip(rng.normal(0, 22, len(terms)), terms, strict=True))
    waves = np.cos(thickness) + 0.5 * np.cos(1.31 * thickness + 1)
    pattern: NDArray[np.float32] = (waves / 1.5).astype(np.float32)
    pattern.setflags(write=False)
    return pattern


def _places(readout: Readout) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles of the pixels in unbinned pixels off the axis, as a row and a column."""
    x, y = readout.edges(1), readout.edges(2)
    return (x[1:] + x[:-1])[None, :] / 2 - MIDDLE[0], (y[1:] + y[:-1])[:, None] / 2 - MIDDLE[1]


def _pixel(place: int, axis: int, readout: Readout) -> int:
    """Return the binned pixel, from 0, that holds an unbinned one, from 1."""
    return (place - readout.window[2 * axis - 2]) // readout.binning[axis - 1]
