"""The image of an unresolved line: the slit's box, blurred a little, summed by pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_MINIMUM_BLUR = 0.05


@dataclass(frozen=True)
class LineProfile:
    """A box convolved with a Gaussian, integrated over pixels; its sum over all pixels is 1.

    Attributes
    ----------
    width
        Of the box (the slit's image) in pixels.
    blur
        Standard deviation of the Gaussian (the optics) in pixels.
    """

    width: float
    blur: float

    def __call__(self, offset: ArrayLike) -> NDArray[np.float64]:
        """Return the fraction of the light in the pixels at `offset` pixels from the line's centre."""
        return self._differences(offset, _integrated)

    def slope(self, offset: ArrayLike) -> NDArray[np.float64]:
        """Return the derivative of the profile by the offset."""
        return self._differences(offset, _cumulative)

    @property
    def fwhm(self) -> float:
        """Full width at half maximum in pixels, the pixel included."""
        offset = np.linspace(0, self.width / 2 + 4 * self.blur + 1, 400)
        value = self(offset)
        return float(2 * np.interp(-value[0] / 2, -value, offset))

    def _differences(self, offset: ArrayLike, function: object) -> NDArray[np.float64]:
        scale = max(self.blur, _MINIMUM_BLUR)
        half, x = self.width / 2, np.asarray(offset, np.float64)
        f = _integrated if function is _integrated else _cumulative
        total: NDArray[np.float64] = (
            f(x + 0.5 + half, scale) - f(x + 0.5 - half, scale) - f(x - 0.5 + half, scale) + f(x - 0.5 - half, scale)
        )
        return total / self.width


def _cumulative(u: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    from scipy.special import ndtr

    result: NDArray[np.float64] = ndtr(u / scale)
    return result


def _integrated(u: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    density = np.exp(-0.5 * np.square(u / scale)) / np.sqrt(2 * np.pi)
    return np.asarray(u * _cumulative(u, scale) + scale * density, np.float64)
