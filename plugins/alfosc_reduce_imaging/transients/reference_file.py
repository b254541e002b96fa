"""A reference image in a file: a product of ours, or what a survey or another program gives."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import make_image
from alfosc_reduce.products import header_of_file, load

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.nddata import CCDData


def read_reference(path: Path) -> CCDData:
    """Return the image in a FITS file.

    Parameters
    ----------
    path
        A product of this package, or a file whose first image with two axes is taken, as it is.

    Raises
    ------
    DataError
        If it cannot be read, or holds no image.
    """
    if header_of_file(path).get("PRODTYPE"):
        found = load(path)
        if type(found).__name__ != "CCDData":
            raise DataError(f"{path}: holds a {type(found).__name__}, but a reference image is wanted")
        return found
    return _foreign(path)


def _foreign(path: Path) -> CCDData:
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings(action="ignore", category=AstropyWarning), fits.open(path, memmap=False) as hdus:
        unit = next((hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2), None)
        if unit is None:
            raise DataError(f"{path}: no image with two axes in it, but a reference image is wanted")
        data, header = np.asarray(unit.data, np.float32), unit.header.copy()
    header.setdefault("FILENAME", path.name)
    return make_image(data, unit="adu", header=header)
