"""What spoils images: saturated columns, satellites, and a telescope out of focus or off its track."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.imaging.galaxies import convolved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.detector import Readout


def bleed(collected: NDArray[np.float32], well: float) -> None:
    """Let full pixels spill along their columns, half up and half down, until all that flowed has found room.

    Parameters
    ----------
    collected
        Electrons, changed in place.
    well
        Electrons that a pixel holds.
    """
    for column in np.unique(np.nonzero(collected > well)[1]):
        values = collected[:, column].astype(np.float64)
        collected[:, column] = _spill(values, well)


def _spill(values: NDArray[np.float64], well: float) -> NDArray[np.float64]:
    excess = np.maximum(values - well, 0)
    kept = np.minimum(values, well)
    down = _flow(kept, excess / 2, well)
    return _flow(down[::-1], excess[::-1] / 2, well)[::-1]


def _flow(values: NDArray[np.float64], excess: NDArray[np.float64], well: float) -> NDArray[np.float64]:
    """Carry electrons onward along a column; what reaches the end is lost."""
    result, carried = values.copy(), 0.0
    starts = np.flatnonzero(excess)
    row, last = int(starts[0]), int(starts[-1])
    while row < values.size and (carried > 0 or row <= last):
        carried += float(excess[row])
        taken = min(carried, well - float(result[row]))
        result[row] += taken
        carried -= taken
        row += 1
    return result


def satellite(shape: tuple[int, int], electrons: float, fwhm: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the trail of a satellite right across the frame.

    Parameters
    ----------
    shape
        Rows and columns.
    electrons
        A pixel on its axis.
    fwhm
        Its width in pixels.
    rng
        Decides where it passes.
    """
    angle = rng.uniform(0, np.pi)
    y0, x0 = (rng.uniform(0.3, 0.7) * size for size in shape)
    y, x = np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)
    distance = (x - np.float32(x0)) * np.float32(np.sin(angle)) - (y - np.float32(y0)) * np.float32(np.cos(angle))
    trail: NDArray[np.float32] = np.float32(electrons) * np.exp(np.float32(-4 * np.log(2) / fwhm**2) * distance**2)
    return trail


def smeared(image: NDArray[np.float32], oddity: str, readout: Readout) -> NDArray[np.float32]:
    """Return the light of a telescope out of focus (rings of 5 arc seconds) or off its track (a trail of 12)."""
    kernel = _binned(_ring() if oddity == "defocused" else _trail(), readout.binning)
    light: NDArray[np.float32] = np.maximum(convolved(image, kernel.astype(np.float32)), 0)
    return light


def _binned(kernel: NDArray[np.float64], binning: tuple[int, int]) -> NDArray[np.float64]:
    """Return a kernel on binned pixels, its sides odd again."""
    (ny, nx), (bx, by) = kernel.shape, binning
    sides = [step * (2 * (n // (2 * step)) + 3) for n, step in ((ny, by), (nx, bx))]
    padded = np.zeros(sides)
    top, left = ((side - n) // 2 for side, n in zip(sides, (ny, nx), strict=True))
    padded[top : top + ny, left : left + nx] = kernel
    binned: NDArray[np.float64] = padded.reshape(sides[0] // by, by, sides[1] // bx, bx).sum(axis=(1, 3))
    return binned


def _ring() -> NDArray[np.float64]:
    y, x = np.mgrid[-14:15, -14:15]
    radius = np.hypot(x, y)
    ring: NDArray[np.float64] = np.clip(12.5 - radius, 0, 1) * np.clip(radius - 4.5, 0, 1)
    ring /= ring.sum()
    return ring


def _trail() -> NDArray[np.float64]:
    trail = np.zeros((29, 57))
    along = np.linspace(-26, 26, 400)
    np.add.at(trail, (np.rint(14 + 0.4 * along).astype(int), np.rint(28 + along).astype(int)), 1.0)
    trail /= trail.sum()
    return trail
