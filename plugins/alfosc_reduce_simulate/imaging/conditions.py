"""The conditions under which an image was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alfosc_reduce_simulate.imaging.optics import Optics


@dataclass(frozen=True)
class ImageConditions:
    """Of one image.

    Attributes
    ----------
    airmass
        At the middle of the exposure.
    seeing
        Full width at half maximum in arc seconds on the optical axis.
    loss
        Magnitudes lost in clouds.
    brightness
        Of the sky relative to a dark one.
    fringes
        Amplitude as a share of the sky.
    zero_point
        ``magnitude = zero_point - 2.5 log10(electrons a second)`` for a source of colour 0.
    optics
        Where the frame lies on the sky.
    """

    airmass: float
    seeing: float
    loss: float
    brightness: float
    fringes: float
    zero_point: float
    optics: Optics
