"""What a map of the sky is worth, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_imaging.astrometry.sky_map import grid_of
from alfosc_reduce_imaging.astrometry.stars import DISTURBED, UNSURE, flags_of_sources
from alfosc_reduce_imaging.astrometry.tangent_plane import ARCSEC, axes_at

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.astrometry.matching import Solution
    from alfosc_reduce_imaging.astrometry.start import Start


def summary_of(table: QTable, image: CCDData, start: Start, solution: Solution) -> dict[str, Any]:
    """Return plain numbers about a solution, for header, report and figures; angles in arc seconds and degrees.

    The rms is that of the fitted stars that nothing disturbs (saturation, edges, neighbours), if they are a third of
    them.
    """
    fit, sky_map = solution.fit, solution.sky_map
    clean = fit.kept & ((flags_of_sources(table)[solution.pairs[:, 0]] & (UNSURE | DISTURBED)) == 0)
    chosen = clean if clean.sum() >= max(5, fit.kept.sum() / 3) else fit.kept
    east, north = np.sqrt(np.mean(fit.residuals[chosen] ** 2, axis=0))
    x, y = grid_of(image.shape, 17)
    shift, turned = _against(start, solution, image.shape)
    return {
        "fit": sky_map.name(),
        "stars": int(fit.kept.sum()),
        "matched": int(np.count_nonzero(table["source_id"] != "")),
        "sources": len(table),
        "rms": float(np.hypot(east, north)),
        "rms_ra": float(east),
        "rms_dec": float(north),
        "left_out_rms": float(np.sqrt(np.mean(np.sum(fit.left_out[chosen] ** 2, axis=1)))),
        "floor": float(fit.floor),
        "map_error": float(fit.error(x, y).max()),
        "distortion": float(np.abs(np.hypot(*sky_map.distortion(x, y).T)).max() * sky_map.scale),
        "scale": sky_map.scale,
        "rotation": sky_map.rotation,
        "mirrored": bool(np.linalg.det(sky_map.matrix) > 0),
        "pointing_shift": shift,
        "rotation_change": turned,
        "scale_change": sky_map.scale / start.scale - 1,
        "significance": float(solution.match.significance),
        "start": start.source,
    }


def numbers_of(summary: dict[str, Any]) -> dict[str, float | int | str | bool | None]:
    """Return a summary under the names of ``qc.json``."""
    units = {
        "rms": "_arcsec", "rms_ra": "_arcsec", "rms_dec": "_arcsec", "left_out_rms": "_arcsec", "floor": "_arcsec",
        "map_error": "_arcsec", "distortion": "_arcsec", "scale": "_arcsec", "rotation": "_deg",
        "pointing_shift": "_arcsec", "rotation_change": "_deg",
    }  # fmt: skip
    return {f"wcs_{name}{units.get(name, '')}": value for name, value in summary.items()}


def _against(start: Start, solution: Solution, shape: tuple[int, ...]) -> tuple[float, float | None]:
    """Return how far the middle of the image is from where it was said to be, and by how much it is turned."""
    middle = np.array([start.middle])
    found: NDArray[np.float64] = solution.sky_map.directions(*middle.T)[0]
    was = axes_at(*start.place)
    shift = 2 * np.arcsin(min(1.0, float(np.linalg.norm(found - was[2])) / 2)) / ARCSEC
    if not start.oriented:
        return float(shift), None
    before = np.degrees(np.arctan2(start.matrix[0, 1], start.matrix[1, 1]))
    return float(shift), float((solution.sky_map.rotation - before + 180) % 360 - 180)
