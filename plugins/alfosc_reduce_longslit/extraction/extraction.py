"""Optimal extraction: spectra of all objects on a frame."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.spectra import make_spectrum
from alfosc_reduce_longslit.extraction.band import background_of
from alfosc_reduce_longslit.extraction.spectra import Extraction, extract_objects
from alfosc_reduce_longslit.wavelengths.header import wavelength_cards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from specutils import Spectrum, SpectrumList

    from alfosc_reduce_longslit.products import Traces, WavelengthSolution

_log = logging.getLogger(__name__)


class ExtractOptimal(Step):
    """Extract every traced object with the least noise that its profile allows (Horne 1986, PASP 98, 609).

    The spatial profile is measured on the object: a Moffat function, bent to the data where they are good enough. The
    variance comes from the model, not from the noisy data. Masked pixels and cosmic rays are left out and made up for
    with the profile; objects that overlap are extracted together. A boxcar of three times the FWHM stands beside it.

    The spectra are electrons a column against vacuum wavelength along the trace, all of the object's light (the wings
    beyond the aperture included). Columns: ``SKY``, the mean sky under the object in electrons a pixel; ``FLUX_BOX``
    and ``ERR_BOX``, the boxcar on the same scale; ``BOUND``, the error that photon and read noise alone allow;
    ``RESOLUTION``, the full width at half maximum in Angstrom of an unresolved line that fills the slit.
    """

    def __call__(
        self, image: CCDData, traces: Traces, wavelengths: WavelengthSolution, sky: CCDData | None = None
    ) -> SpectrumList:
        """Return one spectrum an object, brightest first; raises `DataError` if there is no object."""
        from specutils import SpectrumList

        check_inputs(image, traces, wavelengths)
        found = extract_objects(background_of(image, sky, traces), traces)
        return SpectrumList(
            [optimal_spectrum(image.header, one, traces, wavelengths, i) for i, one in enumerate(found)]
        )

    def quality(self, result: SpectrumList, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return signal to noise, its bound, agreement of optimal and boxcar, and masked fractions of object 1."""
        from alfosc_reduce_longslit.extraction.quality import quality_of_spectrum

        return {"spectra": len(result), **quality_of_spectrum(result[0])}

    def figures(self, result: SpectrumList, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the profile with its model and the spectrum with its error, for each object."""
        from alfosc_reduce_longslit.extraction.figures import figure_of_profile, figure_of_spectrum

        image, traces = inputs["image"], inputs["traces"]
        found = extract_objects(background_of(image, inputs.get("sky"), traces), traces)
        for i, spectrum in enumerate(result):
            end = f"_{i + 1}" if len(result) > 1 else ""
            yield f"profile{end}", figure_of_profile(image, traces.centres[i], spectrum, found[i].profile)
            yield f"spectrum{end}", figure_of_spectrum(spectrum)


def check_inputs(image: CCDData, traces: Traces, wavelengths: WavelengthSolution) -> None:
    """Raise `DataError` where there is no object, or where frame, trace and arc do not fit each other."""
    name = image.header.get("FILENAME", "this frame")
    if len(traces) == 0:
        raise DataError(
            f"{name}: no object was found to extract; one of {traces.limit:.2g} electrons a column or more would have "
            "been. Set trace_objects.position to where the object should be"
        )
    if image.uncertainty is None:
        raise DataError(f"{name}: the frame has no variance; correct it for bias and gain first (correct_frame)")
    if traces.centres.shape[1] != image.shape[1] or tuple(image.shape) != tuple(wavelengths.shape):
        raise DataError(
            f"{name}: the frame has {image.shape[1]} x {image.shape[0]} pixels, the trace {traces.centres.shape[1]} "
            f"columns, the arc {wavelengths.shape[1]} x {wavelengths.shape[0]}; use those of one window and binning"
        )


def optimal_spectrum(
    header: Header, found: Extraction, traces: Traces, wavelengths: WavelengthSolution, number: int
) -> Spectrum:
    """Return the optimally extracted object `number` (from 0) with its further columns."""
    wave = wavelength_of(traces, wavelengths, number)
    cards = header_of_object(header, found, traces, number, "optimal")
    cards.extend(wavelength_cards(wavelengths), update=True)
    return make_spectrum(
        wave * u.AA,
        found.flux * u.electron,
        variance=found.variance,
        header=cards,
        flags=flags_with_wavelength(found.flags, wave, wavelengths, traces.centres[number]),
        columns={
            "SKY": np.nan_to_num(found.sky) * u.electron,
            "FLUX_BOX": np.nan_to_num(found.box) * u.electron,
            "ERR_BOX": np.sqrt(np.nan_to_num(found.box_variance)) * u.electron,
            "BOUND": np.sqrt(found.ideal) * u.electron,
            "RESOLUTION": wavelengths.resolution_at(wave) * u.AA,
        },
    )


def wavelength_of(
    traces: Traces, wavelengths: WavelengthSolution, number: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the vacuum wavelength along a trace, shape (nx,).

    Where a solution turns around beyond the last lines it is continued evenly, with a warning: the pixels there are
    flagged as extrapolated. Raises `DataError` if it does not rise over half of the columns.
    """
    centre = traces.centres[number]
    wave = wavelengths(np.arange(len(centre)), centre)
    first, end = rising_part(wave)
    if end - first < len(wave) / 2:
        raise DataError(
            "the wavelength solution does not rise along the trace of object "
            f"{number + 1}; look at the arc fit, and lower its degree or exclude the arc"
        )
    if end - first < len(wave):
        _log.warning(
            "The wavelength solution rises only from column %d to %d along the trace of object %d; beyond, wavelengths "
            "are continued evenly and flagged.", first, end - 1, number + 1,
        )  # fmt: skip
        columns = np.arange(len(wave))
        low, high = wave[first + 1] - wave[first], wave[end - 1] - wave[end - 2]
        wave = np.where(columns < first, wave[first] + low * (columns - first), wave)
        wave = np.where(columns >= end, wave[end - 1] + high * (columns - end + 1), wave)
    return np.asarray(wave, np.float64)


def rising_part(wave: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[int, int]:
    """Return the first column and the last plus 1 of the longest part in which `wave` (nx,) rises."""
    edges = np.flatnonzero(np.concatenate([[True], ~(np.diff(wave) > 0), [True]]))
    longest = int(np.argmax(np.diff(edges)))
    return int(edges[longest]), int(edges[longest + 1])


def flags_with_wavelength(
    flags: np.ndarray[Any, np.dtype[np.int16]],
    wave: np.ndarray[Any, np.dtype[np.float64]],
    wavelengths: WavelengthSolution,
    rows: np.ndarray[Any, np.dtype[np.float64]],
) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return flags that also say where the wavelength is an extrapolation along the trace at `rows` (nx,)."""
    low, high = wavelengths.wavelengths
    outside = (wave < low) | (wave > high) | (wave != wavelengths(np.arange(len(wave)), rows))
    return np.asarray(flags | np.where(outside, int(Flag.EXTRAPOLATED_WAVELENGTH), 0), dtype=np.int16)


def header_of_object(header: Header, found: Extraction, traces: Traces, number: int, method: str) -> Header:
    """Return the header of the frame with what is known of the object."""
    result = header.copy()
    centre = traces.centres[number]
    middle = float(centre[len(centre) // 2])
    scale = traces.pixel_scale
    fwhm = float(found.profile.fwhm(np.array([len(centre) / 2]))[0])
    result["OBJID"] = (number + 1, "number of the object, brightest first")
    result["OBJPOS"] = (round(middle * scale, 3), "[arcsec] along the slit from the first row")
    result["OBJROW"] = (round(middle, 3), "[pix] row of the trace at the central column")
    result["FWHM"] = (round(fwhm * scale, 4), "[arcsec] along the slit at the central column")
    result["FWHMPIX"] = (round(fwhm, 4), "[pix] the same")
    result["APERTURE"] = (round(found.width * scale, 3), "[arcsec] full width of the boxcar")
    result["SIGNIF"] = (round(float(traces.significance[number]), 2), "[sigma] significance of the detection")
    if traces.shapes:
        result["TRACED"] = (traces.shapes[number], "whence the shape of the trace")
    if len(traces.coordinates):
        result["RA_OBJ"] = (round(float(traces.coordinates[number, 0]), 6), "[deg] of the object, from the pointing")
        result["DEC_OBJ"] = (round(float(traces.coordinates[number, 1]), 6), "[deg] of the object, from the pointing")
    result["EXTRACT"] = (method, "method of extraction")
    result["AIRORVAC"] = ("VACUUM", "medium of the wavelengths")
    result["SPECSYS"] = ("TOPOCENT", "frame of the wavelengths")
    positive = np.isfinite(found.variance) & (found.variance > 0) & (found.lost < 0.5)
    ratio = found.flux[positive] / np.sqrt(found.variance[positive])
    result["SNR"] = (round(float(np.median(ratio)), 3) if positive.any() else 0.0, "median signal to noise a pixel")
    return result
