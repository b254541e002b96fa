"""From the sky to the pixels of a frame and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.detector import LIT, Readout
from alfosc_reduce_simulate.imaging.sphere import from_plane, to_plane

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SCALE = 0.2138
"""Arc seconds an unbinned pixel."""
MIDDLE = (sum(LIT[0]) / 2, sum(LIT[1]) / 2)
"""The unbinned pixel, from 1, on the optical axis."""
CORNER = float(np.hypot(LIT[0][1] - MIDDLE[0], LIT[1][1] - MIDDLE[1]))
"""Unbinned pixels from the axis to a corner of the detector."""


@dataclass(frozen=True)
class Optics:
    """How one exposure maps the sky.

    Attributes
    ----------
    ra, dec
        Degrees: where the optical axis points.
    angle
        Position angle of the rows (along x) in degrees; at -90 north is up and east is left.
    distortion
        Unbinned pixels by which a star in a corner is displaced outward; grows with the cube of the distance.
    flipped
        The picture is mirrored left to right.
    readout
        Which pixels there are.
    """

    ra: float
    dec: float
    angle: float
    distortion: float
    flipped: bool
    readout: Readout

    def pixels(self, ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return columns and rows, from 0, of positions in degrees."""
        plane = np.stack(to_plane(ra, dec, (self.ra, self.dec)))
        across, up = np.linalg.inv(self.matrix()) @ plane.reshape(2, -1)
        grown = 1 + self.distortion / CORNER**3 * (across**2 + up**2)
        shape = np.shape(plane[0])
        x, y = self._binned(across * grown, up * grown)
        return x.reshape(shape), y.reshape(shape)

    def sky(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return positions in degrees of columns and rows from 0."""
        seen = np.stack(self._unbinned(np.asarray(x, float), np.asarray(y, float)))
        ideal = seen.copy()
        for _ in range(12):
            ideal = seen / (1 + self.distortion / CORNER**3 * np.sum(ideal**2, axis=0))
        east, north = np.tensordot(self.matrix(), ideal, axes=1)
        return from_plane(east, north, (self.ra, self.dec))

    def matrix(self) -> NDArray[np.float64]:
        """Return the matrix from unbinned pixels off the axis to arc seconds east and north."""
        angle, mirror = np.radians(self.angle), -1.0 if self.flipped else 1.0
        columns = [[mirror * np.sin(angle), np.cos(angle)], [mirror * np.cos(angle), -np.sin(angle)]]
        return SCALE * np.array(columns)

    def reference_pixel(self) -> tuple[float, float]:
        """Return column and row, from 0, of the optical axis."""
        x, y = self._binned(np.zeros(1), np.zeros(1))
        return float(x[0]), float(y[0])

    def _binned(
        self, across: NDArray[np.float64], up: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        (x, y), (bx, by) = self._start(), self.readout.binning
        return (across - x) / bx - 0.5, (up - y) / by - 0.5

    def _unbinned(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        (left, bottom), (bx, by) = self._start(), self.readout.binning
        return (x + 0.5) * bx + left, (y + 0.5) * by + bottom

    def _start(self) -> tuple[float, float]:
        """Return the outer border of the first pixel, in unbinned pixels off the axis."""
        return self.readout.window[0] - 0.5 - MIDDLE[0], self.readout.window[2] - 0.5 - MIDDLE[1]
