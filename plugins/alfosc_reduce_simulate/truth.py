"""What is true of a simulated night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Truth:
    """The truth of a night; saves to FITS like any product.

    Attributes
    ----------
    frames
        One row a frame: ``file``, ``kind``, ``target``, ``exposure``, ``airmass`` (mid-exposure), ``seeing`` (arc
        seconds at 5000 Angstrom), ``level`` (bias, ADU), ``velocity`` (m/s, makes velocities barycentric), ``shift``
        and ``stretch`` (flexure).
    spectra
        One row a source and frame of a target: ``file``, ``source`` (from 0), and along the oriented pixels (dispersion
        rising): ``wavelength`` (vacuum, topocentric, at the trace), ``electrons`` (expected of the source in the whole
        slit), ``sky`` (electrons a pixel at the trace), ``flux`` (above the atmosphere, smeared like the electrons),
        ``throughput`` (of the slit), ``trace`` (oriented row).
    first, step
        Along the dispersion, in unbinned detector pixels from 1: the middle of the first oriented pixel, and the step.
    slit_first, slit_step
        The same along the slit: the middle of oriented row 0, and the step.
    gain, read_noise, response_scatter
        Of the detector: electron/ADU, electron, relative.
    axis, sign
        Raw FITS axis of the dispersion, and whether wavelength rises (+1) or falls (-1) with it.
    pixel_scale
        Arc seconds a binned pixel along the slit.
    """

    frames: QTable
    spectra: QTable
    first: float
    step: float
    slit_first: float
    slit_step: float
    gain: float
    read_noise: float
    response_scatter: float
    axis: int
    sign: int
    pixel_scale: float

    def velocity(self, file: str) -> float:
        """Return what makes a velocity measured on a frame barycentric, m/s."""
        row = self.frames[list(self.frames["file"]).index(file)]
        return float(row["velocity"].to_value("m/s"))

    def of(self, file: str, source: int = 0) -> dict[str, NDArray[np.float64]]:
        """Return the columns of one source on one frame by name; raises `KeyError` if it was not simulated."""
        wanted = (self.spectra["file"] == file) & (self.spectra["source"] == source)
        if not np.any(wanted):
            raise KeyError(f"no source {source} on {file}")
        row = self.spectra[int(np.argmax(wanted))]
        names = ("wavelength", "electrons", "sky", "flux", "throughput", "trace")
        return {name: np.asarray(getattr(row[name], "value", row[name])) for name in names}
