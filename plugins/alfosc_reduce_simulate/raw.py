"""The raw file: a header without data, and one image of 32-bit integers with an offset of 2^31."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.io.fits import Header
    from numpy.typing import NDArray


def write_raw(path: Path, primary: Header, header: Header, data: NDArray[np.uint32]) -> Path:
    """Write a raw file.

    Parameters
    ----------
    path
        Of the file; one that is there is replaced.
    primary, header
        Of the file and of its image, which is called ``im1``.
    data
        ADU, rows and columns of the read-out.
    """
    from astropy.io import fits

    image = fits.ImageHDU(data, header)
    image.header["EXTNAME"] = "im1"
    first = fits.PrimaryHDU(header=primary)
    first.header["BZERO"], first.header["BSCALE"] = 2**31, 1
    fits.HDUList([first, image]).writeto(path, overwrite=True)
    return path
