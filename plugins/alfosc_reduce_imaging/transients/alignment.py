"""A reference image brought to the pixels of another, by the WCS of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, variance_of
from alfosc_reduce_imaging.combination.mending import mended, widened
from alfosc_reduce_imaging.stars.background import background
from alfosc_reduce_imaging.transients.new_source_scene import wcs_of

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NODES = 32
"""Pixels between the places where the two WCS are asked; between them the map is all but straight."""
STRIP = 256
"""Rows that are worked on at once."""
LEAST_OVERLAP = 0.05


class Plane(NamedTuple):
    """An image as arrays: data, variance, flags; shape (ny, nx) each."""

    data: Floats
    variance: Floats
    flags: NDArray[np.int16]


def plane_of(image: CCDData) -> Plane:
    """Return the arrays of an image; without a variance that of its background is taken everywhere."""
    flags = flags_of(image)
    data = np.asarray(image.data, np.float32)
    strange = ~np.isfinite(data)
    if strange.any():
        flags[strange] |= np.int16(Flag.NOT_FINITE)
        data = np.where(strange, np.float32(0), data)
    if image.uncertainty is None:
        rms = background(data, flags == 0)[1]
        return Plane(data, np.square(rms), flags)
    variance = variance_of(image).astype(np.float32)
    return Plane(data, np.where(np.isfinite(variance), variance, 0), flags)


def align(reference: CCDData, image: CCDData, name: str) -> tuple[Plane, NDArray[np.float64]]:
    """Resample a reference image onto the pixels of an image, with a cubic spline.

    Parameters
    ----------
    reference, image
        Both with a celestial WCS.
    name
        Of the image, for errors.

    Returns
    -------
    plane
        Surface brightness of the reference a pixel of its own; variance that of its own pixels, interpolated (what the
        spline does to it is left to who convolves it); flagged ``OUTSIDE_DETECTOR`` where it does not reach.
    phases
        Fractions of a pixel (y, x) at which it was asked, of a sample of pixels, shape (2, n).

    Raises
    ------
    DataError
        If one has no WCS, or they hardly overlap.
    """
    nodes = node_map(reference, image, name)
    source = plane_of(reference)
    from scipy.ndimage import spline_filter

    flags = widened(source.flags, int(Flag.SATURATED))
    coefficients = spline_filter(mended(source.data, flags), 3, output=np.float32, mode="mirror")
    spread = mended(source.variance, flags)
    strips = [slice(low, min(low + STRIP, image.shape[0])) for low in range(0, image.shape[0], STRIP)]
    parts = [_strip(coefficients, spread, flags, _places(nodes, rows, image.shape[1])) for rows in strips]
    plane = Plane(*(np.concatenate(one) for one in zip(*parts, strict=True)))
    inside = (plane.flags & int(Flag.OUTSIDE_DETECTOR)) == 0
    if inside.mean() < LEAST_OVERLAP:
        raise DataError(
            f"{name}: the reference image covers {100 * inside.mean():.0f} % of it; give one of the same field, and "
            "check the WCS of both (solve_wcs)"
        )
    return plane, nodes.reshape(2, -1) % 1


def node_map(reference: CCDData, image: CCDData, name: str) -> NDArray[np.float64]:
    """Return row and column of the reference at every `NODES`-th pixel of an image, shape (2, rows, columns)."""
    here, there = wcs_of(image), wcs_of(reference)
    for wcs, what in ((here, "the image"), (there, "the reference image")):
        if wcs is None:
            raise DataError(f"{name}: {what} has no celestial WCS; run solve_wcs on it before subtracting")
    rows, columns = (np.arange(0, size + NODES, NODES, dtype=float) for size in image.shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    found = there.all_world2pix(*here.all_pix2world(x, y, 0), 0, quiet=True)
    return np.stack([found[1], found[0]])


def _places(nodes: NDArray[np.float64], rows: slice, width: int) -> NDArray[np.float64]:
    """Return row and column of the reference at each pixel of a strip, straight between nodes; (2, rows, width)."""
    y, x = np.arange(rows.start, rows.stop) / NODES, np.arange(width) / NODES
    i, j = y.astype(int), x.astype(int)
    fy, fx = (y - i)[:, None], (x - j)[None, :]
    left = nodes[:, i][:, :, j] * (1 - fy) + nodes[:, i + 1][:, :, j] * fy
    right = nodes[:, i][:, :, j + 1] * (1 - fy) + nodes[:, i + 1][:, :, j + 1] * fy
    return np.asarray(left * (1 - fx) + right * fx)


def _strip(
    coefficients: Floats, spread: Floats, flags: NDArray[np.int16], places: NDArray[np.float64]
) -> tuple[Any, Any, Any]:
    from scipy.ndimage import map_coordinates

    ny, nx = flags.shape
    data = map_coordinates(coefficients, places, order=3, output=np.float32, prefilter=False, mode="mirror")
    variance = map_coordinates(spread, places, order=1, output=np.float32, mode="nearest")
    y, x = (np.nan_to_num(part, nan=-1e6) for part in places)
    outside = ~((y > -0.5) & (y < ny - 0.5) & (x > -0.5) & (x < nx - 0.5))
    low_y, low_x = np.clip(y, 0, ny - 1).astype(int), np.clip(x, 0, nx - 1).astype(int)
    high_y, high_x = np.minimum(low_y + 1, ny - 1), np.minimum(low_x + 1, nx - 1)
    bits = flags[low_y, low_x] | flags[low_y, high_x] | flags[high_y, low_x] | flags[high_y, high_x]
    bits[outside] = np.int16(Flag.OUTSIDE_DETECTOR)
    data[outside], variance[outside] = 0, 0
    return data, np.maximum(variance, 0), bits
