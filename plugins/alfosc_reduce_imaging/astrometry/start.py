"""What the header knows of where an image lies, before any star is matched."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from astropy.table import Table
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Start:
    """An image laid on the sky roughly.

    Attributes
    ----------
    place
        Right ascension and declination (degrees, ICRS) of the middle of the image.
    middle
        Its pixel, (x, y), 0-based.
    matrix
        Arc seconds to the east and north (rows) a pixel along x and y (columns).
    oriented
        False if nothing is known of the orientation, and `matrix` is that of an image with north up and east left.
    unit
        Half the diagonal of the image in pixels.
    source
        Where all this comes from, for a person.
    """

    place: tuple[float, float]
    middle: tuple[float, float]
    matrix: NDArray[np.float64]
    oriented: bool
    unit: float
    source: str

    @property
    def scale(self) -> float:
        """Arc seconds a pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    def plane(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixels (n,) on the plane that touches the sky at `place`: (n, 2), arc seconds."""
        return np.stack([x - self.middle[0], y - self.middle[1]], axis=1) @ self.matrix.T


def start_of(
    image: CCDData, reference: Table, position: tuple[float, float] | None = None, scale: float | None = None
) -> Start:
    """Return where an image lies, from what is given, its WCS, its pointing, or where the catalogue is.

    Parameters
    ----------
    image
        Its pixels are not looked at.
    reference
        Its ``meta`` says where it was asked for.
    position
        Right ascension and declination of the middle (degrees), if known better than the header has it.
    scale
        Arc seconds a pixel, likewise.

    Raises
    ------
    DataError
        If there is no way to know the position or the pixel scale.
    """
    ny, nx = image.shape
    middle = (nx - 1) / 2, (ny - 1) / 2
    unit = max(0.5 * float(np.hypot(nx, ny)), 1.0)
    wcs = celestial_wcs(image)
    local = _local(wcs, middle) if wcs is not None else None
    if local is not None:
        place, matrix = local
        if scale is not None:
            matrix = matrix * scale / np.sqrt(abs(np.linalg.det(matrix)))
        return Start(position or place, middle, matrix, True, unit, "the WCS of the header")
    found, source = _pointing(image.meta, reference) if position is None else (position, "the parameter position")
    size = scale if scale is not None else _scale(image.meta)
    return Start(found, middle, np.diag([-size, size]), False, unit, f"{source}, orientation not known")


def celestial_wcs(image: CCDData) -> Any:
    """Return the celestial part of the WCS of an image, from its header or its ``wcs``; None if there is none."""
    from astropy.wcs import WCS

    if image.wcs is not None and getattr(image.wcs, "has_celestial", False):
        return image.wcs.celestial
    if not str(image.meta.get("CTYPE1", "")).strip():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = WCS(image.meta, relax=True)
            return found.celestial if found.has_celestial else None
        except Exception:  # wcslib has many ways to refuse a header
            return None


def _local(wcs: Any, middle: tuple[float, float]) -> tuple[tuple[float, float], NDArray[np.float64]] | None:
    """Return the sky at the middle (degrees) and the matrix there (arc seconds a pixel); None if it makes no sense."""
    from alfosc_reduce_imaging.astrometry.tangent_plane import axes_at, project

    step = 10.0
    x = np.array([0.0, step, 0.0, -step, 0.0]) + middle[0]
    y = np.array([0.0, 0.0, step, 0.0, -step]) + middle[1]
    try:
        found = wcs.pixel_to_world(x, y).icrs
        directions = np.array(found.cartesian.xyz.value.T, dtype=np.float64)
    except Exception:  # wcslib has many ways to refuse a header
        return None
    place = float(found.ra.deg[0]), float(found.dec.deg[0])
    if not np.isfinite(directions).all():
        return None
    plane = project(directions, axes_at(*place))
    matrix = np.stack([plane[1] - plane[3], plane[2] - plane[4]], axis=1) / (2 * step)
    size = float(np.sqrt(abs(np.linalg.det(matrix))))
    return (place, matrix) if 1e-4 < size < 1e3 else None


def _pointing(header: Header, reference: Table) -> tuple[tuple[float, float], str]:
    for where, source in ((header, "RA and DEC of the header"), (reference.meta, "the centre of the catalogue")):
        values = where.get("RA"), where.get("DEC")
        if all(isinstance(value, int | float) and np.isfinite(value) for value in values):
            return (float(values[0]), float(values[1])), source
    name = header.get("FILENAME", "this image")
    raise DataError(
        f'{name}: no celestial WCS and no RA and DEC in the header; give position = "RA DEC" and pixel_scale'
    )


def _scale(header: Header) -> float:
    for keyword in ("PIXSCALE", "SECPIX", "SECPIX1"):
        value = header.get(keyword)
        if isinstance(value, int | float) and np.isfinite(value) and value > 0:
            return float(value)
    name = header.get("FILENAME", "this image")
    raise DataError(f"{name}: no celestial WCS and no PIXSCALE in the header; give pixel_scale, such as 0.21 arcsec")
