"""The smooth light of a long-slit frame, sky and objects, robust against cosmic rays: what these stand out from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_ccd.lamp import between, nan_median

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SKY_ROWS = 61
_SKY_STEP = 10
_WINDOW = 64
_CLIP = 5.0
_PROFILE_ERROR = 0.05


def smooth_light(data: NDArray[np.floating], good: NDArray[np.bool_], noise: float) -> NDArray[np.float64]:
    """Return sky and objects.

    The sky is a running median along the slit, column by column, so that no sky line is smoothed along the
    wavelength. What is left is the objects: a profile along the slit that changes slowly with wavelength (medians in
    windows along x), times a spectrum fitted column by column with outliers clipped, so that absorption and emission
    lines are followed.

    Parameters
    ----------
    data
        Electrons, shape (ny, nx), dispersion along x.
    good
        False where a pixel must not be used.
    noise
        Read noise, electron.
    """
    values = np.where(good, data, np.nan).astype(np.float32)
    sky = running_sky(values)
    left = values - sky
    return sky + objects(left, sky, noise)


def running_sky(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sky: medians along the slit in overlapping windows of rows, linear between their centres."""
    ny = values.shape[0]
    height = min(_SKY_ROWS, ny)
    starts = np.unique(np.append(np.arange(0, ny - height + 1, _SKY_STEP), ny - height))
    medians = np.stack([nan_median(values[start : start + height], 0) for start in starts])
    fallback = np.nan_to_num(nan_median(values, 0))
    medians = np.where(np.isfinite(medians), medians, fallback)
    return between(starts + (height - 1) / 2, medians, ny).T


def objects(left: NDArray[np.floating], sky: NDArray[np.floating], noise: float) -> NDArray[np.float64]:
    """Return the light of objects after the sky: profiles along the slit times a spectrum.

    Parameters
    ----------
    left
        Electrons above the sky, NaN where not usable.
    sky
        Electrons.
    noise
        Read noise, electron.
    """
    profile = _profiles(left)
    spectrum = np.zeros(left.shape[1])
    good = np.isfinite(left)
    values = np.where(good, left, 0)
    variance = noise**2 + np.maximum(sky + np.maximum(values, 0), 0)
    for _ in range(4):
        weight = np.where(good, profile / variance, 0)
        power = (weight * profile).sum(0)
        spectrum = np.divide((weight * values).sum(0), power, where=power > 0, out=np.zeros_like(spectrum))
        model = profile * np.maximum(spectrum, 0)
        variance = noise**2 + np.maximum(sky, 0) + model + (_PROFILE_ERROR * model) ** 2
        # A cosmic ray is above the model; what lies below it is kept, or absorption lines would fill up.
        good = np.isfinite(left) & (values - model < _CLIP * np.sqrt(variance))
    return profile * np.maximum(spectrum, 0)


def _profiles(left: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the profile along the slit at every column, of sum 1; 0 where nothing stands out."""
    nx = left.shape[1]
    width = min(_WINDOW, nx)
    starts = np.unique(np.append(np.arange(0, nx - width + 1, width // 2), nx - width))
    medians = np.stack([np.nan_to_num(nan_median(left[:, start : start + width], 1)) for start in starts])
    medians = np.maximum(medians, 0)
    total = medians.sum(1, keepdims=True)
    profiles = between(starts + (width - 1) / 2, medians / np.where(total > 0, total, 1), nx, extrapolate=True)
    return np.maximum(profiles, 0)
