"""Emission lines in an arc spectrum: where they are, how strong, how wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.lines.profile import LineProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 7.0
"""Least height of a line in units of the noise."""
_WIDEST = 24.0


@dataclass(frozen=True)
class FoundLines:
    """Lines in a spectrum, by rising pixel.

    Attributes
    ----------
    x
        Centres in pixels, shape (n,).
    height
        Above the background, in the units of the spectrum, shape (n,).
    significance
        Height over noise, shape (n,).
    fwhm
        Typical full width at half maximum in pixels.
    """

    x: NDArray[np.float64]
    height: NDArray[np.float64]
    significance: NDArray[np.float64]
    fwhm: float

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.x)


def find_lines(spectrum: NDArray[np.float64], fwhm: float | None = None) -> FoundLines:
    """Find emission lines by matched filtering with the slit's box.

    Parameters
    ----------
    spectrum
        Shape (n,), finite.
    fwhm
        Width of the lines in pixels; measured if None.
    """
    spectrum = np.asarray(spectrum, np.float64)
    width = fwhm if fwhm is not None else measure_width(spectrum)
    flat = spectrum - background(spectrum, width)
    smooth = _smoothed(flat, width)
    noise = _noise(smooth)
    peaks = _peaks(smooth, width)
    peaks = peaks[smooth[peaks] > THRESHOLD * noise[peaks]]
    x = peaks + _parabola(smooth, peaks)
    return FoundLines(x, smooth[peaks], smooth[peaks] / noise[peaks], width)


def background(spectrum: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return a slowly varying lower envelope of a spectrum (running low percentile, smoothed)."""
    from scipy.ndimage import percentile_filter, uniform_filter1d

    size = int(20 * fwhm) | 1
    low = percentile_filter(spectrum, 20, size=size, mode="nearest")
    result: NDArray[np.float64] = uniform_filter1d(low, size, mode="nearest")
    return result


def measure_width(spectrum: NDArray[np.float64]) -> float:
    """Return the typical full width at half maximum of the strongest lines in pixels."""
    from scipy.signal import find_peaks, peak_widths

    flat = spectrum - background(spectrum, 4.0)
    peaks, found = find_peaks(flat, prominence=max(float(flat.max()) * 0.003, 1e-12), distance=3)
    if len(peaks) == 0:
        return 3.0
    best = peaks[np.argsort(found["prominences"])[-25:]]
    widths = peak_widths(flat, best, rel_height=0.5)[0]
    return float(np.clip(np.median(widths), 1.5, _WIDEST))


def _smoothed(flat: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    half = int(np.ceil(width / 2 + 1))
    return np.convolve(flat, LineProfile(width, 0.35)(np.arange(-half, half + 1)), mode="same")


def _noise(smooth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise of the smoothed spectrum: its scatter where it is faint, rising with the square root of the light."""
    faint = smooth[smooth <= np.percentile(smooth, 60)]
    floor = 1.4826 * float(np.median(np.abs(faint - np.median(faint)))) + 1e-12
    return np.full(smooth.shape, floor)


def _peaks(smooth: NDArray[np.float64], width: float) -> NDArray[np.intp]:
    from scipy.signal import find_peaks

    found = find_peaks(smooth, distance=max(int(0.7 * width), 1), prominence=0.0)
    prominent = found[1]["prominences"] > 0.08 * smooth[found[0]]
    peaks: NDArray[np.intp] = found[0][prominent]
    return peaks


def _parabola(values: NDArray[np.float64], peaks: NDArray[np.intp]) -> NDArray[np.float64]:
    left, middle, right = values[peaks - 1], values[peaks], values[peaks + 1]
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / np.where(curvature == 0, 1, curvature)
    return np.clip(np.where(curvature == 0, 0, shift), -0.5, 0.5)
