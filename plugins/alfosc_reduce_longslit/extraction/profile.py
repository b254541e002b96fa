"""The distribution of an object's light along the slit: a Moffat function, bent to the data where they are good enough.

The profile is ``M(u, x) (1 + C(u, x))``, where u is the distance from the trace, M a Moffat function integrated over
the pixel, whose width changes along x, and C a cubic spline in u / width whose coefficients change along x. A prior
keeps C small: a faint object gets the Moffat function, a bright one its empirical profile (Horne 1986, PASP 98, 609).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

REACH = 2.5
"""Widths (FWHM) from the trace within which the profile may differ from a Moffat function."""
SPACING = 0.25
TERMS = 5
_NODES = np.array([-0.3872983346207417, 0.0, 0.3872983346207417])
_WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18


@dataclass(frozen=True)
class Profile:
    """A spatial profile along a trace; over all rows it sums to 1.

    Attributes
    ----------
    shape
        ``(FWHM at the centre, its linear and quadratic change, index, shift, its linear change)``; widths and shifts in
        pixels against x scaled to -1 ... 1; the index is that of ``(1 + (u / a)**2)**-index``.
    correction
        Coefficients of C, shape (splines, terms).
    columns
        Number of columns of the frame.
    """

    shape: tuple[float, ...]
    correction: NDArray[np.float64]
    columns: int

    def fwhm(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the full width at half maximum of the Moffat function at columns `x`, in pixels."""
        return width_at(self.shape, scaled(x, self.columns))

    def __call__(self, u: NDArray[np.float64], x: ArrayLike) -> NDArray[np.float64]:
        """Return the fraction of the light in the pixel centred `u` pixels from the trace at column `x`."""
        t = scaled(x, self.columns)
        if not self.correction.any():
            return moffat(u, t, self.shape)
        values = moffat(u, t, self.shape) * (1 + self._change(u, t))
        norm = self._norm()
        result: NDArray[np.float64] = values / np.interp(t, np.linspace(-1, 1, len(norm)), norm)
        return result

    def _change(self, u: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = np.broadcast_to(correction_steps(u, t, self.shape), np.broadcast_shapes(u.shape, t.shape))
        along = slit_terms(t)
        total = np.zeros(steps.shape)
        first = np.floor(steps).astype(int)
        weights = correction_weights(steps - first)
        inside = (first >= 0) & (first + 3 < len(self.correction))
        first = np.where(inside, first, 0)
        for k in range(4):
            for j in range(TERMS):
                total += weights[k] * self.correction[:, j][first + k] * along[j]
        return np.where(inside, total, 0)

    def _norm(self) -> NDArray[np.float64]:
        """Return the sum over u at 33 places along x, computed on a fine grid."""
        t = np.linspace(-1, 1, 33)
        widest = float(width_at(self.shape, t).max())
        u = np.arange(-3 * widest, 3 * widest, 0.2)[:, None]
        result: NDArray[np.float64] = 1 + 0.2 * np.sum(moffat(u, t, self.shape) * self._change(u, t[None, :]), axis=0)
        return result


def scaled(x: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Return columns mapped to -1 ... 1."""
    return np.asarray(2 * np.asarray(x, np.float64) / max(columns - 1, 1) - 1)


def width_at(shape: tuple[float, ...], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the full width at half maximum at scaled columns `t`, never below 0.8 pixels."""
    return np.asarray(np.maximum(shape[0] + shape[1] * t + shape[2] * (1.5 * t**2 - 0.5), 0.8))


def moffat(u: NDArray[np.float64], t: NDArray[np.float64], shape: tuple[float, ...]) -> NDArray[np.float64]:
    """Return a Moffat function of unit area, integrated over pixels (three-point Gauss-Legendre)."""
    from math import gamma, pi, sqrt

    index = shape[3]
    core = width_at(shape, t) / (2 * sqrt(2 ** (1 / index) - 1))
    centre = shape[4] + shape[5] * t
    area = sqrt(pi) * gamma(index - 0.5) / gamma(index)
    total = sum(
        weight * (1 + ((u + node - centre) / core) ** 2) ** -index
        for node, weight in zip(_NODES, _WEIGHTS, strict=True)
    )
    return np.asarray(total / (area * core))


def correction_steps(u: NDArray[np.float64], t: NDArray[np.float64], shape: tuple[float, ...]) -> NDArray[np.float64]:
    """Return u in steps between the splines of C, from the first one."""
    return np.asarray(((u - shape[4] - shape[5] * t) / width_at(shape, t) + REACH) / SPACING)


def correction_size() -> int:
    """Return the number of splines of C; all vanish at `REACH`."""
    return round(2 * REACH / SPACING) + 3


def correction_weights(f: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the four cubic b-splines at the fraction `f` of an interval."""
    from alfosc_reduce_longslit.sky.spline import cubic_weights

    return cubic_weights(f)


def slit_terms(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Legendre polynomials along x by which C changes, shape (terms, ...)."""
    from numpy.polynomial.legendre import legvander

    return np.moveaxis(np.asarray(legvander(t, TERMS - 1)), -1, 0)
