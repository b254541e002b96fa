"""Flux calibration: electrons to erg / (s cm2 Angstrom) above the atmosphere, in one and two dimensions."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import astropy.units as u

from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.flux.calibration import calibrate_image, calibrate_spectrum
from alfosc_reduce_longslit.response.points import FLUX_DENSITY, frame_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from specutils import Spectrum, SpectrumList

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_longslit.products import Response

_log = logging.getLogger(__name__)


class CalibrateFlux(Step):
    """Turn extracted electrons into flux above the atmosphere.

    Exposure time, extinction at mid-exposure and response are divided out; the error of the response is propagated.
    Beyond the range where the response was measured the flux is 0 and flagged ``OUTSIDE_CALIBRATION``. Absorption by O2
    and H2O, measured in the standard star and scaled to the air mass, is divided out with its error; the bands stay
    flagged ``TELLURIC``. Light that atmospheric dispersion moved off a slit that was not upright is estimated from
    seeing, slit and air mass; more than 5 % is warned of. Where second-order light may be mixed in, pixels are flagged
    ``SECOND_ORDER``; it is subtracted if it was subtracted from the standard (see `MeasureResponse`). Without a
    response the spectra stay in electrons, with a warning.
    """

    telluric: bool = True
    """Correct absorption by O2 and H2O as measured in the standard star, scaled to the air mass."""

    refraction: bool = False
    """Make up for the light that atmospheric dispersion moved off the slit, as estimated for a centred star."""

    def __call__(self, spectra: SpectrumList, instrument: Instrument, response: Response | None = None) -> SpectrumList:
        """Return the calibrated spectra; a single ``Spectrum`` may be given too and then one is returned."""
        single = type(spectra).__name__ == "Spectrum"
        members = [spectra] if single else list(spectra)
        if response is None:
            if members:
                _log.warning("%s: no response was measured, so the spectra stay in electrons.", frame_name(members[0]))
            done = [_unchanged(spectrum) for spectrum in members]
        else:
            response = response if self.telluric else replace(response, telluric=None)
            done = [
                calibrate_spectrum(spectrum, instrument, response, refraction=self.refraction) for spectrum in members
            ]
        return done[0] if single else type(spectra)(done)

    def quality(self, result: SpectrumList, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the median flux and signal to noise, and for a standard star how it compares with its table."""
        from alfosc_reduce_longslit.flux.quality import flux_quality

        return flux_quality(result, inputs.get("instrument"))

    def figures(self, result: SpectrumList, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the brightest spectrum, and for a standard star its comparison with the table."""
        from alfosc_reduce_longslit.flux.figures import flux_figures

        yield from flux_figures(result, inputs.get("instrument"))


class CalibrateFlux2D(Step):
    """Turn a rectified frame in electrons an Angstrom into flux above the atmosphere, row by row.

    The same numbers as `CalibrateFlux`; every row is the flux that fell on that row of the detector.
    """

    telluric: bool = True
    """Correct absorption by O2 and H2O as measured in the standard star, scaled to the air mass."""

    def __call__(self, image: CCDData, instrument: Instrument, response: Response | None = None) -> CCDData:
        """Return the calibrated frame."""
        if response is None:
            name = image.meta.get("FILENAME", image.meta.get("OBJECT", "a frame"))
            _log.warning("%s: no response was measured, so the rectified frame stays in electrons.", name)
            return image.copy()
        return calibrate_image(image, instrument, response if self.telluric else replace(response, telluric=None))

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the unit and the calibrated part of the frame."""
        outside = (flags_of(result) & int(Flag.OUTSIDE_CALIBRATION)) != 0
        return {"calibrated": result.unit.is_equivalent(FLUX_DENSITY), "calibrated_fraction": float(1 - outside.mean())}

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the calibrated frame."""
        from alfosc_reduce_longslit.rectification.figures import rectified_figure

        yield "flux_2d", rectified_figure(result, title="calibrated")


def _unchanged(spectrum: Spectrum) -> Spectrum:
    return make_spectrum(
        spectrum.spectral_axis.to_value(u.AA) * u.AA,
        spectrum.flux,
        variance=spectrum_variance(spectrum),
        header=header_of(spectrum),
        flags=spectrum_flags(spectrum),
        columns=columns_of(spectrum),
    )
