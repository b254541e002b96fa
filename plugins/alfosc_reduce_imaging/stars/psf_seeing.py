"""The seeing that a point spread function stands for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.stars.moments import adaptive_moments, angle_of, axes_of
from alfosc_reduce_imaging.stars.seeing import Seeing

if TYPE_CHECKING:
    from alfosc_reduce_imaging.stars.psf import Psf

_STAMP = 2.2
_SIGMA = 2.3548


def seeing_of(psf: Psf) -> Seeing:
    """Return width and shape of a star in the middle of the field, as they would be measured on one without noise."""
    middle = np.array([psf.shape[1] // 2], float), np.array([psf.shape[0] // 2], float)
    light = psf.stamps(*middle, math.ceil(_STAMP * psf.fwhm))
    moments = adaptive_moments(light, np.ones_like(light), psf.fwhm / _SIGMA)
    shape = moments.xx, moments.xy, moments.yy
    major, minor = axes_of(*shape)
    return Seeing(
        fwhm=psf.fwhm,
        size=float(moments.size[0]),
        ellipticity=float(1 - minor[0] / major[0]),
        theta=float(angle_of(*shape)[0]),
        beta=float(np.exp(psf.profile[0, 3])),
        number=psf.number,
    )
