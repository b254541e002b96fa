"""The part of a camera's field that gets light: corners that lie in shadow are told from pixels that respond less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 0.5
"""Less light than this, relative to the middle, and a steep way down to it: outside of the field."""
STEEP = 1.5
"""By how much the light falls across the edge of the field, at least; lenses that vignette gently fall by less."""
_BAND, _MARGIN = 12, 2


def outside_field(light: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return true where the field is vignetted away.

    That is where less than half of the light of the middle arrives, in one piece with the border of the frame, if the
    light falls steeply to it: just inside its edge there is more than 1.5 times the light of the piece itself. A margin
    of two blocks is added, in which the shadow moves when the telescope bends.

    Parameters
    ----------
    light
        Relative light in blocks, about 1 in the middle, shape (ny, nx); NaN where not known.
    """
    from scipy.ndimage import binary_dilation, binary_opening, label

    dark = np.pad(~(light > HALF), 2, constant_values=True)
    # Lone dark columns and rows are the detector's.
    dark = binary_opening(dark, np.ones((3, 3), bool))
    pieces, number = label(dark[2:-2, 2:-2])
    outside = np.zeros(light.shape, bool)
    for piece in range(1, number + 1):
        inside = pieces == piece
        if _at_border(inside) and _steep(light, inside, pieces > 0):
            outside |= inside
    return np.asarray(binary_dilation(outside, iterations=_MARGIN) if outside.any() else outside, bool)


def _at_border(piece: NDArray[np.bool_]) -> bool:
    return any(bool(np.any(line)) for line in (piece[0], piece[-1], piece[:, 0], piece[:, -1]))


def _steep(light: NDArray[np.floating], piece: NDArray[np.bool_], dark: NDArray[np.bool_]) -> bool:
    from scipy.ndimage import binary_dilation

    band = binary_dilation(piece, iterations=min(_BAND, max(light.shape) // 10)) & ~dark & np.isfinite(light)
    within = light[piece & np.isfinite(light)]
    if not band.any() or within.size == 0:
        return bool(within.size == 0)
    return float(np.percentile(light[band], 75)) > STEEP * max(float(np.median(within)), 1e-6)
