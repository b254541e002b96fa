"""Gain and read noise from frames: the numerics behind `MeasureDetector`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_ccd.statistics import robust_sigma

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

BLOCK = (16, 16)
"""Rows and columns of a block within which the drift of the lamp is a plane."""
_STRIP = 16 * 16
_ENOUGH = 1_000_000
"""Pixels that tell the gain to a thousandth: of larger frames, every so manieth row of blocks is looked at."""
_FEWEST_BLOCKS = 20
_FAINTEST = 0.02
_CLIP = 5.0
_TERMS = 3


@dataclass(frozen=True)
class Measured:
    """A number with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class BlockStatistics:
    """Level and variance in blocks of a stack of flats, ADU and ADU squared, flat arrays of one length.

    Attributes
    ----------
    level
        Mean light.
    variance
        Mean over the pixels of the sample variance between the frames, each frame scaled to the stack block by block.
    freedom
        Degrees of freedom behind each variance.
    reads
        How often the variance of a single read-out is in each variance: once where all frames are equally bright.
    """

    level: NDArray[np.float64]
    variance: NDArray[np.float64]
    freedom: NDArray[np.float64]
    reads: NDArray[np.float64]


def read_noise(bias: Sequence[NDArray[np.floating]]) -> Measured:
    """Return the read noise in ADU from differences of successive bias frames.

    Differences cancel the structure; their mean, the drift of the level, is taken off. Each frame is looked at in one
    array of at most some 500,000 pixels. The error is that of the scatter from pair to pair.

    Parameters
    ----------
    bias
        At least two frames of one shape.

    Raises
    ------
    DataError
        If there are fewer than two.
    """
    if len(bias) < 2:
        raise DataError(f"read noise: it takes two bias frames, found {len(bias)}")
    step = max(1, bias[0].shape[0] * bias[0].shape[1] // 500_000)
    rows = slice(bias[0].shape[0] // 50, None, step)
    cut = [np.asarray(frame[rows, frame.shape[1] // 50 :], np.float32) for frame in bias]
    values = np.array([robust_sigma(b - a) for a, b in pairwise(cut)]) / np.sqrt(2)
    formal = values[0] / np.sqrt(2 * cut[0].size)
    spread = np.std(values) / np.sqrt(max(1, len(bias) // 2))
    return Measured(float(values.mean()), float(max(formal, spread)))


def block_statistics(
    flats: Sequence[NDArray[np.floating]], bias: NDArray[np.floating] | float, usable: NDArray[np.bool_] | None = None
) -> BlockStatistics:
    """Return level and variance of flats in blocks.

    In every block each frame is fitted by the mean of all times a plane, so that a lamp that drifts, even in colour,
    adds nothing; the variance is corrected for these three degrees of freedom. All pairs of frames are used at once,
    through the sample variance of each pixel, so that no pair counts twice. Pixels that scatter as chance does not
    allow (cosmic rays) are left out.

    Parameters
    ----------
    flats
        At least two frames in ADU above the overscan, of one shape.
    bias
        What is subtracted from each.
    usable
        False where a pixel must not be used.
    """
    ny, nx = (size - size % block for size, block in zip(flats[0].shape, BLOCK, strict=True))
    found = []
    for rows in _strips(ny, max(1, ny * nx // _ENOUGH)):
        offset = bias[rows, :nx] if isinstance(bias, np.ndarray) else bias
        stack = np.stack([np.asarray(flat[rows, :nx], np.float64) - offset for flat in flats])
        good = np.ones(stack.shape[1:], bool) if usable is None else usable[rows, :nx]
        found.append(_blocks(stack, good))
    level, variance, reads = (np.concatenate(parts) for parts in zip(*found, strict=True))
    size = BLOCK[0] * BLOCK[1]
    return BlockStatistics(level, variance, np.full(level.shape, float((len(flats) - 1) * (size - _TERMS))), reads)


def merged(parts: Sequence[BlockStatistics]) -> BlockStatistics:
    """Return the blocks of several sets of flats as one photon transfer curve."""
    fields = ("level", "variance", "freedom", "reads")
    return BlockStatistics(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def of_one_read(blocks: BlockStatistics, noise: Measured) -> BlockStatistics:
    """Return the same blocks with the variance of one read-out in each, as in a single frame of their level."""
    variance = blocks.variance - (blocks.reads - 1) * noise.value**2
    return replace(blocks, variance=variance, reads=np.ones_like(blocks.reads))


def gain_of(blocks: BlockStatistics, noise: Measured, *, highest: float = np.inf) -> Measured:
    """Return the gain in electron/ADU from the photon transfer curve: variance = noise squared + level / gain.

    Charge repels charge, so that bright pixels share some of theirs and vary less than photons do; where the blocks
    show it (at 3 sigma), the curve is a parabola, and the gain is that of its slope at no light, where faint spectra
    are.

    Parameters
    ----------
    blocks
        Of the flats.
    noise
        Read noise, ADU.
    highest
        Light level in ADU above which the detector is not linear.

    Returns
    -------
    Measured
        The error follows from the scatter of the blocks, and takes in that of the read noise.

    Raises
    ------
    DataError
        If fewer than 20 blocks have light beyond the read noise.
    """
    blocks = of_one_read(blocks, noise)
    photons = blocks.variance - noise.value**2
    use = np.isfinite(photons) & (blocks.level > 3 * noise.value) & (blocks.level < highest) & (photons > 0)
    if np.count_nonzero(use) < _FEWEST_BLOCKS:
        raise DataError(f"gain: only {np.count_nonzero(use)} blocks of the flats have light enough; use brighter flats")
    level, photons, freedom = blocks.level[use], photons[use], blocks.freedom[use]
    slope = Measured(float(np.median(photons / level)), 0.0)
    for _ in range(3):
        sigma = (noise.value**2 + slope.value * level) * np.sqrt(2 / freedom)
        slope = _transfer(level, photons, sigma)
    offset = 2 * noise.value * noise.error * np.sum(level / sigma**2) / np.sum((level / sigma) ** 2)
    return Measured(1 / slope.value, float(np.hypot(slope.error, offset)) / slope.value**2)


def _transfer(level: NDArray[np.float64], photons: NDArray[np.float64], sigma: NDArray[np.float64]) -> Measured:
    """Return the slope at no light of the photon transfer curve, a parabola if it bends down significantly."""
    keep = np.ones(level.shape, bool)
    for _ in range(3):
        curved, covariance = _weighted_fit(np.stack([level, level**2], 1)[keep], photons[keep], sigma[keep])
        pull = (photons - curved[0] * level - curved[1] * level**2) / sigma
        keep = np.abs(pull) < _CLIP * max(1.0, robust_sigma(pull[keep]))
    inflation = max(1.0, robust_sigma(pull[keep]))
    errors = np.sqrt(np.diag(covariance)) * inflation
    if curved[1] < -3 * errors[1]:
        return Measured(float(curved[0]), float(errors[0]))
    straight, covariance = _weighted_fit(level[keep, None], photons[keep], sigma[keep])
    return Measured(float(straight[0]), float(np.sqrt(covariance[0, 0]) * inflation))


def _weighted_fit(
    design: NDArray[np.float64], values: NDArray[np.float64], sigma: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients of a weighted linear fit and their covariance; columns are scaled for conditioning."""
    scale = np.abs(design).max(0)
    weighted = design / scale / sigma[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    solution = covariance @ (weighted.T @ (values / sigma))
    return solution / scale, covariance / np.outer(scale, scale)


def _blocks(stack: NDArray[np.float64], good: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """Return level, variance and reads of the blocks of a strip, shape (frames, rows, columns)."""
    pixels, keep = _tiles(stack), _tiles(good[None])[0]
    enough = keep.shape[-1] // 2
    # Scaled to one level first, or the median would be the frame in the middle, whose noise then decides what is kept.
    mean = np.median(pixels / _shares(pixels, keep), axis=0)
    for _ in range(2):
        variance = _scatter(pixels, mean, keep)
        typical = np.median(variance, axis=-1, keepdims=True)
        keep = keep & (variance <= _limit(len(stack) - 1) * typical)
        mean = pixels.mean(0)
    variance = _scatter(pixels, mean, keep)
    number = keep.sum(-1)
    level = np.where(keep, mean, 0).sum(-1) / np.maximum(number, 1)
    value = np.where(keep, variance, 0).sum(-1) / np.maximum(number - _TERMS, 1)
    reads = ((1 / _shares(pixels, keep)).sum(0)[:, 0] - 1) / (len(stack) - 1)
    return np.where(number > enough, level, np.nan), np.where(number > enough, value, np.nan), reads


def _scatter(pixels: NDArray[np.float64], mean: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the variance of each pixel between the frames, at their mean level, shape (blocks, pixels).

    The residuals of a frame are divided by the root of its level over the mean: all then have the same photon noise,
    whatever their levels, and scatter with one degree of freedom less than there are frames.
    """
    squares = _residuals(pixels, mean, keep) ** 2 / _shares(pixels, keep)
    return np.asarray(squares.sum(0) / (len(pixels) - 1))


def _shares(pixels: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the level of each frame over the mean, shape (frames, blocks, 1)."""
    light = np.where(keep, pixels, 0).sum(-1, keepdims=True)
    mean = light.mean(0)
    share = np.divide(light, mean, out=np.ones_like(light), where=mean > 0)
    return np.asarray(np.maximum(share, _FAINTEST))


def _strips(ny: int, step: int) -> list[slice]:
    """Return rows to be looked at together: all of them, or every so manieth row of blocks."""
    height = _STRIP if step == 1 else BLOCK[0]
    return [slice(start, min(start + height, ny)) for start in range(0, ny, height * step)]


def _residuals(pixels: NDArray[np.float64], mean: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what is left of each frame after `mean` times a plane over the block is fitted to it, 0 where not kept."""
    v, u = (axis.ravel() for axis in np.mgrid[-1 : 1 : BLOCK[0] * 1j, -1 : 1 : BLOCK[1] * 1j])
    design = np.where(keep, mean, 0)[..., None] * np.stack([np.ones_like(u), u, v], axis=-1)
    basis, _ = np.linalg.qr(design)
    kept = np.where(keep, pixels, 0)
    coefficients = np.einsum("bpt,nbp->nbt", basis, kept)
    return np.asarray(kept - np.einsum("bpt,nbt->nbp", basis, coefficients))


def _limit(freedom: int) -> float:
    """Return by how much a sample variance may exceed its median before chance (one in a million) is ruled out."""
    from scipy.special import chdtri

    return float(chdtri(freedom, 1e-6) / chdtri(freedom, 0.5))


def _tiles(stack: NDArray[T]) -> NDArray[T]:
    """Return blocks as (frames, blocks, pixels of a block)."""
    n, ny, nx = stack.shape
    by, bx = BLOCK
    tiles = stack.reshape(n, ny // by, by, nx // bx, bx).swapaxes(2, 3)
    return tiles.reshape(n, -1, by * bx)
