"""How exposures compare: overlaid, and their difference over its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.spectra import header_of
from alfosc_reduce_longslit.combination.group import combine_group
from alfosc_reduce_longslit.combination.mean import pulls, robust_std
from alfosc_reduce_longslit.flux.figures import limits_of, unit_text
from alfosc_reduce_longslit.response.figures import shade_telluric
from alfosc_reduce_longslit.response.points import frame_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from specutils import Spectrum


def exposures_figure(spectra: Sequence[Spectrum], *, scale: bool = True) -> Figure:
    """Return the scaled exposures above, the difference of the first two over its error below."""
    from matplotlib.figure import Figure

    stack, found, _ = combine_group(spectra, scale=scale)
    flux, variance = stack.flux * found.scales, stack.variance * found.scales**2
    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    for row, spectrum in enumerate(spectra):
        shown = np.where(stack.good[row], flux[row], np.nan)
        label = f"{frame_name(spectrum)} x {_scale_text(found.scales[row])}"
        above.plot(stack.wavelength, shown, lw=0.6, drawstyle="steps-mid", label=label, alpha=0.8)
    above.plot(stack.wavelength, np.where(found.used.any(axis=0), found.flux, np.nan), "k-", lw=0.7, label="mean")
    rejected = found.rejected
    if rejected.any():
        where = np.broadcast_to(stack.wavelength, flux.shape)[rejected]
        above.plot(where, flux[rejected], "rx", ms=4, label="rejected")
    good = found.used.any(axis=0)
    if good.any():
        above.set_ylim(*limits_of(found.flux[good], np.sqrt(found.variance[good])))
    pull = pulls(flux, variance, found.used)
    below.plot(stack.wavelength, np.clip(pull, -5.9, 5.9), ".", ms=2.5, color="C0")
    for level in (-1, 0, 1):
        below.axhline(level, color="k", lw=0.8 if level == 0 else 0.4)
    scatter = robust_std(pull)
    below.set(xlabel="wavelength (Å)", ylabel="difference / error", ylim=(-6, 6))
    below.set_title("" if scatter is None else f"robust standard deviation {scatter:.3f}", fontsize=9)
    above.set(ylabel=unit_text(spectra[0].flux.unit))
    above.set_title(f"{header_of(spectra[0]).get('OBJECT', '')}: {len(spectra)} exposures", fontsize=10)
    above.legend(fontsize=8, loc="upper right")
    shade_telluric(below)
    return figure


def _scale_text(scale: NDArray[np.float64]) -> str:
    if np.ptp(scale) == 0:
        return f"{scale[0]:.3f}"
    return f"{scale[0]:.3f} (blue) … {scale[-1]:.3f} (red)"
