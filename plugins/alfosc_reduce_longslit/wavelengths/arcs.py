"""Arc exposures of one pointing made into one: lamps added, saturated pixels taken from the shorter exposure."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import mask_of
from alfosc_reduce.images import flags_of, make_image, usable, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.lines.strips import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
_SAME = ("GRISM", "SLIT", "CCDSUM", "DISPPIX0", "DISPSTEP")


class CombineArcs(Step):
    """Combine the arc exposures of one pointing.

    Exposures of the same lamp are brought to one scale and averaged by their exposure time, leaving out saturated
    pixels wherever another exposure has them unsaturated. Exposures of different lamps are then added, so that the
    result shows the lines of all lamps.
    """

    def __call__(self, frames: list[CCDData]) -> CCDData:
        """Combine arcs in electrons; raises `DataError` if they do not belong together."""
        return combine_arcs(frames)

    def figures(self, result: CCDData, **inputs: object) -> Iterable[tuple[str, Figure]]:
        """Yield the combined arc as an image."""
        from alfosc_reduce_longslit.wavelengths.figures import arc_image

        yield "arc", arc_image(result)

    def quality(self, result: CCDData, **inputs: object) -> dict[str, float | int | str | bool | None]:
        """Return how many exposures there were, of which lamps, and how much is saturated."""
        from alfosc_reduce.flags import Flag

        saturated = (flags_of(result) & int(Flag.SATURATED)) != 0
        return {
            "n_frames": int(result.meta.get("NCOMBINE", 1)),
            "lamps": str(result.meta.get("LAMP", "")),
            "saturated_pixels": int(saturated.sum()),
            "brightest_electrons": float(np.max(result.data)),
        }


def combine_arcs(frames: list[CCDData]) -> CCDData:
    """Combine arc frames of one pointing.

    Parameters
    ----------
    frames
        In electrons, oriented; all of one shape, grism and slit. ``LAMP`` and ``EXPTIME`` are read from the headers.

    Returns
    -------
    CCDData
        The sum over lamps, each as in its longest exposure, with variance and flags; ``LAMP`` names all lamps.

    Raises
    ------
    DataError
        If there is no frame, or the frames were taken through different grisms, slits or windows.
    """
    if not frames:
        raise DataError("combine_arcs: no arc frames were given; add arcs or leave this step out")
    _check_alike(frames)
    lamps = sorted({str(frame.meta.get("LAMP", "")) for frame in frames})
    parts = [_of_one_lamp([f for f in frames if str(f.meta.get("LAMP", "")) == lamp]) for lamp in lamps]
    flags = parts[0][2].copy()
    for part in parts[1:]:
        flags |= part[2]
    return make_image(
        sum(part[0] for part in parts),
        unit=str(frames[0].unit),
        header=_header(frames, lamps),
        variance=sum(part[1] for part in parts),
        flags=flags,
    )


def _check_alike(frames: list[CCDData]) -> None:
    first = frames[0]
    for frame in frames[1:]:
        odd = [key for key in _SAME if frame.meta.get(key) != first.meta.get(key)]
        if frame.shape != first.shape or odd:
            found = ", ".join(f"{key} {frame.meta.get(key)} against {first.meta.get(key)}" for key in odd)
            raise DataError(
                f"combine_arcs: {name_of(frame)} does not belong with {name_of(first)}: "
                f"{found or f'{frame.shape} pixels against {first.shape}'}; group the arcs by grism, slit and window"
            )


def _of_one_lamp(
    frames: list[CCDData],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """Return data, variance and flags of one lamp's exposures on the scale of the longest."""
    frames = sorted(frames, key=lambda frame: -float(frame.meta.get("EXPTIME", 1.0)))
    reference = frames[0]
    scales = [1.0] + [_scale(reference, frame) for frame in frames[1:]]
    total, noise, weight = (np.zeros(reference.shape) for _ in range(3))
    flags = np.full(reference.shape, -1, np.int16)
    for frame, scale in zip(frames, scales, strict=True):
        good = usable(frame)
        share = np.where(good, 1 / scale, 0)
        total += share * np.where(good, np.asarray(frame.data, np.float64), 0) * scale
        noise += np.where(good, np.square(share * scale) * variance_of(frame), 0)
        weight += share
        flags &= np.where(mask_of(flags_of(frame)) | good, flags_of(frame), -1)
    good = weight > 0
    safe = np.where(good, weight, 1)
    data = np.where(good, total / safe, np.asarray(reference.data, np.float64))
    variance = np.where(good, noise / np.square(safe), variance_of(reference))
    return data, variance, np.where(good, flags & ~_unusable(), flags_of(reference)).astype(np.int16)


def _unusable() -> int:
    from alfosc_reduce.flags import UNUSABLE

    return int(UNUSABLE)


def _scale(reference: CCDData, frame: CCDData) -> float:
    """Return by what `frame` must be multiplied to match `reference`: from bright pixels that both have unsaturated."""
    good = usable(reference) & usable(frame)
    nominal = float(reference.meta.get("EXPTIME", 1.0)) / max(float(frame.meta.get("EXPTIME", 1.0)), 1e-6)
    if not good.any():
        return nominal
    light = [np.asarray(image.data, np.float64) - np.median(image.data[good]) for image in (reference, frame)]
    bright = good & (light[0] > 10 * _noise(reference)) & (light[1] > 10 * _noise(frame))
    if bright.sum() < 20:
        return nominal
    scale = float(np.sum(light[0][bright] * light[1][bright]) / np.sum(np.square(light[1][bright])))
    if not 0.3 < scale / nominal < 3:
        log.warning(
            "%s is %.1f times as bright as its exposure time lets expect beside %s; the lamp was not steady.",
            name_of(frame), nominal / scale, name_of(reference),
        )  # fmt: skip
    return scale if scale > 0 else nominal


def _noise(image: CCDData) -> NDArray[np.float64]:
    variance = variance_of(image)
    return np.sqrt(np.where(np.isfinite(variance), variance, np.maximum(np.asarray(image.data, np.float64), 1.0)))


def _header(frames: list[CCDData], lamps: list[str]) -> Header:
    header = frames[0].meta.copy()
    gases = sorted(set(re.findall("He|Ne|Ar|Th", "+".join(lamps))))
    if gases:
        header["LAMP"] = "+".join(gases)
    header["NCOMBINE"] = (len(frames), "arc exposures combined")
    times = [float(frame.meta["MJD-AVG"]) for frame in frames if "MJD-AVG" in frame.meta]
    if len(times) == len(frames):
        header["MJD-AVG"] = float(np.mean(times))
    header["EXPTIME"] = max(float(frame.meta.get("EXPTIME", 0.0)) for frame in frames)
    return header
