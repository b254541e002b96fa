"""What the comparison stars of a series of frames say about each frame (inhomogeneous ensemble photometry).

Honeycutt (1992, PASP 104, 435): magnitudes of stars and offsets of frames are solved for together, with a star's own
scatter, beyond its errors, added to these, so that a variable star among them loses its weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDS = 12
_VARIABLE = 6.0
"""Reduced chi square of a comparison star that is left out, if it is more than three times the typical one too."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The solution.

    Attributes
    ----------
    offset, offset_error
        Of each frame, magnitudes to be subtracted; shape (frames,). NaN where no comparison star was measured.
    magnitude, scatter, chi2
        Mean of each star, what it scatters beyond its errors, and reduced chi square; shape (stars,).
    used
        False for stars left out as variable or measured too rarely; shape (stars,).
    number
        Stars that each frame was tied to; shape (frames,).
    """

    offset: NDArray[np.float64]
    offset_error: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    scatter: NDArray[np.float64]
    chi2: NDArray[np.float64]
    used: NDArray[np.bool_]
    number: NDArray[np.int64]


def solve_ensemble(magnitude: NDArray[np.float64], error: NDArray[np.float64]) -> Ensemble:
    """Solve for the offsets of frames from stars that are taken to be constant.

    Parameters
    ----------
    magnitude, error
        Shape (frames, stars); NaN where a star was not measured.
    """
    known = np.isfinite(magnitude) & np.isfinite(error) & (error > 0)
    used: NDArray[np.bool_] = np.asarray(known.sum(0) >= max(2, 0.5 * known.shape[0]))
    extra = np.zeros(magnitude.shape[1])
    while True:
        mean, offset, weight, extra = _alternate(magnitude, error, known & used, extra)
        chi2 = _chi2(magnitude - mean - offset[:, None], error, known & used)
        typical = float(np.median(chi2[used])) if used.any() else 1.0
        worst = int(np.argmax(np.where(used, chi2, -1))) if used.any() else 0
        if np.count_nonzero(used) <= 3 or chi2[worst] < _VARIABLE * max(typical, 0.5):
            break
        used = used & (np.arange(len(used)) != worst)
    total = weight.sum(1)
    tied = total > 0
    return Ensemble(
        np.where(tied, offset, np.nan),
        np.where(tied, 1 / np.sqrt(np.where(tied, total, 1)), np.nan),
        mean, extra, chi2, used, np.count_nonzero(weight > 0, axis=1),
    )  # fmt: skip


def _alternate(
    magnitude: NDArray[np.float64], error: NDArray[np.float64], known: NDArray[np.bool_], extra: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return means of stars, offsets of frames, weights and extra scatter of stars, found in turns."""
    values = np.where(known, magnitude, 0)
    offset = np.zeros(len(values))
    for _ in range(_ROUNDS):
        variance = np.square(np.where(known, error, 1)) + np.square(extra)
        weight = np.where(known, 1 / variance, 0)
        mean = (weight * (values - offset[:, None])).sum(0) / np.maximum(weight.sum(0), 1e-30)
        offset = (weight * (values - mean)).sum(1) / np.maximum(weight.sum(1), 1e-30)
        offset -= np.average(offset, weights=weight.sum(1) > 0) if weight.any() else 0
        extra = _extra_scatter(values - mean - offset[:, None], error, known)
    return mean, offset, weight, extra


def _extra_scatter(
    left: NDArray[np.float64], error: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the scatter of each star beyond its errors, where that is more than chance would give."""
    number = np.maximum(known.sum(0), 1)
    square = np.where(known, np.square(left), 0).sum(0) / np.maximum(number - 1, 1)
    expected = np.where(known, np.square(np.where(known, error, 0)), 0).sum(0) / number
    sure = square > expected * (1 + 2 * np.sqrt(2 / number))
    return np.sqrt(np.where(sure, np.maximum(square - expected, 0), 0))


def _chi2(left: NDArray[np.float64], error: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    ratio = np.where(known, left / np.where(known, error, 1), 0)
    return np.asarray(np.square(np.nan_to_num(ratio)).sum(0) / np.maximum(known.sum(0) - 1, 1))
