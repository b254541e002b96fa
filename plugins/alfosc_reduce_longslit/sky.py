"""Sky: model it on the wavelength map and take it off, without resampling a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, make_image, usable
from alfosc_reduce_longslit.sky_model import model_sky
from alfosc_reduce_longslit.sky_noise import exchange_photons, light_of_objects
from alfosc_reduce_longslit.slit_part import SlitPart, part_on_slit, plain_variance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution


class SkyResult(NamedTuple):
    """What `SubtractSky` returns.

    Attributes
    ----------
    image
        The frame without its sky. Its variance holds read noise, the photon noise of the modelled sky and of a smooth
        model of the objects, and the variance of the sky model.
    sky
        The sky model in electrons, with its own variance and the flags of the frame; 0 beyond the slit.
    """

    image: CCDData
    sky: CCDData


class SubtractSky(Step):
    """Model the night sky on the wavelength map, without resampling, and subtract it.

    The sky is a b-spline in wavelength whose coefficients change as a polynomial along the slit (Kelson 2003, PASP
    115, 688). Objects are found in the residuals and masked, outliers are clipped against the noise that the model
    itself predicts, and both are repeated until they settle.
    """

    degree: int = Field(default=2, ge=0, le=5)
    """Degree of the polynomial along the slit in each wavelength element."""

    def __call__(self, image: CCDData, wavelengths: WavelengthSolution) -> SkyResult:
        """Return the sky-subtracted frame and the sky; raises `DataError` if there is nothing to fit."""
        check_frame(image, wavelengths)
        part = part_on_slit(image)
        read_noise = float(image.header.get("RDNOISE", 0))
        model = model_sky(
            part.data, part.variance, part.good, wavelengths.map()[part.rows], read_noise=read_noise, degree=self.degree
        )
        residual = np.asarray(image.data[part.rows], np.float32) - model.sky
        light = light_of_objects(residual, model.sky, read_noise, part.good)
        light += model.sky
        variance = exchange_photons(model.variance, model.sky, light, model.scale)
        variance += model.sky_variance
        header = image.header.copy()
        header["SKYSUB"] = (True, "sky model subtracted")
        header["SKYDEG"] = (self.degree, "degree of the sky along the slit")
        header["SKYROWS"] = (int(model.blank.sum()), "rows that held nothing but sky")
        return SkyResult(
            _image(image, part, residual, variance, header),
            _image(image, part, model.sky, model.sky_variance, header),
        )

    def quality(self, result: SkyResult, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return residual over sigma in blank rows, away from and at the strong sky lines, and the sky level."""
        from alfosc_reduce_longslit.sky_quality import quality_of_sky

        return quality_of_sky(result.image, result.sky, inputs["wavelengths"])

    def figures(self, result: SkyResult, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the frame before and after, and the sky spectrum with its residuals."""
        from alfosc_reduce_longslit.sky_figures import figure_of_frames, figure_of_spectrum

        yield "frame", figure_of_frames(inputs["image"], result.image, inputs["wavelengths"])
        yield "spectrum", figure_of_spectrum(result.image, result.sky, inputs["wavelengths"])


def _image(
    image: CCDData, part: SlitPart, values: NDArray[np.floating], variance: NDArray[np.floating], header: Header
) -> CCDData:
    """Return a whole frame of `values` on the slit, beyond it 0 with the variance that `image` has there."""
    ny = image.shape[0]
    noise = np.array(plain_variance(image), np.float32)
    noise[part.rows] = variance
    return make_image(part.whole(values, ny), unit="electron", header=header, variance=noise, flags=flags_of(image))


def check_frame(image: CCDData, wavelengths: WavelengthSolution) -> None:
    """Raise `DataError` where a frame holds no variance, no usable pixel, or is not of the arc's shape."""
    name = image.header.get("FILENAME", "this frame")
    if tuple(image.shape) != tuple(wavelengths.shape):
        raise DataError(
            f"{name}: the frame has {image.shape[1]} x {image.shape[0]} pixels, its arc "
            f"{wavelengths.shape[1]} x {wavelengths.shape[0]}; use an arc of the same window and binning"
        )
    if image.uncertainty is None:
        raise DataError(f"{name}: the frame has no variance; correct it for bias and gain first (correct_frame)")
    good = usable(image)
    if good.mean() < 0.01 or not np.any(np.asarray(image.data)[good]):
        raise DataError(
            f"{name}: {100 * good.mean():.1f} % of the pixels can be used, or all are zero; exclude the frame"
        )
