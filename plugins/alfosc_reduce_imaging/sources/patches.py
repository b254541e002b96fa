"""Sources of a combined image of which some exposures miss a part: a column, a cosmic ray's hit.

Exposures differ in seeing. Where one is missing on some pixels of a star, these have the profile of the others, and the
star as a whole has the light of neither. The variance shows where that is: it is larger there than around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.stamps import stamps_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.noise import Noise

DIFFERENCE = 0.2
"""By how much of the light of a pixel exposures whose seeing scatters by some 8 per cent differ."""
_SLACK = 1.12
"""Factor between the variances of neighbouring pixels that means nothing."""


def missing_light(
    light: NDArray[np.float32], variance: NDArray[np.float32], noise: Noise, x: NDArray[np.float64],
    y: NDArray[np.float64], radius: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Return which share of the light of each source some of the exposures miss, shape (n,).

    Parameters
    ----------
    light, variance
        Of the image, shape (ny, nx).
    noise
        What the variance would be without such places.
    x, y
        Of the sources, pixels, shape (n,).
    radius
        Around them that is looked at, pixels.
    """
    half = int(np.ceil(radius))
    span = np.arange(-half, half + 1)
    disc = np.hypot(span, span[:, None]) <= radius
    whole = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    own, found, sky = (stamps_at(plane, *whole, half, 0)[:, disc].astype(np.float64)
                       for plane in (light, variance, noise.sky))  # fmt: skip
    own = np.maximum(own, 0)
    expected = sky + noise.photon * own
    excess = np.divide(found, expected, out=np.ones_like(found), where=(expected > 0) & (found > 0))
    usual = _SLACK * weighted_median(excess, own)[:, None]
    missing = np.sum(own * np.maximum(1 - usual / excess, 0), axis=1)
    return np.asarray(missing / np.maximum(own.sum(axis=1), 1e-30))


def weighted_median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value of each row below which half of the weight lies; shapes (n, k)."""
    order = np.argsort(values, axis=1, kind="stable")
    below = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    middle = np.argmax(below >= 0.5 * below[:, -1:], axis=1)
    found = np.take_along_axis(values, np.take_along_axis(order, middle[:, None], axis=1), axis=1)
    return np.asarray(found[:, 0])
