"""The kernel that makes the stars of one image look like those of another (Alard and Lupton 1998, Alard 2000).

It is a sum of Gaussians times polynomials whose coefficients change over the field; the flux ratio does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

DEGREES = (4, 3, 2, 0)
"""Of the polynomials on each Gaussian, the narrowest first; the widest is for the wings."""
WIDTHS = (0.6, 1.0, 2.0, 4.0)
"""Of the Gaussians, in the width that takes the sharper image to the other."""
NARROWEST = (0.7, 1.1, 1.8, 3.5)
"""Widths in pixels that they have at least: narrower ones cannot be told apart."""
STRIP = 256
QUADRATIC, LINEAR = 80, 15
"""Stamps from which on the kernel may change over the field as such a polynomial."""
RIDGE = 1e-6


@dataclass(frozen=True)
class Basis:
    """The functions that a kernel is made of.

    Attributes
    ----------
    functions
        Values on a line, shape (lines, taps): each Gaussian times each power.
    pairs
        For each member of the basis its functions along x and y, and its sum.
    half
        Half the number of taps less a half.
    """

    functions: Floats
    pairs: tuple[tuple[int, int, float], ...]
    half: int

    @property
    def size(self) -> int:
        """Return the number of members."""
        return len(self.pairs)

    @cached_property
    def images(self) -> Floats:
        """Return the members as images, shape (members, taps, taps); all but the first sum to 0."""
        plain = np.array([np.outer(self.functions[j], self.functions[i]) for i, j, _ in self.pairs])
        plain[1:] -= np.array([total for _, _, total in self.pairs[1:]])[:, None, None] * plain[0]
        return plain


def make_basis(width: float) -> Basis:
    """Return the basis for a kernel of about a width (sigma, in pixels)."""
    sigmas = [max(least, factor * width) for least, factor in zip(NARROWEST, WIDTHS, strict=True)]
    half = int(np.ceil(max(2.0 * sigmas[-1], 5)))
    t = np.arange(-half, half + 1, dtype=float)
    functions: list[Floats] = []
    pairs: list[tuple[int, int, float]] = []
    for sigma, degree in zip(sigmas, DEGREES, strict=True):
        first = len(functions)
        bell = np.exp(-0.5 * (t / sigma) ** 2)
        functions += [bell * (t / sigma) ** power / bell.sum() for power in range(degree + 1)]
        sums = [float(one.sum()) for one in functions[first:]]
        pairs += [(first + i, first + j, sums[i] * sums[j]) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return Basis(np.array(functions), tuple(pairs), half)


@dataclass(frozen=True)
class Kernel:
    """A kernel that changes over the field.

    Attributes
    ----------
    basis
        Its members.
    coefficients
        Of each member, as polynomials over the field, shape (members, terms).
    order
        Of these polynomials.
    shape
        Of the image.
    """

    basis: Basis
    coefficients: Floats
    order: int
    shape: tuple[int, int]

    @property
    def ratio(self) -> float:
        """Return the flux that a flux of 1 becomes."""
        return float(self.coefficients[0, 0])

    def at(self, x: float, y: float) -> Floats:
        """Return the kernel at a place, shape (taps, taps)."""
        weight = self.coefficients @ field_terms(np.array([x]), np.array([y]), self.shape, self.order)[0]
        return np.asarray(np.tensordot(weight, self.basis.images, 1))

    def convolve(self, data: Singles) -> Singles:
        """Return an image (ny, nx) convolved, strip by strip; beyond its edges it is mirrored."""
        padded = np.pad(data, self.basis.half, mode="reflect")
        ny = data.shape[0]
        strips = [self._strip(padded, slice(low, min(low + STRIP, ny))) for low in range(0, ny, STRIP)]
        return np.concatenate(strips)

    def _strip(self, padded: Singles, rows: slice) -> Singles:
        from scipy.ndimage import correlate1d

        half = self.basis.half
        part = padded[rows.start : rows.stop + 2 * half]
        taps = self.basis.functions.astype(np.float32)
        total = np.zeros((rows.stop - rows.start, part.shape[1] - 2 * half), np.float32)
        shares = self._shares()
        for i in range(len(taps)):
            members = [k for k, pair in enumerate(self.basis.pairs) if pair[0] == i]
            across = correlate1d(part, taps[i], axis=1, mode="constant")[:, half : part.shape[1] - half]
            for k in members:
                both = correlate1d(across, taps[self.basis.pairs[k][1]], axis=0, mode="constant")[
                    half : len(part) - half
                ]
                both *= self._surface(shares[k], rows, total.shape[1])
                total += both
        return total

    def _shares(self) -> Floats:
        """Return the coefficients of the members as they are before their sums were taken off the first."""
        shares = self.coefficients.copy()
        sums = np.array([total for _, _, total in self.basis.pairs])
        shares[0] -= sums[1:] @ self.coefficients[1:]
        return shares

    def _surface(self, coefficients: Floats, rows: slice, width: int) -> Singles:
        v = 2 * np.arange(rows.start, rows.stop) / max(self.shape[0] - 1, 1) - 1
        u = 2 * np.arange(width) / max(self.shape[1] - 1, 1) - 1
        table = np.zeros((self.order + 1, self.order + 1))
        for value, (a, b) in zip(coefficients, powers(self.order), strict=True):
            table[b, a] = value
        across = np.vander(v, self.order + 1, increasing=True).astype(np.float32)
        along = np.vander(u, self.order + 1, increasing=True).astype(np.float32)
        return np.asarray(across @ table.astype(np.float32) @ along.T)


def powers(order: int) -> Iterator[tuple[int, int]]:
    """Yield the powers of u and v of a polynomial of two variables, the constant first."""
    for degree in range(order + 1):
        for b in range(degree + 1):
            yield degree - b, b


def field_terms(x: Floats, y: Floats, shape: tuple[int, int], order: int) -> Floats:
    """Return the terms of a polynomial over the field at places, shape (n, terms)."""
    u, v = 2 * x / max(shape[1] - 1, 1) - 1, 2 * y / max(shape[0] - 1, 1) - 1
    return np.stack([u**a * v**b for a, b in powers(order)], axis=1)


@dataclass(frozen=True)
class KernelFit:
    """A kernel, which stamps it was made from (n,), and the reduced chi squared of each, shape (n,)."""

    kernel: Kernel
    used: NDArray[np.bool_]
    chi2: Floats


def fit_kernel(
    sharp: Floats, blunt: Floats, variance: Floats, x: Floats, y: Floats, shape: tuple[int, int], basis: Basis
) -> KernelFit:
    """Fit the kernel that takes stamps of the sharper image to those of the other.

    Parameters
    ----------
    sharp
        Shape (n, side + 2 half, side + 2 half).
    blunt, variance
        Shape (n, side, side); the variance of both together.
    x, y
        Middles of the stamps.
    shape
        Of the image.
    basis
        Of the kernel.

    Returns
    -------
    KernelFit
        Its order over the field follows from the number of stamps. Stamps that do not fit are left out.
    """
    designs = convolved_stamps(sharp, basis)
    normal, right, square, freedom = _normal_equations(designs, blunt, variance)
    used = np.ones(len(x), bool)
    order = 0
    for round_number in range(6):
        order = 2 if used.sum() >= QUADRATIC else 1 if used.sum() >= LINEAR else 0
        terms = field_terms(x, y, shape, order)
        coefficients = _solve(normal[used], right[used], terms[used])
        weights = terms @ coefficients.T
        chi2 = (
            square - 2 * np.sum(weights * right, axis=1) + np.einsum("nk,nkl,nl->n", weights, normal, weights)
        ) / freedom
        limit = _chi2_limit(chi2[used])
        kept = chi2 <= limit
        if (kept == used).all() or kept.sum() < 3 or round_number == 5:
            break
        used = kept
    return KernelFit(Kernel(basis, coefficients, order, shape), used, chi2)


def convolved_stamps(stamps: Floats, basis: Basis) -> Floats:
    """Return stamps (n, side + 2 half, ...) convolved with every member, shape (n, members, side, side)."""
    windows = np.lib.stride_tricks.sliding_window_view(stamps, 2 * basis.half + 1, axis=2)
    across = np.einsum("nyxt,ft->nfyx", windows, basis.functions, optimize=True)
    tall = np.lib.stride_tricks.sliding_window_view(across, 2 * basis.half + 1, axis=2)
    found = np.stack([tall[:, i] @ basis.functions[j] for i, j, _ in basis.pairs], axis=1)
    sums = np.array([total for _, _, total in basis.pairs[1:]])
    found[:, 1:] -= sums[None, :, None, None] * found[:, :1]
    return np.asarray(found)


def _normal_equations(designs: Floats, blunt: Floats, variance: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return for each stamp the normal matrix, the right side, the sum of squares and the degrees of freedom."""
    count, members = designs.shape[:2]
    a, b = designs.reshape(count, members, -1), blunt.reshape(count, -1)
    weight = np.where(variance > 0, 1 / np.where(variance > 0, variance, 1), 0).reshape(count, -1)
    weighted = a * weight[:, None]
    normal = np.einsum("nkp,nlp->nkl", weighted, a, optimize=True)
    return (
        normal,
        np.einsum("nkp,np->nk", weighted, b),
        np.sum(weight * b**2, axis=1),
        (weight > 0).sum(axis=1).astype(float),
    )


def _solve(normal: Floats, right: Floats, terms: Floats) -> Floats:
    """Return the coefficients (members, terms); the first member, the flux ratio, is the same over the field."""
    members, count = normal.shape[1], terms.shape[1]
    matrix = np.einsum("nkl,ns,nt->kslt", normal, terms, terms, optimize=True).reshape(members * count, -1)
    vector = np.einsum("nk,ns->ks", right, terms).ravel()
    free = np.ones(members * count, bool)
    free[1:count] = False
    matrix, vector = matrix[np.ix_(free, free)], vector[free]
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-30))
    scaled = matrix * np.outer(scale, scale) + RIDGE * np.eye(len(vector))
    found = np.zeros(members * count)
    found[free] = scale * np.linalg.solve(scaled, scale * vector)
    return found.reshape(members, count)


def _chi2_limit(chi2: Floats) -> float:
    middle = float(np.median(chi2))
    spread = 1.4826 * float(np.median(np.abs(chi2 - middle)))
    return middle + 4 * max(spread, 0.1 * middle)
