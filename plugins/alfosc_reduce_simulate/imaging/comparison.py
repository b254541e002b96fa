"""Measured sources beside true ones: matched on the sky, and the numbers that tell how well they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.sphere import to_plane, vectors

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import ArrayLike, NDArray

RADIUS = 1.0
"""Arc seconds within which a measured source is the true one."""
LONELY = 6.0
"""Arc seconds around an isolated star without another source that counts."""
NEGLIGIBLE = 6.5
"""Magnitudes by which a neighbour of an isolated star must be fainter."""
BRIGHT, AT_FIFTY = (100.0, 3000.0), (35.0, 80.0)
"""Ranges of signal to noise in which zero points are judged, and faint photometry."""


def numbers(column: Any) -> NDArray[np.float64]:
    """Return a column as plain floats, masked values as NaN."""
    filled = column.filled(np.nan) if hasattr(column, "filled") else column
    return np.asarray(getattr(filled, "value", filled), dtype=np.float64)


def match(ra: ArrayLike, dec: ArrayLike, other_ra: ArrayLike, other_dec: ArrayLike, radius: float = RADIUS) -> Any:
    """Return the rows of two lists of positions (degrees) that are each other's nearest, within arc seconds."""
    from scipy.spatial import cKDTree

    first, second = vectors(ra, dec), vectors(other_ra, other_dec)
    if not len(first) or not len(second):
        return np.zeros(0, int), np.zeros(0, int)
    there, back = cKDTree(second).query(first), cKDTree(first).query(second)[1]
    rows = np.arange(len(first))
    good = (back[there[1]] == rows) & (there[0] < radius / 206264.8)
    return rows[good], there[1][good]


def isolated(true: QTable) -> NDArray[np.bool_]:
    """Return which true sources are stars without a neighbour that counts."""
    from scipy.spatial import cKDTree

    magnitude = numbers(true["magnitude"])
    tree = cKDTree(vectors(numbers(true["ra"]), numbers(true["dec"])))
    alone = np.asarray(true["kind"] == "star")
    for first, second in tree.query_pairs(LONELY / 206264.8):
        for one, other in ((first, second), (second, first)):
            alone[one] &= magnitude[other] > magnitude[one] + NEGLIGIBLE
    return alone


@dataclass(frozen=True)
class MagnitudeVerdict:
    """How right one kind of magnitude is.

    Attributes
    ----------
    name
        Of the column.
    number
        Stars with a signal to noise of 100 and more.
    zero_point
        Median of measured minus true magnitude of these; its standard error is `error`.
    bias, bias_error
        The same at a signal to noise near 50, less that of the bright stars.
    faint
        Number of those.
    pull, weak
        Standard deviation (clipped at four robust ones) of (measured - true) / error of the fluxes on the scale of the
        zero point, over all stars fainter than S/N 100; and how many these are.
    """

    name: str
    number: int
    zero_point: float
    error: float
    bias: float
    bias_error: float
    faint: int
    pull: float
    weak: int

    @property
    def pull_error(self) -> float:
        """By how much the pull scatters with so many stars."""
        return self.pull / float(np.sqrt(2 * max(self.weak - 1, 1)))


def judge_magnitudes(name: str, measured: ArrayLike, error: ArrayLike, true: ArrayLike) -> MagnitudeVerdict:
    """Compare magnitudes of isolated stars with the true ones; what is not finite is left out."""
    values, errors, truths = (np.asarray(part, float) for part in (measured, error, true))
    good = np.isfinite(values) & np.isfinite(truths) & (errors > 0)
    off, errors = (values - truths)[good], errors[good]
    strength = 1.0857 / errors
    bright = (strength > BRIGHT[0]) & (strength < BRIGHT[1])
    zero_point, spread = robust_mean(off[bright])
    # By true brightness: chosen by what was measured, stars that noise makes brighter would prevail.
    ratio = 10 ** (-0.4 * (off - zero_point))
    expected = strength / ratio
    faint = (expected > AT_FIFTY[0]) & (expected < AT_FIFTY[1])
    bias, bias_spread = robust_mean(off[faint])
    weak = (expected > 5) & (expected < BRIGHT[0])
    pull = clipped_scatter(((ratio - 1) * expected)[weak])
    return MagnitudeVerdict(
        name, int(bright.sum()), zero_point, spread, bias - zero_point, bias_spread, int(faint.sum()), pull,
        int(weak.sum()),
    )  # fmt: skip


def robust_scatter(values: NDArray[np.float64]) -> float:
    """Return the standard deviation by the median deviation; NaN for fewer than three values."""
    if values.size < 3:
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def clipped_scatter(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of what lies within four robust ones of the median, more exact than these."""
    scatter = robust_scatter(values)
    if not np.isfinite(scatter):
        return scatter
    return float(np.std(values[np.abs(values - np.median(values)) <= 4 * scatter], ddof=1))


def robust_mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean after a clip at three robust standard deviations, and its standard error."""
    if values.size < 3:
        return float("nan"), float("nan")
    scatter = max(robust_scatter(values), 1e-9)
    kept = values[np.abs(values - np.median(values)) < 3 * scatter]
    return float(kept.mean()), float(kept.std() / np.sqrt(max(kept.size - 1, 1)))


@dataclass(frozen=True)
class SkyVerdict:
    """How right positions on the sky are, in arc seconds.

    Attributes
    ----------
    number
        Bright isolated stars.
    rms, worst
        Of a smooth (cubic) error over the field fitted to them: what the map is off, without the noise of each star.
    scatter
        Root mean square of the stars themselves, both directions together.
    """

    number: int
    rms: float
    worst: float
    scatter: float


def judge_places(
    x: ArrayLike, y: ArrayLike, ra: ArrayLike, dec: ArrayLike, true_ra: ArrayLike, true_dec: ArrayLike
) -> SkyVerdict:
    """Compare positions of bright stars (degrees, at pixels) with the true ones."""
    places = [np.asarray(part, float) for part in (x, y, ra, dec, true_ra, true_dec)]
    if len(places[0]) < 12:
        return SkyVerdict(len(places[0]), *[float("nan")] * 3)
    centre = float(places[4][0]), float(places[5][0])
    off = np.stack(to_plane(places[2], places[3], centre)) - np.stack(to_plane(places[4], places[5], centre))
    keep = np.all(np.abs(off - np.median(off, axis=1)[:, None]) < 6 * _spread(off) + 1e-6, axis=0)
    design = _cubic(places[0], places[1])
    smooth = design @ np.linalg.lstsq(design[keep], off[:, keep].T, rcond=None)[0]
    distance = np.hypot(*smooth[keep].T)
    scatter = float(np.sqrt(np.mean(np.sum(off[:, keep] ** 2, axis=0))))
    return SkyVerdict(int(keep.sum()), float(np.sqrt(np.mean(distance**2))), float(distance.max()), scatter)


def _spread(off: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[robust_scatter(row)] for row in off])


def _cubic(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    u, v = (x - x.mean()) / 1000, (y - y.mean()) / 1000
    return np.stack([u**i * v**j for i in range(4) for j in range(4 - i)], axis=1)
