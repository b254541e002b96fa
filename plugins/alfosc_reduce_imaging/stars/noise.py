"""The noise of an image of the sky without the noise of the noise: that of the background, and that of the light.

A variance plane made from the counts themselves is low where the counts happen to be low. Who weights with it finds all
stars too faint (by as many electrons as pixels fitted). Here the variance of the background is smoothed, and that of
the light follows from a model of the light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.correlated_noise import noise_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMOOTHING = 15
_FINE = 3
_BRIGHT = 8.0
_FEWEST = 20


@dataclass(frozen=True, eq=False)
class Noise:
    """Variance of an image as that of its background plus `photon` times the light above it.

    Attributes
    ----------
    sky
        Variance of the background, shape (ny, nx).
    photon
        Variance a unit of light: 1 for electrons, 1 / exposure time for electrons a second, 1 / gain for ADU.
    correlation
        Error of a sum over many pixels over that of independent pixels; 1 without resampling.
    length
        Pixels over which that factor grows (`alfosc_reduce_imaging.correlated_noise`).
    """

    sky: NDArray[np.float32]
    photon: float
    correlation: float = 1.0
    length: float = 1.0

    def factor(self, area: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Return by what the error of a sum over `area` pixels exceeds that of independent pixels."""
        return noise_factor(area, {"NOISECOR": self.correlation, "NOISELEN": self.length})


def separated_noise(
    light: NDArray[np.floating], variance: NDArray[np.floating] | None, good: NDArray[np.bool_],
    blank: NDArray[np.bool_], rms: NDArray[np.float32], photon: float | None,
) -> Noise:  # fmt: skip
    """Return the noise of the background and of the light.

    Parameters
    ----------
    light
        Light above the background, shape (ny, nx).
    variance
        Of each pixel; None to take the scatter of the background.
    good
        True for usable pixels: what others hold is no light, and would hide how the variance grows with light.
    blank
        True for those outside objects.
    rms
        Scatter of the background.
    photon
        Variance a unit of light, where known; else it is told from the variance of bright pixels, or taken as 0.
    """
    if variance is None:
        return Noise(np.square(rms), photon or 0.0)
    sky = smoothed_where(np.asarray(variance, np.float32), blank, np.square(rms))
    return Noise(sky, photon_noise(light, variance, sky, good) if photon is None else photon)


def noise_of_pixels(variance: NDArray[np.floating]) -> Noise:
    """Return the noise of a difference, whose variance tells of light that is no longer seen; smoothed a little.

    Parameters
    ----------
    variance
        Of each pixel, shape (ny, nx).
    """
    from scipy.ndimage import uniform_filter

    return Noise(np.asarray(uniform_filter(np.asarray(variance, np.float32), _FINE)), 0.0)


def smoothed_where(
    values: NDArray[np.float32], blank: NDArray[np.bool_], otherwise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return means of the `blank` pixels in a box around each; over wide gaps in wider boxes, at last `otherwise`.

    `otherwise` is written over.
    """
    from scipy.ndimage import uniform_filter

    known = np.where(blank & np.isfinite(values), values, np.float32(0))
    for side in (8 * _SMOOTHING, _SMOOTHING):
        number = uniform_filter(blank, side, output=np.float32)
        np.divide(uniform_filter(known, side), number, out=otherwise, where=number > 0.1)
    return otherwise


def photon_noise(
    light: NDArray[np.floating], variance: NDArray[np.floating], sky: NDArray[np.float32], good: NDArray[np.bool_]
) -> float:
    """Return the variance a unit of light, from bright pixels; 0 if the variance does not know of the light."""
    light, variance, sky = light[::2, ::2], variance[::2, ::2], sky[::2, ::2]
    bright = good[::2, ::2] & (light > _BRIGHT * np.sqrt(sky)) & np.isfinite(variance)
    if np.count_nonzero(bright) < _FEWEST:
        return 0.0
    return max(0.0, float(np.median((variance - sky)[bright] / light[bright])))
