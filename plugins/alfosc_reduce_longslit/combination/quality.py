"""How well exposures agree within their errors, and what signal to noise they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.spectra import header_of
from alfosc_reduce_longslit.combination.group import combine_group
from alfosc_reduce_longslit.combination.mean import consistency, pulls, robust_std
from alfosc_reduce_longslit.combination.objects import match_objects, of_one_unit
from alfosc_reduce_longslit.flux.quality import signal_to_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from specutils import Spectrum, SpectrumList

RANGE = (4000.0, 9000.0)
"""Where exposures are compared, Angstrom."""


def combination_quality(
    result: Sequence[Spectrum], spectra: Sequence[SpectrumList], *, scale: bool
) -> dict[str, float | int | str | bool | None]:
    """Return the numbers of the target's combination."""
    numbers: dict[str, float | int | str | bool | None] = {
        "objects": len(result),
        "exposures": int(header_of(result[0]).get("NCOMBINE", 1)),
        "signal_to_noise": signal_to_noise(result[0]),
    }
    exposures = [objects for objects in spectra if len(objects)]
    kept = of_one_unit(match_objects(exposures)[0]) if exposures else []
    return numbers | (agreement(kept, scale=scale) if len(kept) > 1 else {})


def agreement(spectra: Sequence[Spectrum], *, scale: bool = True) -> dict[str, float | int | str | bool | None]:
    """Return chi squared, the robust scatter of differences over errors, and the empirical signal to noise.

    ``empirical_signal_to_noise`` is that of one exposure: the median flux over the robust scatter of the scaled
    difference of the first two, divided by the square root of two.
    """
    stack, found, _ = combine_group(spectra, scale=scale)
    flux = stack.flux * found.scales
    variance = stack.variance * found.scales**2
    inside = (stack.wavelength > RANGE[0]) & (stack.wavelength < RANGE[1])
    used = found.used & inside
    both = used[0] & used[1]
    scatter = robust_std((flux[0] - flux[1])[both])
    level = float(np.median(((flux[0] + flux[1]) / 2)[both])) if both.any() else None
    return {
        "chi_squared": consistency(flux, variance, used),
        "difference_over_error": robust_std(pulls(flux, variance, used)),
        "lowest_scale": float(1 / np.max(np.median(found.scales, axis=1))),
        "largest_colour": float(np.max(np.ptp(found.scales, axis=1) / np.median(found.scales, axis=1))),
        "rejected": int(found.rejected.sum()),
        "noise_correction": stack.noise_correction,
        "empirical_signal_to_noise": float(level / scatter * np.sqrt(2)) if level is not None and scatter else None,
    }
