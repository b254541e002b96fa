"""Whether a candidate is a trail: long, even, straight, brighter than both of its sides, and not a detector's line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.trails.profile import INNER, SEGMENT, Path, Profile
from alfosc_reduce_imaging.trails.tracing import BRIGHT, ends, traced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.trails.candidates import Line

    Floats = NDArray[np.float64]

SIGNIFICANT = 7.0
"""Sigma, of the whole trail."""
SHORTEST = 0.25
"""Of the shorter side of the image."""
FEWEST = 6
"""Segments that it must have."""
SCATTER = 1.5, 0.4
"""Largest scatter of its segments: of noise, and over their median. Stars in a row differ by more."""
FADED = 0.2
"""Least brightness of a third of it over that of the brightest third."""
TILT = 1.0
"""Largest step of the sky from one side to the other, over the brightness of the trail."""
LEANING = 0.5
"""Largest difference of what lies half a width to one and a half to either side, over its brightness."""
TROUGH = 0.3
"""Deepest trough beside it, over its brightness: edges and fringes have one."""
DRIFT = 10.0
"""Pixels that a line must climb at least: what climbs less may be a column or row of the detector."""
FWHM = 2.0 ** np.arange(1, 5.01, 0.125)
"""Widths that are tried, pixels."""
WIDEST = 15.0
"""Pixels: what is wider is no satellite out of focus, but wings of stars, or the sky."""
FAINT = 0.1
"""Of the noise of a pixel: what is fainter is not masked."""
MARGIN = 2.0
"""Pixels masked beyond."""


@dataclass(frozen=True)
class Trail:
    """A trail.

    Attributes
    ----------
    path
        Its middle.
    first, last
        The steps between which it is seen.
    fwhm
        Full width at half maximum at right angles, pixels.
    half_width
        Pixels to either side that are masked.
    peak
        Brightness on its axis, in the unit of the image.
    noise
        Of a pixel of the image, in its unit.
    significance
        Sigma, of all of it.
    """

    path: Path
    first: float
    last: float
    fwhm: float
    half_width: float
    peak: float
    noise: float
    significance: float


def examine(excess: NDArray[np.float32], line: Line, noise: float, search: float) -> Trail | str:
    """Return the trail along a line, or why there is none.

    Parameters
    ----------
    excess
        Image less a smooth sky; NaN where a pixel must not be used, shape (ny, nx).
    line
        In pixels.
    noise
        Of a pixel.
    search
        Pixels by which the line may be off.
    """
    path = Path(line.along_x, line.start, line.slope, excess.shape[1 if line.along_x else 0])
    path, profile, strength, first, last = traced(excess, path, search)
    part = strength[first:last]
    part = part[np.isfinite(part)]
    seen = len(part) * SEGMENT / path.cosine
    if seen < SHORTEST * min(excess.shape) or len(part) < FEWEST:
        return f"only {seen:.0f} pixels long"
    span = ends(profile, strength, first, last, path)
    reason = _ill_placed(span, path) or _faint(part) or _uneven(part)
    return reason or _measured(profile, path, first, last, span, noise)


def _ill_placed(span: tuple[float, float], path: Path) -> str:
    """Return why a trail does not lie so; empty if it may."""
    if span[0] > 0 and span[1] < path.steps - 1:
        return "both ends are inside the image"
    places = path.places(np.array(span))
    return "along the detector's columns or rows" if abs(places[1] - places[0]) < DRIFT else ""


def _faint(part: Floats) -> str:
    """Return that the segments are not significant, all together or in the median; empty if they are."""
    total = float(np.clip(part, -BRIGHT, BRIGHT).sum() / np.sqrt(len(part)))
    middle = float(np.median(part) * np.sqrt(len(part)))
    return f"significance only {total:.1f} ({middle:.1f} of the median)" if min(total, middle) < SIGNIFICANT else ""


def _uneven(part: Floats) -> str:
    """Return that the light falls off along the line, as from a bright star; empty if it does not."""
    middle = float(np.median(part))
    scatter = 1.4826 * float(np.median(np.abs(part - middle)))
    if scatter > SCATTER[0] + SCATTER[1] * middle:
        return f"uneven: median {middle:.1f}, scatter {scatter:.1f}"
    thirds = [float(np.median(third)) for third in np.array_split(part, 3)]
    doubt = 3 * 1.25 / np.sqrt(len(part) / 3)
    if min(thirds) + doubt < FADED * max(thirds):
        return f"fading: thirds of {', '.join(f'{third:.1f}' for third in thirds)}"
    return ""


def _measured(
    profile: Profile, path: Path, first: int, last: int, span: tuple[float, float], noise: float
) -> Trail | str:
    """Return a trail with its width and brightness, from the median of its segments; or why it is none."""
    from bottleneck import nanmedian

    stacked = np.nan_to_num(nanmedian(profile.values[first:last], axis=0))
    beside = np.abs(profile.offsets) > INNER
    doubt = 1.4826 * float(np.median(np.abs(stacked[beside])))
    shapes = np.exp(-4 * np.log(2) * (profile.offsets / FWHM[:, None]) ** 2)
    norm = np.sqrt((shapes**2).sum(axis=1))
    match = shapes @ stacked / norm
    best = int(np.argmax(match))
    width, peak = float(FWHM[best]), float(match[best] / norm[best])
    reach = max(_half_width(stacked, profile.offsets, max(FAINT * noise, 3 * doubt)), 0.85 * width)
    significance = float(match[best] / doubt) if doubt > 0 else np.inf
    step = float(nanmedian(profile.tilt[first:last]))
    if significance < SIGNIFICANT or width > WIDEST or abs(step) > TILT * peak:
        return f"{significance:.1f} sigma, {width:.0f} pixels wide, a step of {step:.2g} beside a ridge of {peak:.2g}"
    reason = _no_ridge(profile, slice(first, last), width, peak, noise)
    return reason or Trail(path, *span, width, reach + MARGIN, peak, noise, significance)


def _no_ridge(profile: Profile, part: slice, width: float, peak: float, noise: float) -> str:
    """Return that what lies across, along the whole of a line or half of it, is not a ridge on even ground."""
    from bottleneck import nanmedian
    from scipy.ndimage import uniform_filter1d

    half = (part.start + part.stop) // 2
    for piece in (part, slice(part.start, half), slice(half, part.stop)):
        stacked = np.nan_to_num(nanmedian(profile.values[piece], axis=0))
        doubt = 1.25 * noise / np.sqrt(SEGMENT * (piece.stop - piece.start))
        low, high = (stacked[np.abs(profile.offsets - side * width) <= width / 2] for side in (-1, 1))
        if abs(high.mean() - low.mean()) > LEANING * peak + 4 * doubt / np.sqrt(len(low)):
            return "brighter on one side than on the other"
        trough = -float(uniform_filter1d(stacked, 3, mode="nearest").min())
        if trough > TROUGH * peak + 4 * doubt:
            return f"a trough of {trough:.2g} beside a ridge of {peak:.2g}"
    return ""


def _half_width(stacked: Floats, offsets: Floats, limit: float) -> float:
    """Return how far from the line its light exceeds a limit without a gap."""
    from scipy.ndimage import uniform_filter1d

    bright = uniform_filter1d(stacked, 3, mode="nearest") > limit
    middle, reach = len(bright) // 2, 0.0
    for way in (1, -1):
        dark = np.flatnonzero(~bright[middle::way])
        steps = int(dark[0]) if len(dark) else middle
        reach = max(reach, steps * float(offsets[1] - offsets[0]))
    return reach
