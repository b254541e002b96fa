"""A sky spectrum as a b-spline in wavelength times a polynomial along the slit, fitted without resampling.

Method: Kelson 2003 (PASP 115, 688): every pixel is a sample of the sky at its own wavelength, and the tilt of the
lines gives the spline a finer sampling than one row has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

T = TypeVar("T", bound=np.floating)

ORDER = 4
CHUNK = 256
TILT = 0.4
RIDGE = 1e-9


@dataclass(frozen=True)
class SkyBasis:
    """Where each pixel lies among the breakpoints.

    Attributes
    ----------
    position
        Pixel of the central row that has the same wavelength, in units of `spacing` from the first breakpoint; shape
        (ny, nx).
    spacing
        Distance of the breakpoints in pixels.
    slit
        Polynomials along the slit, shape (ny, terms).
    size
        Number of spline coefficients.
    """

    position: NDArray[np.float32]
    spacing: float
    slit: NDArray[np.float64]
    size: int

    def thinned(self, step: int) -> SkyBasis:
        """Return the basis of every `step`-th row."""
        return SkyBasis(self.position[::step], self.spacing, self.slit[::step], self.size)

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.intp], NDArray[np.float32]]]:
        """Yield strips of rows with the first coefficient of each pixel and its four weights (4, rows, nx)."""
        for start in range(0, len(self.position), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.position)))
            position = self.position[rows]
            first = np.floor(position)
            yield rows, first.astype(np.intp), cubic_weights(position - first)


def cubic_weights(f: NDArray[T]) -> NDArray[T]:
    """Return the four uniform cubic b-splines at the fraction `f` of an interval, along a new first axis."""
    weights = np.empty((ORDER, *f.shape), f.dtype)
    g = 1 - f
    for outer, inner, x in ((3, 1, f), (0, 2, g)):
        square = x * x
        weights[outer] = square * x / 6
        weights[inner] = 3 * weights[outer] - square + 2 / 3
    return weights


def make_basis(wavelength: NDArray[np.float64], degree: int) -> SkyBasis:
    """Return the basis for a wavelength map.

    Parameters
    ----------
    wavelength
        Wavelength of every pixel, rising along the last axis, shape (ny, nx).
    degree
        Of the polynomial along the slit.
    """
    from numpy.polynomial.legendre import legvander

    position = _positions(wavelength)
    # Breakpoints nearer than a pixel where the tilt fills the gaps between the samples of one row.
    spacing = 1.0 if np.ptp(position, axis=0).max() < TILT else 0.5
    position -= position.min()
    position /= np.float32(spacing)
    slit = np.asarray(legvander(np.linspace(-1, 1, len(position)), degree), dtype=np.float64)
    return SkyBasis(position, spacing, slit, int(position.max()) + ORDER)


def _positions(wavelength: NDArray[np.float64]) -> NDArray[np.float32]:
    ny, nx = wavelength.shape
    centre = wavelength[len(wavelength) // 2]
    before, after = centre[1] - centre[0], centre[-1] - centre[-2]
    pad = 64
    grid = np.concatenate([centre[0] + before * np.arange(-pad, 0), centre, centre[-1] + after * np.arange(1, pad + 1)])
    pixel = np.arange(-pad, nx + pad, dtype=float)
    positions = np.empty((ny, nx), np.float32)
    for row in range(ny):
        positions[row] = np.interp(wavelength[row], grid, pixel)
    return positions


class SplineFit(NamedTuple):
    """A fitted spline.

    Attributes
    ----------
    coefficients
        Shape (splines, slit terms).
    bands
        The lower bands of the normal equations, prior included; the inverse of that matrix is their covariance.
    """

    coefficients: NDArray[np.float64]
    bands: NDArray[np.float64]


def fit_spline(
    basis: SkyBasis, data: NDArray[np.floating], weight: NDArray[np.floating], freedom: NDArray[np.float64]
) -> SplineFit:
    """Return the spline that fits `data` best with `weight` (inverse variances).

    `freedom` is the expected size of the second differences of the coefficients, of the same shape; coefficients that
    no pixel supports follow their neighbours in a straight line.
    """
    from scipy.linalg import solveh_banded

    matrix, right = _normal_equations(basis, data, weight)
    terms = basis.slit.shape[1]
    bands = _banded(matrix, terms)
    bands += _penalty(freedom)
    bands[0] += RIDGE * max(float(np.median(bands[0])), 1e-30)
    solution = solveh_banded(bands, right.ravel(), lower=True, check_finite=False)
    return SplineFit(np.asarray(solution.reshape(basis.size, terms)), bands)


def expected_freedom(basis: SkyBasis, spectrum: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much the second differences of the coefficients may be, from a first spectrum of the sky.

    Sharp lines leave the spline as free as it can be; where the sky is smooth the spline is, too. Terms that change
    along the slit are allowed a fifth of the structure of the sky itself.

    Parameters
    ----------
    basis
        Of the fit.
    spectrum, error
        Sky at each column and its standard error, shape (nx,).
    """
    from scipy.ndimage import maximum_filter1d

    bend = np.abs(np.gradient(np.gradient(spectrum))) + np.abs(np.diff(spectrum, 2, append=[spectrum[-1]] * 2))
    structure = maximum_filter1d(bend, 7) + 2 * error
    column = np.linspace(0, len(spectrum) - 1, basis.size)
    along = np.interp(column, np.arange(len(spectrum)), structure)
    share = np.full(basis.slit.shape[1], 0.2)
    share[0] = 1
    return np.asarray(np.maximum(along[:, None] * share, 1e-3), dtype=np.float64)


def evaluate(basis: SkyBasis, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the model at every pixel, shape (ny, nx)."""
    result = np.zeros(basis.position.shape, np.float32)
    for rows, first, weights in basis.chunks():
        table = (basis.slit[rows] @ coefficients.T).astype(np.float32)
        index = first + basis.size * np.arange(len(table))[:, None]
        for k in range(ORDER):
            result[rows] += weights[k] * table.ravel()[index + k]
    return result


def _normal_equations(
    basis: SkyBasis, data: NDArray[np.floating], weight: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums over pixels: (lag, spline, term, term) of the matrix and (spline, term) of the right-hand side."""
    terms, size = basis.slit.shape[1], basis.size
    matrix = np.zeros((ORDER, size, terms, terms))
    right = np.zeros((size, terms))
    for rows, first, weights in basis.chunks():
        slit = basis.slit[rows]
        pairs = (slit[:, :, None] * slit[:, None, :]).reshape(len(slit), -1)
        flat = (np.arange(len(slit))[:, None] * size + first).ravel()
        w, counts = weight[rows], weight[rows] * data[rows]
        for a in range(ORDER):
            weighted = w * weights[a]
            right += _binned(flat + a, counts * weights[a], len(slit), size).T @ slit
            for lag in range(ORDER - a):
                sums = _binned(flat + a, weighted * weights[a + lag], len(slit), size).T @ pairs
                matrix[lag] += sums.reshape(size, terms, terms)
    return matrix, right


def _binned(index: NDArray[np.intp], values: NDArray[np.floating], rows: int, size: int) -> NDArray[np.float64]:
    sums = np.bincount(index, values.ravel(), rows * size).astype(np.float64, copy=False)
    return sums.reshape(rows, size)


def _banded(matrix: NDArray[np.float64], terms: int) -> NDArray[np.float64]:
    """Return the lower bands of the matrix whose unknowns run over slit terms first."""
    size = matrix.shape[1]
    bands = np.zeros((ORDER * terms, size, terms))
    for lag in range(ORDER):
        for i in range(terms):
            for j in range(terms):
                row = lag * terms + j - i
                if row >= 0:
                    bands[row, :, i] = matrix[lag, :, i, j]
    return bands.reshape(ORDER * terms, size * terms)


def _penalty(freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bands of the prior: second differences of the coefficients are of the order of `freedom`.

    Shape of `freedom`: (splines, terms).
    """
    size, terms = freedom.shape
    bands = np.zeros((ORDER * terms, size, terms))
    weight = 1 / freedom[1:-1] ** 2
    for offset, diagonal in ((0, 1.0), (1, 4.0), (2, 1.0)):
        bands[0, offset : size - 2 + offset] += diagonal * weight
    bands[terms, : size - 2] -= 2 * weight
    bands[terms, 1 : size - 1] -= 2 * weight
    bands[2 * terms, : size - 2] += weight
    bands[0, :, 1:] += 1e-6 * weight.min()
    return bands.reshape(ORDER * terms, size * terms)
