"""A map of pixels to the sky: tangential projection with polynomial distortion, and its FITS cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_imaging.astrometry.polynomials import Frame, least_squares, powers, terms
from alfosc_reduce_imaging.astrometry.tangent_plane import angles_of, axes_at, deproject, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

INVERSE = 1e-4
"""Pixels by which the inverse polynomial may miss."""
HIGHEST = 9
"""Degree of the inverse polynomial at most (the convention's limit)."""


@dataclass(frozen=True)
class SkyMap:
    """Pixels to the sky.

    Attributes
    ----------
    ra, dec
        Where the plane touches the sky, degrees.
    frame
        Which pixel lies there (0-based), and the unit of length of the polynomial.
    coefficients
        Shape (p, 2): arc seconds to the east and north as a polynomial of pixels, without a constant.
    degree
        Of the polynomial.
    """

    ra: float
    dec: float
    frame: Frame
    coefficients: NDArray[np.float64]
    degree: int

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Arc seconds to the east and north (rows) a pixel along x and y (columns) where the plane touches."""
        return np.asarray(self.coefficients[1:3].T / self.frame.unit)

    @property
    def scale(self) -> float:
        """Arc seconds a pixel where the plane touches."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @property
    def rotation(self) -> float:
        """Position angle of the direction of rising y, degrees, north through east, -180 to 180."""
        return float(np.degrees(np.arctan2(self.matrix[0, 1], self.matrix[1, 1])))

    def plane(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixels (n,), 0-based, on the plane: (n, 2), arc seconds."""
        return np.asarray(terms(*self.frame(x, y), self.degree) @ self.coefficients)

    def directions(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixels (n,) as unit vectors (n, 3)."""
        return deproject(self.plane(x, y), axes_at(self.ra, self.dec))

    def sky(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return right ascension and declination in degrees of pixels (n,)."""
        return angles_of(self.directions(x, y))

    def undistorted(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where directions (n, 3) would fall without distortion: (n, 2), pixels."""
        plane = project(directions, axes_at(self.ra, self.dec))
        return np.asarray(plane @ np.linalg.inv(self.matrix).T + np.array([self.frame.x, self.frame.y]))

    def distortion(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the linear map leaves at pixels (n,): (n, 2), pixels."""
        high = terms(*self.frame(x, y), self.degree)[:, 3:] @ self.coefficients[3:]
        return np.asarray(high @ np.linalg.inv(self.matrix).T)

    def name(self) -> str:
        """Return ``TAN`` or, with distortion of degree 3, ``TAN-SIP3``."""
        return "TAN" if self.degree == 1 else f"TAN-SIP{self.degree}"

    def cards(self, shape: tuple[int, ...]) -> dict[str, tuple[object, str]]:
        """Return the FITS cards of the map for an image of this shape (ny, nx)."""
        distorted = "-SIP" if self.degree > 1 else ""
        cards: dict[str, tuple[object, str]] = {
            "WCSAXES": (2, "number of axes"),
            "CTYPE1": (f"RA---TAN{distorted}", "tangential projection"),
            "CTYPE2": (f"DEC--TAN{distorted}", "tangential projection"),
            "CUNIT1": ("deg", ""),
            "CUNIT2": ("deg", ""),
            "CRVAL1": (self.ra, "[deg] of the tangent point"),
            "CRVAL2": (self.dec, "[deg] of the tangent point"),
            "CRPIX1": (self.frame.x + 1, "[pixel] of the tangent point"),
            "CRPIX2": (self.frame.y + 1, "[pixel] of the tangent point"),
        }
        for i, j in np.ndindex(2, 2):
            cards[f"CD{i + 1}_{j + 1}"] = (float(self.matrix[i, j]) / 3600, "[deg/pixel]")
        cards |= {"RADESYS": ("ICRS", "system of positions"), "EQUINOX": (2000.0, "[yr]")}
        return cards | (self._distortion_cards(shape) if self.degree > 1 else {})

    def _distortion_cards(self, shape: tuple[int, ...]) -> dict[str, tuple[object, str]]:
        high = self.coefficients @ np.linalg.inv(self.matrix).T
        forward = {power: c for power, c in zip(powers(self.degree), high, strict=True) if sum(power) > 1}
        back, degree = inverse_of(self, shape)
        cards = _polynomial_cards(("A", "B"), self.degree, forward, self.frame.unit)
        return cards | _polynomial_cards(("AP", "BP"), degree, back, self.frame.unit)


def _polynomial_cards(
    names: tuple[str, str], degree: int, coefficients: dict[tuple[int, int], NDArray[np.float64]], unit: float
) -> dict[str, tuple[object, str]]:
    cards: dict[str, tuple[object, str]] = {}
    for axis, name in enumerate(names):
        cards[f"{name}_ORDER"] = (degree, "degree of the distortion")
        for (i, j), value in coefficients.items():
            cards[f"{name}_{i}_{j}"] = (float(value[axis]) / unit ** (i + j), "")
    return cards


def inverse_of(sky_map: SkyMap, shape: tuple[int, ...]) -> tuple[dict[tuple[int, int], NDArray[np.float64]], int]:
    """Return the polynomial from undistorted pixels to what must be added for true ones, and its degree.

    It is fitted on a grid over the image and a tenth beyond; its degree is as high as it takes to miss nowhere on the
    image by more than `INVERSE` pixels, and at most `HIGHEST`.
    """
    x, y = grid_of(shape, 33, beyond=0.1)
    shift = sky_map.distortion(x, y)
    u, v = sky_map.frame(x + shift[:, 0], y + shift[:, 1])
    on_image = (np.abs(x / (shape[1] - 1) - 0.5) <= 0.5) & (np.abs(y / (shape[0] - 1) - 0.5) <= 0.5)
    for degree in range(sky_map.degree, HIGHEST + 1):
        design = terms(u, v, degree)[:, 1:]
        found = least_squares(design, -shift, np.ones(len(x))).coefficients
        if np.abs(design @ found + shift)[on_image].max() < INVERSE:
            break
    return dict(zip(powers(degree)[1:], found, strict=True)), degree


def grid_of(
    shape: tuple[int, ...], number: int, *, beyond: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixels of a grid over an image (ny, nx), from edge to edge or `beyond` by a fraction of its size."""
    part = np.linspace(-beyond, 1 + beyond, number)
    x, y = np.meshgrid(part * (shape[1] - 1), part * (shape[0] - 1))
    return x.ravel(), y.ravel()
