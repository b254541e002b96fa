"""The wavelengths of a moment between two arcs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_longslit.products import WavelengthSolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LONGEST = 3 / 24
"""Days from an arc to an exposure over which flexure may be taken to run evenly."""


def two_around(
    arcs: Sequence[WavelengthSolution], time: float | None
) -> tuple[WavelengthSolution, WavelengthSolution] | None:
    """Return the nearest arc before and the nearest after `time` (MJD), or None unless both are there.

    Arcs further away than `LONGEST`, and those that do not say their time, do not count.
    """
    if time is None:
        return None
    known = [arc for arc in arcs if arc.time is not None and abs(arc.time - time) <= LONGEST]
    before = [arc for arc in known if arc.time is not None and arc.time <= time]
    after = [arc for arc in known if arc.time is not None and arc.time > time]
    if not before or not after:
        return None
    return max(before, key=lambda arc: arc.time or 0.0), min(after, key=lambda arc: arc.time or 0.0)


def interpolated(first: WavelengthSolution, second: WavelengthSolution, time: float) -> WavelengthSolution | None:
    """Return the wavelengths of the moment `time` (MJD) between two arcs of one setting; None if they are of two.

    The wavelength of every pixel is taken to change evenly. Lines and points are those of the nearer arc.
    """
    domains = [(arc.x_domain, arc.y_domain, tuple(arc.shape)) for arc in (first, second)]
    if domains[0] != domains[1] or first.time is None or second.time is None:
        return None
    late = (time - first.time) / (second.time - first.time)
    near = second if late > 0.5 else first
    size = tuple(np.maximum(first.coefficients.shape, second.coefficients.shape))
    one, other = _padded(first.coefficients, size), _padded(second.coefficients, size)
    parts = ((first, 1 - late), (second, late))
    return replace(
        near,
        coefficients=(1 - late) * one + late * other,
        wavelengths=(
            max(first.wavelengths[0], second.wavelengths[0]), min(first.wavelengths[1], second.wavelengths[1]),
        ),
        # Errors of two arcs are alike: they come from the same lines.
        error=_mean([(arc.error, weight) for arc, weight in parts]),
        resolution=_mean([(arc.resolution, weight) for arc, weight in parts]),
        fwhm=(1 - late) * first.fwhm + late * second.fwhm,
        time=time,
        between=tuple((name_of(arc), round(float(weight), 4)) for arc, weight in parts),
    )  # fmt: skip


def name_of(arc: WavelengthSolution) -> str:
    """Return what an arc is called in a header."""
    return str(arc.lines.meta.get("object", "")).partition(",")[0][:40]


def _padded(coefficients: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    result = np.zeros(shape)
    result[: coefficients.shape[0], : coefficients.shape[1]] = coefficients
    return result


def _mean(parts: Sequence[tuple[NDArray[np.float64], float]]) -> NDArray[np.float64]:
    """Return the sum of weighted arrays; an empty one if one of them is not known."""
    if any(len(values) == 0 for values, _ in parts):
        return np.zeros(0)
    return np.asarray(sum(weight * values for values, weight in parts), np.float64)
