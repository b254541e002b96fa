"""Fringes taken off an image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from alfosc_reduce_ccd.naming import header_of, name_of
from alfosc_reduce_ccd.planes import planes_of

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce.images import as_it_is, flags_of, make_image, stored_variance
from alfosc_reduce_imaging.flats.blocks import in_blocks
from alfosc_reduce_imaging.fringes.exposures import exposure_of
from alfosc_reduce_imaging.fringes.fitting import Amplitude, fit_amplitude

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

SIGNIFICANT = 3.0
_ROUNDS = 3


class SubtractFringes(Step):
    """Subtract the pattern of fringes, as strong as it is in the image itself."""

    def __call__(self, image: CCDData, fringes: CCDData | None = None) -> CCDData:
        """Return the image without fringes; the sky stays.

        Parameters
        ----------
        image
            After `divide_flat`.
        fringes
            From `combine_fringes`; without it, or if it holds none, the image is returned as it is; if none are seen
            in the image, with what was found in its header.

        Returns
        -------
        CCDData
            With the noise of the pattern in its variance. In the header ``FRNGAMP`` and ``FRNGERR``: root mean square
            of the fringes and its error; ``FRNGRES``: that of what is left, where the fit did not look; ``FRNGSUB``:
            whether they were subtracted.

        Raises
        ------
        DataError
            If the pattern has another size.
        """
        name = name_of(image)
        if fringes is None or not fringes.meta.get("FRINGED", True):
            logger.info("%s: there is no pattern of fringes; the image stays as it is.", name)
            return as_it_is(image)
        if fringes.shape != image.shape:
            raise DataError(f"{name}: it has the shape {image.shape}, the fringes {fringes.shape}; combine fringes of "
                            "images of the same window and binning")  # fmt: skip
        amplitude = measure(image, fringes)
        cards = _cards(amplitude)
        if not _seen(amplitude):
            logger.info("%s: fringes of %.2f +- %.2f are not significant; the image stays as it is.",
                        name, amplitude.value, amplitude.error)  # fmt: skip
            return _image(image, image.data, stored_variance(image), cards)
        data, variance = subtracted(image, fringes, amplitude)
        return _image(image, data, variance, cards)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the sky of the image before and after."""
        from alfosc_reduce_imaging.fringes.figures import subtraction_figure

        if result.meta.get("FRNGSUB"):
            yield "fringes", subtraction_figure(inputs["image"], result)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the amplitude of the fringes with its error, and that of what is left."""
        header = result.meta
        names = {"amplitude": "FRNGAMP", "amplitude_error": "FRNGERR", "residual_amplitude": "FRNGRES"}
        found: dict[str, float | int | str | bool | None] = {k: header.get(card) for k, card in names.items()}
        return found | {"fringes_subtracted": bool(header.get("FRNGSUB", False))}


def measure(image: CCDData, fringes: CCDData) -> Amplitude:
    """Return the amplitude of the fringes in an image, its objects masked.

    Parameters
    ----------
    image
        With its sky.
    fringes
        The pattern.
    """
    exposure = exposure_of(planes_of([image], name_of(image))[0])
    known = ~mask_of(flags_of(fringes)) & ((np.asarray(fringes.flags) & int(Flag.NO_FLAT)) == 0)
    pattern = in_blocks(np.asarray(fringes.data), known, exposure.size)
    amplitude = Amplitude(0.0, 0.0, 0.0)
    for _ in range(_ROUNDS):
        exposure = exposure.without(np.float32(amplitude.value) * pattern)
        amplitude = fit_amplitude(exposure.above_sky(), pattern)
    return amplitude


def subtracted(
    image: CCDData, fringes: CCDData, amplitude: Amplitude
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return data and variance of an image after the fringes are subtracted."""
    pattern = np.asarray(fringes.data, np.float32)
    data = np.asarray(image.data, np.float32) - np.float32(amplitude.value) * pattern
    variance = stored_variance(image)
    if variance is not None:
        variance = variance + np.float32(amplitude.error**2) * pattern**2
        if fringes.uncertainty is not None:
            variance += np.float32(amplitude.value**2) * np.asarray(fringes.uncertainty.array, np.float32)
    return data, variance


def _seen(amplitude: Amplitude) -> bool:
    return amplitude.error > 0 and amplitude.value > SIGNIFICANT * amplitude.error


def _cards(amplitude: Amplitude) -> dict[str, tuple[Any, str]]:
    return {
        "FRNGSUB": (_seen(amplitude), "fringes subtracted?"),
        "FRNGAMP": (round(amplitude.value, 4), "fringes, root mean square, image units"),
        "FRNGERR": (round(amplitude.error, 4), "standard error of FRNGAMP"),
        "FRNGRES": (round(amplitude.residual, 4), "FRNGAMP left where the fit did not look"),
    }


def _image(
    image: CCDData, data: NDArray[Any], variance: NDArray[np.float32] | None, cards: dict[str, tuple[Any, str]]
) -> CCDData:
    unit, flags = image.unit.to_string(), flags_of(image)
    header = header_of(image.meta)
    header.update(cards)
    return make_image(data, unit=unit, header=header, variance=variance, flags=flags)
