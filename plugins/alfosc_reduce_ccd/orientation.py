"""Frames turned so that wavelength rises with x, and where their pixels lie on the detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_ccd.sections import binning_of, limits_of

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Orientation:
    """How raw pixels become oriented ones.

    Attributes
    ----------
    axis
        Raw FITS axis of the dispersion, 1 or 2; 0 for an image, which stays as it is.
    sign
        +1 if wavelength rises with the raw pixel, else -1.
    """

    axis: int
    sign: int

    def apply(self, array: NDArray[T]) -> NDArray[T]:
        """Return an oriented array (a view); the slit runs along its first axis."""
        turned = array.T if self.axis == 2 else array
        return turned[:, ::-1] if self.axis and self.sign < 0 else turned


def orientation_of(header: Header) -> Orientation:
    """Return the orientation that ``DISPAXIS`` and ``DISPSIGN`` tell; raises `DataError` for values not allowed."""
    axis, sign = header.get("DISPAXIS", 0), header.get("DISPSIGN", 1)
    if axis not in (0, 1, 2) or sign not in (-1, 1):
        raise DataError(
            f"orientation: DISPAXIS = {axis!r} and DISPSIGN = {sign!r}; they must be 0, 1 or 2, and 1 or -1"
        )
    return Orientation(int(axis), int(sign))


def update_header(header: Header, orientation: Orientation, shape: tuple[int, ...]) -> None:
    """Write in place where the oriented pixels lie on the detector, and that the dispersion now runs along x.

    ``DISPPIX0`` is the unbinned detector pixel (1-based, of the centre) of the first oriented pixel along the
    dispersion, ``DISPSTEP`` how many unbinned pixels follow per oriented pixel, negative if it was flipped;
    ``SLITPIX0`` and ``SLITSTEP`` the same along the slit.

    Parameters
    ----------
    header
        Of the raw frame; without ``DETSEC`` the frame is taken to begin at detector pixel 1.
    orientation
        How the frame was turned.
    shape
        (ny, nx) of the raw, trimmed frame.
    """
    binning = binning_of(header)
    text = str(header.get("DETSEC", "")).strip()
    x1, _, y1, _ = limits_of(text) if text else (1, 1, 1, 1)
    starts = (x1, y1)
    disp = 1 if orientation.axis == 2 else 0
    slit = 1 - disp
    flipped = orientation.axis != 0 and orientation.sign < 0
    length = shape[1 - disp]
    first = starts[disp] + (binning[disp] - 1) / 2
    header["DISPPIX0"] = (first + (length - 1) * binning[disp] * flipped, "unbinned detector pixel of first x pixel")
    header["DISPSTEP"] = (float(-binning[disp] if flipped else binning[disp]), "unbinned pixels a step along x")
    header["SLITPIX0"] = (starts[slit] + (binning[slit] - 1) / 2, "unbinned detector pixel of first y pixel")
    header["SLITSTEP"] = (float(binning[slit]), "unbinned pixels a step along y")
    if orientation.axis:
        header["DISPAXIS"] = (1, "dispersion along x")
        header["DISPSIGN"] = (1, "wavelength rises with x")
    if disp:
        header["CCDSUM"] = (f"{binning[1]} {binning[0]}", "binning along x and y of this array")
