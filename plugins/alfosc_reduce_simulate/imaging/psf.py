"""The image of a star: a Moffat profile whose width and shape vary over the field, integrated over the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.optics import MIDDLE, SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.detector import Readout

BETA = 3.5
"""Exponent of the profile."""
CORE = 8
"""Half the side, in pixels, of the square in which a pixel is integrated by quadrature; outside its curvature does."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_SIZES = np.array([12, 18, 26, 38, 56, 84, 130, 200, 300])
_AT_ONCE = 1_500_000


@dataclass(frozen=True)
class Shape:
    """Quadratic forms of the profile at some places: ``1 + a dx^2 + 2 b dx dy + c dy^2`` in binned pixels.

    Attributes
    ----------
    a, b, c
        One value a place.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    c: NDArray[np.float64]

    @property
    def peak(self) -> NDArray[np.float64]:
        """Return the profile's height for unit flux."""
        height: NDArray[np.float64] = (BETA - 1) / np.pi * np.sqrt(self.a * self.c - self.b**2)
        return height

    @property
    def longest(self) -> NDArray[np.float64]:
        """Return the length scale along the longer axis, in pixels."""
        smaller = (self.a + self.c) / 2 - np.hypot((self.a - self.c) / 2, self.b)
        length: NDArray[np.float64] = smaller**-0.5
        return length


def width(seeing: float, x: NDArray[np.float64], y: NDArray[np.float64], readout: Readout) -> NDArray[np.float64]:
    """Return the full width at half maximum in arc seconds (geometric mean of the axes) at binned pixels.

    It is `seeing` on the optical axis, and 6 per cent more in the corners.
    """
    u, v = _off_axis(x, y, readout)
    wide: NDArray[np.float64] = seeing * (1 + 0.03 * (u**2 + v**2))
    return wide


def shape(seeing: float, x: NDArray[np.float64], y: NDArray[np.float64], readout: Readout) -> Shape:
    """Return the shape at binned pixels; ellipticity is 0.02 on the axis and up to 0.06 in the corners."""
    u, v = _off_axis(x, y, readout)
    scale = width(seeing, x, y, readout) / SCALE / 2 / np.sqrt(2 ** (1 / BETA) - 1)
    e1 = 0.02 + 0.02 * (u**2 - v**2)
    e2 = 0.04 * u * v
    ratio, angle = 1 - np.hypot(e1, e2), np.arctan2(e2, e1) / 2
    along, across = ratio / scale**2, 1 / (ratio * scale**2)
    c, s = np.cos(angle), np.sin(angle)
    bx, by = readout.binning
    return Shape(
        a=(along * c**2 + across * s**2) * bx**2,
        b=(along - across) * c * s * bx * by,
        c=(along * s**2 + across * c**2) * by**2,
    )


def draw_stars(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float64],
    form: Shape,
) -> None:
    """Add stars to an image.

    Parameters
    ----------
    image
        Changed in place.
    x, y
        Where, pixels from 0; may lie outside.
    flux
        Total of each, to infinity; of a faint star an electron is cut off in the wings, of a bright one 1e-4.
    form
        The profile at each.
    """
    half = _half_sizes(flux, form)
    for size in np.unique(half):
        chosen = np.flatnonzero(half == size)
        for part in np.array_split(chosen, max(1, chosen.size * (2 * size + 1) ** 2 // _AT_ONCE)):
            own = Shape(form.a[part], form.b[part], form.c[part])
            left, bottom = np.rint(x[part]).astype(int) - size, np.rint(y[part]).astype(int) - size
            drawn = stamps(x[part] - left, y[part] - bottom, flux[part], own, 2 * int(size) + 1)
            for stamp, column, row in zip(drawn, left, bottom, strict=True):
                add(image, stamp, int(column), int(row))


def stamps(
    x: NDArray[np.float64], y: NDArray[np.float64], flux: NDArray[np.float64], form: Shape, side: int
) -> NDArray[np.float32]:
    """Return square images of stars, shape (stars, side, side), centred on `x` and `y` within them.

    Far from the centre the mean over a pixel is the value in its middle and 1/24 of the Laplacian; in the core it is a
    Gauss-Legendre sum over 4 x 4 points.
    """
    height = (form.peak * flux).astype(np.float32)[:, None, None]
    drawn = height * _smooth(np.arange(side) - x[:, None], np.arange(side) - y[:, None], form)
    middle = side // 2
    core = slice(max(middle - CORE, 0), middle + CORE + 1)
    pixels = np.arange(side)[core]
    drawn[:, core, core] = 0
    for dy, wy in zip(_NODES / 2, _WEIGHTS / 2, strict=True):
        for dx, wx in zip(_NODES / 2, _WEIGHTS / 2, strict=True):
            value = _profile(pixels + dx - x[:, None], pixels + dy - y[:, None], form)[0]
            drawn[:, core, core] += height * np.float32(wx * wy) * value
    return drawn


def add(image: NDArray[np.float32], stamp: NDArray[np.float32], column: int, row: int) -> None:
    """Add a small image whose first pixel falls on a column and row of the large one; what lies outside is lost."""
    (ny, nx), (height, length) = image.shape, stamp.shape
    x1, x2, y1, y2 = max(column, 0), min(column + length, nx), max(row, 0), min(row + height, ny)
    if x1 < x2 and y1 < y2:
        image[y1:y2, x1:x2] += stamp[y1 - row : y2 - row, x1 - column : x2 - column]


def _off_axis(
    x: NDArray[np.float64], y: NDArray[np.float64], readout: Readout
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return thousands of unbinned pixels from the optical axis."""
    (bx, by), window = readout.binning, readout.window
    u = (x + 0.5) * bx + window[0] - 0.5 - MIDDLE[0]
    v = (y + 0.5) * by + window[2] - 0.5 - MIDDLE[1]
    return u / 1000, v / 1000


def _half_sizes(flux: NDArray[np.float64], form: Shape) -> NDArray[np.int64]:
    """Return half the sides of the stamps: hardly any light is beyond, nowhere 0.02 electrons a pixel."""
    safe = np.maximum(flux, 1.0)
    lost = np.clip(1 / safe, 1e-4, 5e-3)
    by_share = lost ** (-1 / (BETA - 1))
    by_height = np.maximum(safe * form.peak / 0.02, 1) ** (1 / BETA)
    wanted = form.longest * np.sqrt(np.maximum(by_share, by_height) - 1)
    found: NDArray[np.int64] = _SIZES[np.minimum(np.searchsorted(_SIZES, wanted), _SIZES.size - 1)]
    return found


def _profile(
    dx: NDArray[np.float64], dy: NDArray[np.float64], form: Shape
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the profile of unit height, and its ``1 + Q``, for offsets of shape (stars, n) along each axis."""
    a, b, c = (values.astype(np.float32)[:, None, None] for values in (form.a, form.b, form.c))
    across, up = dx.astype(np.float32)[:, None, :], dy.astype(np.float32)[:, :, None]
    base: NDArray[Any] = 1 + a * across**2 + (2 * b * across + c * up) * up
    profile: NDArray[np.float32] = np.exp(np.float32(-BETA) * np.log(base))
    return profile, base


def _smooth(dx: NDArray[np.float64], dy: NDArray[np.float64], form: Shape) -> NDArray[np.float32]:
    """Return the mean over pixels by the value and the Laplacian in their middle."""
    profile, base = _profile(dx, dy, form)
    a, b, c = (values.astype(np.float32)[:, None, None] for values in (form.a, form.b, form.c))
    across, up = dx.astype(np.float32)[:, None, :], dy.astype(np.float32)[:, :, None]
    slope = (a * across + b * up) ** 2 + (b * across + c * up) ** 2
    bend = np.float32(4 * BETA * (BETA + 1)) * slope / base - np.float32(2 * BETA) * (a + c)
    smooth: NDArray[np.float32] = profile * (1 + bend / (24 * base))
    return smooth
