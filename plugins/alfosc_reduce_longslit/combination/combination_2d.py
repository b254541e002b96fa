"""All exposures of a target as one rectified frame."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce.images import flags_of, usable, variance_of
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.combination.combination import combined_flags
from alfosc_reduce_longslit.combination.mean import Combined, combine, running_median
from alfosc_reduce_longslit.combination.scale import Light, scale_curve
from alfosc_reduce_longslit.rectification.axis import grid_of
from alfosc_reduce_longslit.rectification.rectification import exact_image
from alfosc_reduce_longslit.resampling import resample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_SIGNIFICANT = 5.0


class Planes(NamedTuple):
    """Exposures as arrays, one a row: shape (n, ny, nx)."""

    data: NDArray[np.float64]
    variance: NDArray[np.float64]
    flags: NDArray[np.int16]


class Combine2D(Step):
    """Average the rectified frames of a target.

    The frames come to the wavelengths of the first and are moved along the slit by whole rows, so that the objects
    fall on each other (their profiles along the slit are correlated), and to the level of the first by one factor, or
    by a quadratic in wavelength where the objects are bright enough to show that light was lost in another colour.
    Weights are smooth; masked values and outliers are left out.
    """

    scale: bool = True
    """Bring all exposures to the level of the first, smoothly in wavelength where needed (slit losses, clouds)."""

    def __call__(self, images: list[CCDData]) -> CCDData:
        """Return one rectified frame with the rows and wavelengths of the first."""
        kept = _of_one_unit(images)
        first = kept[0]
        if len(kept) == 1:
            return _single(first)
        shifts = [0, *(_shift(image, first) for image in kept[1:])]
        planes = [_planes(image, first, shift) for image, shift in zip(kept, shifts, strict=True)]
        stack = Planes(*(np.array(parts) for parts in zip(*planes, strict=True)))
        found = _combined(stack, kept, scale=self.scale)
        header = _header(kept, shifts, found)
        flags = combined_flags(stack.flags, found)
        return exact_image(found.flux, found.variance, flags, unit=first.unit.to_string(), header=header)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the number of exposures, their shifts and scales, and how many values were outliers."""
        header = result.meta
        number = int(header.get("NCOMBINE", 1))
        numbers: dict[str, float | int | str | bool | None] = {
            "exposures": number,
            "rejected_fraction": float(header.get("NREJECT", 0)) / max(1, number * result.data.size),
            "usable_fraction": float(1 - np.mean(result.mask)),
        }
        for i in range(1, number + 1):
            numbers[f"shift_rows_{i}"] = int(header.get(f"CSHF{i:04d}", 0))
            numbers[f"scale_{i}"] = float(header.get(f"CSCL{i:04d}", 1.0))
        return numbers

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the combined frame."""
        from alfosc_reduce_longslit.rectification.figures import rectified_figure

        yield "combined_2d", rectified_figure(result, title=f"{result.meta.get('NCOMBINE', 1)} exposures combined")


def profile_along_slit(image: CCDData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean light along the slit and its error, both shape (ny,); 0 where a row cannot be used."""
    good = usable(image)
    variance = variance_of(image)
    weight = np.where(good, 1 / np.maximum(_typical(variance, good & (variance > 0)), np.finfo(float).tiny), 0)
    total = np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
    light = np.sum(weight * np.where(good, image.data, 0), axis=1) / total
    error = np.sqrt(np.sum(weight**2 * np.where(good, variance, 0), axis=1)) / total
    return light, error


def shift_between(
    first: NDArray[np.float64], second: NDArray[np.float64], error: NDArray[np.float64], most: int
) -> int | None:
    """Return by how many rows `second` must be moved to lie on `first`; None if nothing stands out in it.

    Parameters
    ----------
    first, second
        Profiles along the slit, shape (n,).
    error
        Of `second`.
    most
        The largest shift considered.
    """
    light = [profile - np.median(profile) for profile in (first, second)]
    if not np.max(light[1] / np.maximum(error, np.finfo(float).tiny)) > _SIGNIFICANT:
        return None
    # Negative ghosts of nodding, or noise, must not match each other.
    correlation = np.correlate(np.clip(light[0], 0, None), np.clip(light[1], 0, None), mode="full")
    shifts = np.arange(len(correlation)) - (len(second) - 1)
    allowed = np.abs(shifts) <= most
    return int(shifts[allowed][np.argmax(correlation[allowed])])


def _shift(image: CCDData, first: CCDData) -> int:
    light, error = profile_along_slit(image)
    found = shift_between(profile_along_slit(first)[0], light, error, most=len(light) - 10)
    if found is None:
        _log.warning("%s shows nothing that stands out, so it is not moved along the slit.", _name(image))
        return 0
    return found


def _planes(image: CCDData, first: CCDData, shift: int) -> Planes:
    """Return a frame on the rows and wavelengths of the first."""
    grid = grid_of(first.meta, first.shape[1])
    data, variance, flags = np.asarray(image.data, np.float64), variance_of(image), flags_of(image)
    own = grid_of(image.meta, image.shape[1])
    if own != grid:
        width = np.diff(own.edges())
        edges = np.broadcast_to(grid.positions(own.edges()), (len(data), own.size + 1))
        found = resample(edges, data * width, variance * width**2, flags, grid.size)
        target = np.diff(grid.edges())
        data, variance, flags = found.data / target, found.variance / target**2, found.flags
    return _moved(Planes(data, variance, flags), shift, first.shape[0])


def _moved(planes: Planes, shift: int, rows: int) -> Planes:
    """Return planes moved up by `shift` rows, on `rows` rows; what has no data is outside the detector."""
    source = np.arange(rows) - shift
    there = (source >= 0) & (source < len(planes.data))
    taken = np.clip(source, 0, len(planes.data) - 1)
    data = np.where(there[:, None], planes.data[taken], 0)
    variance = np.where(there[:, None], planes.variance[taken], 0)
    flags = np.where(there[:, None], planes.flags[taken], int(Flag.OUTSIDE_DETECTOR)).astype(np.int16)
    return Planes(data, variance, flags)


def _combined(stack: Planes, images: Sequence[CCDData], *, scale: bool) -> Combined:
    good = ~mask_of(stack.flags) & (stack.variance > 0) & np.isfinite(stack.variance)
    scales = _scales(stack, good, images, scale=scale)
    weights = np.array([_weights(v, g, s) for v, g, s in zip(stack.variance, good, scales, strict=True)])
    return combine(stack.data, stack.variance, good, scales, weights[:, None, :])


def _weights(variance: NDArray[np.float64], good: NDArray[np.bool_], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one smooth weight a wavelength, from the background's variance: the objects must not weigh themselves."""
    return np.asarray(1 / np.maximum(_typical(variance, good) * scale**2, np.finfo(float).tiny))


def _typical(variance: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the background's variance at each wavelength, smoothed along it, shape (nx,)."""
    some = np.asarray(good.any(axis=0))
    typical = np.zeros(variance.shape[1])
    typical[some] = np.nanmedian(np.where(good, variance, np.nan)[:, some], axis=0)
    return running_median(typical, some, 101)


def _scales(stack: Planes, good: NDArray[np.bool_], images: Sequence[CCDData], *, scale: bool) -> NDArray[np.float64]:
    scales = np.repeat(_exposure_ratios(images)[:, None], stack.data.shape[2], axis=1)
    if not scale:
        return scales
    rows = _object_rows(images[0])
    for i in range(1, len(images)):
        common = good[0] & good[i] & rows[:, None]
        light = np.sum(np.where(common, stack.data[[i, 0]], 0), axis=1)
        noise = np.sum(np.where(common, stack.variance[[i, 0]], 0), axis=1)
        covered = np.asarray(common.sum(axis=0) >= 0.7 * rows.sum())
        own, first = (Light(light[k], noise[k], covered) for k in (0, 1))
        found = scale_curve(own, first) if covered.sum() > 10 else None
        if found is not None:
            scales[i] = found
    return scales


def _object_rows(image: CCDData) -> NDArray[np.bool_]:
    """Return the rows around the brightest object, above a third of its peak."""
    light, _ = profile_along_slit(image)
    light = light - np.median(light)
    top = int(np.argmax(light))
    rows = np.zeros(len(light), bool)
    below = np.flatnonzero(light < light[top] / 3)
    low, high = below[below < top], below[below > top]
    rows[low[-1] + 1 if low.size else 0 : high[0] if high.size else None] = True
    return rows


def _exposure_ratios(images: Sequence[CCDData]) -> NDArray[np.float64]:
    times = [image.meta.get("EXPTIME") for image in images]
    if u.electron not in images[0].unit.bases or not all(isinstance(t, int | float) and t > 0 for t in times):
        return np.ones(len(images))
    return np.asarray(times[0] / np.array(times, dtype=np.float64))


def _of_one_unit(images: Sequence[CCDData]) -> list[CCDData]:
    if not images:
        raise DataError("combination: no rectified frame was given")
    images = list(images)  # A gathered input may read its members anew each time.
    calibrated = [image for image in images if u.electron not in image.unit.bases]
    kept = calibrated or list(images)
    kept = [image for image in kept if image.unit == kept[0].unit]
    for image in images:
        if not any(image is other for other in kept):
            _log.warning("%s is left out of the combination: it is in %s, the others are in %s.",
                         _name(image), image.unit, kept[0].unit)  # fmt: skip
    return kept


def _header(images: Sequence[CCDData], shifts: Sequence[int], found: Combined) -> Header:
    header = images[0].meta.copy()
    header["NCOMBINE"] = (len(images), "exposures combined")
    header["NREJECT"] = (int(found.rejected.sum()), "values rejected as outliers")
    if u.electron not in images[0].unit.bases:
        header["EXPTIME"] = (float(sum(image.meta.get("EXPTIME", 0) for image in images)), "total, s")
    for i, (image, shift, scale) in enumerate(zip(images, shifts, found.scales, strict=True), start=1):
        header[f"COMB{i:04d}"] = (_name(image)[:60], "combined exposure")
        header[f"CSHF{i:04d}"] = (shift, "rows it was moved")
        header[f"CSCL{i:04d}"] = (round(float(np.median(scale)), 5), "it was multiplied with this (median)")
    return header


def _single(image: CCDData) -> CCDData:
    header = image.meta.copy()
    header["NCOMBINE"] = (1, "exposures combined")
    return exact_image(
        np.asarray(image.data), variance_of(image), flags_of(image), unit=image.unit.to_string(), header=header
    )


def _name(image: CCDData) -> str:
    return str(image.meta.get("FILENAME", image.meta.get("OBJECT", "a frame")))
