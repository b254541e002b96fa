"""How much fainter the same stars are in one frame than in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOOR = 0.01
"""Magnitudes by which stars differ between frames for reasons that errors do not know: flat field, apertures."""
_BRIGHT = 20.0
"""Signal to noise from which stars near the detection limit do no longer bias the ratio."""
_ENOUGH = 5
_CLIP = 4.0


class Offset(NamedTuple):
    """Magnitudes by which stars are fainter, its error, and the number of stars."""

    value: float
    error: float
    stars: int


def zero_point_offset(
    rate: NDArray[np.float64],
    rate_error: NDArray[np.float64],
    reference: NDArray[np.float64],
    reference_error: NDArray[np.float64],
) -> Offset:
    """Return by how many magnitudes the stars of a frame are fainter than in the reference, outliers left out.

    Parameters
    ----------
    rate, rate_error, reference, reference_error
        Of the same stars, shape (n,), positive.

    Returns
    -------
    Offset
        NaN, infinite error and 0 stars if there are none.
    """
    noise = np.hypot(rate_error / rate, reference_error / reference)
    bright = np.minimum(rate / rate_error, reference / reference_error) >= _BRIGHT
    use = bright if bright.sum() >= _ENOUGH else np.isfinite(noise)
    if not use.any():
        return Offset(float("nan"), float("inf"), 0)
    magnitudes = 2.5 * np.log10(reference[use] / rate[use])
    errors = np.hypot(_FLOOR, 1.0857 * noise[use])
    return _robust_mean(magnitudes, errors)


def _robust_mean(values: NDArray[np.float64], errors: NDArray[np.float64]) -> Offset:
    """Return the weighted mean about the weighted median, its error enlarged where the scatter is larger."""
    order = np.argsort(values)
    share = np.cumsum(1 / errors[order] ** 2)
    centre = values[order][np.searchsorted(share, 0.5 * share[-1])]
    pull = np.abs(values - centre) / errors
    keep = pull <= _CLIP * max(1.0, 1.4826 * float(np.median(pull)))
    weights = np.where(keep, 1 / errors**2, 0)
    mean = float(np.sum(weights * values) / np.sum(weights))
    freedom = max(int(keep.sum()) - 1, 1)
    scatter = float(np.sum(weights * (values - mean) ** 2)) / freedom
    return Offset(mean, float(np.sqrt(max(scatter, 1.0) / np.sum(weights))), int(keep.sum()))
