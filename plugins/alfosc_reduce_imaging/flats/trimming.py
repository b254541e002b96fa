"""Images cut to the part of the field that gets light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from alfosc_reduce_ccd.naming import header_of
from alfosc_reduce_ccd.sections import binning_of, limits_of

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, stored_variance

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

Edges = tuple[int, int, int, int]
"""First and last row, first and last column, 0-based, inclusive."""

_COARSE = 300
_SMALLEST = 0.1


class TrimImage(Step):
    """Cut an image to the largest rectangle inside the field, or to given edges."""

    section: str = ""
    """What to keep, as in FITS headers: ``[x1:x2,y1:y2]``, 1-based and inclusive; empty for the largest rectangle
    without vignetted corners."""

    def __call__(self, image: CCDData) -> CCDData:
        """Return the part of the image that is kept; its celestial coordinates and detector section follow.

        Parameters
        ----------
        image
            With ``OUTSIDE_FIELD`` flags, as `divide_flat` leaves them.

        Raises
        ------
        DataError
            If the section does not fit the image, or hardly anything of the image is inside the field.
        """
        name = str(image.meta.get("FILENAME", "image")).partition(".")[0]
        if 0 in image.shape:
            raise DataError(f"{name}: the image is empty (shape {image.shape}); exclude it")
        flags = flags_of(image)
        edges = _given(self.section, image.shape) if self.section else largest_rectangle(
            (flags & int(Flag.OUTSIDE_FIELD)) == 0)  # fmt: skip
        y0, y1, x0, x1 = edges
        if (y1 - y0 + 1) * (x1 - x0 + 1) < _SMALLEST * image.data.size and not self.section:
            raise DataError(f"{name}: less than a tenth of it is inside the field; look at the flat, or give a section")
        part = slice(y0, y1 + 1), slice(x0, x1 + 1)
        variance = stored_variance(image)
        variance = None if variance is None else variance[part]
        header = trimmed_header(image.meta, edges, image.shape)
        unit = image.unit.to_string()
        return make_image(image.data[part], unit=unit, header=header, variance=variance, flags=flags[part])

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the size of what is kept, and its share of the image."""
        return {
            "columns": result.shape[1],
            "rows": result.shape[0],
            "kept_fraction": result.data.size / inputs["image"].data.size,
        }


def largest_rectangle(inside: NDArray[np.bool_]) -> Edges:
    """Return the largest rectangle of true values (to a few pixels; exact for less than 300 pixels a side).

    Parameters
    ----------
    inside
        Shape (ny, nx); rectangles are sought on blocks that are true throughout, and then grown line by line.

    Raises
    ------
    DataError
        If there is none.
    """
    size = max(1, -(-max(inside.shape) // _COARSE))
    shape = tuple(length // size for length in inside.shape)
    blocks = inside[: shape[0] * size, : shape[1] * size].reshape(shape[0], size, shape[1], size)
    blocks = np.asarray(np.all(blocks, axis=(1, 3)), bool)
    best, area = (0, -1, 0, -1), 0
    heights = np.zeros(shape[1], int)
    for row in range(shape[0]):
        heights = np.where(blocks[row], heights + 1, 0)
        found, left, right = _widest(heights.tolist())
        if found * (right - left + 1) > area:
            area, best = found * (right - left + 1), (row - found + 1, row, left, right)
    if area == 0:
        raise DataError("trim: no part of the image is inside the field; look at the flat, or give a section")
    y0, y1, x0, x1 = best
    return _grown(inside, (y0 * size, (y1 + 1) * size - 1, x0 * size, (x1 + 1) * size - 1))


def trimmed_header(header: Header, edges: Edges, shape: tuple[int, ...]) -> Header:
    """Return the header of a part of an image: reference pixel, detector section and pixel counts moved."""
    y0, y1, x0, x1 = edges
    result = header_of(header)
    for keyword, shift in (("CRPIX1", x0), ("CRPIX2", y0), ("LTV1", x0), ("LTV2", y0)):
        if keyword in result:
            result[keyword] = float(result[keyword]) - shift
    for start, step, shift in (("DISPPIX0", "DISPSTEP", x0), ("SLITPIX0", "SLITSTEP", y0)):
        if start in result and step in result:
            result[start] = float(result[start]) + shift * float(result[step])
    text = str(result.get("DETSEC", "")).strip()
    if text:
        (bx, by), (left, _, low, _) = binning_of(result), limits_of(text)
        result["DETSEC"] = f"[{left + x0 * bx}:{left + (x1 + 1) * bx - 1},{low + y0 * by}:{low + (y1 + 1) * by - 1}]"
    result["TRIMMED"] = (f"[{x0 + 1}:{x1 + 1},{y0 + 1}:{y1 + 1}]", f"part kept of {shape[1]} x {shape[0]} pixels")
    return result


def _given(section: str, shape: tuple[int, ...]) -> Edges:
    x1, x2, y1, y2 = limits_of(section)
    if x2 > shape[1] or y2 > shape[0]:
        raise DataError(f"trim: {section} reaches beyond the image of {shape[1]} x {shape[0]} pixels; correct it")
    return y1 - 1, y2 - 1, x1 - 1, x2 - 1


def _widest(heights: list[int]) -> tuple[int, int, int]:
    """Return height, first and last column of the largest rectangle below a row of bars."""
    best, stack = (0, 0, 0), list[tuple[int, int]]()
    for column, height in enumerate([*heights, 0]):
        start = column
        while stack and stack[-1][1] >= height:
            start, top = stack.pop()
            if top * (column - start) > best[0] * (best[2] - best[1] + 1):
                best = top, start, column - 1
        stack.append((start, height))
    return best


def _grown(inside: NDArray[np.bool_], edges: Edges) -> Edges:
    """Move each edge outward as long as the next line is inside throughout."""
    y0, y1, x0, x1 = edges
    while y0 > 0 and inside[y0 - 1, x0 : x1 + 1].all():
        y0 -= 1
    while y1 < inside.shape[0] - 1 and inside[y1 + 1, x0 : x1 + 1].all():
        y1 += 1
    while x0 > 0 and inside[y0 : y1 + 1, x0 - 1].all():
        x0 -= 1
    while x1 < inside.shape[1] - 1 and inside[y0 : y1 + 1, x1 + 1].all():
        x1 += 1
    return y0, y1, x0, x1
