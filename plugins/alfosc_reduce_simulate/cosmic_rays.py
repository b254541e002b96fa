"""Cosmic rays: tracks of particles that cross the silicon, and points of soft radiation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.detector import Readout

PIXEL = 15e-4
"""Size of an unbinned pixel in centimetres."""
DEPTH = 40.0 / 15.0
"""Depth of the silicon in pixels."""
CHARGE = 80.0 * 15.0
"""Electrons that a minimum ionising particle frees in the length of a pixel."""
SAMPLES = 12
"""Points a pixel by which a track is drawn."""


def cosmic_rays(readout: Readout, exposure: float, rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the electrons that cosmic rays leave in a raw frame.

    Parameters
    ----------
    readout
        The frame.
    exposure
        In seconds; 60 seconds of reading out are added.
    rate
        Hits an hour and square centimetre.
    rng
        The source of chance.
    """
    y, x = readout.edges(2), readout.edges(1)
    area = (x[-1] - x[0]) * (y[-1] - y[0]) * PIXEL**2
    image = np.zeros(readout.shape)
    for _ in range(rng.poisson(rate * area * (exposure + 60) / 3600)):
        where = rng.uniform(x[0], x[-1]), rng.uniform(y[0], y[-1])
        track_x, track_y, charge = _point(rng) if rng.uniform() < 0.35 else _track(rng)
        column = np.floor((where[0] + track_x - x[0]) / readout.binning[0]).astype(int)
        row = np.floor((where[1] + track_y - y[0]) / readout.binning[1]).astype(int)
        inside = (row >= 0) & (row < image.shape[0]) & (column >= 0) & (column < image.shape[1])
        np.add.at(image, (row[inside], column[inside]), charge[inside])
    return image * readout.illuminated()


def _track(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a straight track: angles as the cosine squared, uneven charge along it, a little diffusion."""
    cosine = max(rng.uniform() ** (1 / 3), 0.03)
    length = DEPTH * np.sqrt(1 - cosine**2) / cosine
    number = max(int(SAMPLES * length), SAMPLES)
    angle, along = rng.uniform(0, 2 * np.pi), np.linspace(0, length, number)
    total = CHARGE * np.hypot(length, DEPTH) * rng.gamma(6, 1 / 6)
    charge = total * rng.gamma(2.0, 1.0, number)
    spread = rng.normal(0, 0.25, (2, number))
    return along * np.cos(angle) + spread[0], along * np.sin(angle) + spread[1], charge / charge.sum() * total


def _point(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a short random walk of an electron that a soft photon freed."""
    number = int(rng.integers(SAMPLES, 4 * SAMPLES))
    walk = np.cumsum(rng.normal(0, 0.15, (2, number)), axis=1)
    charge = np.full(number, rng.exponential(1500.0) / number)
    return walk[0], walk[1], charge
