"""The image of a galaxy: a Sersic profile, convolved with that of a star."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.psf import Shape, add, stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE = 5
"""Points a pixel and axis on which a profile is sampled."""
_SIDES = (41, 81, 161)


def draw_galaxies(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float64],
    form: Shape,
    axes: NDArray[np.float64],
    sersic: NDArray[np.float64],
) -> None:
    """Add galaxies to an image.

    Parameters
    ----------
    image
        Changed in place.
    x, y, flux
        Where (pixels from 0), and the total of each; it is all within the stamp.
    form
        The profile of a star at each.
    axes
        Shape (galaxies, 2, 2): matrix that turns an offset in pixels into units of the half-light radius.
    sersic
        Index of each.
    """
    extent = 5.0 / np.sqrt(np.abs(np.linalg.det(axes))) + 12
    for i in range(x.size):
        side = next((s for s in _SIDES if s // 2 >= extent[i]), _SIDES[-1])
        left, bottom = round(x[i]) - side // 2, round(y[i]) - side // 2
        if not (-side < left < image.shape[1] and -side < bottom < image.shape[0]):
            continue
        own = Shape(form.a[i : i + 1], form.b[i : i + 1], form.c[i : i + 1])
        star = stamps(x[i : i + 1] - left, y[i : i + 1] - bottom, np.ones(1), own, side)[0]
        light = np.maximum(convolved(_sersic(axes[i], sersic[i], side), star.astype(np.float64)), 0)
        add(image, (flux[i] / light.sum() * light).astype(np.float32), left, bottom)


def _sersic(axes: NDArray[np.float64], index: float, side: int) -> NDArray[np.float64]:
    """Return a profile in the middle of a stamp, integrated over the pixels; it sums to 1.

    The factor in the exponent is that of Capaccioli (1989). Where in a pixel a galaxy lies is left to the star with
    which it is convolved, so that a steep centre, however coarsely sampled, is not pulled aside.
    """
    places = (np.arange(side * FINE) + 0.5) / FINE - 0.5 - side // 2
    offsets = np.stack(np.broadcast_arrays(places[None, :], places[:, None]))
    radius = np.sqrt(np.sum(np.tensordot(axes, offsets, axes=1) ** 2, axis=0))
    light = np.exp(-(1.9992 * index - 0.3271) * radius ** (1 / index))
    pixels = light.reshape(side, FINE, side, FINE).mean(axis=(1, 3))
    summed: NDArray[np.float64] = pixels / pixels.sum()
    return summed


def convolved(image: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """Return an image convolved with a kernel of odd sides, of the shape of the image."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    size = [next_fast_len(n + k, real=True) for n, k in zip(image.shape, kernel.shape, strict=True)]
    full = irfft2(rfft2(image, size) * rfft2(kernel, size), size)
    top, left = (side // 2 for side in kernel.shape)
    inner: NDArray[Any] = full[top : top + image.shape[0], left : left + image.shape[1]]
    return inner
