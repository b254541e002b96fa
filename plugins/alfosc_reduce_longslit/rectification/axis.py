"""The wavelength axis that the header of a rectified frame describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alfosc_reduce.errors import DataError
from alfosc_reduce_longslit.resampling import Scale, WavelengthGrid

if TYPE_CHECKING:
    from astropy.io.fits import Header


def grid_of(header: Header, size: int) -> WavelengthGrid:
    """Return the wavelength axis that a rectified frame's header describes; raises `DataError` if it has none."""
    kind = str(header.get("CTYPE1", ""))
    if kind not in ("WAVE", "WAVE-LOG"):
        raise DataError(f"the frame has no rectified wavelength axis (CTYPE1 = {kind!r}): rectify it first")
    scale: Scale = "log" if kind == "WAVE-LOG" else "linear"
    return WavelengthGrid(float(header["CRVAL1"]), float(header["CDELT1"]), size, scale)
