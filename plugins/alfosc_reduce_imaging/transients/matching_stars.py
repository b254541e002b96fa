"""The pieces of two images from which the kernel between them is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce_imaging.stars.detection import find_stars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.transients.alignment import Plane

    Floats = NDArray[np.float64]

SIGNIFICANT = 20.0
"""Sigma that a piece has at least in both images."""
CELLS = 6
"""Cells along each side of the image, each of which gives at most `EACH` pieces."""
EACH = 4
LEAST = 3
MODEL_ERROR = 0.005
"""Share of a pixel's light by which no kernel is right: keeps the brightest stars from deciding alone."""
SIDE = 3.5
"""Half the side of a piece in full widths at half maximum of the blunter image."""


class Stars(NamedTuple):
    """Places (n,), significances (n,), and the Moffat profile: full width at half maximum (pixels) and exponent."""

    x: Floats
    y: Floats
    significance: Floats
    seeing: float
    beta: float


class Stamps(NamedTuple):
    """Pieces of the sharper (n, side + 2 half, ...) and the blunter image with the variance of both (n, side, side)."""

    sharp: Floats
    blunt: Floats
    variance: Floats
    x: Floats
    y: Floats


def stars_of(plane: Plane, what: str) -> Stars:
    """Return the stars of an image; raises `DataError` if its seeing cannot be measured."""
    good = ~mask_of(plane.flags)
    found = find_stars(plane.data, plane.variance, good, flags=plane.flags)
    if len(found) < LEAST or not found.seeing.fwhm > 0:
        raise DataError(f"{what}: {len(found)} stars, too few to match its stars to those of another image")
    return Stars(found.x, found.y, found.significance, float(found.seeing.fwhm), float(found.seeing.beta))


def stamps_of(sharp: Plane, blunt: Plane, stars: Stars, seeing: float, half: int, name: str) -> Stamps:
    """Cut the pieces around the brightest stars (and galaxies) that are whole and linear in both images.

    Parameters
    ----------
    sharp, blunt
        On the same pixels, without their sky.
    stars
        Found in either.
    seeing
        Of the blunter image.
    half
        Half the size of the kernel.
    name
        Of the image, for errors.

    Raises
    ------
    DataError
        If fewer than three are left.
    """
    side = int(np.ceil(SIDE * seeing))
    x, y = np.rint(stars.x).astype(int), np.rint(stars.y).astype(int)
    reach = side + half
    ny, nx = blunt.data.shape
    inside = (x >= reach) & (x < nx - reach) & (y >= reach) & (y < ny - reach)
    rows = np.flatnonzero(inside & (stars.significance >= SIGNIFICANT))
    rows = rows[[_whole(sharp, x[i], y[i], reach) and _whole(blunt, x[i], y[i], side) for i in rows]]
    rows = _spread(x[rows], y[rows], stars.significance[rows], rows, (ny, nx))
    if len(rows) < LEAST:
        raise DataError(
            f"{name}: {len(rows)} stars are bright, unsaturated and whole in both images, it takes {LEAST} to match "
            "them; take a deeper reference image, or one with less masked"
        )
    at = x[rows], y[rows]
    inner, outer = _stamps(sharp.data, *at, reach), _stamps(blunt.data, *at, side)
    noise = _stamps(blunt.variance, *at, side) + (MODEL_ERROR * outer) ** 2
    noise += _stamps(sharp.variance, *at, side) * _scale(inner[:, half:-half, half:-half], outer)
    return Stamps(inner, outer, noise, at[0].astype(float), at[1].astype(float))


def _whole(plane: Plane, x: int, y: int, reach: int) -> bool:
    flags = _cut(plane.flags, x, y, reach)
    return not (mask_of(flags).any() or ((flags & int(Flag.NONLINEAR)) != 0).any())


def _stamps(plane: NDArray[np.float32], x: NDArray[np.intp], y: NDArray[np.intp], reach: int) -> Floats:
    return np.array([_cut(plane, *place, reach) for place in zip(x, y, strict=True)], float)


def _cut(plane: NDArray[Any], x: int, y: int, reach: int) -> NDArray[Any]:
    return plane[y - reach : y + reach + 1, x - reach : x + reach + 1]


def _spread(x: NDArray[np.intp], y: NDArray[np.intp], significance: Floats, rows: NDArray[np.intp],
            shape: tuple[int, int]) -> NDArray[np.intp]:  # fmt: skip
    """Return the most significant of each cell of the field."""
    cell = (y * CELLS // shape[0]) * CELLS + x * CELLS // shape[1]
    order = np.lexsort((-significance, cell))
    rank = np.zeros(len(rows), int)
    for i in range(1, len(order)):
        same = cell[order[i]] == cell[order[i - 1]]
        rank[order[i]] = rank[order[i - 1]] + 1 if same else 0
    return np.asarray(rows[rank < EACH])


def _scale(sharp: Floats, blunt: Floats) -> float:
    """Return the square of the flux ratio, roughly, times what a kernel leaves of the variance of single pixels."""
    ratio = np.median(blunt.sum(axis=(1, 2)) / np.maximum(sharp.sum(axis=(1, 2)), 1e-9))
    return float(0.3 * ratio**2)
