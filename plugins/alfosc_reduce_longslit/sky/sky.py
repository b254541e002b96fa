"""Sky: model it on the wavelength map and take it off, without resampling a pixel."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import UNUSABLE
from alfosc_reduce.images import flags_of, make_image, rows_on_slit, usable
from alfosc_reduce_longslit.sky.model import model_sky, supported_degree
from alfosc_reduce_longslit.sky.nodding import (
    MOVED,
    NoddedSky,
    distance,
    keep_negative,
    nearest_elsewhere,
    nodded_sky,
)
from alfosc_reduce_longslit.sky.noise import exchange_photons, light_of_objects, noise_without_light
from alfosc_reduce_longslit.slit.part import SlitPart, part_of, part_on_slit, plain_variance
from alfosc_reduce_longslit.slit.windows import SlitWindow, keep_windows, rows_of_windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import WavelengthSolution

_log = logging.getLogger(__name__)


class SkyResult(NamedTuple):
    """What `SubtractSky` returns.

    Attributes
    ----------
    image
        The frame without its sky. Its variance holds read noise, the photon noise of the modelled sky and of a smooth
        model of the objects, and the variance of the sky model; where the sky is another exposure, the noise of both.
    sky
        What was subtracted, in electrons, with the variance of what was modelled (its errors are common to neighbouring
        pixels) and the flags of the frame; 0 beyond the slit.
    """

    image: CCDData
    sky: CCDData


class SubtractSky(Step):
    """Model the night sky on the wavelength map, without resampling, and subtract it.

    The sky is a b-spline in wavelength whose coefficients change as a polynomial along the slit (Kelson 2003, PASP
    115, 688). Objects are found in the residuals and masked, outliers are clipped against the noise that the model
    itself predicts, and both are repeated until they settle.

    Where an object fills the slit, say with `windows` where the sky is, or give other exposures of the target as
    `others`: the one nearest in time at which the telescope pointed elsewhere is then subtracted, its sky scaled to
    that of the frame, and only what it leaves of the sky is modelled.
    """

    degree: int = Field(default=2, ge=0, le=5)
    """Degree of the polynomial along the slit in each wavelength element; lower where windows cannot support it."""

    windows: tuple[SlitWindow, ...] = ()
    """Stretches along the slit to take the sky from, such as "10 to 30 arcsec" or "50 to 140 pix", counted from the
    first row; without them, all rows that show no object."""

    def __call__(
        self, image: CCDData, wavelengths: WavelengthSolution, others: list[CCDData] | None = None
    ) -> SkyResult:
        """Return the sky-subtracted frame and the sky; raises `DataError` if there is nothing to fit."""
        check_frame(image, wavelengths)
        other = _exposure_elsewhere(image, others)
        if other is not None:
            check_frame(other, wavelengths)
        rows = rows_of_windows(self.windows, image.header, len(image.data)) if self.windows else None
        degree = self.degree if rows is None else _supported(rows[rows_on_slit(image)], self.degree, image)
        header = image.header.copy()
        header["SKYSUB"] = (True, "sky subtracted")
        header["SKYDEG"] = (degree, "degree of the sky along the slit")
        if rows is not None:
            keep_windows(header, rows)
        if other is None:
            return _from_itself(image, wavelengths, header, degree, rows)
        return _from_another(image, other, wavelengths, header, degree, rows)

    def quality(self, result: SkyResult, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return residual over sigma in blank rows, away from and at the strong sky lines, and the sky level."""
        from alfosc_reduce_longslit.sky.quality import quality_of_sky

        return quality_of_sky(result.image, result.sky, inputs["wavelengths"])

    def figures(self, result: SkyResult, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the frame before and after, and the sky spectrum with its residuals."""
        from alfosc_reduce_longslit.sky.figures import figure_of_frames, figure_of_spectrum

        yield "frame", figure_of_frames(inputs["image"], result.image, inputs["wavelengths"])
        yield "spectrum", figure_of_spectrum(result.image, result.sky, inputs["wavelengths"])


def _from_itself(
    image: CCDData, wavelengths: WavelengthSolution, header: Header, degree: int, rows: NDArray[np.bool_] | None
) -> SkyResult:
    part = part_on_slit(image)
    read_noise = noise_without_light(image.header)
    model = model_sky(
        part.data, part.variance, part.good, wavelengths.map()[part.rows], read_noise=read_noise, degree=degree,
        rows=None if rows is None else rows[part.rows],
    )  # fmt: skip
    residual = np.asarray(image.data[part.rows], np.float32) - model.sky
    light = light_of_objects(residual, model.sky, read_noise, part.good)
    light += model.sky
    variance = exchange_photons(model.variance, model.sky, light, model.scale)
    variance += model.sky_variance
    header["SKYROWS"] = (int(model.blank.sum()), "rows that held nothing but sky")
    return SkyResult(
        _image(image, part, residual, variance, header),
        _image(image, part, model.sky, model.sky_variance, header),
    )


def _from_another(
    image: CCDData, other: CCDData, wavelengths: WavelengthSolution, header: Header, degree: int,
    rows: NDArray[np.bool_] | None,
) -> SkyResult:  # fmt: skip
    part, sky = part_on_slit(image), part_of(other, rows_on_slit(image))
    noises, seconds = zip(
        *((noise_without_light(one.header), float(one.header.get("EXPTIME", 0))) for one in (image, other)), strict=True
    )
    apart = distance(image.header, other.header)
    length = len(part.data) * float(image.header.get("PIXSCALE", 1))
    found = nodded_sky(
        part, sky, wavelengths.map()[part.rows], read_noise=(noises[0], noises[1]),
        exposures=(seconds[0], seconds[1]), degree=degree, rows=None if rows is None else rows[part.rows],
        same_slit=apart < length,
    )  # fmt: skip
    _keep_other(header, other, found, part.rows.start)
    header["DRKNOISE"] = (float(np.hypot(noises[0], found.scale * noises[1])), "[electron] of both exposures")
    both = [float(one.header.get("RDNOISE", 0)) for one in (image, other)]
    header["RDNOISE"] = (float(np.hypot(both[0], found.scale * both[1])), "[electron] of both exposures")
    lost = flags_of(other) & int(UNUSABLE)
    residual = np.asarray(image.data[part.rows], np.float32) - found.sky
    return SkyResult(
        _image(image, part, residual, found.variance, header, lost),
        _image(image, part, found.sky, found.sky_variance, header, lost),
    )


def _keep_other(header: Header, other: CCDData, found: NoddedSky, start: int) -> None:
    """Write what was done into `header`, and tell the user where the objects of the other exposure lie."""
    name = str(other.header.get("FILENAME", "another exposure"))
    header["SKYROWS"] = (int(found.blank.sum()), "rows that held nothing but sky")
    header["SKYFROM"] = (name, "exposure that was subtracted")
    header["SKYSCALE"] = (round(found.scale, 5), "by what its light was multiplied")
    keep_negative(header, [(row + start, width) for row, width in found.negative])
    places = ", ".join(f"{row + start:.0f}" for row, _ in found.negative)
    _log.info(
        "%s: the sky is that of %s times %.3f%s.", header.get("FILENAME", "frame"), name, found.scale,
        f"; its objects leave negative light at row {places}" if places else "",
    )  # fmt: skip


def _exposure_elsewhere(image: CCDData, others: list[CCDData] | None) -> CCDData | None:
    """Return the exposure to subtract; None, with a warning where there should be one, if none points elsewhere."""
    if others is None:
        return None
    other = nearest_elsewhere(image, others)
    if other is None:
        _log.warning(
            "%s: no other exposure points elsewhere by more than %g arcsec; the sky is modelled on the frame itself.",
            image.header.get("FILENAME", "frame"), MOVED,
        )  # fmt: skip
    return other


def _supported(rows: NDArray[np.bool_], degree: int, image: CCDData) -> int:
    found = supported_degree(rows, degree)
    if found < degree:
        _log.info(
            "%s: the sky windows support a polynomial of degree %d along the slit, not %d.",
            image.header.get("FILENAME", "frame"), found, degree,
        )  # fmt: skip
    return found


def _image(
    image: CCDData, part: SlitPart, values: NDArray[np.floating], variance: NDArray[np.floating], header: Header,
    lost: NDArray[np.int_] | int = 0,
) -> CCDData:  # fmt: skip
    """Return a whole frame of `values` on the slit, beyond it 0 with the variance that `image` has there."""
    ny = image.shape[0]
    noise = np.array(plain_variance(image), np.float32)
    noise[part.rows] = variance
    return make_image(
        part.whole(values, ny), unit="electron", header=header, variance=noise, flags=flags_of(image) | lost
    )


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
