"""Light in circles and ellipses around many sources at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.stamps import disc_weights, mirrored, stamps_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.noise import Noise

KRON = 2.5
_KRON_REACH, _KRON_LEAST, _KRON_MOST = 6.0, 1.4, 6.0
"""Semi-axes over which the Kron radius is summed, and the limits of the radius."""
_SMALLEST, _LARGEST = 1.0, 150.0
"""Pixels: limits of semi-major axes that are measured."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An image as photometry sees it; arrays of shape (ny, nx).

    Attributes
    ----------
    light
        Above the background.
    seen
        False where the light is not known.
    labels
        Which source each pixel belongs to, 0 for none.
    noise
        Of the image.
    """

    light: NDArray[np.float32]
    seen: NDArray[np.bool_]
    labels: NDArray[np.int32]
    noise: Noise

    def cut(
        self, x: NDArray[np.int64], y: NDArray[np.int64], own: NDArray[np.int64], radius: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Return light, background variance, and which pixels are the sources' own or sky, around whole pixels.

        Pixels of other sources, and such as are not known, hold what lies opposite the centre, or nothing.

        Parameters
        ----------
        x, y
            Middle of the stamps, shape (n,).
        own
            Labels of the sources themselves.
        radius
            Half the side less half a pixel.
        """
        label = stamps_at(self.labels, x, y, radius, 0)
        free = stamps_at(self.seen, x, y, radius, False)
        free &= (label == 0) | (label == own[:, None, None])
        light = mirrored(stamps_at(self.light, x, y, radius, 0), free)
        return light, stamps_at(self.noise.sky, x, y, radius, 1), free


@dataclass(frozen=True, eq=False)
class ApertureFluxes:
    """Fluxes, errors, and the share of each aperture that was not seen or belongs to others; shape (n, apertures)."""

    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    foreign: NDArray[np.float64]


def circular_fluxes(
    scene: Scene, x: NDArray[np.float64], y: NDArray[np.float64], own: NDArray[np.int64], radii: NDArray[np.float64]
) -> ApertureFluxes:
    """Return the light within circles.

    Parameters
    ----------
    scene
        The image.
    x, y
        Centres in pixels, shape (n,).
    own
        Labels of the sources themselves; 0 for none.
    radii
        Of the circles, pixels.
    """
    half = int(np.ceil(radii.max())) + 1
    ix, iy = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    light, sky, free = scene.cut(ix, iy, own, half)
    offset = np.arange(-half, half + 1)
    dx, dy = offset - (x - ix)[:, None, None], offset[:, None] - (y - iy)[:, None, None]
    sums = [weighted_sums(disc_weights(dx, dy, radius), light, sky, free, scene.noise) for radius in radii]
    return ApertureFluxes(*(np.stack(part, axis=1) for part in zip(*sums, strict=True)))


def weighted_sums(
    weight: NDArray[np.float32], light: NDArray[np.float32], sky: NDArray[np.float32], free: NDArray[np.bool_],
    noise: Noise,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Return flux, error and foreign share of weighted stamps (n, side, side)."""
    area = np.maximum(weight.sum((1, 2), dtype=np.float64), 1e-9)
    flux = np.einsum("nyx,nyx->n", weight, light).astype(np.float64)
    variance = np.einsum("nyx,nyx,nyx->n", weight, weight, sky, optimize=True).astype(np.float64)
    variance += noise.photon * np.maximum(flux, 0)
    foreign = np.einsum("nyx,nyx->n", weight, (~free).astype(np.float32)) / area
    return flux, np.sqrt(variance) * noise.factor(area), foreign


@dataclass(frozen=True, eq=False)
class KronFluxes:
    """Fluxes in Kron ellipses, their errors, the Kron radius (in semi-axes) and the foreign share; shape (n,)."""

    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    radius: NDArray[np.float64]
    foreign: NDArray[np.float64]


def kron_fluxes(
    scene: Scene, x: NDArray[np.float64], y: NDArray[np.float64], own: NDArray[np.int64],
    shapes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
) -> KronFluxes:  # fmt: skip
    """Return the light within 2.5 Kron radii (Kron 1980), in ellipses of the shape of each source.

    Parameters
    ----------
    scene
        The image.
    x, y
        Centres in pixels, shape (n,).
    own
        Labels of the sources themselves.
    shapes
        Second moments xx, xy, yy of each source, square pixels.
    """
    major = np.sqrt((shapes[0] + shapes[2]) / 2 + np.hypot((shapes[0] - shapes[2]) / 2, shapes[1]))
    tame = np.square(np.clip(major, _SMALLEST, _LARGEST / _KRON_REACH) / np.maximum(major, 1e-9))
    inverse = inverse_shapes(*(part * tame for part in shapes)) * np.square(major)[:, None] * tame[:, None]
    reach = np.ceil(_KRON_REACH * major * np.sqrt(tame)).astype(np.int64) + 2
    out = np.zeros((4, len(x)))
    for group, half in by_size(reach):
        out[:, group] = _kron(scene, x[group], y[group], own[group], inverse[group], (major * np.sqrt(tame))[group],
                              half)  # fmt: skip
    return KronFluxes(*out)


def inverse_shapes(xx: NDArray[np.float64], xy: NDArray[np.float64], yy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse matrices (as xx, xy, yy) of second moments, shape (n, 3), kept from being degenerate."""
    least = 0.01 * (xx + yy)
    xx, yy = xx + least, yy + least
    return np.stack([yy, -xy, xx], axis=1) / np.maximum(xx * yy - xy**2, 1e-9)[:, None]


def by_size(reach: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield groups of sources that need stamps of about one size, and half that size."""
    steps = np.ceil(2 * np.log2(np.maximum(reach, 8))).astype(int)
    for step in np.unique(steps):
        group = np.flatnonzero(steps == step)
        yield group, int(reach[group].max())


def _kron(
    scene: Scene, x: NDArray[np.float64], y: NDArray[np.float64], own: NDArray[np.int64],
    inverse: NDArray[np.float64], major: NDArray[np.float64], half: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Return flux, error, Kron radius and foreign share of sources in one size of stamp, shape (4, n)."""
    ix, iy = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    light, sky, free = scene.cut(ix, iy, own, half)
    offset = np.arange(-half, half + 1)
    dx, dy = offset - (x - ix)[:, None, None], offset[:, None] - (y - iy)[:, None, None]
    a, b, c = (part[:, None, None] for part in inverse.T)
    # Elliptical radius in units of the major axis, and how steeply it grows.
    q = np.sqrt(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / major[:, None, None]
    steep = np.hypot(a * dx + b * dy, b * dx + c * dy) / np.maximum(q, 1e-6) / np.square(major)[:, None, None]
    within = q < _KRON_REACH
    total = np.einsum("nyx,nyx->n", within, light)
    first = np.einsum("nyx,nyx,nyx->n", within, light, q)
    radius = np.where(total > 0, first / np.maximum(total, 1e-30), _KRON_LEAST)
    radius = np.clip(radius, _KRON_LEAST, _KRON_MOST / KRON)
    weight = np.clip((KRON * radius[:, None, None] - q) / np.maximum(steep, 1e-6) + 0.5, 0, 1).astype(np.float32)
    flux, error, foreign = weighted_sums(weight, light, sky, free, scene.noise)
    return np.stack([flux, error, radius, foreign])
