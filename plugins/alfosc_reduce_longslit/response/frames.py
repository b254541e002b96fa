"""Several standard frames on one scale: which caught all its light, and what the others lost at the slit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.slit.losses import CENTRED, caught_light, miscentring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_longslit.response.points import Points

LOST_LIGHT = 0.9
"""A frame that caught less than this part of the best frame's light has lost light at the slit."""

_WORST_SHAPE = 0.03


@dataclass(frozen=True)
class Alignment:
    """How one frame compares with the best one.

    Attributes
    ----------
    scale
        Light caught relative to the best frame, the median over wavelength.
    shape
        Coefficients of a quadratic in scaled wavelength: the logarithm of the ratio to the best frame.
    centre, half
        Wavelengths are scaled as (wavelength - centre) / half.
    scatter
        Robust scatter of the ratio around the quadratic.
    used
        False where the quadratic does not describe the ratio, so the frame is left out.
    remark
        A sentence for a person; empty for a frame that agrees.
    """

    scale: float
    shape: NDArray[np.float64]
    centre: float
    half: float
    scatter: float
    used: bool
    remark: str

    def logarithm(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the ratio to the best frame at wavelengths in Angstrom (same shape)."""
        return np.asarray(np.polynomial.polynomial.polyval((wavelength - self.centre) / self.half, self.shape))


def align(frames: Sequence[Points]) -> list[Alignment]:
    """Compare each frame with the one that caught most light.

    Parameters
    ----------
    frames
        Points of each standard frame of one setup, maybe of different stars.

    Returns
    -------
    list
        One alignment a frame, in the same order. The best frame has scale 1 and no shape.
    """
    best = frames[best_frame(frames)]
    return [_compare(points, best) if points is not best else _identity() for points in frames]


def best_frame(frames: Sequence[Points]) -> int:
    """Return the number of the frame with the highest response: the others can only have lost light."""
    low = max(points.wavelength[0] for points in frames)
    high = min(points.wavelength[-1] for points in frames)
    middle = np.linspace(low, high, 50)[10:40]
    levels = [float(np.median(np.interp(middle, p.wavelength, p.response))) for p in frames]
    return int(np.argmax(levels))


def _identity() -> Alignment:
    return Alignment(1.0, np.zeros(1), 0.0, 1.0, 0.0, True, "")


def _compare(points: Points, best: Points) -> Alignment:
    common = points.used & (points.wavelength >= best.wavelength[0]) & (points.wavelength <= best.wavelength[-1])
    x = points.wavelength[common]
    reference = _log_at(best, x)
    ratio = np.log(points.response[common]) - reference
    error = np.hypot(points.error[common], 0.003)
    centre, half = (x[0] + x[-1]) / 2, max((x[-1] - x[0]) / 2, 1.0)
    degree = 2 if len(x) >= 6 else 0
    shape = _robust_polynomial((x - centre) / half, ratio, error, degree)
    rest = ratio - np.polynomial.polynomial.polyval((x - centre) / half, shape)
    scatter = 1.4826 * float(np.median(np.abs(rest)))
    scale = float(np.exp(np.median(ratio)))
    used = scatter < _WORST_SHAPE
    return Alignment(scale, shape, centre, half, scatter, used, _remark(points, best, scale, scatter, used))


def _remark(points: Points, best: Points, scale: float, scatter: float, used: bool) -> str:
    if not used:
        return (
            f"{points.frame} ({points.star}) differs from {best.frame} by {100 * scatter:.1f} % even after a smooth "
            "correction; left out"
        )
    if scale < LOST_LIGHT:
        return (
            f"{points.frame} ({points.star}) caught {100 * scale:.0f} % of the light of {best.frame}: "
            f"{100 * (1 - scale):.0f} % was lost at the slit or to clouds{_explanation(points, best, scale)}; scaled "
            "smoothly to the other"
        )
    return ""


def _explanation(points: Points, best: Points, scale: float) -> str:
    """Say what the seeing explains of lost light, and how far off the slit the star must have stood for the rest."""
    if not all(size > 0 for size in (points.seeing, points.slit, best.seeing, best.slit)):
        return ""
    here, there = (_centred(frame) for frame in (points, best))
    offset = miscentring(scale * there, points.slit, points.seeing)
    text = f" ({points.seeing:.2f} arcsec of seeing against {best.seeing:.2f}, slit {points.slit:.1f}"
    expected = 1 - min(here / there, 1)
    if offset is None or 1 - scale < expected + 0.05:
        return f"{text}: that explains {100 * expected:.0f} %)"
    rest = f"the rest fits a star {offset:.1f} arcsec off the middle of the slit, or clouds"
    return f"{text}: that explains {100 * expected:.0f} %, {rest})"


def _centred(points: Points) -> float:
    return float(caught_light(np.array([CENTRED]), points.slit, points.seeing, 0.0)[0])


def _log_at(points: Points, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the response at `x`, from the very bins where they are the same."""
    good = points.used
    return np.asarray(np.interp(x, points.wavelength[good], np.log(points.response[good])))


def _robust_polynomial(
    x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64], degree: int
) -> NDArray[np.float64]:
    keep = np.ones(len(x), bool)
    for _ in range(5):
        shape = np.polynomial.polynomial.polyfit(x[keep], y[keep], degree, w=1 / error[keep])
        rest = y - np.polynomial.polynomial.polyval(x, shape)
        spread = 1.4826 * float(np.median(np.abs(rest[keep])))
        new = np.abs(rest) < 4 * max(spread, 1e-4)
        if np.array_equal(new, keep) or new.sum() <= degree + 2:
            break
        keep = new
    return np.asarray(shape, np.float64)
