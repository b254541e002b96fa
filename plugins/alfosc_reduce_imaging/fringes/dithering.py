"""Whether exposures were dithered: only then do stars and fringes part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alfosc_reduce_imaging.fringes.exposures import Exposure

LEAST = 3
"""Blocks by which pointings differ at least to count as two."""
_BRIGHT, _FEWEST = 25.0, 3
_ARCSEC = 2.0


def pointings(exposures: Sequence[Exposure]) -> int:
    """Return at how many different places the telescope pointed, as the stars tell, or else the headers.

    Where neither tells, every exposure counts as a pointing of its own.
    """
    maps = [bright_peaks(exposure.light - exposure.sky) for exposure in exposures]
    if min(int(np.count_nonzero(one)) for one in maps) >= _FEWEST:
        return _distinct([offset(maps[0], one) for one in maps], float(LEAST))
    places = [_place(exposure) for exposure in exposures]
    if any(place is None for place in places):
        return len(exposures)
    return _distinct([place for place in places if place is not None], _ARCSEC)


def bright_peaks(excess: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return true where light stands out sharply, more than fringes ever do."""
    from scipy.ndimage import uniform_filter

    values = np.nan_to_num(excess).astype(np.float32)
    sharp = values - uniform_filter(values, 7)
    sigma = 1.4826 * float(np.median(np.abs(sharp.ravel()[:: max(1, sharp.size // 50_000)])))
    return np.asarray(sharp > _BRIGHT * max(sigma, 1e-6), bool)


def offset(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float]:
    """Return by how many blocks (y, x) the peaks of `other` are shifted against those of `one`."""
    from scipy.fft import irfft2, rfft2

    shape = tuple(2 * size for size in one.shape)
    spectra = [rfft2(peaks.astype(np.float32), shape) for peaks in (one, other)]
    votes = irfft2(np.conj(spectra[0]) * spectra[1], shape)
    best = np.unravel_index(int(np.argmax(votes)), votes.shape)
    y, x = (int(place) - size if place > size // 2 else int(place) for place, size in zip(best, shape, strict=True))
    return float(y), float(x)


def _place(exposure: Exposure) -> tuple[float, float] | None:
    """Return where the telescope pointed, arcsec."""
    header = exposure.plane.header
    for ra, dec in (("CRVAL1", "CRVAL2"), ("RA", "DEC")):
        if isinstance(header.get(ra), int | float) and isinstance(header.get(dec), int | float):
            north = float(header[dec])
            return 3600 * north, 3600 * float(header[ra]) * float(np.cos(np.radians(north)))
    return None


def _distinct(places: Sequence[tuple[float, float]], least: float) -> int:
    kept: list[tuple[float, float]] = []
    for place in places:
        if all(np.hypot(place[0] - other[0], place[1] - other[1]) >= least for other in kept):
            kept.append(place)
    return len(kept)
