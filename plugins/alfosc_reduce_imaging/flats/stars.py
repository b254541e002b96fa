"""Stars in twilight flats: they stand on other pixels in each frame, and must leave no trace in the flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALES = (1, 3, 9, 27)
"""Blocks over which excess light is added up: cores of faint stars, bright ones, their wings, ghosts and galaxies."""
THRESHOLD = 4.5
_MAD_TO_SIGMA = 1.4826
_SAMPLE = 50_000


def find_stars(excess: NDArray[np.floating], light: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return true where a frame has light that the other frames do not have, and around.

    The excess is searched from fine to coarse scales, what was found on one being left out on the next, so that the
    wings of a bright star are masked as far as they can be seen. The noise is that of the frame itself on each scale.

    Parameters
    ----------
    excess
        The frame over the others, less 1, shape (ny, nx); NaN where not known.
    light
        Relative brightness, which the noise follows.
    """
    from scipy.ndimage import maximum_filter

    weighted = excess * np.sqrt(np.maximum(light, 0))
    found = np.zeros(excess.shape, bool)
    for scale in SCALES:
        if scale > min(excess.shape) // 4:
            break
        significance = smoothed_significance(np.where(found, np.nan, weighted), scale)
        seen = significance > THRESHOLD
        if seen.any():
            side = 2 * (scale // 2 + 1) + 1
            found |= maximum_filter(seen, side)
    return found


def smoothed_significance(values: NDArray[np.floating], scale: int) -> NDArray[np.float32]:
    """Return the mean over `scale` x `scale` blocks in units of its own robust scatter; 0 where nothing is known."""
    from scipy.ndimage import uniform_filter

    known = np.isfinite(values)
    weight = known.astype(np.float32)
    filled = np.where(known, values, 0).astype(np.float32)
    if scale > 1:
        weight = uniform_filter(weight, scale, mode="constant")
        filled = uniform_filter(filled, scale, mode="constant")
    enough = weight > 0.3
    mean = np.divide(filled, np.sqrt(weight), out=np.zeros_like(filled), where=enough)
    sample = mean[enough][:: max(1, mean.size // _SAMPLE)]
    if sample.size == 0:
        return np.asarray(mean, np.float32)
    centre = np.median(sample)
    sigma = _MAD_TO_SIGMA * np.median(np.abs(sample - centre))
    return np.asarray(np.where(enough, (mean - centre) / max(float(sigma), 1e-12), 0), np.float32)


def lone_frame_excess(light: NDArray[np.floating], reach: int = 7) -> NDArray[np.float32]:
    """Return what stands above its surroundings in a single frame, relative; dust, being dark, does not."""
    from bottleneck import nanmedian
    from numpy.lib.stride_tricks import sliding_window_view

    side = 2 * reach + 1
    padded = np.pad(light, reach, constant_values=np.nan)
    windows = sliding_window_view(padded, (side, side))[..., ::2, ::2]
    around = np.stack([nanmedian(row.reshape(len(row), -1), axis=-1) for row in windows])
    ratio = np.divide(light, around, out=np.full_like(around, np.nan), where=around > 0)
    return np.asarray(ratio - 1, np.float32)
