"""Boxcar extraction: the sum of the light in a fixed aperture along the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce import Step
from alfosc_reduce.parameters import Arcsec, to_pixels
from alfosc_reduce.spectra import make_spectrum
from alfosc_reduce_longslit.extraction.band import background_of
from alfosc_reduce_longslit.extraction.extraction import (
    check_inputs,
    flags_with_wavelength,
    header_of_object,
    wavelength_of,
)
from alfosc_reduce_longslit.extraction.spectra import Extraction, extract_objects
from alfosc_reduce_longslit.wavelengths.header import wavelength_cards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from specutils import Spectrum, SpectrumList

    from alfosc_reduce_longslit.products import Traces, WavelengthSolution


class ExtractBoxcar(Step):
    """Sum the light inside a fixed aperture along the trace.

    The sum is brought to the scale of all the object's light with its profile, which also makes up for masked pixels;
    the light of other objects in the aperture is taken off with their models. Columns: ``SKY``, the mean sky under the
    object in electrons a pixel; ``BOUND``, the error that photon and read noise alone allow an optimal extraction; and
    ``RESOLUTION``, the full width at half maximum in Angstrom of an unresolved line that fills the slit.
    """

    width: Arcsec | None = None
    """Full width of the aperture along the slit; without it, three times the object's FWHM."""

    def __call__(
        self, image: CCDData, traces: Traces, wavelengths: WavelengthSolution, sky: CCDData | None = None
    ) -> SpectrumList:
        """Return one spectrum an object, brightest first; raises `DataError` if there is no object."""
        from specutils import SpectrumList

        check_inputs(image, traces, wavelengths)
        width = None if self.width is None else to_pixels(self.width, traces.pixel_scale)
        found = extract_objects(background_of(image, sky, traces), traces, width)
        return SpectrumList([boxcar_spectrum(image.header, one, traces, wavelengths, i) for i, one in enumerate(found)])

    def quality(self, result: SpectrumList, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number of spectra and median signal to noise of the first."""
        from alfosc_reduce.spectra import header_of

        return {"spectra": len(result), "snr_median": float(header_of(result[0])["SNR"])}

    def figures(self, result: SpectrumList, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the spectrum with its error, for each object."""
        from alfosc_reduce_longslit.extraction.figures import figure_of_spectrum

        for i, spectrum in enumerate(result):
            yield f"spectrum_{i + 1}" if len(result) > 1 else "spectrum", figure_of_spectrum(spectrum)


def boxcar_spectrum(
    header: Header, found: Extraction, traces: Traces, wavelengths: WavelengthSolution, number: int
) -> Spectrum:
    """Return object `number` (from 0) summed over its aperture."""
    wave = wavelength_of(traces, wavelengths, number)
    result = header_of_object(header, found, traces, number, "boxcar")
    positive = np.isfinite(found.box_variance) & (found.box_variance > 0)
    ratio = found.box[positive] / np.sqrt(found.box_variance[positive])
    result.extend(wavelength_cards(wavelengths), update=True)
    result["SNR"] = (round(float(np.median(ratio)), 3) if positive.any() else 0.0, "median signal to noise a pixel")
    return make_spectrum(
        wave * u.AA,
        found.box * u.electron,
        variance=found.box_variance,
        header=result,
        flags=flags_with_wavelength(found.flags, wave, wavelengths, traces.centres[number]),
        columns={
            "SKY": np.nan_to_num(found.sky) * u.electron,
            "BOUND": np.sqrt(found.ideal) * u.electron,
            "RESOLUTION": wavelengths.resolution_at(wave) * u.AA,
        },
    )
