"""Gain and read noise: measured on the calibration frames, compared with the header, one of them chosen."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_ccd.noise import (
    BlockStatistics,
    Measured,
    block_statistics,
    gain_of,
    merged,
    of_one_read,
    read_noise,
)
from alfosc_reduce_ccd.planes import check_alike, planes_of, unmap, without_outliers
from alfosc_reduce_ccd.products import DetectorNoise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_ccd.planes import Planes

logger = logging.getLogger(__name__)

_MOST_FLATS, _MOST_BIAS = 12, 5
_SIGNIFICANT, _RELEVANT = 3.0, 0.05
_KEPT_BLOCKS = 400
_NOT_MEASURED = Measured(float("nan"), float("nan"))


class MeasureDetector(Step):
    """Measure gain and read noise on bias frames and flats, and compare them with the header."""

    source: Literal["measured", "header"] = "measured"
    """Which gain and read noise the reduction uses; what cannot be measured comes from the header."""

    def __call__(self, bias: list[CCDData], flats: list[CCDData] | None = None) -> DetectorNoise:
        """Return the noise of the detector.

        Parameters
        ----------
        bias
            At least two bias frames after `subtract_overscan`.
        flats
            Flats of the same read-out after `subtract_overscan`, at least two of one setup and exposure time.

        Raises
        ------
        DataError
            If there is neither a measurement nor a header value, or read-outs are mixed.
        """
        dark = without_outliers(planes_of(bias, "detector: bias"), "detector: bias", level_tolerance=np.inf)
        noise = _try_read_noise(dark)
        light = planes_of(flats, "detector: flats") if flats else []
        blocks, gain = _try_gain(dark, light, noise)
        return _chosen(self.source, dark[0].header, gain, noise, blocks, (len(dark), len(light)))

    def figures(self, result: DetectorNoise, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the photon transfer curve."""
        from alfosc_reduce_ccd.figures import transfer_figure

        if result.levels:
            yield "detector", transfer_figure(result)

    def quality(self, result: DetectorNoise, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return gain (electron/ADU) and read noise (electron), measured and of the header."""
        names = ("gain", "gain_error", "read_noise", "read_noise_error", "measured_gain", "measured_gain_error",
                 "measured_read_noise", "measured_read_noise_error", "header_gain", "header_read_noise")  # fmt: skip
        numbers = {name: getattr(result, name) for name in names}
        found: dict[str, float | int | str | bool | None] = {
            k: v if np.isfinite(v) else None for k, v in numbers.items()
        }
        return found | {"gain_source": result.gain_source, "read_noise_source": result.read_noise_source}


def _try_read_noise(bias: Sequence[Planes]) -> Measured | None:
    if len(bias) < 2:
        logger.warning("detector: one bias frame is too few to measure the read noise; the header's is used.")
        return None
    found = read_noise([plane.data for plane in bias])
    for plane in bias:
        plane.let_go()
    return found


def _try_gain(
    bias: Sequence[Planes], flats: Sequence[Planes], noise: Measured | None
) -> tuple[BlockStatistics | None, Measured | None]:
    """Return the photon transfer curve and the gain in electron/ADU, or None with a warning that says why not."""
    if flats:
        check_alike([bias[0], *flats], "detector")
    pairs = [group for group in by_setup(flats) if len(group) >= 2]
    if noise is None or not pairs:
        reason = "without read noise" if noise is None else "without two flats of one setup"
        logger.warning("detector: the gain cannot be measured %s; the header's is used.", reason)
        return None, None
    level = _mean([plane.data for plane in bias[:_MOST_BIAS]])
    try:
        blocks = of_one_read(merged([_statistics(group[:_MOST_FLATS], level) for group in pairs]), noise)
        return blocks, gain_of(blocks, noise)
    except DataError as error:
        logger.warning("detector: the gain is not measured (%s); the header's is used.", error)
        return None, None


def _mean(frames: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Return the mean of frames, one of them in memory at a time."""
    total = np.array(frames[0], np.float32)
    for frame in frames[1:]:
        total += frame
        unmap(frame)
    total /= np.float32(len(frames))
    return total


def by_setup(flats: Sequence[Planes]) -> list[list[Planes]]:
    """Return flats in groups that show the same light: of one grism, slit, filter, lamp and exposure time.

    The sky in twilight fades, and exposures grow with it: there the exposure time does not tell flats apart.
    """
    groups: dict[tuple[object, ...], list[Planes]] = defaultdict(list)
    for plane in flats:
        of_sky = plane.header.get("FRAMEKND") == "imaging_flat" and not plane.header.get("LAMP")
        keys = ("GRISM", "SLIT", "FILTER", "LAMP") if of_sky else ("GRISM", "SLIT", "FILTER", "LAMP", "EXPTIME")
        groups[tuple(plane.header.get(key) for key in keys)].append(plane)
    return list(groups.values())


def _statistics(flats: Sequence[Planes], level: NDArray[np.floating]) -> BlockStatistics:
    good = np.ones(level.shape, bool)
    for plane in flats:
        good &= np.asarray(plane.flags) == 0 if plane.flags is not None else True
        plane.let_go()
    return block_statistics([plane.data for plane in flats], level, good)


def _chosen(
    source: str,
    header: Header,
    gain: Measured | None,
    noise: Measured | None,
    blocks: BlockStatistics | None,
    frames: tuple[int, int],
) -> DetectorNoise:
    header_gain, header_noise = (float(header.get(key, np.nan)) for key in ("GAIN", "RDNOISE"))
    used_gain, gain_source = _choose(source, gain, header_gain, "gain", "GAIN")
    electrons = None if noise is None else Measured(noise.value * used_gain.value, noise.error * used_gain.value)
    used_noise, noise_source = _choose(source, electrons, header_noise, "read noise", "RDNOISE")
    _compare("gain", "electron/ADU", gain, header_gain, gain_source)
    _compare("read noise", "electron", electrons, header_noise, noise_source)
    gain, electrons = gain or _NOT_MEASURED, electrons or _NOT_MEASURED
    return DetectorNoise(
        gain=used_gain.value, gain_error=used_gain.error,
        read_noise=used_noise.value, read_noise_error=used_noise.error,
        measured_gain=gain.value, measured_gain_error=gain.error,
        measured_read_noise=electrons.value, measured_read_noise_error=electrons.error,
        header_gain=header_gain, header_read_noise=header_noise,
        gain_source=gain_source, read_noise_source=noise_source,
        bias_frames=frames[0], flat_frames=frames[1],
        **_curve(blocks),
    )  # fmt: skip


def _choose(source: str, measured: Measured | None, header: float, what: str, keyword: str) -> tuple[Measured, str]:
    known = np.isfinite(header) and header > 0
    if measured is not None and (source == "measured" or not known):
        return measured, "measured"
    if not known:
        raise DataError(
            f"detector: the {what} is neither measured nor in the header ({keyword}); add bias frames and flats"
        )
    return Measured(header, 0.0), "header"


def _compare(what: str, unit: str, measured: Measured | None, header: float, used: str) -> None:
    if measured is None or not np.isfinite(header):
        return
    difference = abs(measured.value - header)
    if difference > _SIGNIFICANT * measured.error and difference > _RELEVANT * header:
        logger.warning(
            "detector: the measured %s is %.4g +- %.2g %s, but the header says %.4g; the %s value is used.",
            what, measured.value, measured.error, unit, header, used,
        )  # fmt: skip


def _curve(blocks: BlockStatistics | None) -> dict[str, tuple[float, ...]]:
    if blocks is None:
        return {}
    use = np.flatnonzero(np.isfinite(blocks.variance))
    thin = use[:: max(1, len(use) // _KEPT_BLOCKS)]
    return {
        "levels": tuple(float(v) for v in blocks.level[thin].round(2)),
        "variances": tuple(float(v) for v in blocks.variance[thin].round(1)),
    }
