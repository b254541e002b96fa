"""The point spread function of a frame from its stars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.moments import adaptive_moments
from alfosc_reduce_imaging.stars.psf import Psf, field_terms, moffat_light, offsets, spline_basis, table_nodes
from alfosc_reduce_imaging.stars.seeing import fit_moffat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.psf import Whole

STAMP = 4.0
"""FWHM: half a side of the stamps that tell the wings."""
_CORE, _WINGS = 2.0, 1.3
"""FWHM: where fluxes and centres are fitted, and where the wings begin."""
_ROUNDS = 3
_CURVED, _FIELD, _TABLE = 24, 8, 3
"""Fewest stars for a parabola and a plane over the field, and for a table beside the profile."""
_PRIOR, _FLOOR = 0.1, 0.002
"""What the table may add: this share of the profile, and of its height."""
_MODEL_ERROR = 0.005
_OUTLIER = 6.0


@dataclass(frozen=True, eq=False)
class StarStamps:
    """Isolated stars.

    Attributes
    ----------
    light
        Around each star, above the background; shape (n, side, side).
    sky
        Variance of the background; same shape.
    known
        False where not to be used; same shape.
    x, y
        Centres on the image, pixels; shape (n,).
    whole
        Pixels in the middle of the stamps.
    photon
        Variance a unit of light.
    """

    light: NDArray[np.float32]
    sky: NDArray[np.float32]
    known: NDArray[np.bool_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    whole: Whole
    photon: float

    def __getitem__(self, chosen: NDArray[np.generic]) -> StarStamps:
        """Return those of some stars."""
        whole = (self.whole[0][chosen], self.whole[1][chosen])
        light, sky, known = (plane[chosen] for plane in (self.light, self.sky, self.known))
        return StarStamps(light, sky, known, self.x[chosen], self.y[chosen], whole, self.photon)

    def cut(self, radius: int) -> StarStamps:
        """Return smaller stamps of the same stars."""
        if radius >= self.radius:
            return self
        part = (slice(None), *2 * (slice(self.radius - radius, self.radius + radius + 1),))
        return replace(self, light=self.light[part], sky=self.sky[part], known=self.known[part])

    @property
    def radius(self) -> int:
        """Half the side less half a pixel."""
        return int(self.light.shape[-1]) // 2


def build_psf(stars: StarStamps, fwhm: float, shape: tuple[int, int]) -> Psf | None:
    """Return the point spread function, or None without stars.

    Profile and table are fitted in turns with fluxes and centres; stars that do not fit are left out.

    Parameters
    ----------
    stars
        Isolated and not saturated.
    fwhm
        Of the seeing, pixels.
    shape
        Of the image (ny, nx).
    """
    if len(stars.x) == 0:
        return None
    psf = first_psf(stars.cut(math.ceil(_CORE * fwhm)), fwhm, shape)
    for _ in range(_ROUNDS):
        flux, core = refined(stars.cut(math.ceil(_CORE * fwhm)), psf)
        stars = replace(stars, x=core.x, y=core.y)
        fits = misfit(core, flux, psf) < _OUTLIER
        if np.count_nonzero(fits) >= max(1, len(fits) // 2):
            flux, stars = flux[fits], stars[fits]
        psf, flux = with_wings(stars, flux, psf)
        psf = with_table(stars, flux, psf)
    return psf


def first_psf(stars: StarStamps, fwhm: float, shape: tuple[int, int]) -> Psf:
    """Return a Moffat profile for the mean star, whose width and shape follow the moments of stars over the field."""
    light = np.where(stars.known, stars.light, 0)
    variance = stars.sky + stars.photon * np.maximum(light, 0)
    moments = adaptive_moments(light, variance, fwhm / 2.3548)
    trace = moments.xx + moments.yy
    measured = np.stack(
        [np.log(np.maximum(moments.size, 0.3)), (moments.xx - moments.yy) / trace, 2 * moments.xy / trace], axis=1
    )
    dx, dy = stars.x - stars.whole[0], stars.y - stars.whole[1]
    mean = [float(np.median(value)) for value in (moments.xx, moments.xy, moments.yy)]
    width, beta = fit_moffat(light, np.where(stars.known, variance, np.inf), dx, dy, mean)
    profile = np.zeros((6, 4))
    profile[:, :3] = over_field(measured, stars, shape)
    # The width of the mean star is that of the fit; moments tell how it changes.
    mean_terms = field_terms(stars.x, stars.y, shape).mean(0)
    profile[0, 0] = np.log(width / 2) - mean_terms[1:] @ profile[1:, 0]
    profile[0, 3] = np.log(beta)
    return Psf(profile, np.zeros((3, 0, 0)), 1.0, shape, len(stars.x))


def over_field(values: NDArray[np.float64], stars: StarStamps, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return how what was measured on stars (n, k) changes over the field: coefficients of its terms, shape (6, k).

    Many stars give a parabola, some a plane, few a constant.
    """
    found = np.zeros((6, values.shape[1]))
    found[0] = np.median(values, axis=0)
    number = 6 if len(values) >= _CURVED else 3 if len(values) >= _FIELD else 1
    terms = field_terms(stars.x, stars.y, shape)[:, :number]
    kept = np.ones(len(values), bool)
    for _ in range(3 if number > 1 else 0):
        found[:number] = np.linalg.lstsq(terms[kept], values[kept], rcond=None)[0]
        left = np.abs(values - terms @ found[:number])
        kept = np.asarray((left <= 4.5 * np.median(left, axis=0) + 1e-3).all(1))
        if np.count_nonzero(kept) < 2 * number:
            break
    return found


def refined(stars: StarStamps, psf: Psf) -> tuple[NDArray[np.float64], StarStamps]:
    """Return fluxes, and the stars at improved centres: two steps of Gauss and Newton, all stars at once."""
    flux = np.maximum(np.sum(np.where(stars.known, stars.light, 0), axis=(1, 2), dtype=np.float64), 0)
    for _ in range(2):
        padded = psf.stamps(stars.x, stars.y, stars.radius + 1, stars.whole).astype(np.float64)
        model = padded[:, 1:-1, 1:-1]
        slope_x = (padded[:, 1:-1, :-2] - padded[:, 1:-1, 2:]) / 2
        slope_y = (padded[:, :-2, 1:-1] - padded[:, 2:, 1:-1]) / 2
        weight = weights_of(stars, flux[:, None, None] * model)
        design = np.stack([model, slope_x, slope_y], axis=1)
        normal = np.einsum("niyx,nyx,njyx->nij", design, weight, design, optimize=True)
        right = np.einsum("niyx,nyx,nyx->ni", design, weight, stars.light, optimize=True)
        flux, by_x, by_y = np.linalg.solve(normal + 1e-12 * np.eye(3) * normal[:, :1, :1], right[..., None])[..., 0].T
        step = np.clip(np.stack([by_x, by_y]) / np.maximum(flux, 1e-30), -0.5, 0.5)
        stars = replace(stars, x=stars.x + step[0], y=stars.y + step[1])
    return flux, stars


def weights_of(stars: StarStamps, model: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return inverse variances, with room for a `model` that is not perfect; 0 where a pixel is not known."""
    variance = stars.sky + stars.photon * np.maximum(model, 0) + np.square(_MODEL_ERROR * model)
    return np.where(stars.known, 1 / variance, 0)


def misfit(stars: StarStamps, flux: NDArray[np.float64], psf: Psf) -> NDArray[np.float64]:
    """Return how badly each star fits, relative to the typical star: chi square over its median."""
    model = flux[:, None, None] * psf.stamps(stars.x, stars.y, stars.radius, stars.whole)
    weight = weights_of(stars, model)
    left = stars.light - model
    chi2 = np.einsum("nyx,nyx,nyx->n", left, left, weight) / np.maximum(np.count_nonzero(weight, axis=(1, 2)), 1)
    return np.asarray(chi2 / max(float(np.median(chi2)), 1.0))


def with_wings(stars: StarStamps, flux: NDArray[np.float64], psf: Psf) -> tuple[Psf, NDArray[np.float64]]:
    """Return `psf` with the exponent that its wings demand, and fluxes on the scale of its profile.

    The core is left to the table; the wings alone tell how much light lies beyond what can be measured.
    """
    from scipy.optimize import least_squares

    bare = replace(psf, table=np.zeros((3, 0, 0)))
    dx, dy = offsets(stars.x, stars.y, stars.radius, stars.whole)
    distance = np.hypot(dx[:, None, :], dy[:, :, None])
    outside = (distance > _WINGS * psf.fwhm) & (distance < STAMP * psf.fwhm) & stars.known
    parameters = field_terms(stars.x, stars.y, psf.shape) @ bare.profile
    weight = np.where(outside, flux[:, None, None] / np.sqrt(stars.sky), 0)
    light = stars.light / flux[:, None, None] * weight

    def residuals(free: NDArray[np.float64]) -> NDArray[np.float64]:
        parameters[:, 3] = free[1]
        model = moffat_light(dx[:, None, :], dy[:, :, None], parameters)
        return np.asarray((np.exp(free[0]) * model * weight - light)[outside])

    total = float(np.mean(psf.total(field_terms(stars.x, stars.y, psf.shape))))
    start = np.array([-np.log(total), psf.profile[0, 3]])
    room = np.array([0.15, 0.6])
    found = least_squares(
        residuals, start, bounds=(start - room, start + room), loss="soft_l1", f_scale=3.0, max_nfev=12
    ).x
    profile = psf.profile.copy()
    profile[0, 3] = found[1]
    return replace(bare, profile=profile), flux * np.exp(found[0])


def with_table(stars: StarStamps, flux: NDArray[np.float64], psf: Psf) -> Psf:
    """Return `psf` with the table that its profile leaves over, by least squares with a prior of zero."""
    if len(stars.x) < _TABLE:
        return psf
    bare = replace(psf, table=np.zeros((3, 0, 0)))
    nodes, step = table_nodes(psf.fwhm)
    stars = stars.cut(int(np.ceil((nodes // 2 + 2) * step)))
    count = 3 if len(stars.x) >= 2 * _FIELD else 1
    terms = field_terms(stars.x, stars.y, psf.shape)[:, :count]
    model = bare.stamps(stars.x, stars.y, stars.radius, stars.whole).astype(np.float64)
    weight = weights_of(stars, flux[:, None, None] * model) * np.square(flux)[:, None, None]
    left = (stars.light / flux[:, None, None] - model) * weight
    dx, dy = offsets(stars.x, stars.y, stars.radius, stars.whole)
    across, along = spline_basis(dx, nodes, step), spline_basis(dy, nodes, step)
    normal = normal_matrix(terms, along, across, weight)
    normal[np.diag_indices_from(normal)] += np.tile(1 / np.square(prior(psf, nodes, step)), count)
    right = np.einsum("nt,nij->tij", terms, along.swapaxes(1, 2) @ left @ across)
    table = np.zeros((3, nodes, nodes))
    table[:count] = np.linalg.solve(normal, right.ravel()).reshape(count, nodes, nodes)
    return replace(psf, table=table, step=step, number=len(flux))


def normal_matrix(
    terms: NDArray[np.float64], along: NDArray[np.float64], across: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the normal matrix of tables that change over the field.

    Splines more than three nodes apart do not overlap, so that of all products of two only seven a node are formed.

    Parameters
    ----------
    terms
        Of the field, shape (n, terms).
    along, across
        Splines of the rows and columns, shape (n, side, nodes).
    weight
        Of the pixels, shape (n, side, side).

    Returns
    -------
    ndarray
        Shape (terms * nodes * nodes, terms * nodes * nodes).
    """
    nodes, count = along.shape[-1], terms.shape[1]
    first, second = (index.ravel() for index in np.meshgrid(np.arange(nodes), np.arange(-3, 4), indexing="ij"))
    inside = (first + second >= 0) & (first + second < nodes)
    first, second = first[inside], (first + second)[inside]
    by_row, by_column = along[:, :, first] * along[:, :, second], across[:, :, first] * across[:, :, second]
    powers = by_row.swapaxes(1, 2) @ weight @ by_column
    normal = np.zeros((count, nodes, nodes, count, nodes, nodes))
    for s in range(count):
        for t in range(s, count):
            power = np.einsum("n,npq->pq", terms[:, s] * terms[:, t], powers)
            index = (first[:, None], first[None, :], second[:, None], second[None, :])
            normal[s, index[0], index[1], t, index[2], index[3]] = power
            normal[t, index[0], index[1], s, index[2], index[3]] = power
    return normal.reshape(count * nodes**2, count * nodes**2)


def prior(psf: Psf, nodes: int, step: float) -> NDArray[np.float64]:
    """Return how much light the nodes of the table may hold, one standard deviation; shape (nodes * nodes,)."""
    grid = (np.arange(nodes) - nodes // 2) * step
    light = moffat_light(grid[None, None, :], grid[None, :, None], psf.profile[:1])[0]
    return np.asarray((_PRIOR * light + _FLOOR * light.max()).ravel())
