"""Zero points for the light within fixed circles, beside that for the total light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.photometry.columns import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import Table
    from numpy.typing import NDArray

FEWEST = 3
"""Stars that a zero point takes."""


def aperture_zero_points(
    sources: Table, rows: NDArray[np.integer], zero_point: float, total: str
) -> dict[int, tuple[float, float]]:
    """Return radius in pixels and zero point of each aperture of a table, by its number.

    The zero point of an aperture is that of the total light less 2.5 log10 of the median ratio of the two, of the
    stars that gave it: for comparison with programs whose fluxes are sums in circles.

    Parameters
    ----------
    sources
        From `measure_sources`, with columns ``flux_aper_1`` ... and their radii in ``meta["APERTURES"]``.
    rows
        Of the stars used.
    zero_point
        For the flux in column `total`.
    total
        Name of that column.
    """
    whole = numbers(sources, total)[rows]
    found = {}
    for number, radius in enumerate(sources.meta.get("APERTURES") or (), 1):
        part = numbers(sources, f"flux_aper_{number}")[rows]
        known = np.isfinite(part) & np.isfinite(whole) & (part > 0) & (whole > 0)
        if known.sum() >= FEWEST:
            ratio = float(np.median(whole[known] / part[known]))
            found[number] = (float(radius), zero_point - 2.5 * float(np.log10(ratio)))
    return found


def aperture_cards(found: Mapping[int, tuple[float, float]]) -> dict[str, tuple[float, str]]:
    """Return zero points of apertures as header cards."""
    return {
        f"MAGZPA{number}": (round(value, 6), f"[mag] MAGZP for flux_aper_{number}: {radius:.2f} pix")
        for number, (radius, value) in found.items()
    }
