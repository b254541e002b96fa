"""What a lamp's light through a slit looks like without the pixels: a smooth spectrum times the slit's illumination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 128
"""Columns over which the illumination along the slit is taken as one."""
_STEP = WINDOW // 2
_LIT_ROW, _LIT_COLUMN = 0.3, 0.02
_COARSE = 41
_WELL_MEASURED = 0.15
_FLOOR, _SCATTERED = 0.1, 2.0


@dataclass(frozen=True)
class LampModel:
    """A model of the light on the detector.

    Attributes
    ----------
    model
        Electrons, shape (ny, nx).
    lit
        True inside the slit's image and the lamp's spectrum, shape (ny, nx).
    lamp_fraction
        How much of the light of each column came straight through the slit; the rest is scattered. Shape (nx,).
    """

    model: NDArray[np.float32]
    lit: NDArray[np.bool_]
    lamp_fraction: NDArray[np.float64]


def lamp_model(flat: NDArray[np.floating], smoothing: int) -> LampModel:
    """Separate the lamp's light from the response of the pixels.

    The spectrum is the median along the slit of the light over the slit's illumination, smoothed by a local parabola
    in its logarithm: unlike a global fit that cannot ring at a filter's cut-off. The illumination is the median along
    the wavelength of light over spectrum, in windows of 128 columns between which it is interpolated: shadows of dust
    on the slit are in it, dust on the detector and fringes are not.

    Parameters
    ----------
    flat
        Electrons, dispersion along x; NaN where a pixel is not usable.
    smoothing
        Columns of the local parabola.

    Raises
    ------
    DataError
        If nothing is lit.
    """
    values = np.asarray(flat, np.float32)
    rows, columns = _lit_rows(values), _lit_columns(values)
    inner = values[rows][:, columns]
    spectrum = smooth_spectrum(nan_median(inner, 0), smoothing)
    for _ in range(2):
        shape = spectrum.astype(np.float32)
        centres, profiles = _illumination(np.asarray(inner / shape))
        slit = between(centres, profiles, inner.shape[1])
        spectrum = smooth_spectrum(nan_median(inner / slit, 0), smoothing)
    model, lit = np.zeros(values.shape, np.float32), np.zeros(values.shape, bool)
    steep = steep_columns(nan_median(inner / slit, 0), smoothing)
    del inner
    slit *= spectrum.astype(np.float32)
    model[np.ix_(rows, columns)] = slit
    lit[np.ix_(rows, columns)] = ~steep
    fraction = np.zeros(values.shape[1])
    fraction[columns] = np.interp(np.arange(len(columns)), centres, lamp_fractions(centres, profiles, spectrum))
    return LampModel(model, lit, fraction)


def smooth_spectrum(spectrum: NDArray[np.floating], window: int) -> NDArray[np.float64]:
    """Return a positive spectrum smoothed by local parabolas in its logarithm.

    Parameters
    ----------
    spectrum
        Shape (n,); values that are not positive or not finite are interpolated over.
    window
        Pixels; made odd, and shortened to a short spectrum.
    """
    from scipy.signal import savgol_filter

    x = np.arange(len(spectrum))
    good = np.isfinite(spectrum) & (spectrum > 0)
    logarithm = np.interp(x, x[good], np.log(spectrum[good]))
    length = min(window, len(spectrum) - 1) | 1
    if length < 5 or length > len(spectrum):
        return np.asarray(np.exp(logarithm))
    return np.asarray(np.exp(savgol_filter(logarithm, length, 2, mode="interp")))


def steep_columns(spectrum: NDArray[np.floating], window: int) -> NDArray[np.bool_]:
    """Return true near a filter's cut-off, where local parabolas of `window` columns do not follow the spectrum.

    That is within half a window of where the light changes by more than a factor of e inside one window.

    Parameters
    ----------
    spectrum
        Electrons, shape (nx,), not smoothed.
    window
        Columns.
    """
    from scipy.ndimage import binary_dilation

    half = max(window // 2, 1)
    logarithm = np.pad(np.log(smooth_spectrum(spectrum, max(window // 4, 5))), half, "edge")
    change = np.abs(logarithm[2 * half :] - logarithm[: -2 * half])
    return np.asarray(binary_dilation(change > 1, np.ones(2 * half + 1)), bool)


def lamp_fractions(
    centres: NDArray[np.float64], profiles: NDArray[np.float64], spectrum: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much of the light in each window came through the slit.

    Dust on the slit casts sharp shadows along the dispersion, scattered light fills them: the depth of the fine
    structure of the illumination, relative to the brightest windows, is the fraction sought. Where the slit is too
    clean to tell, what does not exceed twice the faintest light of a spectrum that falls by a factor of ten is taken
    for scattered.

    Parameters
    ----------
    centres
        Columns of the windows, shape (n,).
    profiles
        Illumination in each, shape (n, rows).
    spectrum
        Shape (nx,).

    Returns
    -------
    array
        0 to 1, shape (n,).
    """
    from scipy.ndimage import median_filter

    light = np.interp(centres, np.arange(len(spectrum)), spectrum)
    fine = profiles / median_filter(profiles, size=(1, _COARSE), mode="nearest") - 1
    brightest = np.argsort(light)[-max(3, len(light) // 4) :]
    reference = np.median(fine[brightest], axis=0)
    power = float(reference @ reference)
    if power > 0:
        fraction = fine @ reference / power
        scatter = np.std(fine - fraction[:, None] * reference, axis=1) / np.sqrt(power)
        if np.median(scatter) < _WELL_MEASURED:
            return np.asarray(np.clip(fraction, 0, 1))
    floor = float(light.min())
    return np.asarray(np.where((floor < _FLOOR * light.max()) & (light < _SCATTERED * floor), 0.0, 1.0))


def nan_median(values: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    """Return the median along an axis without NaN, fast; NaN where there is nothing else."""
    import bottleneck

    return np.asarray(bottleneck.nanmedian(values, axis=axis), np.float64)


def between(
    centres: NDArray[np.float64], profiles: NDArray[np.float64], nx: int, *, extrapolate: bool = False
) -> NDArray[np.float32]:
    """Return profiles at every column, shape (rows, nx), linear between the windows.

    Parameters
    ----------
    centres
        Of the windows, columns, rising, shape (n,).
    profiles
        Shape (n, rows).
    nx
        Number of columns.
    extrapolate
        Beyond the first and last centre, go on linearly; otherwise the profile is held.
    """
    thin = profiles.astype(np.float32)
    if len(centres) == 1:
        return np.repeat(thin[0][:, None], nx, axis=1)
    x = np.arange(nx) if extrapolate else np.clip(np.arange(nx), centres[0], centres[-1])
    left = np.clip(np.searchsorted(centres, x, side="right") - 1, 0, len(centres) - 2).astype(np.intp)
    weight = ((x - centres[left]) / (centres[left + 1] - centres[left])).astype(np.float32)
    result = thin.T[:, left] * (1 - weight)
    result += thin.T[:, left + 1] * weight
    return result


def _lit_rows(values: NDArray[np.floating]) -> NDArray[np.intp]:
    light = np.nan_to_num(nan_median(values[:, _bright(values)], 1))
    highest = np.percentile(light, 95)
    rows = np.flatnonzero(light > _LIT_ROW * highest)
    if not highest > 0 or rows.size < _COARSE:
        raise DataError(f"flat: only {rows.size} rows along the slit are lit; look at the flats, or disable the flat")
    return rows


def _bright(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    light = np.percentile(np.nan_to_num(values[:: max(1, len(values) // 64)]), 80, axis=0)
    bright: NDArray[np.bool_] = light >= 0.5 * light.max()
    return bright


def _lit_columns(values: NDArray[np.floating]) -> NDArray[np.intp]:
    light = np.nan_to_num(nan_median(values[_lit_rows(values)], 0))
    lit = np.flatnonzero(light > _LIT_COLUMN * np.percentile(light, 99))
    return np.arange(lit[0], lit[-1] + 1)


def _illumination(ratio: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of windows along x, and the illumination along the slit in each, shape (windows, rows)."""
    nx = ratio.shape[1]
    starts = np.arange(0, max(1, nx - WINDOW + _STEP), _STEP)
    starts = np.minimum(starts, max(0, nx - WINDOW))
    starts = np.unique(starts)
    profiles = np.stack([nan_median(ratio[:, start : start + WINDOW], 1) for start in starts])
    profiles = np.where(np.isfinite(profiles), profiles, 1.0)
    return starts + (min(WINDOW, nx) - 1) / 2, profiles
