"""Values that stand out from those of the other frames: cosmic rays, satellite trails, but no cores of stars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.combination.exposures import Exposure

_MISMATCH = 0.1
"""Part of the brightest pixel around by which frames of equal seeing may differ: registration, shape of the image."""
_ALLOWANCE = 1.5
"""By how much profiles differ, at most, over what the seeing says of their peaks."""
_SORTED = 6
_GROWTH = 0.5
"""Next to an outlier, values that stand out by this part of the limit go as well: the rims of trails."""
_WIDTH = 5.0


@dataclass(frozen=True, eq=False)
class Rejection:
    """How outliers are told.

    Attributes
    ----------
    clip
        In sigma.
    noise
        Standard deviation of a blank pixel of each scaled frame, shape (n,).
    mismatch
        Part of the brightest value nearby by which each frame may differ from the median, shape (n,).
    reach
        Pixels around in which the brightest value is looked for.
    """

    clip: float
    noise: NDArray[np.float32]
    mismatch: NDArray[np.float32]
    reach: int

    @classmethod
    def of(cls, exposures: Sequence[Exposure], clip: float) -> Rejection:
        """Return the rejection for frames, from their noise and seeing."""
        noise = np.array([np.sqrt(one.sky_variance) * one.magnification for one in exposures], np.float32)
        scales = np.array([1 / np.sqrt(one.area) for one in exposures])
        widths = np.array([one.fwhm for one in exposures]) / scales
        typical = float(np.nanmedian(widths)) if np.isfinite(widths).any() else _WIDTH
        widths = np.where(np.isfinite(widths) & (widths > 0), widths, typical)
        # In the cores of stars the median is that of a wide frame, in their wings that of a narrow one.
        ordered, middle = np.sort(widths), (len(widths) - 1) // 2
        ratios = np.array([[ordered[middle]], [ordered[::-1][middle]]]) / widths
        mismatch = _MISMATCH + _ALLOWANCE * np.abs(ratios**2 - 1).max(axis=0)
        return cls(clip, noise, mismatch.astype(np.float32), int(np.clip(np.ceil(0.75 * widths.max()), 2, 12)))

    @property
    def rim(self) -> int:
        """Rows around a strip that decide on it."""
        return self.reach + 1

    def outliers(
        self, values: NDArray[np.float32], variances: NDArray[np.float32], keep: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return true for values that stand out; shape (n, rows, columns) like the arguments.

        The noise allowed for is the least that a frame has in that pixel: a cosmic ray must not excuse itself with its
        own photon noise.

        Parameters
        ----------
        values, variances
            Of the scaled frames.
        keep
            True where a value may be used.
        """
        number = keep.sum(axis=0)
        centre = lower_median(values, keep, number)
        common = self._common(variances, keep)
        bright = self._brightest(centre)
        found = np.zeros(values.shape, bool)
        for i, value in enumerate(values):
            sigma = self.noise[i] * common
            # Two values differ by the noise of both, one of many and a median by that of the one.
            sigma *= np.where(number == 2, np.float32(2**0.5), np.float32(1))
            excess = np.abs(value - centre) - self.mismatch[i] * bright
            found[i] = keep[i] & (number > 1) & (excess > self.clip * sigma)
            if found[i].any():
                found[i] |= keep[i] & _around(found[i]) & (excess > _GROWTH * self.clip * sigma)
        return found

    def _common(self, variances: NDArray[np.float32], keep: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the noise of the least noisy value over that of blank pixels, at least 1."""
        common = np.full(variances.shape[1:], np.float32(np.inf))
        for variance, kept, noise in zip(variances, keep, self.noise, strict=True):
            np.minimum(common, np.where(kept, variance / noise**2, np.float32(np.inf)), out=common)
        common[~np.isfinite(common)] = 1
        return np.sqrt(np.maximum(common, np.float32(1)))

    def _brightest(self, centre: NDArray[np.float32]) -> NDArray[np.float32]:
        from scipy.ndimage import maximum_filter1d

        bright = np.maximum(centre, 0)
        for axis in (0, 1):
            bright = maximum_filter1d(bright, 2 * self.reach + 1, axis=axis, mode="nearest")
        return np.asarray(bright)


def lower_median(
    values: NDArray[np.float32], keep: NDArray[np.bool_], number: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return the median of what is kept, of a few even ones the lower: light that one frame has more does not reach it.

    Parameters
    ----------
    values, keep
        Shape (n, ...).
    number
        Of values kept, shape (...). Where it is 0 the result is 0.
    """
    if len(values) > _SORTED:
        from bottleneck import nanmedian

        known = np.where(keep, values, np.float32(np.nan))
        return np.asarray(np.nan_to_num(nanmedian(known, axis=0)), np.float32)
    ordered = _ordered([np.where(kept, value, np.float32(np.inf)) for value, kept in zip(values, keep, strict=True)])
    index = np.maximum(number - 1, 0) // 2
    found = ordered[0]
    for k in range(1, (len(values) - 1) // 2 + 1):
        np.copyto(found, ordered[k], where=index == k)
    return np.where(number > 0, found, np.float32(0))


def _ordered(layers: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Sort a few layers pixel by pixel: comparing whole layers is ten times faster than sorting along an axis."""
    for last in range(len(layers) - 1, 0, -1):
        for k in range(last):
            low = np.minimum(layers[k], layers[k + 1])
            np.maximum(layers[k], layers[k + 1], out=layers[k + 1])
            layers[k] = low
    return layers


def _around(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return true within one pixel of what is found."""
    from scipy.ndimage import maximum_filter1d

    wide = found.view(np.uint8)
    for axis in (0, 1):
        wide = maximum_filter1d(wide, 3, axis=axis, mode="constant")
    return wide.view(np.bool_)
