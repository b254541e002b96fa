"""Straight two-dimensional spectra: the wavelength along x, the slit along y, flux conserved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, rows_on_slit
from alfosc_reduce.parameters import Angstrom
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.resampling import Resampled, Scale, WavelengthGrid, resample
from alfosc_reduce_longslit.slit.part import plain_variance
from alfosc_reduce_longslit.wavelengths.header import wavelength_cards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution


class Rectify(Step):
    """Resample a long-slit frame to a straight wavelength axis, conserving flux.

    The result is in electrons an Angstrom (so that a change of the step changes no value), with the variance of each
    pixel alone; resampling correlates neighbours, and ``NOISECOR`` in the header says by how much the error of a sum
    of many pixels along a row exceeds the quadratic sum of theirs. The header carries a FITS WCS: wavelength in
    vacuum, topocentric, and arc seconds along the slit from the first row.
    """

    step: Angstrom | None = None
    """Size of an output pixel; by default the median dispersion. For a logarithmic axis, at the first wavelength."""

    scale: Scale = "linear"
    """Equal pixels in wavelength (``linear``) or in its logarithm (``log``: equal steps of velocity)."""

    first: Angstrom | None = None
    """Centre of the first output pixel; by default all of the frame is covered."""

    last: Angstrom | None = None
    """The last wavelength to be covered; by default all of the frame."""

    def __call__(self, image: CCDData, wavelengths: WavelengthSolution) -> CCDData:
        """Return the rectified frame, electrons an Angstrom."""
        if image.shape != tuple(wavelengths.shape):
            raise DataError(
                f"{_name(image)}: rectification: the frame is {_size(image.shape)}, the wavelength solution is for "
                f"{_size(wavelengths.shape)}; use an arc of the same window and binning"
            )
        rows = rows_on_slit(image)
        edges = pixel_edges(wavelengths, rows)
        kept = sound_columns(edges)
        edges = edges[:, kept.start : kept.stop + 1]
        grid = self.grid(edges)
        part = rows, kept
        data, variance, flags = np.asarray(image.data)[part], plain_variance(image)[part], flags_of(image)[part]
        found = resample(grid.positions(edges), data, variance, flags, grid.size)
        result = _image(image, grid, found, rows)
        result.meta.extend(wavelength_cards(wavelengths), update=True)
        return result

    def grid(self, edges: NDArray[np.float64]) -> WavelengthGrid:
        """Return the output axis for pixels with these edges (ny, nx + 1), in Angstrom."""
        step = float(np.median(np.diff(edges, axis=1))) if self.step is None else float(self.step.to_value("Angstrom"))
        low = float(edges[:, 0].min()) + step / 2 if self.first is None else float(self.first.to_value("Angstrom"))
        high = float(edges[:, -1].max()) if self.last is None else float(self.last.to_value("Angstrom"))
        if high <= low or step <= 0:
            raise DataError(
                f"rectification: no wavelengths between {low:.1f} and {high:.1f} Angstrom in steps of {step:.3f}; "
                f"the frame covers {edges.min():.1f} to {edges.max():.1f}: set `first`, `last` and `step` inside that"
            )
        grid = WavelengthGrid(low, step, 1, self.scale)
        return WavelengthGrid(low, step, int(np.ceil(float(grid.positions(high)) + 0.5 - 1e-9)), self.scale)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the axis, the noise correction factor and how well flux was conserved."""
        return {
            "step_angstrom": float(result.meta["CDELT1"]),
            "first_angstrom": float(result.meta["CRVAL1"]),
            "pixels": int(result.shape[1]),
            "noise_correction": float(result.meta["NOISECOR"]),
            "usable_fraction": float(1 - np.mean(result.mask)),
        }

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the rectified frame."""
        from alfosc_reduce_longslit.rectification.figures import rectified_figure

        yield "rectified", rectified_figure(result)


def pixel_edges(wavelengths: WavelengthSolution, rows: slice = slice(None)) -> NDArray[np.float64]:
    """Return the wavelengths in Angstrom at the edges of all pixels of some rows, shape (rows, nx + 1)."""
    ny, nx = wavelengths.shape
    return wavelengths.grid(np.arange(nx + 1) - 0.5, np.arange(ny)[rows])


def sound_columns(edges: NDArray[np.float64]) -> slice:
    """Return the columns where the wavelength solution can be true.

    Beyond the last arc line a polynomial may run away. What is kept are the columns around the middle in which the
    dispersion is between half and twice the median in every row.

    Parameters
    ----------
    edges
        From `pixel_edges`, shape (ny, nx + 1), Angstrom.

    Raises
    ------
    DataError
        If that is less than half of the frame.
    """
    dispersion = np.diff(edges, axis=1)
    usual = float(np.median(dispersion)) if dispersion.size else 0.0
    sound = np.all((dispersion > usual / 2) & (dispersion < 2 * usual), axis=0)
    middle = len(sound) // 2
    wrong = np.flatnonzero(~sound)
    before, after = wrong[wrong < middle], wrong[wrong >= middle]
    found = slice(int(before[-1]) + 1 if before.size else 0, int(after[0]) if after.size else len(sound))
    if usual <= 0 or found.stop - found.start < len(sound) / 2:
        raise DataError("the wavelength solution turns back or runs away on the frame: fit the arc with a lower degree")
    return found


def _image(image: CCDData, grid: WavelengthGrid, found: Resampled, rows: slice) -> CCDData:
    """Return the rectified frame; rows beyond the slit hold 0 and say so."""
    width = np.diff(grid.edges())
    data, variance = (np.zeros((image.shape[0], grid.size), np.float32) for _ in range(2))
    flags = np.full(data.shape, int(Flag.OUTSIDE_FIELD), np.int16)
    data[rows], variance[rows], flags[rows] = found.data / width, found.variance / width**2, found.flags
    return make_image(
        data,
        unit=f"{image.unit.to_string()} / Angstrom",
        variance=variance,
        flags=flags,
        header=_header(image.meta, grid, found.noise_correction),
    )


def exact_image(
    data: NDArray[np.floating],
    variance: NDArray[np.float64],
    flags: NDArray[np.integer],
    *,
    unit: str,
    header: Header,
) -> CCDData:
    """Return an image like ``make_image`` whose variance has 64 bits: the square of 1e-19 does not fit into 32."""
    from astropy.nddata import VarianceUncertainty

    bits = np.where(np.isfinite(variance), flags, flags | int(Flag.NOT_FINITE))
    image = make_image(data, unit=unit, header=header, flags=bits)
    image.uncertainty = VarianceUncertainty(np.where(np.isfinite(variance), variance, 0))
    return image


def _header(original: Header, grid: WavelengthGrid, correction: float) -> Header:
    header = original.copy()
    scale = float(header.get("PIXSCALE", 1.0))
    header["CTYPE1"] = ("WAVE" if grid.scale == "linear" else "WAVE-LOG", "wavelength")
    header["CUNIT1"], header["CRPIX1"] = "Angstrom", 1.0
    header["CRVAL1"] = (grid.first, "centre of the first pixel")
    header["CDELT1"] = (grid.step, "Angstrom a pixel")
    header["CTYPE2"], header["CUNIT2"], header["CRPIX2"] = "OFFSET", "arcsec", 1.0
    header["CRVAL2"] = (0.0, "along the slit, from the first row")
    header["CDELT2"] = scale
    header["AIRORVAC"] = ("VACUUM", "medium of the wavelengths")
    header["SPECSYS"] = ("TOPOCENT", "frame of the wavelengths")
    header["DISPAXIS"] = (1, "wavelength along x")
    header["NOISECOR"] = (round(correction, 4), "error of sums along x / naive error")
    return header


def _name(image: CCDData) -> str:
    return str(image.meta.get("FILENAME", image.meta.get("OBJECT", "frame")))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} pixels"
