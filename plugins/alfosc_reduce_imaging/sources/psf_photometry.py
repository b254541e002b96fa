"""Fluxes and centres of all sources of an image at once, by fitting its point spread function.

Every source is fitted together with all that overlap it: one sparse system of normal equations holds flux and centre of
each. Weights come from a model of the noise, never from the counts (`alfosc_reduce_imaging.stars.noise`).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_imaging.stars.psf import offsets
from alfosc_reduce_imaging.stars.stamps import stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.noise import Noise
    from alfosc_reduce_imaging.stars.psf import Psf

RADIUS = 1.5
"""FWHM: pixels closer to the centre of a source are fitted."""
_ROUNDS = 3
_STEP = 0.5
_WANDER = 0.6
"""FWHM that a centre may move."""
_FIXED = 7.0
"""Sources of less significance keep their centre."""
_MODEL_ERROR = 0.005
_WINGED, _WINGS = 200, 7.0
"""How many sources, the brightest, have wings beyond their stamps, and how far these go in FWHM."""


@dataclass(frozen=True, eq=False)
class PsfFluxes:
    """What the fit says; arrays of shape (n,).

    Attributes
    ----------
    flux, error
        Total light.
    x, y, x_error, y_error
        Centres in pixels.
    chi2
        Reduced chi square of the pixels fitted.
    known
        Share of the light of the model that lies on usable pixels.
    settled
        False where a centre ran away, or too little of the light is known.
    """

    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_error: NDArray[np.float64]
    y_error: NDArray[np.float64]
    chi2: NDArray[np.float64]
    known: NDArray[np.float64]
    settled: NDArray[np.bool_]


def fit_psf(
    light: NDArray[np.float32], good: NDArray[np.bool_], noise: Noise, psf: Psf, x: NDArray[np.float64],
    y: NDArray[np.float64], free: NDArray[np.bool_],
) -> PsfFluxes:  # fmt: skip
    """Fit the point spread function to all sources of an image.

    Parameters
    ----------
    light
        Above the background, shape (ny, nx).
    good
        False where a pixel must not be used.
    noise
        Of the image.
    psf
        Of the image.
    x, y
        Where the sources are about, pixels; shape (n,).
    free
        False for sources whose centre stays where it is.
    """
    field = _Field(light, good, noise, psf, np.rint(x).astype(np.int64), np.rint(y).astype(np.int64))
    at = np.stack([x, y]).astype(np.float64)
    flux = field.first_fluxes(at)
    field = field.without(wings(psf, at, flux, field.radius, light.shape))
    reach = _WANDER * psf.fwhm
    for _ in range(_ROUNDS if free.any() else 0):
        solved, _ = field.solve(at, flux, centres=True)
        flux = solved[0]
        moved = np.clip(solved[1:] / np.maximum(flux, 1e-30), -_STEP, _STEP)
        at = at + np.where(free & (flux > 0), moved, 0)
        at = np.clip(at, np.stack([x, y]) - reach, np.stack([x, y]) + reach)
    flux = field.solve(at, flux, centres=False)[0][0]
    (flux,), (error,) = field.solve(at, flux, centres=False)
    _, spread = field.solve(at, flux, centres=True)
    # Where neighbours or masked pixels break the symmetry, flux and centre are not known independently.
    error = np.where(free, spread[0], error)
    scale = noise.factor(field.area)
    centre_error = scale * spread[1:] / np.maximum(flux, 1e-30)
    edge = np.abs(at - np.stack([x, y])).max(0) >= reach
    chi2, known = field.judgement(at, flux)
    return PsfFluxes(
        flux, scale * error, at[0], at[1], centre_error[0], centre_error[1], chi2, known, ~edge & (known > 0.5)
    )


def wings(
    psf: Psf, at: NDArray[np.float64], flux: NDArray[np.float64], inner: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the light of the brightest sources further out than their stamps go, where fainter ones lie in it.

    Parameters
    ----------
    psf
        Of the image.
    at, flux
        Centres (2, n) and fluxes.
    inner
        Half the side of the stamps: within them sources are fitted.
    shape
        Of the image (ny, nx).
    """
    brightest = np.argsort(-flux, kind="stable")[:_WINGED]
    brightest = brightest[flux[brightest] > 0]
    outer = int(np.ceil(_WINGS * psf.fwhm))
    ix, iy = np.rint(at[:, brightest]).astype(np.int64)
    stamps = psf.stamps(at[0, brightest], at[1, brightest], outer, (ix, iy)) * flux[brightest, None, None]
    middle = slice(outer - inner, outer + inner + 1)
    stamps[:, middle, middle] = 0
    return laid_out(stamps, ix, iy, shape)


def laid_out(
    stamps: NDArray[np.floating], ix: NDArray[np.int64], iy: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return an image that is the sum of stamps around whole pixels."""
    half = stamps.shape[-1] // 2
    image = np.zeros((shape[0] + 2 * half, shape[1] + 2 * half), np.float32)
    inside = (ix >= 0) & (iy >= 0) & (ix < shape[1]) & (iy < shape[0])
    for stamp, x, y in zip(stamps[inside], ix[inside], iy[inside], strict=True):
        image[y : y + 2 * half + 1, x : x + 2 * half + 1] += stamp
    return image[half : half + shape[0], half : half + shape[1]]


class _Field:
    """An image with its sources, and the normal equations of a fit to all of them."""

    def __init__(
        self, light: NDArray[np.float32], good: NDArray[np.bool_], noise: Noise, psf: Psf, ix: NDArray[np.int64],
        iy: NDArray[np.int64],
    ) -> None:  # fmt: skip
        self.psf, self.whole, self.photon, self.shape = psf, (ix, iy), noise.photon, light.shape
        self.radius = int(np.ceil(RADIUS * psf.fwhm + _WANDER * psf.fwhm))
        self.light = stamps_at(light, ix, iy, self.radius, 0)
        self.good = stamps_at(good, ix, iy, self.radius, False)
        self.sky = stamps_at(noise.sky, ix, iy, self.radius, 1)
        span = np.arange(-self.radius, self.radius + 1)
        self.pixel = (iy[:, None, None] + span[:, None]) * light.shape[1] + ix[:, None, None] + span
        self.area = 4 * np.pi * (psf.fwhm / 2.3548) ** 2

    def without(self, other: NDArray[np.float32]) -> _Field:
        """Return the same, less light from elsewhere; shape (ny, nx)."""
        less = copy(self)
        less.light = self.light - stamps_at(other, *self.whole, self.radius, 0)
        return less

    def first_fluxes(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a first flux of each source by itself."""
        model = self.psf.stamps(at[0], at[1], self.radius, self.whole)
        weight = np.where(self.inside(at), model, 0)
        return np.asarray(np.einsum("nyx,nyx->n", weight, self.light) / np.maximum(
            np.einsum("nyx,nyx->n", weight, model), 1e-30))  # fmt: skip

    def inside(self, at: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which pixels of the stamps are fitted."""
        dx, dy = offsets(at[0], at[1], self.radius, self.whole)
        near = np.square(dx)[:, None, :] + np.square(dy)[:, :, None] < (RADIUS * self.psf.fwhm) ** 2
        return np.asarray(near & self.good)

    def solve(
        self, at: NDArray[np.float64], flux: NDArray[np.float64], *, centres: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the solution, flux and flux times steps of the centre, and its errors, shape (1 or 3, n).

        A source counts as far as its own pixels reach; beyond them its light is taken from what is known already.
        """
        from scipy.sparse import csr_matrix

        inside = self.inside(at)
        design, weight, left = self._design(at, flux, inside, centres)
        count, number = design.shape[1], len(flux)
        rows, compact = self._rows(inside)
        columns = np.arange(count)[:, None] * number + np.nonzero(inside)[0]
        values = np.stack([design[:, i][inside] for i in range(count)])
        matrix = csr_matrix(
            (values.ravel(), (np.tile(compact, count), columns.ravel())), shape=(len(rows), count * number)
        )
        pixel_weight, pixel_left = np.zeros(len(rows)), np.zeros(len(rows))
        pixel_weight[compact], pixel_left[compact] = weight[inside], left[inside]
        weighted = matrix.T.multiply(pixel_weight).tocsr()
        normal = (weighted @ matrix).tocsr()
        right = weighted @ pixel_left
        step, error = solve_blocks(normal, right)
        known = np.zeros(count * number)
        known[:number] = flux
        return (known + step).reshape(count, number), error.reshape(count, number)

    def _design(
        self, at: NDArray[np.float64], flux: NDArray[np.float64], inside: NDArray[np.bool_], centres: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return derivatives, weights, and what the present model of all sources leaves over, on the stamps."""
        padded = self.psf.stamps(at[0], at[1], self.radius + 1, self.whole).astype(np.float64)
        model = padded[:, 1:-1, 1:-1]
        design = [model]
        if centres:
            design.append((padded[:, 1:-1, :-2] - padded[:, 1:-1, 2:]) / 2)
            design.append((padded[:, :-2, 1:-1] - padded[:, 2:, 1:-1]) / 2)
        total = self._everything(model * flux[:, None, None])
        variance = self.sky + self.photon * np.maximum(total, 0) + np.square(_MODEL_ERROR * total)
        return np.stack(design, axis=1), 1 / variance, self.light - total

    def _everything(self, models: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the light of all sources on the stamps of each."""
        ny, nx = self.shape
        image = np.zeros(ny * nx)
        on = self._on_image
        np.add.at(image, self.pixel[on], models[on])
        total = np.array(models)
        total[on] = image[self.pixel[on]]
        return total

    @property
    def _on_image(self) -> NDArray[np.bool_]:
        ny, nx = self.shape
        span = np.arange(-self.radius, self.radius + 1)
        rows, columns = self.whole[1][:, None] + span, self.whole[0][:, None] + span
        inside = ((rows >= 0) & (rows < ny))[:, :, None] & ((columns >= 0) & (columns < nx))[:, None, :]
        return np.asarray(inside)

    def _rows(self, inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pixels of the image that are fitted, and for each pixel of the stamps which of them it is."""
        rows, compact = np.unique(self.pixel[inside], return_inverse=True)
        return rows, compact

    def judgement(
        self, at: NDArray[np.float64], flux: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the reduced chi square of each source, and the share of its model on usable pixels."""
        inside = self.inside(at)
        design, weight, left = self._design(at, flux, inside, False)
        freedom = np.maximum(np.count_nonzero(inside, axis=(1, 2)) - 3, 1)
        chi2 = np.einsum("nyx,nyx,nyx->n", left, left, np.where(inside, weight, 0)) / freedom
        model = design[:, 0]
        known = np.einsum("nyx,nyx->n", model, inside.astype(np.float64))
        dx, dy = offsets(at[0], at[1], self.radius, self.whole)
        near = np.square(dx)[:, None, :] + np.square(dy)[:, :, None] < (RADIUS * self.psf.fwhm) ** 2
        return chi2, known / np.maximum(np.einsum("nyx,nyx->n", model, near.astype(np.float64)), 1e-30)


def solve_blocks(normal: Any, right: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve normal equations block by block: sources that do not touch do not know of each other.

    Parameters
    ----------
    normal
        Sparse, symmetric.
    right
        The right-hand side.

    Returns
    -------
    solution, error : ndarray
        The errors are roots of the diagonal of the inverse; 0 and infinite where nothing is known.
    """
    from scipy.sparse.csgraph import connected_components

    _, block = connected_components(normal, directed=False)
    order = np.argsort(block, kind="stable")
    sizes = np.bincount(block)
    ends = np.cumsum(sizes)
    solution, error = np.zeros(len(right)), np.full(len(right), np.inf)
    for size in np.unique(sizes):
        members = np.stack([order[ends[i] - size : ends[i]] for i in np.flatnonzero(sizes == size)])
        dense = _dense(normal, members, block)
        known = dense[:, 0, 0] > 0
        dense += 1e-9 * np.einsum("nii->ni", dense)[:, :, None] * np.eye(size) + ~known[:, None, None] * np.eye(size)
        inverse = np.linalg.inv(dense)
        solution[members] = np.where(known[:, None], (inverse @ right[members][..., None])[..., 0], 0)
        error[members] = np.where(known[:, None], np.sqrt(np.einsum("nii->ni", inverse)), np.inf)
    return solution, error


def _dense(normal: Any, members: NDArray[np.int64], block: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the blocks of a sparse matrix as dense ones, shape (blocks, size, size)."""
    place = np.full(len(block), -1)
    which = np.full(len(block), -1)
    place[members] = np.arange(members.shape[1])
    which[members] = np.arange(len(members))[:, None]
    entries = normal.tocoo()
    mine = which[entries.row] >= 0
    row, column, value = entries.row[mine], entries.col[mine], entries.data[mine]
    dense = np.zeros((len(members), members.shape[1], members.shape[1]))
    dense[which[row], place[row], place[column]] = value
    return dense
