"""The point spread function of a frame.

It is an elliptical Moffat profile that changes over the field, and a table for what such a profile misses. Everything
is normalised to the total light: the profile's wings are followed to infinity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Whole = tuple["NDArray[np.integer]", "NDArray[np.integer]"]
REACH = 2.0
"""FWHM to which the table goes."""
_STEP = 1 / 3
"""FWHM from one node of the table to the next."""


@dataclass(frozen=True, eq=False)
class Psf:
    """The image of a point source on the pixels, of total light 1.

    Attributes
    ----------
    profile
        Coefficients of the Moffat parameters (logarithm of the half width at half maximum, two components of the
        elongation, logarithm of the exponent, as `alfosc_reduce_imaging.stars.seeing.moffat` takes them) over the
        field; shape (6, 4), for the terms 1, u, v, uu, uv, vv with u and v from -1 to 1 across the image.
    table
        Coefficients of cubic B-splines on a square grid around the centre, in units of light, over the field;
        shape (3, nodes, nodes), for the first three terms.
    step
        Pixels between nodes.
    shape
        Of the image (ny, nx).
    number
        Stars that it was made from.
    """

    profile: NDArray[np.float64]
    table: NDArray[np.float64]
    step: float
    shape: tuple[int, int]
    number: int

    @property
    def fwhm(self) -> float:
        """Full width at half maximum in the middle of the field, pixels."""
        return 2 * float(np.exp(self.profile[0, 0]))

    def stamps(
        self, x: NDArray[np.floating], y: NDArray[np.floating], radius: int, whole: Whole | None = None
    ) -> NDArray[np.float32]:
        """Return the light on the pixels around each position.

        Parameters
        ----------
        x, y
            Positions in pixels, shape (n,).
        radius
            Half the side less half a pixel.
        whole
            Pixels (x, y) in the middle of the stamps; the nearest if not given.

        Returns
        -------
        ndarray
            Shape (n, side, side).
        """
        dx, dy = offsets(x, y, radius, whole)
        terms = field_terms(x, y, self.shape)
        light = moffat_light(dx[:, None, :], dy[:, :, None], terms @ self.profile)
        if self.table.size:
            light += table_light(dx, dy, np.einsum("nt,tij->nij", terms[:, :3], self.table), self.step)
        return np.asarray(light / self.total(terms)[:, None, None], np.float32)

    def total(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the light of profile and table together; the integral of a B-spline is its spacing."""
        return np.asarray(1 + terms[:, :3] @ self.table.sum((1, 2)) * self.step**2)

    def enclosed(
        self, radii: NDArray[np.floating], x: NDArray[np.floating], y: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return the share of the light within circular apertures around positions, shape (n, radii).

        What lies outside is summed, as the wings of the profile are known beyond any stamp.
        """
        from alfosc_reduce_imaging.stars.stamps import disc_weights

        half = int(np.ceil(np.max(radii))) + 2
        light = self.stamps(np.asarray(x, float), np.asarray(y, float), half)
        dx, dy = offsets(x, y, half, None)
        inside = [disc_weights(dx[:, None, :], dy[:, :, None], radius) for radius in radii]
        return np.stack([np.einsum("nyx,nyx->n", weight, light) for weight in inside], axis=1).astype(np.float64)


def offsets(
    x: NDArray[np.floating], y: NDArray[np.floating], radius: int, whole: Whole | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the columns and rows of stamps around `whole` pixels, counted from the positions; shape (n, side)."""
    columns, rows = (np.rint(x), np.rint(y)) if whole is None else whole
    offset = np.arange(-radius, radius + 1.0)
    return np.asarray(offset + (columns - x)[:, None]), np.asarray(offset + (rows - y)[:, None])


def field_terms(x: NDArray[np.floating], y: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return 1, u, v, uu, uv, vv of positions, shape (n, 6): u and v go from -1 to 1 across the image."""
    u = 2 * np.asarray(x, np.float64) / max(shape[1] - 1, 1) - 1
    v = 2 * np.asarray(y, np.float64) / max(shape[0] - 1, 1) - 1
    return np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v])


def moffat_light(
    x: NDArray[np.floating], y: NDArray[np.floating], parameters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Moffat profiles of total light 1 at offsets `x`, `y` (n, ..., ...), for parameters of shape (n, 4)."""
    size, plus, cross, beta = (value[:, None, None] for value in parameters.T)
    exponent = np.exp(np.clip(beta, np.log(1.1), 4.0))
    strength = np.hypot(plus, cross)
    tame = np.minimum(1, 0.99 / np.maximum(strength, 1e-9))
    plus, cross = plus * tame, cross * tame
    core = 2 ** (1 / exponent) - 1
    scale = core * np.exp(-2 * size) / np.sqrt(1 - plus**2 - cross**2)
    squared = scale * ((1 - plus) * x * x - 2 * cross * x * y + (1 + plus) * y * y)
    height = core * (exponent - 1) / (np.pi * np.exp(2 * size))
    return np.asarray(height * (1 + squared) ** -exponent)


def table_light(
    dx: NDArray[np.float64], dy: NDArray[np.float64], tables: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    """Return the light of spline tables (n, nodes, nodes) at the columns `dx` and rows `dy` of stamps (n, side)."""
    across, along = (spline_basis(offset, tables.shape[-1], step) for offset in (dx, dy))
    return np.asarray(along @ tables @ across.swapaxes(1, 2))


def spline_basis(offset: NDArray[np.float64], nodes: int, step: float) -> NDArray[np.float64]:
    """Return the values of the cubic B-splines around nodes centred on 0, shape (..., nodes)."""
    t = np.abs(offset[..., None] / step - (np.arange(nodes) - nodes // 2))
    far = np.maximum(2 - t, 0)
    near = np.maximum(1 - t, 0)
    return np.asarray((far * far * far - 4 * near * near * near) / 6)


def table_nodes(fwhm: float) -> tuple[int, float]:
    """Return number of nodes along a side of the table, and pixels between them."""
    step = max(fwhm * _STEP, 0.7)
    return 2 * round(REACH * fwhm / step) + 1, step
