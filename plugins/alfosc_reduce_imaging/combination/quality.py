"""Numbers that tell whether a combination is as good as its frames allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.images import usable

if TYPE_CHECKING:
    from astropy.nddata import CCDData

_SAMPLES = 700


def numbers_of(result: CCDData, *, given: int) -> dict[str, float | int | str | bool | None]:
    """Return the quality numbers of a combination.

    Parameters
    ----------
    result
        The combined image.
    given
        Frames that were there.
    """
    header = result.meta
    return {
        "frames": given,
        "frames_combined": int(header["NCOMBINE"]),
        "exposure_time_s": float(header["EXPTIME"]) if "EXPTIME" in header else None,
        "rejected_fraction": float(header["REJFRAC"]),
        "usable_fraction": float(np.mean(usable(result))) if result.data.size else 0.0,
        "noise_correlation": float(header["NOISECOR"]),
        "noise_over_expected": blank_noise(result),
        "depth_gain_mag": float(header["DEPTHGN"]),
        "seeing_arcsec": float(header["SEEING"]) if "SEEING" in header else None,
    }


def blank_noise(image: CCDData) -> float | None:
    """Return the scatter of blank pixels over their errors; 1 if the variance is right.

    Faint objects only add light, so the scatter is that below the most frequent value.
    """
    step = max(1, min(image.shape) // _SAMPLES)
    part = (slice(None, None, step),) * 2
    good = usable(image)[part]
    variance = np.asarray(image.uncertainty.array, np.float64)[part]
    good &= variance > 0
    if good.sum() < 100:
        return None
    pull = np.asarray(image.data, np.float64)[part][good] / np.sqrt(variance[good])
    centre, scatter = float(np.median(pull)), float("inf")
    for _ in range(8):
        kept = pull[np.abs(pull - centre) < 3 * scatter] if np.isfinite(scatter) else pull
        centre = float(np.median(kept))
        scatter = 1.4826 * float(np.median(centre - kept[kept < centre])) if (kept < centre).any() else 0.0
    below = centre - pull[(pull < centre) & (pull > centre - 4 * scatter)]
    return float(np.sqrt(np.mean(below**2))) if below.size else None
