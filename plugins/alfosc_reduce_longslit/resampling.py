"""Flux-conserving resampling onto a wavelength grid, with variance and flags.

Each pixel's light is spread evenly over the wavelengths it spans, and each output pixel receives the share that falls
into it. So flux is conserved exactly, the variance of an output pixel is the sum of the squared shares times the
variances, and neighbours become correlated: `noise_correction` says by how much errors of sums exceed the naive ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from alfosc_reduce.flags import UNUSABLE, Flag, mask_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

Scale = Literal["linear", "log"]

MINIMUM_COVERAGE = 0.5
"""An output pixel is usable if at least this part of it was covered by usable pixels."""

_BLOCK = 400_000


@dataclass(frozen=True)
class WavelengthGrid:
    """An output axis with pixels of equal size in wavelength or in its logarithm.

    Attributes
    ----------
    first
        Centre of the first pixel, Angstrom.
    step
        Size of a pixel in Angstrom; for a logarithmic grid, at `first`.
    size
        Number of pixels.
    scale
        ``linear`` or ``log``.
    """

    first: float
    step: float
    size: int
    scale: Scale = "linear"

    def positions(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return where wavelengths fall, in pixels from the centre of the first one (same shape)."""
        values = np.asarray(wavelength, dtype=np.float64)
        if self.scale == "linear":
            return (values - self.first) / self.step
        return np.log(values / self.first) * (self.first / self.step)

    def wavelengths(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Return the wavelengths in Angstrom at pixel positions, the inverse of `positions`."""
        pixels = np.asarray(positions, dtype=np.float64)
        if self.scale == "linear":
            return self.first + self.step * pixels
        return self.first * np.exp(pixels * (self.step / self.first))

    def centres(self) -> NDArray[np.float64]:
        """Return the centre of each pixel, shape (size,)."""
        return self.wavelengths(np.arange(self.size))

    def edges(self) -> NDArray[np.float64]:
        """Return the edges of the pixels, shape (size + 1,)."""
        return self.wavelengths(np.arange(self.size + 1) - 0.5)


class Resampled(NamedTuple):
    """Rows on the new axis.

    Attributes
    ----------
    data, variance, flags
        Shape (ny, n): sums of light an output pixel, their variance, and the flags of what contributed.
    noise_correction
        How much the error of a sum over many output pixels exceeds the quadratic sum of their errors.
    """

    data: NDArray[np.float64]
    variance: NDArray[np.float64]
    flags: NDArray[np.int16]
    noise_correction: float


def edges_of(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges between pixel centres, halfway and as far out at the ends, shape (n + 1,)."""
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def resample(
    positions: NDArray[np.float64],
    data: NDArray[np.floating],
    variance: NDArray[np.floating],
    flags: NDArray[np.integer],
    size: int,
) -> Resampled:
    """Resample rows of pixels.

    Parameters
    ----------
    positions
        Edges of the input pixels in output pixels (`WavelengthGrid.positions`; integers are centres), rising along
        the last axis, shape (ny, nx + 1).
    data, variance, flags
        Light in each input pixel, shape (ny, nx). Pixels with unusable flags do not contribute; an output pixel that
        they cover in part is scaled up to its full width and flagged ``PARTIAL``.
    size
        Number of output pixels.

    Returns
    -------
    Resampled
        Output pixels covered to less than half are 0 and carry the flags of what covers them, or
        ``OUTSIDE_DETECTOR`` where nothing does.
    """
    rows = max(1, _BLOCK // data.shape[1])
    blocks = [
        _resample_block(positions[i : i + rows], data[i : i + rows], variance[i : i + rows], flags[i : i + rows], size)
        for i in range(0, len(data), rows)
    ]
    return Resampled(
        np.concatenate([block.data for block in blocks]),
        np.concatenate([block.variance for block in blocks]),
        np.concatenate([block.flags for block in blocks]),
        noise_correction(positions[len(positions) // 2], size),
    )


def noise_correction(positions: NDArray[np.float64], size: int) -> float:
    """Return the noise correction factor of a row with these pixel edges and equal noise, 1 if nothing is correlated.

    The variance of the sum of all output pixels over the sum of their variances, and the root of that.
    """
    total, squares = np.zeros(len(positions) - 1), np.zeros(len(positions) - 1)
    for _, share, inside in _shares(positions[None, :], size):
        kept = np.where(inside, share, 0)[0]
        total += kept
        squares += kept**2
    return float(np.sqrt(np.sum(total**2) / squares.sum())) if squares.any() else 1.0


def _shares(
    positions: NDArray[np.float64], size: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield, for each pixel's first, second, ... output pixel: its number, the share of light, and if it exists."""
    low, high = positions[:, :-1] + 0.5, positions[:, 1:] + 0.5
    first = np.floor(low).astype(np.intp)
    for k in range(int(np.max(np.ceil(high) - first, initial=0))):
        target = first + k
        overlap = np.minimum(high, target + 1) - np.maximum(low, target)
        yield target, overlap / (high - low), (overlap > 0) & (target >= 0) & (target < size)


def _resample_block(
    positions: NDArray[np.float64],
    data: NDArray[np.floating],
    variance: NDArray[np.floating],
    flags: NDArray[np.integer],
    size: int,
) -> Resampled:
    good = ~mask_of(flags)
    shape = (len(data), size)
    total, errors, covered = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    bits = np.zeros(shape, np.int16)
    start = np.arange(len(data))[:, None] * size
    width = np.diff(positions, axis=1)
    for target, share, inside in _shares(positions, size):
        use = inside & good
        index, weight = (start + target)[use], share[use]
        total += _sum(index, weight * data[use], shape)
        errors += _sum(index, weight**2 * variance[use], shape)
        covered += _sum(index, weight * width[use], shape)
        _spread_flags(bits, (start + target), share * width, inside, flags)
    return _finish(total, errors, covered, bits)


def _sum(index: NDArray[np.intp], weights: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    summed = np.bincount(index, weights, minlength=shape[0] * shape[1])
    return summed.reshape(shape).astype(np.float64, copy=False)


def _spread_flags(
    bits: NDArray[np.int16],
    target: NDArray[np.intp],
    overlap: NDArray[np.float64],
    inside: NDArray[np.bool_],
    flags: NDArray[np.integer],
) -> None:
    """Give each flag to the output pixels of which its pixel covers at least a tenth; `bits` is changed."""
    flagged = inside & (flags != 0) & (overlap >= 0.1)
    np.bitwise_or.at(bits.ravel(), target[flagged], flags[flagged].astype(np.int16))


def _finish(
    total: NDArray[np.float64], errors: NDArray[np.float64], covered: NDArray[np.float64], bits: NDArray[np.int16]
) -> Resampled:
    usable = covered >= MINIMUM_COVERAGE
    scale = np.where(usable, 1 / np.maximum(covered, MINIMUM_COVERAGE), 0)
    bits[usable & (covered < 1 - 1e-6)] |= Flag.PARTIAL
    bits[usable] &= ~np.int16(int(UNUSABLE))
    bits[~usable & ~mask_of(bits)] |= Flag.OUTSIDE_DETECTOR
    # Numerical dust of the coverage must not scale the light of whole pixels.
    scale[np.abs(covered - 1) < 1e-6] = 1
    return Resampled(total * scale, errors * scale**2, bits, 1.0)
