"""Why a pixel is special: one set of integer flags for all steps."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Flag(IntFlag):
    """Reasons, one bit each; stored as 16-bit signed integers in every product."""

    BAD_PIXEL = 1
    """Hot, dead or unstable, found in the calibration frames."""
    SATURATED = 2
    """At or above the detector's saturation level."""
    NONLINEAR = 4
    """Above the detector's linear range, still usable."""
    COSMIC_RAY = 8
    """Hit by a cosmic ray, or under the trail of a satellite: this exposure alone is brighter there."""
    NO_FLAT = 16
    """Too little light in the flat: the flat is 1 here, the pixel is usable."""
    OUTSIDE_DETECTOR = 32
    """No detector pixel contributes."""
    OUTSIDE_CALIBRATION = 64
    """No flux calibration was measured at this wavelength."""
    NOT_FINITE = 128
    """The raw value was NaN or infinite, or a result could not be computed."""
    EXTRAPOLATED_WAVELENGTH = 256
    """Beyond the last arc line; the wavelength is an extrapolation."""
    SECOND_ORDER = 512
    """Second-order light may be mixed in."""
    TELLURIC = 1024
    """Inside a telluric absorption band."""
    REJECTED = 2048
    """Rejected as an outlier when exposures were combined."""
    PARTIAL = 4096
    """Part of the light was lost to masked pixels; corrected for with the profile."""
    NEGATIVE_WRAPPED = 8192
    """A negative value wrapped around by the unsigned raw format, mended; the pixel is usable."""
    OUTSIDE_FIELD = 16384
    """Beyond an end of the slit, or in a vignetted corner of an image: no light of the sky arrives there."""


UNUSABLE = (
    Flag.BAD_PIXEL
    | Flag.SATURATED
    | Flag.COSMIC_RAY
    | Flag.OUTSIDE_DETECTOR
    | Flag.OUTSIDE_CALIBRATION
    | Flag.NOT_FINITE
    | Flag.REJECTED
    | Flag.OUTSIDE_FIELD
)
"""The flags that make a pixel unusable: the mask of a product is ``(flags & UNUSABLE) != 0``."""


def mask_of(flags: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the mask that `flags` imply, true where a pixel must not be used (same shape)."""
    mask: NDArray[np.bool_] = (np.asarray(flags) & int(UNUSABLE)) != 0
    return mask


def names_of(value: int) -> list[str]:
    """Return the names of the flags set in `value`, lowest bit first."""
    return [flag.name for flag in Flag if flag & value and flag.name]
