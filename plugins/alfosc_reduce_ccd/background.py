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


def smooth_light(data: NDArray[np.floating], good: NDArray[np.bool_], noise: float) -> NDArray[np.float32]:
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
    values -= sky
    sky += objects(values, sky, noise)
    return sky


def running_sky(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sky: medians along the slit in overlapping windows of rows, linear between their centres."""
    ny = values.shape[0]
    height = min(_SKY_ROWS, ny)
    starts = np.unique(np.append(np.arange(0, ny - height + 1, _SKY_STEP), ny - height))
    medians = np.stack([nan_median(values[start : start + height], 0) for start in starts])
    fallback = np.nan_to_num(nan_median(values, 0))
    medians = np.where(np.isfinite(medians), medians, fallback)
    return between(starts + (height - 1) / 2, medians, ny).T.copy()


def objects(left: NDArray[np.float32], sky: NDArray[np.float32], noise: float) -> NDArray[np.float32]:
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
    light = np.zeros_like(sky)
    profile = _profiles(left)
    good = np.isfinite(left)
    values = np.where(good, left, np.float32(0))
    floor = np.maximum(sky, 0) + np.float32(noise**2)
    variance = floor + np.maximum(values, 0)
    spectrum = np.zeros(left.shape[1], np.float32)
    for _ in range(4):
        weight = np.where(good, profile / variance, np.float32(0))
        power = np.einsum("yx,yx->x", weight, profile)
        weight *= values
        spectrum = np.divide(weight.sum(0), power, where=power > 0, out=np.zeros_like(spectrum))
        np.multiply(profile, np.maximum(spectrum, 0), out=light)
        variance = floor + light + np.square(np.float32(_PROFILE_ERROR) * light)
        # A cosmic ray is above the model; what lies below it is kept, or absorption lines would fill up.
        good = np.isfinite(left) & (values - light < _CLIP * np.sqrt(variance))
    return light


def _profiles(left: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the profile along the slit at every column, of sum 1; 0 where nothing stands out."""
    nx = left.shape[1]
    width = min(_WINDOW, nx)
    starts = np.unique(np.append(np.arange(0, nx - width + 1, width // 2), nx - width))
    medians = np.stack([np.nan_to_num(nan_median(left[:, start : start + width], 1)) for start in starts])
    medians = np.maximum(medians, 0)
    total = medians.sum(1, keepdims=True)
    profiles = between(starts + (width - 1) / 2, medians / np.where(total > 0, total, 1), nx, extrapolate=True)
    return np.maximum(profiles, 0, out=profiles)
