"""The pattern of fringes, from dithered exposures of one filter."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from alfosc_reduce_ccd.naming import header_of
from alfosc_reduce_ccd.planes import planes_of

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, make_image
from alfosc_reduce_imaging.flats.flat import check_filters
from alfosc_reduce_imaging.fringes.dithering import pointings
from alfosc_reduce_imaging.fringes.exposures import Exposure, exposure_of
from alfosc_reduce_imaging.fringes.fitting import coherence, common_pattern, fit_amplitude
from alfosc_reduce_imaging.fringes.merging import Pattern, merged_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

FEWEST = 3
BLUE = ("u", "U", "B", "g", "V", "r", "R")
SIGNIFICANT, RELEVANT = 5.0, 0.001
"""Fringes are taken off if independent halves of the exposures agree on them by 5 sigma, and their root mean square is
more than a thousandth of the sky."""
_ROUNDS = 3


@dataclass(frozen=True)
class Search:
    """What the search for fringes found.

    Attributes
    ----------
    exposures
        With objects masked and sky measured.
    scales
        Amplitude in each exposure: the root mean square of its fringes.
    strength
        Root mean square of the fringes over the sky, as two halves of the exposures have it in common.
    significance
        Of what they have in common.
    why_not
        Empty, or why there is no pattern.
    few
        Whether that is for want of pointings.
    """

    exposures: list[Exposure]
    scales: list[float]
    strength: float
    significance: float
    why_not: str = ""
    few: bool = False


class CombineFringes(Step):
    """Make a pattern of fringes from dithered exposures of one filter, objects masked.

    An exposure is sky, plus an amplitude of its own times the pattern, plus objects. Pattern, amplitudes, sky and masks
    are found in turn. The pattern has a mean of 0 and a root mean square of 1.
    """

    def __call__(self, images: list[CCDData]) -> CCDData:
        """Return the pattern, dimensionless, with variance; ``FRINGED`` in the header says whether there are fringes.

        Parameters
        ----------
        images
            At least three exposures of one filter after `divide_flat`, dithered by more than the size of the objects.

        Returns
        -------
        CCDData
            All zero, with ``FRINGED = F`` and the reason in ``FRNGWHY``, if there are too few exposures or pointings or
            no fringes, or the band is a blue one: `subtract_fringes` then leaves images as they are.

        Raises
        ------
        DataError
            If there are none, or filters or read-outs are mixed.
        """
        planes = planes_of(images, "fringes")
        check_filters(planes)
        found = search([exposure_of(plane) for plane in planes], str(planes[0].header.get("BAND", "")))
        header = _header(found)
        if found.why_not:
            level = logging.WARNING if found.few else logging.INFO
            logger.log(level, "fringes: %s; images stay as they are.", found.why_not)
            zero = np.zeros(planes[0].shape, np.float32)
            return make_image(zero, unit="", header=header, variance=zero)
        pattern = merged_pattern(found.exposures, found.scales)
        header["FRNGSMOO"] = (pattern.smoothing, "[pix] the pattern is smoothed with this sigma")
        return make_image(pattern.data, unit="", header=header, variance=pattern.variance, flags=pattern.flags)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the pattern."""
        from alfosc_reduce_imaging.fringes.figures import pattern_figure

        if result.meta["FRINGED"]:
            yield "fringes", pattern_figure(result)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return whether there are fringes, how strong relative to the sky, and from how many exposures."""
        header = result.meta
        known = flags_of(result) == 0
        return {
            "fringed": bool(header["FRINGED"]),
            "frames": int(header["NCOMBINE"]),
            "fringes_over_sky": float(header["FRNGREL"]),
            "significance": float(header["FRNGSIG"]),
            "median_error": float(np.sqrt(np.median(result.uncertainty.array[known]))) if known.any() else None,
        }


def search(exposures: Sequence[Exposure], band: str = "") -> Search:
    """Look for fringes that exposures have in common, and measure them in each.

    Parameters
    ----------
    exposures
        Of one field or several.
    band
        In the blue they are not even looked for.
    """
    lit = [one for one in exposures if np.isfinite(one.light).any() and one.level > 0]
    if not lit:
        raise DataError(f"fringes: none of the {len(exposures)} images has any sky; exclude them or disable the step")
    if band in BLUE:
        return Search(lit, [0.0] * len(lit), 0.0, 0.0, f"there are none in {band}, where silicon lets no light through")
    number = pointings(lit) if len(lit) >= FEWEST else len(lit)
    if number < FEWEST:
        found = f"only {number} different pointings are among the {len(lit)} exposures, and it takes {FEWEST}"
        return Search(lit, [0.0] * len(lit), 0.0, 0.0, found, few=True)
    kept, scales = disentangled(lit)
    strength, significance = held_in_common(kept, scales)
    why = ""
    if significance < SIGNIFICANT or strength < RELEVANT:
        why = (f"no significant fringes are seen ({100 * strength:.2f} % of the sky, {significance:.1f} sigma between "
               f"halves of the {len(lit)} exposures)")  # fmt: skip
    rms = strength * float(np.mean([one.level for one in kept])) / float(np.mean(scales))
    return Search(kept, [scale * rms for scale in scales], strength, significance, why)


def disentangled(exposures: Sequence[Exposure]) -> tuple[list[Exposure], list[float]]:
    """Return exposures with their objects masked and their sky measured, and the amplitude of the fringes in each.

    In the first round the amplitude is the sky, and the pattern a median, in which dithered stars do not show.
    """
    from bottleneck import nanmedian

    kept = list(exposures)
    scales = [one.level for one in kept]
    pattern = nanmedian(np.stack([one.above_sky() / s for one, s in zip(kept, scales, strict=True)]), axis=0)
    for _ in range(_ROUNDS):
        kept = [one.without(np.float32(s) * pattern) for one, s in zip(kept, scales, strict=True)]
        lights = [one.above_sky() for one in kept]
        pattern = common_pattern(lights, scales)
        scales = _scales(lights, scales, [one.level for one in kept])
    return kept, scales


def held_in_common(exposures: Sequence[Exposure], scales: Sequence[float]) -> tuple[float, float]:
    """Return root mean square of the fringes over the sky and its significance, by what two halves share."""
    one, other = (
        common_pattern([exposure.above_sky() for exposure in exposures[half]], scales[half])
        for half in (slice(0, None, 2), slice(1, None, 2))
    )
    covariance, error = coherence(one, other)
    over_sky = float(np.mean(scales)) / float(np.mean([one.level for one in exposures]))
    return float(np.sqrt(max(covariance, 0))) * over_sky, covariance / error


def _scales(lights: Sequence[NDArray[np.float32]], scales: Sequence[float], levels: Sequence[float]) -> list[float]:
    """Return the amplitude in each exposure of the pattern of all others; like the sky where none is measured."""
    found = []
    for i, light in enumerate(lights):
        others = [other for j, other in enumerate(lights) if j != i]
        pattern = common_pattern(others, [scale for j, scale in enumerate(scales) if j != i])
        fit = fit_amplitude(light, pattern)
        found.append(fit.value if fit.value > 5 * fit.error and fit.error > 0 else np.nan)
    ratio = np.array(found) / np.array(levels)
    if not np.isfinite(ratio).any():
        return list(levels)
    ratio = np.where(np.isfinite(ratio), ratio, np.nanmedian(ratio))
    return [float(r * level) for r, level in zip(ratio / ratio.mean(), levels, strict=True)]


def _header(found: Search) -> Header:
    header = header_of(found.exposures[0].plane.header)
    header["NCOMBINE"] = (len(found.exposures), "exposures combined")
    header["FRINGED"] = (not found.why_not, "are there fringes to be subtracted?")
    header["FRNGREL"] = (round(found.strength, 6), "fringes (root mean square) over the sky")
    header["FRNGSIG"] = (round(found.significance, 2), "[sigma] agreement of halves of the exposures")
    if found.why_not:
        header["FRNGWHY"] = ("too few pointings" if found.few else "not seen", "why there are none")
    return header


__all__ = ["CombineFringes", "Pattern", "Search", "disentangled", "held_in_common", "search"]
