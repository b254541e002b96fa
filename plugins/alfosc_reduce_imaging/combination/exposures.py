"""The frames of a combination: their arrays, where they lie, and what each is worth."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from alfosc_reduce_ccd.planes import unmap

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import mask_of
from alfosc_reduce.images import header_wcs
from alfosc_reduce.products.image_hdus import clean_header
from alfosc_reduce_imaging.combination.background import Sky, measure_sky, sampling_step
from alfosc_reduce_imaging.registration.filelist import place_of, plain
from alfosc_reduce_imaging.registration.star_lists import distinct
from alfosc_reduce_imaging.stars.description import description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.registration.geometry import PixelMap

_log = logging.getLogger(__name__)

_SMALLEST = 1e-12
"""Variance of a blank pixel of an artificial frame without noise."""


class Frame(NamedTuple):
    """The arrays of a frame, perhaps on disk, its header and unit."""

    data: NDArray[Any]
    variance: NDArray[Any] | None
    flags: NDArray[Any] | None
    header: Header
    unit: Any


@dataclass(frozen=True, eq=False)
class Exposure:
    """One frame to be combined.

    Attributes
    ----------
    name
        Of the file, without its ending.
    unit
        Of the data.
    data, variance, flags
        Shape (ny, nx), perhaps on disk; the latter two may be None.
    header
        Of the frame.
    place
        Reference pixel from frame pixel.
    scale
        What turns the frame's unit into counts a second through the reference's sky.
    offset
        Magnitudes by which the frame is fainter than the reference.
    weight
        By which the frame counts more than its noise says; from the list of frames.
    seconds
        Exposure time.
    fwhm, seeing
        Pixels and arc seconds; NaN if not known.
    sky
        Level and noise, in the frame's unit.
    sky_variance
        Of a blank pixel, as the variance plane states it.
    """

    name: str
    unit: str
    data: NDArray[Any]
    variance: NDArray[Any] | None
    flags: NDArray[Any] | None
    header: Header
    place: PixelMap
    scale: float
    offset: float
    weight: float
    seconds: float
    fwhm: float
    seeing: float
    sky: Sky
    sky_variance: float

    @property
    def size(self) -> tuple[int, int]:
        """(nx, ny)."""
        return self.data.shape[1], self.data.shape[0]

    @property
    def magnification(self) -> float:
        """What one pixel of the frame is worth on the grid: the scale times frame pixels a reference pixel."""
        return self.scale / self.area

    @property
    def area(self) -> float:
        """Reference pixels a frame pixel, in the frame's middle."""
        return self.place.area_at(*((n - 1) / 2 for n in self.size))

    @property
    def noise_weight(self) -> float:
        """The inverse variance of a blank pixel of the scaled frame, times the weight given."""
        return self.weight / max(self.sky_variance * self.scale**2, 1e-30)

    def let_go(self) -> None:
        """Give back memory of what was read of arrays on disk."""
        unmap(self.data, self.variance, self.flags)


def exposures_of(images: Sequence[CCDData], filelist: QTable, *, sky: str) -> list[Exposure]:
    """Return the frames that the list says to use, in its order.

    Parameters
    ----------
    images
        Each is looked at once; arrays that are on disk stay there.
    filelist
        From `RegisterImages`.
    sky
        ``plane`` or ``level``: what is subtracted.

    Raises
    ------
    DataError
        If no frame is left, or frames cannot be brought to one unit.
    """
    rows = {str(row["file"]): row for row in filelist}
    found: dict[str, Exposure] = {}
    for name, frame in frames_of(images).items():
        if name not in rows:
            _log.warning("%s is left out of the combination: it is not in the list of frames.", name)
        elif is_used(rows[name]):
            found[name] = exposure_of(frame, name, rows[name], sky=sky)
            found[name].let_go()
    exposures = [found[name] for name in rows if name in found]
    if not exposures:
        raise DataError(
            f"combination: none of the {len(images)} frames is to be used; look at the list of frames ("
            + "; ".join(f"{name}: {row['reason']}" for name, row in rows.items()) + ")"
        )  # fmt: skip
    if len({one.unit for one in exposures}) > 1:
        told = ", ".join(f"{one.name} in {one.unit}" for one in exposures)
        raise DataError(f"combination: the frames have different units ({told}); bring them to one")
    return exposures


def frames_of(images: Sequence[CCDData]) -> dict[str, Frame]:
    """Return the arrays of frames by what the frames are called in lists of stars and of frames.

    The ``CCDData`` are let go: with their masks, made in memory, many of them would take more than the combination.
    """
    frames, names = [], []
    for i in range(len(images)):
        image = images[i]
        names.append(str(description(image)["FRAME"]))
        frame = Frame(image.data, _variance(image), _flags(image), _header(image), image.unit)
        unmap(frame.data, frame.variance, frame.flags)
        frames.append(frame)
    del image
    gc.collect()  # An image and its uncertainty hold each other.
    return dict(zip(distinct(names), frames, strict=True))


def _header(image: CCDData) -> Header:
    """Return the header of an image, with the WCS of a stranger's image that has it elsewhere."""
    header = clean_header(image.meta)
    if image.wcs is not None and header_wcs(header) is None:
        header.update(image.wcs.to_header())
    return header


def exposure_of(image: Frame, name: str, row: Any, *, sky: str) -> Exposure:
    """Return one frame with what its row of the list says; raises `DataError` if nothing of it is usable."""
    step = sampling_step(image.data.shape)
    sample = np.asarray(image.data[::step, ::step], np.float32) if image.data.size else np.empty((0, 0), np.float32)
    good = np.isfinite(sample)
    if image.flags is not None:
        good &= ~mask_of(image.flags[::step, ::step])
    if not good.any():
        raise DataError(f"combination: {name} has no usable pixel; set its use to false, or leave it out")
    level = measure_sky(sample, good, step, slope=sky == "plane")
    blank = good & (np.abs(sample - level.level) < 3 * max(level.noise, 1e-30))
    noise = _blank_variance(image.variance, step, blank, level, name)
    offset = plain(row["zero_point_offset"])
    seconds, each = _seconds(image, name)
    return Exposure(
        name, str(image.unit), image.data, image.variance, image.flags, image.header, place_of(row),
        scale=10 ** (0.4 * offset) / each,
        offset=offset,
        weight=_weight(row),
        seconds=seconds,
        fwhm=_plain_or_nan(row, "fwhm"),
        seeing=_plain_or_nan(row, "seeing"),
        sky=level,
        sky_variance=noise,
    )  # fmt: skip


def _blank_variance(variance: NDArray[Any] | None, step: int, blank: NDArray[np.bool_], sky: Sky, name: str) -> float:
    """Return the variance of blank pixels as stated; as measured where nothing is stated."""
    if variance is None:
        _log.warning("%s has no variance: its noise is that measured on its background.", name)
        return max(sky.noise**2, _SMALLEST)
    stated = np.asarray(variance[::step, ::step], np.float32)[blank]
    stated = stated[np.isfinite(stated) & (stated > 0)]
    return float(np.median(stated)) if stated.size else max(sky.noise**2, _SMALLEST)


def _seconds(image: Frame, name: str) -> tuple[float, float]:
    """Return the exposure time, and by what the data are to be divided to be a rate."""
    rate = is_rate(image.unit)
    try:
        seconds = float(image.header.get("EXPTIME", "nan"))
    except (TypeError, ValueError):
        seconds = float("nan")
    if rate:
        return (seconds if seconds > 0 else float("nan")), 1.0
    if not seconds > 0:
        raise DataError(
            f"combination: {name} has no exposure time (EXPTIME is {image.header.get('EXPTIME', 'missing')!r}); "
            "write it into the header"
        )
    return seconds, seconds


def is_rate(unit: Any) -> bool:
    """Say whether a unit is counts a second already."""
    import astropy.units as u

    return any(base == u.s and power < 0 for base, power in zip(unit.bases, unit.powers, strict=True))


def _variance(image: CCDData) -> NDArray[Any] | None:
    if image.uncertainty is None:
        return None
    if image.uncertainty.uncertainty_type == "var":
        return image.uncertainty.array  # type: ignore[no-any-return]
    from alfosc_reduce.images import variance_of

    return variance_of(image).astype(np.float32)


def _flags(image: CCDData) -> NDArray[Any] | None:
    if image.flags is None and image.mask is not None:
        from alfosc_reduce.images import flags_of

        return flags_of(image)
    return image.flags  # type: ignore[no-any-return]


def is_used(row: Any) -> bool:
    """Say whether a row of the list of frames says that the frame is combined; None is no row."""
    return row is not None and bool(row["use"]) and _weight(row) > 0


def _weight(row: Any) -> float:
    return float(row["weight"]) if "weight" in row.colnames else 1.0


def _plain_or_nan(row: Any, name: str) -> float:
    return plain(row[name]) if name in row.colnames else float("nan")
