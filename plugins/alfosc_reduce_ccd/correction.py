"""From ADU to electrons: bias and dark taken off, gain applied, the noise worked out, the frame turned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of, make_image, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.naming import name_of
from alfosc_reduce_ccd.orientation import orientation_of, update_header
from alfosc_reduce_ccd.statistics import typical

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from alfosc_reduce_ccd.products import DetectorNoise

logger = logging.getLogger(__name__)

Arrays = tuple["NDArray[np.float32]", "NDArray[np.float32] | float", "NDArray[np.int16]"]


class CorrectFrame(Step):
    """Subtract bias and dark, turn ADU into electrons with their noise, and turn the frame to rising wavelength."""

    def __call__(
        self,
        image: CCDData,
        bias: CCDData | None = None,
        dark: CCDData | None = None,
        detector: DetectorNoise | None = None,
    ) -> CCDData:
        """Return the frame in electrons, dispersion along x, with variance.

        Parameters
        ----------
        image
            Frame after `subtract_overscan`, ADU.
        bias
            Master bias, ADU; without it the overscan alone is what was subtracted.
        dark
            Dark current, ADU/s.
        detector
            Gain and read noise; without it the header's gain is used. The read noise is that of the frame's own
            overscan, where it has one.

        Returns
        -------
        CCDData
            The variance is that of read noise and photons, and of master bias and dark.

        Raises
        ------
        DataError
            If the calibration frames have another size, or no gain is known.
        """
        gain, noise = noise_model(image, detector)
        data, extra, flags = _subtracted(image, bias, dark)
        electrons = data * np.float32(gain)
        variance = np.maximum(electrons, 0) + np.float32(noise**2) + extra * np.float32(gain**2)
        orientation = orientation_of(image.meta)
        header = _header(image.meta, gain, noise)
        header["DRKNOISE"] = (round(_noise_without_light(extra, gain, noise), 4), "[electron] noise without light")
        update_header(header, orientation, image.shape)
        turned = (orientation.apply(array) for array in (electrons, variance, flags))
        electrons, variance, flags = (np.ascontiguousarray(array) for array in turned)
        return make_image(electrons, unit="electron", header=header, variance=variance, flags=flags)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return gain (electron/ADU) and read noise (electron) used, and the median light in electrons."""
        return {
            "gain": float(result.meta["GAIN"]),
            "read_noise": float(result.meta["RDNOISE"]),
            "median_electrons": typical(result.data),
            "unusable_pixels": int(np.count_nonzero(result.mask)),
        }


def noise_model(image: CCDData, detector: DetectorNoise | None) -> tuple[float, float]:
    """Return gain (electron/ADU) and read noise (electron) for a frame.

    The read noise is that of the frame's own overscan (the electronics' noise changes from day to night); failing
    that, the detector's; failing that, the header's.

    Raises
    ------
    DataError
        If no gain or no read noise is known.
    """
    header = image.meta
    gain = detector.gain if detector is not None else header.get("GAIN")
    if not isinstance(gain, int | float) or not gain > 0:
        raise DataError(f"{name_of(image)}: the gain is {gain!r}; run measure_detector, or correct GAIN in the header")
    if detector is not None and detector.read_noise_source == "header":
        return float(gain), detector.read_noise
    if "OVSCNOIS" in header:
        return float(gain), float(header["OVSCNOIS"]) * gain
    noise = detector.read_noise if detector is not None else header.get("RDNOISE")
    if not isinstance(noise, int | float) or not noise >= 0:
        raise DataError(f"{name_of(image)}: the read noise is {noise!r}; run measure_detector, or correct RDNOISE")
    return float(gain), float(noise)


def _noise_without_light(extra: NDArray[np.float32] | float, gain: float, noise: float) -> float:
    """Return the noise of a usual pixel without light, electron; `extra` is the variance of calibrations, ADU squared.

    Whoever wants to know how much of a variance is photons must take off this, not the read noise alone.
    """
    return float(np.sqrt(noise**2 + float(np.median(extra)) * gain**2))


def _subtracted(image: CCDData, bias: CCDData | None, dark: CCDData | None) -> Arrays:
    """Return ADU without bias and dark, the variance (ADU squared) of what was subtracted, and the flags of all."""
    data = np.array(image.data, dtype=np.float32)
    extra: NDArray[np.float32] | float = 0.0
    flags = flags_of(image)
    if bias is None:
        logger.warning("%s: no master bias; only the overscan is subtracted, its structure stays.", name_of(image))
    for what, calibration, factor in (("bias", bias, 1.0), ("dark", dark, _exposure(image, dark))):
        if calibration is None:
            continue
        _check_fits(image, calibration, what)
        data -= np.asarray(calibration.data, np.float32) * np.float32(factor)
        if calibration.uncertainty is not None:
            extra = extra + (variance_of(calibration) * factor**2).astype(np.float32)
        flags |= flags_of(calibration) & np.int16(Flag.BAD_PIXEL | Flag.NOT_FINITE)
    return data, extra, flags


def _exposure(image: CCDData, dark: CCDData | None) -> float:
    if dark is None:
        return 0.0
    time = image.meta.get("EXPTIME")
    if not isinstance(time, int | float) or not time >= 0:
        raise DataError(
            f"{name_of(image)}: EXPTIME is {time!r}, so the dark current cannot be scaled; correct the header"
        )
    return float(time)


def _check_fits(image: CCDData, calibration: CCDData, what: str) -> None:
    if calibration.shape != image.shape:
        raise DataError(
            f"{name_of(image)}: it has {image.shape[1]} x {image.shape[0]} pixels, the master {what} "
            f"{calibration.shape[1]} x {calibration.shape[0]}; take {what} frames of the same window and binning"
        )
    for keyword in ("CCDSUM", "DETSEC"):
        found, expected = calibration.meta.get(keyword), image.meta.get(keyword)
        if found is not None and expected is not None and found != expected:
            raise DataError(
                f"{name_of(image)}: {keyword} is {expected}, that of the master {what} {found}; "
                f"take {what} frames of the same window and binning"
            )


def _header(raw: Header, gain: float, noise: float) -> Header:
    header = raw.copy()
    for keyword, kept in (("GAIN", "GAINHDR"), ("RDNOISE", "RDNHDR")):
        if keyword in raw:
            header[kept] = (raw[keyword], f"{keyword} of the raw header")
    header["GAIN"] = (round(gain, 6), "[electron/ADU] gain used")
    header["RDNOISE"] = (round(noise, 4), "[electron] read noise used")
    if "SATURATE" in raw:
        level = (float(raw["SATURATE"]) - float(raw.get("OVSCLEV", 0))) * gain
        header["SATURATE"] = (round(level, 1), "[electron] saturation level")
    if "LINMAX" in raw:
        level = (float(raw["LINMAX"]) - float(raw.get("OVSCLEV", 0))) * gain
        header["LINMAX"] = (round(level, 1), "[electron] linear up to here")
    return header
