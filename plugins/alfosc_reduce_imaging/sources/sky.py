"""Positions on the sky from a header."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS
    from numpy.typing import NDArray


def wcs_of(header: Header) -> WCS:
    """Return the celestial WCS of a header, without remarks on keywords that are old but clear."""
    from astropy.wcs import WCS, FITSFixedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header).celestial


def world(
    header: Header, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination in degrees of pixels counted from 0."""
    if len(x) == 0:
        return np.zeros(0), np.zeros(0)
    ra, dec = wcs_of(header).all_pix2world(x, y, 0)
    return np.asarray(ra) % 360, np.asarray(dec)


def pixels(
    header: Header, ra: NDArray[np.float64], dec: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixels, counted from 0, of right ascensions and declinations in degrees."""
    if len(ra) == 0:
        return np.zeros(0), np.zeros(0)
    x, y = wcs_of(header).all_world2pix(ra, dec, 0, quiet=True)
    return np.asarray(x), np.asarray(y)
