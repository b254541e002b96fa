"""From a frame and its traces to spectra: profiles and columns refined together, flags, header, sky."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import UNUSABLE, Flag
from alfosc_reduce_longslit.extraction.band import Background, Band, bands_of
from alfosc_reduce_longslit.extraction.fit import ColumnFit, extract_columns, smooth_spectrum, sum_aperture
from alfosc_reduce_longslit.extraction.profile import Profile
from alfosc_reduce_longslit.extraction.profile_fit import fit_profile, like, move_profile, sample_profile, start_profile
from alfosc_reduce_longslit.slit.profile import without_outliers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.products import Traces

PASSES = 3
BLEND = 3.0
APERTURE = 3.0
"""Default full width of the boxcar in units of the object's FWHM."""


@dataclass(frozen=True)
class Extraction:
    """One extracted object; arrays have shape (nx,) and are in electrons a column.

    Attributes
    ----------
    flux, variance
        Optimal.
    box, box_variance
        Of the boxcar, on the same scale.
    sky
        Mean sky a pixel under the object, weighted with the profile.
    ideal
        Variance that read noise and photon noise of object and sky alone allow, every pixel good.
    flags
        Integer flags.
    lost
        Fraction of the profile on pixels that could not be used.
    profile
        The spatial profile.
    width
        Full width of the boxcar, pixels.
    hits
        Pixels clipped as cosmic rays.
    """

    flux: NDArray[np.float64]
    variance: NDArray[np.float64]
    box: NDArray[np.float64]
    box_variance: NDArray[np.float64]
    sky: NDArray[np.float64]
    ideal: NDArray[np.float64]
    flags: NDArray[np.int16]
    lost: NDArray[np.float64]
    profile: Profile
    width: float
    hits: int


def extract_objects(frame: Background, traces: Traces, width: float | None = None) -> list[Extraction]:
    """Extract every object; `width` is that of the boxcar in pixels, by default three times the object's FWHM."""
    results: dict[int, Extraction] = {}
    for band in bands_of(frame, traces):
        profiles, fit = fit_band(band, traces)
        light = light_of(band, profiles)
        for k, member in enumerate(band.members):
            middle = float(profiles[k].fwhm(np.array([band.data.shape[1] / 2]))[0])
            box = APERTURE * middle if width is None else width
            results[member] = _extraction(band, fit, light, k, profiles[k], box, (frame.read_noise, frame.photons))
    return [results[i] for i in sorted(results)]


def fit_band(band: Band, traces: Traces) -> tuple[list[Profile], ColumnFit]:
    """Alternate between the profiles, given the spectra, and the spectra, given the profiles."""
    counts = band.variance + band.scale * np.maximum(band.data, 0)
    calm = without_outliers(band.data, counts, band.good)
    steady = replace(band, good=calm)
    profiles, blended = first_profiles(band, traces)
    passes = PASSES + 5 * bool(blended)
    fit = extract_columns(steady, light_of(band, profiles))
    for step in range(passes):
        light = light_of(band, profiles)
        for k in range(len(profiles)):
            if k in blended:
                profiles[k] = like(profiles[0], profiles[k])
            profiles[k] = refined(steady, fit, light, k, profiles[k], rigid=k in blended)
        light = light_of(band, profiles)
        fit = extract_columns(band, light, calm) if step == passes - 1 else extract_columns(steady, light)
    return profiles, fit


def light_of(band: Band, profiles: list[Profile]) -> NDArray[np.float64]:
    """Return the profiles at every pixel of the band, shape (objects, rows, nx)."""
    x = np.arange(band.data.shape[1], dtype=np.float64)[None, :]
    return np.stack([profile(u, x) for profile, u in zip(profiles, band.u, strict=True)])


def first_profiles(band: Band, traces: Traces) -> tuple[list[Profile], list[int]]:
    """Return Moffat functions to begin with, and which objects overlap the first (brightest) of the band.

    Objects that overlap share one shape; their widths, measured in the blend, are too large, so the narrowest is taken.
    """
    widths = traces.fwhm[list(band.members)]
    apart = np.abs(np.median(band.u - band.u[:1], axis=(1, 2)))
    blended = [k for k in range(1, len(widths)) if apart[k] < BLEND * min(widths[0], widths[k])]
    shared = float(widths[[0, *blended]].min())
    columns = band.data.shape[1]
    profiles = [start_profile(shared if k in (0, *blended) else float(w), columns) for k, w in enumerate(widths)]
    return profiles, blended


def refined(band: Band, fit: ColumnFit, light: NDArray[np.float64], k: int, start: Profile, *, rigid: bool) -> Profile:
    """Return the profile of object `k` measured on what the other objects leave; a rigid one only moves."""
    flux = np.nan_to_num(fit.flux)
    others = np.sum(flux[:, None, :] * light, axis=0) - flux[k] * light[k]
    spectrum = smooth_spectrum(fit.flux[k : k + 1], fit.variance[k : k + 1])[0]
    weight = np.where(band.good, 1 / fit.noise, 0)
    samples = sample_profile(band.data - others, weight, spectrum, band.u[k])
    return move_profile(samples, start) if rigid else fit_profile(samples, start)


def _extraction(
    band: Band,
    fit: ColumnFit,
    light: NDArray[np.float64],
    k: int,
    profile: Profile,
    width: float,
    noise: tuple[float, float],
) -> Extraction:
    (read_noise, times), own = noise, light[k]
    box, box_variance = sum_aperture(band, fit, light, k, width)
    total = np.maximum(np.sum(own, axis=0), 1e-6)
    lost = 1 - np.sum(own * fit.good, axis=0) / np.maximum(total, 1)
    photons = times * np.maximum(band.sky, 0) + smooth_spectrum(fit.flux[k : k + 1], fit.variance[k : k + 1]) * own
    ideal = 1 / np.maximum(np.sum(own**2 / np.maximum(read_noise**2 + photons, 1e-6), axis=0), 1e-12)
    return Extraction(
        flux=fit.flux[k],
        variance=fit.variance[k],
        box=box,
        box_variance=box_variance,
        sky=np.sum(own * band.sky, axis=0) / total,
        ideal=ideal,
        flags=column_flags(band, fit, own, lost),
        lost=lost,
        profile=profile,
        width=width,
        hits=int(fit.hits.sum()),
    )


def column_flags(band: Band, fit: ColumnFit, own: NDArray[np.float64], lost: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the flags of each column.

    What is worth knowing of the pixels in the core (above a tenth of the peak) is handed on; ``PARTIAL`` says that more
    than 2 % of the light fell on pixels that could not be used; above a half, their own flags make the value unusable.
    """
    core = own > 0.1 * own.max(axis=0)
    all_flags = np.bitwise_or.reduce(np.where(core, band.flags, 0), axis=0)
    all_flags = all_flags | np.where((fit.hits & core).any(axis=0), int(Flag.COSMIC_RAY), 0)
    harmless = all_flags & ~int(UNUSABLE)
    result = harmless | np.where(lost > 0.02, int(Flag.PARTIAL), 0)
    reasons = all_flags & int(UNUSABLE)
    reasons = np.where(reasons == 0, int(Flag.OUTSIDE_DETECTOR), reasons)
    return np.asarray(np.where(lost > 0.5, result | reasons, result), dtype=np.int16)
