"""Objects on the slit: where light stands out of the noise, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 16
WIDTHS = (2.0, 3.0, 4.5, 7.0, 10.0)
"""Full widths at half maximum of the Gaussians that the slit profile is searched with, in pixels."""
SEEING = 2
PROMINENCE = 0.05
BLEND = 3.0
COVERED = 0.3
"""Share of the columns that a row must have to take part in the search."""
ALONE = 0.1
"""Share of the light that the rows beside a hot one have at most; stars have more, in whatever seeing and binning."""
EDGE = 5.0
"""Times the threshold that an object within its width of the first or last row needs: bias and sky are worst there."""


@dataclass(frozen=True)
class SlitProfile:
    """The light along the slit, all wavelengths together.

    Attributes
    ----------
    light
        Mean electrons a pixel, shape (ny,), its median 0.
    error
        Formal standard error, shape (ny,).
    significance
        Of an object centred on each row, in sigma of the measured noise, for each of `WIDTHS`; shape (widths, ny).
    noise
        Ratio of measured to formal noise at a width like the seeing's.
    """

    light: NDArray[np.float64]
    error: NDArray[np.float64]
    significance: NDArray[np.float64]
    noise: float

    @property
    def best(self) -> NDArray[np.float64]:
        """Return the significance at the width that suits each row best, shape (ny,)."""
        result: NDArray[np.float64] = self.significance.max(axis=0)
        return result

    def limit(self, threshold: float) -> float:
        """Return the mean electrons a pixel and column, summed along the slit, of an object just detected."""
        spread = np.sqrt(2 * np.sqrt(np.pi) * WIDTHS[SEEING] / 2.355)
        return float(threshold * self.noise * np.median(self.error) * spread)


def without_outliers(
    data: NDArray[np.floating], variance: NDArray[np.floating], good: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the usable pixels that do not stand out of their row, shape (ny, nx): no cosmic ray makes an object.

    A pixel is compared with the median of the (up to) 16 columns of its block, with 5 sigma and a third of the median
    as tolerance.
    """
    result = good.copy()
    for low in range(0, data.shape[1], BLOCK):
        part = slice(low, low + BLOCK)
        level = np.median(data[:, part], axis=1, keepdims=True)
        limit = 5 * np.sqrt(variance[:, part]) + np.abs(level) / 3
        result[:, part] &= np.abs(data[:, part] - level) <= limit
    return result


def collapse(
    data: NDArray[np.floating], variance: NDArray[np.floating], good: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weighted mean of each row and its formal error, shapes (ny,); infinite where little can be used."""
    weight = column_weights(variance, good)
    total = np.maximum(good @ weight, 1e-30)
    light = np.where(good, data, 0) @ weight
    error = np.sqrt(np.where(good, variance, 0) @ weight**2)
    covered = total > COVERED * total.max()
    return np.where(covered, light / total, 0), np.where(covered & (error > 0), error / total, np.inf)


def column_weights(variance: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the inverse of the usual variance of the good pixels of each column, shape (nx,), 0 where there are none.

    Weights follow the columns only: the photon noise of an object must not bias its own profile.
    """
    import bottleneck

    usual = np.asarray(bottleneck.nanmedian(np.where(good, variance, np.nan), axis=0), np.float64)
    return np.where(np.isfinite(usual), 1 / np.maximum(usual, 1e-12), 0)


def slit_profile(data: NDArray[np.floating], variance: NDArray[np.floating], good: NDArray[np.bool_]) -> SlitProfile:
    """Collapse a sky-subtracted frame (ny, nx) along wavelength and search the profile for objects.

    The noise is that of each matched filter over the rows, from those below the median, and never below the formal
    one: structure left by flat or sky raises it.
    """
    light, error = collapse(data, variance, good)
    usual = error[np.isfinite(error)]
    if len(usual) == 0:
        return SlitProfile(light, error, np.zeros((len(WIDTHS), len(light))), 1.0)
    light = light - _clipped_median(light)
    formal = np.stack([_matched(light, error, width) for width in WIDTHS])
    noise = np.array([max(1.0, _lower_std(row)) for row in formal])
    return SlitProfile(light, error, formal / noise[:, None], float(noise[SEEING]))


def hot_rows(profile: SlitProfile, threshold: float) -> NDArray[np.bool_]:
    """Return the rows whose light stands alone, shape (ny,): a hot line of the detector that runs along the spectrum.

    Where columns are shifted to follow a trace it would be spread over some rows, and look like an object.

    Parameters
    ----------
    profile
        Of a frame none of whose columns is shifted.
    threshold
        Sigma by which such a row exceeds its neighbours.
    """
    light, error = (np.pad(values, 1, "edge") for values in (profile.light, profile.error))
    beside = (light[:-2] + light[2:]) / 2
    noise = np.sqrt(error[1:-1] ** 2 + (error[:-2] ** 2 + error[2:] ** 2) / 4)
    with np.errstate(invalid="ignore"):
        alone = profile.light - beside > threshold * profile.noise * noise
    return np.asarray(alone & (np.abs(beside) < ALONE * profile.light))


def find_peaks_of(profile: SlitProfile, threshold: float, *, holes: bool = True) -> list[tuple[float, float, float]]:
    """Return (row, full width at half maximum in pixels, significance) of each object, the most significant first.

    Parameters
    ----------
    profile
        From `slit_profile`.
    threshold
        Sigma, for the height of a peak and for its rise above the saddle to a brighter one. A peak must also exceed
        the deepest hole of the profile by a fifth, for structure that makes holes makes peaks as high.
    holes
        Whether to compare with the holes; False where they are the objects of another exposure.
    """
    found: list[tuple[float, float, float]] = []
    deepest = -float(profile.significance.min()) if holes else 0.0
    maxima = _local_maxima(profile, threshold)
    for row in maxima:
        width = measured_width(profile.light, row)
        height = float(profile.best[max(0, row - 1) : row + 2].max())
        at_edge = min(row, len(profile.light) - 1 - row) < width
        if at_edge and height < EDGE * threshold:
            continue
        if height > 1.2 * deepest and is_object(profile.light, row, width):
            lonely = all(abs(row - other) > BLEND * width for other in maxima if other != row)
            found.append((centroid(profile.light, row, width) if lonely else float(row), width, height))
    return sorted(found, key=lambda one: -one[2])


def _local_maxima(profile: SlitProfile, threshold: float) -> list[int]:
    """Return the rows of peaks, from narrow filters to wide ones, that blur what narrow ones have told apart."""
    from scipy.signal import find_peaks

    peaks: list[int] = []
    for width, significance in zip(WIDTHS, profile.significance, strict=True):
        rows, facts = find_peaks(significance, height=threshold, prominence=threshold)
        # On the wing of a bright star a ripple of a few per cent is the star's own.
        proper = rows[facts["prominences"] > PROMINENCE * significance[rows]]
        for row in proper[np.argsort(-significance[proper])]:
            if all(abs(int(row) - other) > 1.5 * width + 2 for other in peaks):
                peaks.append(int(row))
    return peaks


def is_object(light: NDArray[np.float64], row: int, width: float) -> bool:
    """Say whether the peak at `row` is wider than a hot row and falls off on both sides."""
    reach = round(width) + 1
    top = light[max(0, row - 2) : row + 3].max()
    sides = light[[max(0, row - reach), min(len(light) - 1, row + reach)]]
    return bool(width > 1.3 and top > 1.2 * max(sides.max(), 0))


def measured_width(light: NDArray[np.float64], row: int) -> float:
    """Return the full width at half maximum of the peak at `row`, in pixels, by interpolation; at most 40."""
    low, high = max(0, row - 1), min(len(light), row + 2)
    row = low + int(np.argmax(light[low:high]))
    half = light[row] / 2
    sides = []
    for step in (-1, 1):
        y = row
        while 0 < y < len(light) - 1 and light[y] > half and abs(y - row) < 20:
            y += step
        inner, outer = light[y - step], light[y]
        fraction = (inner - half) / (inner - outer) if inner > half > outer else 0.5
        sides.append(abs(y - step - row) + fraction)
    return float(sum(sides))


def centroid(light: NDArray[np.float64], row: int, width: float) -> float:
    """Return the Gaussian-weighted centroid near `row`."""
    y = np.arange(len(light))
    centre = float(row)
    for _ in range(10):
        weight = np.exp(-0.5 * ((y - centre) / (0.5 * width + 0.5)) ** 2)
        total = float(np.sum(weight * light))
        if total <= 0:
            return float(row)
        # A Gaussian weight halves the shift that the centroid shows, about.
        centre += float(np.clip(1.5 * np.sum(weight * light * (y - centre)) / total, -1, 1))
    return centre if abs(centre - row) < width + 1 else float(row)


def separate(light: NDArray[np.float64], rows: list[float], width: float) -> tuple[list[float], float]:
    """Return the centres of objects that overlap, and their common full width at half maximum, in pixels.

    Gaussians are fitted together, with one width; `rows` and `width` are where the fit begins.
    """
    from scipy.optimize import least_squares

    low, high = max(0, round(min(rows) - 1.5 * width)), min(len(light), round(max(rows) + 1.5 * width) + 1)
    y, part = np.arange(low, high)[:, None], light[low:high]

    def shapes(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(-0.5 * ((y - values[:-1]) * 2.355 / values[-1]) ** 2))

    def misfit(values: NDArray[np.float64]) -> NDArray[np.float64]:
        basis = shapes(values)
        return np.asarray(basis @ np.linalg.lstsq(basis, part, rcond=None)[0] - part)

    start = np.array([*rows, width])
    bounds = (np.array([*(row - 3 for row in rows), 1.2]), np.array([*(row + 3 for row in rows), 2.5 * width]))
    found = least_squares(misfit, start, bounds=bounds, x_scale=1.0)
    return [float(row) for row in found.x[:-1]], float(found.x[-1])


def _matched(light: NDArray[np.float64], error: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    from scipy.ndimage import correlate1d

    reach = int(3 * width / 2.355) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (width / 2.355)) ** 2)
    weight = 1 / np.median(error[np.isfinite(error)]) ** 2 * np.isfinite(error)
    amplitude = correlate1d(light * weight, kernel, mode="constant")
    information = correlate1d(weight, kernel**2, mode="constant")
    result: NDArray[np.float64] = amplitude / np.sqrt(np.maximum(information, 1e-30))
    return result


def _clipped_median(values: NDArray[np.float64]) -> float:
    kept = values
    for _ in range(5):
        middle, spread = np.median(kept), 1.4826 * np.median(np.abs(kept - np.median(kept)))
        kept = kept[np.abs(kept - middle) <= 3 * spread] if spread > 0 else kept
    return float(np.median(kept))


def _lower_std(values: NDArray[np.float64]) -> float:
    """Return the robust standard deviation of the lower half, which holds no objects."""
    middle = np.median(values)
    return float(1.4826 * np.median(middle - values[values <= middle]))
