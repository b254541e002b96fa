"""What long-slit steps hand to each other beside images and spectra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class WavelengthSolution:
    """The wavelength at every pixel of a long-slit frame: lambda(x, y), vacuum, topocentric.

    Attributes
    ----------
    coefficients
        Legendre coefficients in Angstrom, shape (degree along x + 1, degree along the slit + 1).
    x_domain, y_domain
        The pixel ranges that the polynomials map to -1 ... 1.
    lines
        The arc lines that were used: ``wavelength``, ``ion``, ``x`` (pixel at the central row), ``residual`` (pixels,
        mean over the slit), ``left_out`` (the same in the fit without the line), ``used``.
    wavelengths
        First and last wavelength that a line supports, in Angstrom; beyond it is extrapolation.
    rms
        Of the residuals of all used line positions, in pixels.
    fwhm
        Median full width at half maximum of the lines, in pixels.
    shape
        (ny, nx) of the frame.
    error
        Standard error of the wavelength at each column of the middle row in Angstrom, shape (nx,); it grows beyond
        the last line. Empty if not known.
    points
        Every measured position: ``line`` (row of `lines`), ``x``, ``y``, ``residual`` (pixels), ``used``;
        None if not kept.
    resolution
        Full width at half maximum of an unresolved line that fills the slit, at each column of the middle row, in
        Angstrom, shape (nx,). Empty if not measured.
    flexure
        What was done to move it to the night-sky lines of an exposure: ``wavelength``, ``lines``, ``offset``,
        ``error``, ``left_out`` (pixels), ``used``; in its meta ``kind``, ``shift`` (pixels at ``reference`` Angstrom),
        ``slope`` (pixels in 1000 Angstrom) and their errors. None for an arc's own solution.
    time
        Middle of the arc's exposure, MJD; None if not known.
    between
        The arcs that were interpolated in time, with the weight of each; none for an arc's own solution.
    """

    coefficients: NDArray[np.float64]
    x_domain: tuple[float, float]
    y_domain: tuple[float, float]
    lines: QTable
    wavelengths: tuple[float, float]
    rms: float
    fwhm: float
    shape: tuple[int, int]
    error: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    points: QTable | None = None
    resolution: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    flexure: QTable | None = None
    time: float | None = None
    between: tuple[tuple[str, float], ...] = ()

    def __call__(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the vacuum wavelength in Angstrom at pixels (x, y), broadcast together."""
        from numpy.polynomial.legendre import legval2d

        u = _scaled(x, self.x_domain)
        v = _scaled(y, self.y_domain)
        pair = np.broadcast_arrays(u, v)
        return np.asarray(legval2d(pair[0], pair[1], self.coefficients), np.float64)

    def resolution_at(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return the full width at half maximum in Angstrom of an unresolved line at wavelengths in Angstrom.

        Where it was not measured along the spectrum, `fwhm` is taken everywhere.
        """
        middle = self(np.arange(self.shape[1]), (self.shape[0] - 1) / 2)
        width = self.resolution if len(self.resolution) else self.fwhm * np.abs(np.gradient(middle))
        return np.interp(np.asarray(wavelength, np.float64), middle, width)

    def map(self) -> NDArray[np.float64]:
        """Return the wavelength of every pixel, shape `shape`."""
        ny, nx = self.shape
        return self.grid(np.arange(nx), np.arange(ny))

    def grid(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the wavelength at every crossing of columns `x` (n,) and rows `y` (m,), shape (m, n)."""
        from numpy.polynomial.legendre import legvander

        degrees = np.array(self.coefficients.shape) - 1
        columns = legvander(_scaled(x, self.x_domain), int(degrees[0])) @ self.coefficients
        return np.asarray(legvander(_scaled(y, self.y_domain), int(degrees[1])) @ columns.T, np.float64)


@dataclass(frozen=True)
class Traces:
    """The objects on a frame, brightest first, and where each runs.

    Attributes
    ----------
    centres
        Row (float, 0-based) of each object at each column, shape (n objects, nx).
    fwhm
        Spatial full width at half maximum in pixels, shape (n objects,).
    significance
        Of the detection, in sigma of the noise, shape (n objects,).
    pixel_scale
        Arc seconds a pixel along the slit.
    limit
        Electrons a column (mean over all) of an object just detected; 0 if not known.
    shapes
        Where the shape of each trace comes from: ``own`` light, a ``guide`` (the trace of a brighter object on another
        frame), ``parallel`` to the brightest object, or ``straight``, where nothing tells. Empty if not known.
    coordinates
        Right ascension and declination of each object's typical row, degrees, shape (n objects, 2); empty if not known.
    """

    centres: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    significance: NDArray[np.float64]
    pixel_scale: float
    limit: float = 0.0
    shapes: tuple[str, ...] = ()
    coordinates: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.centres)


@dataclass(frozen=True)
class Response:
    """What turns electrons a second and Angstrom into flux above the atmosphere.

    Attributes
    ----------
    wavelength
        Vacuum, topocentric, Angstrom, shape (n,).
    response
        (electron / s / Angstrom) for one erg / (s cm2 Angstrom) outside the atmosphere, shape (n,).
    error
        Relative standard error of `response`, shape (n,).
    wavelengths
        The range in which it was measured; no value holds beyond it.
    points
        The measured points: ``wavelength``, ``response``, ``error``, ``frame``, ``used``, ``residual``.
    frames
        The standard frames: ``frame``, ``star``, ``airmass``, ``scale`` (light caught at the slit relative to the best
        frame), ``used``, ``remark``.
    telluric
        Absorption by molecules, measured in the same spectra: ``wavelength``, ``molecule`` (``O2`` or ``H2O``),
        ``depth`` (minus the logarithm of the transmission at air mass 1) and its ``error``; None if not measured.
    """

    wavelength: NDArray[np.float64]
    response: NDArray[np.float64]
    error: NDArray[np.float64]
    wavelengths: tuple[float, float]
    points: QTable
    frames: QTable = field(repr=False)
    telluric: QTable | None = field(default=None, repr=False)


def _scaled(values: ArrayLike, domain: tuple[float, float]) -> NDArray[np.float64]:
    low, high = domain
    return (2 * np.asarray(values, dtype=np.float64) - low - high) / (high - low)
