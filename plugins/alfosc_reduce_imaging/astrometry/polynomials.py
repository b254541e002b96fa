"""Polynomials of two coordinates: their terms, and weighted least squares with each point's leverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Frame(NamedTuple):
    """Where a polynomial of pixels counts from, and its unit of length: (x, y) and pixels."""

    x: float
    y: float
    unit: float

    def __call__(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pixels in this frame, about -1 to 1."""
        return (x - self.x) / self.unit, (y - self.y) / self.unit


class Fitted(NamedTuple):
    """Coefficients (p, 2), their covariance for unit weights (p, p), and the leverage of each point (n,)."""

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    leverage: NDArray[np.float64]


def powers(degree: int) -> list[tuple[int, int]]:
    """Return the exponents of x and y of every term, lower orders first."""
    return [(order - j, j) for order in range(degree + 1) for j in range(order + 1)]


def combined_terms(degree: int, kind: str = "all") -> NDArray[np.float64]:
    """Return the terms that are fitted as combinations, shape (p, q), of all p terms of a degree.

    Parameters
    ----------
    degree
        At least 3 unless all terms are fitted.
    kind
        ``all``; ``radial``: the linear ones, and r2 x and r2 y, with r2 = x2 + y2, which is how a lens distorts about
        its axis; ``off axis``: these and the quadratic ones, for an axis that is not in the middle.
    """
    if kind == "all":
        return np.eye(len(powers(degree)))
    plain = 3 if kind == "radial" else 6
    combined = np.zeros((len(powers(degree)), plain + 2))
    combined[:plain, :plain] = np.eye(plain)
    for column, parts in ((plain, ((3, 0), (1, 2))), (plain + 1, ((2, 1), (0, 3)))):
        for part in parts:
            combined[powers(degree).index(part), column] = 1.0
    return combined


def terms(u: NDArray[np.float64], v: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Return every term at points (n,), shape (n, p)."""
    of_u, of_v = ([np.ones_like(w)] for w in (u, v))
    for _ in range(degree):
        of_u.append(of_u[-1] * u)
        of_v.append(of_v[-1] * v)
    return np.stack([of_u[i] * of_v[j] for i, j in powers(degree)], axis=-1)


def least_squares(design: NDArray[np.float64], values: NDArray[np.float64], weight: NDArray[np.float64]) -> Fitted:
    """Fit values (n, 2) with terms (n, p) and weights (n,) of each point.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the points do not determine the terms.
    """
    root = np.sqrt(weight)[:, None]
    q, r = np.linalg.qr(design * root)
    diagonal = np.abs(np.diag(r))
    if len(design) < design.shape[1] or diagonal.min() <= 1e-10 * diagonal.max():
        raise np.linalg.LinAlgError("the points do not determine the polynomial")
    inverse = np.linalg.solve(r, np.eye(len(r)))
    return Fitted(inverse @ (q.T @ (values * root)), inverse @ inverse.T, np.sum(q**2, axis=1))
