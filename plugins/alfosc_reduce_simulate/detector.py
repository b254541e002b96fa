"""The detector: bias and its structure, gain, noise, response of the pixels, saturation, and the raw integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIT = ((51, 2098), (1, 2064))
"""First and last exposed pixel along x and y of the E2V 231-42 (2048 x 2064 pixels, 50 columns of prescan), from 1."""
SHAPE = (2102, 2148)
"""Rows and columns that are read out."""
_STEEP = (2600.0, 900.0, 300.0, 110.0, 50.0, 25.0, 12.0, 6.0)
_STEEP_ROWS = (280.0, 178.0, 98.0, 65.0, 36.0, 27.0, 16.0, 12.0, 9.0, 6.0, 4.0, 2.0)
_SERIAL = 14


@dataclass(frozen=True)
class Detector:
    """What the detector does to the light, as measured on frames of 2020; the header disagrees, as the real one does.

    Attributes
    ----------
    gain, read_noise
        True values, electron/ADU and electron.
    header_gain, header_read_noise
        What the header says.
    level
        Bias in ADU, which `drift` (ADU, standard deviation a frame) moves about.
    dark
        Electrons a second and unbinned pixel.
    linear, full_well
        ADU where the response is 1 % low, and where it ends.
    response_scatter
        Relative scatter of the response of unbinned pixels.
    hot_columns, hot_pixels
        Their numbers on the whole detector; a hot column starts at some row.
    cosmic_rays
        Hits an hour and square centimetre of detector.
    """

    gain: float = 0.179
    read_noise: float = 5.9
    header_gain: float = 0.16
    header_read_noise: float = 4.3
    level: float = 11735.0
    drift: float = 6.0
    dark: float = 1.3 / 3600
    linear: float = 600_000.0
    full_well: float = 870_000.0
    response_scatter: float = 0.006
    hot_columns: int = 12
    hot_pixels: int = 400
    cosmic_rays: float = 90.0


@dataclass(frozen=True)
class Readout:
    """What part of the detector is read, and how it is binned.

    Attributes
    ----------
    window
        First and last column, first and last row in unbinned pixels, from 1.
    binning
        Along x and y.
    """

    window: tuple[int, int, int, int] = (1, SHAPE[1], 1, SHAPE[0])
    binning: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        x1, x2, y1, y2 = self.window
        if not (1 <= x1 < x2 <= SHAPE[1] and 1 <= y1 < y2 <= SHAPE[0]) or min(self.binning) < 1:
            raise DataError(
                f"simulate: window {self.text} binned {self.binning} does not fit the detector; "
                f"choose within [1:{SHAPE[1]}, 1:{SHAPE[0]}]"
            )

    @property
    def text(self) -> str:
        """Return the window as in the headers, ``[x1:x2, y1:y2]``."""
        x1, x2, y1, y2 = self.window
        return f"[{x1}:{x2}, {y1}:{y2}]"

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns of the frame."""
        return len(self.edges(2)) - 1, len(self.edges(1)) - 1

    def edges(self, axis: int) -> NDArray[np.float64]:
        """Return the borders of the binned pixels along FITS axis 1 or 2; the first unbinned pixel is centred on 1."""
        first, last = self.window[2 * axis - 2 : 2 * axis]
        step = self.binning[axis - 1]
        return first - 0.5 + step * np.arange((last - first + 1) // step + 1, dtype=np.float64)

    def lit(self, axis: int) -> NDArray[np.float64]:
        """Return the share of each binned pixel that light can reach, along FITS axis 1 or 2."""
        edges = np.clip(self.edges(axis), LIT[axis - 1][0] - 0.5, LIT[axis - 1][1] + 0.5)
        share: NDArray[np.float64] = np.diff(edges) / self.binning[axis - 1]
        return share

    def illuminated(self) -> NDArray[np.float64]:
        """Return the share of each pixel that light can reach, of the shape of the frame."""
        return np.outer(self.lit(2), self.lit(1))


def bias_structure(readout: Readout) -> NDArray[np.float64]:
    """Return the bias over its level in ADU: steep first columns and rows, a slope along x and one along y."""
    ny, nx = readout.shape
    x, y = np.arange(nx), np.arange(ny)
    columns = 230 * np.exp(-x / 130) - 12 * x / max(nx, 400)
    columns[: len(_STEEP)] += _STEEP[:nx]
    rows = -12.0 * y / max(ny, 1000)
    rows[: len(_STEEP_ROWS)] += _STEEP_ROWS[:ny]
    return rows[:, None] + columns


def pixel_response(detector: Detector, readout: Readout) -> NDArray[np.float32]:
    """Return the relative response of the binned pixels; a detector pixel has the same one in any window."""
    return _response(detector.response_scatter, readout)


@lru_cache(maxsize=8)
def _response(scatter: float, readout: Readout) -> NDArray[np.float32]:
    full = np.random.default_rng(_SERIAL).standard_normal(SHAPE, dtype=np.float32)
    response = 1 + np.float32(scatter) * _binned(full, readout) / np.float32(np.prod(readout.binning))
    response.setflags(write=False)
    return response


def _binned(full: NDArray[np.float32], readout: Readout) -> NDArray[np.float32]:
    x1, _, y1, _ = readout.window
    (ny, nx), (bx, by) = readout.shape, readout.binning
    part = full[y1 - 1 : y1 - 1 + ny * by, x1 - 1 : x1 - 1 + nx * bx]
    summed: NDArray[np.float32] = part.reshape(ny, by, nx, bx).sum(axis=(1, 3), dtype=np.float32)
    return summed


@lru_cache(maxsize=8)
def hot_pixels(detector: Detector, readout: Readout) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what hot columns add: an offset in ADU (in every frame) and a current in electrons a second."""
    rng = np.random.default_rng(_SERIAL + 1)
    offset, current = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    columns = rng.integers(LIT[0][0], LIT[0][1], detector.hot_columns)
    for column, first in zip(columns, rng.integers(50, 1500, detector.hot_columns), strict=True):
        offset[first : LIT[1][1], column] = rng.uniform(60, 300)
        current[first : LIT[1][1], column] = rng.uniform(0.02, 0.2)
    number = detector.hot_pixels
    rows, places = rng.integers(0, LIT[1][1], number), rng.integers(*LIT[0], number)
    current[rows, places] = rng.uniform(0.5, 30, number)
    return _binned(offset, readout), _binned(current, readout)


def read_out(
    electrons: NDArray[np.float64],
    *,
    detector: Detector,
    readout: Readout,
    exposure: float,
    level: float,
    rng: np.random.Generator,
) -> NDArray[np.uint32]:
    """Turn expected electrons into a raw frame.

    Parameters
    ----------
    electrons
        Expected, of the shape of the frame; photon noise is drawn here.
    detector, readout
        What reads them.
    exposure
        In seconds, for the dark current.
    level
        Bias level of this frame in ADU.
    rng
        The source of all noise.

    Returns
    -------
    NDArray[np.uint32]
        ADU; a negative value (the first pixel, as in real frames) wraps around to 2^32.
    """
    expected = electrons + dark_current(detector, readout) * exposure
    return digitise(photon_noise(expected, rng), detector=detector, readout=readout, level=level, rng=rng)


def dark_current(detector: Detector, readout: Readout) -> NDArray[np.float64]:
    """Return the electrons a second that every pixel collects without light."""
    current = hot_pixels(detector, readout)[1]
    total: NDArray[np.float64] = current + detector.dark * float(np.prod(readout.binning)) * readout.illuminated()
    return total


def digitise(
    collected: NDArray[Any],
    *,
    detector: Detector,
    readout: Readout,
    level: float,
    rng: np.random.Generator,
) -> NDArray[np.uint32]:
    """Turn collected electrons into a raw frame in ADU, the rest as in `read_out`.

    Single precision is enough for images, and twice as fast: what comes in as 32-bit floats is kept so.
    """
    adu = respond(collected / collected.dtype.type(detector.gain), detector)
    noise = rng.standard_normal(collected.shape, dtype=np.float32) * np.float32(detector.read_noise / detector.gain)
    adu += pedestal(detector, readout)
    adu += noise
    adu += collected.dtype.type(level)
    raw: NDArray[np.int32] = np.rint(adu, out=adu).astype(np.int32)
    raw[0, 0] = -17_000 + int(rng.integers(-1500, 1500))
    return raw.view(np.uint32)


@lru_cache(maxsize=4)
def pedestal(detector: Detector, readout: Readout) -> NDArray[np.float32]:
    """Return what every frame shows over its level, in ADU: the structure of the bias, and hot columns."""
    total: NDArray[np.float32] = (bias_structure(readout) + hot_pixels(detector, readout)[0]).astype(np.float32)
    total.setflags(write=False)
    return total


def photon_noise(expected: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Draw counts of the given expectations: Poisson, above 1000 its normal limit (which is much faster)."""
    bright = expected > 1000
    drawn = rng.poisson(np.where(bright, 0, np.maximum(expected, 0))).astype(expected.dtype)
    many = expected[bright]
    drawn[bright] = np.rint(many + np.sqrt(many) * rng.standard_normal(many.shape, dtype=expected.dtype.type))
    return drawn


def respond(adu: NDArray[Any], detector: Detector) -> NDArray[Any]:
    """Return what the detector makes of a signal in ADU: 1 % low at `Detector.linear`, never above the full well.

    The bend sets in late (fourth power); below a third of `Detector.linear` it is under 0.01 per cent.
    """
    adu = np.minimum(adu, 1.2 * detector.full_well)
    square = (adu / detector.linear) ** 2
    bent: NDArray[Any] = np.minimum(adu * (1 - 0.01 * square * square), detector.full_well)
    return bent
