"""Dithered exposures of a small field with fringes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io.fits import Header

from alfosc_reduce.images import make_image

NOISE = 5.8
SHAPE = (420, 440)


@dataclass
class Exposures:
    """Images, and what is true of each: sky, stars (shape of an image each), amplitude of the fringes."""

    images: list
    skies: list
    stars: list
    amplitudes: list
    pattern: np.ndarray


def pattern_of(shape=SHAPE):
    """Return fringes of root mean square 1."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    waves = np.sin(2 * np.pi * (x / 45 + y / 150 + 3 * np.sin(x / 210) * np.cos(y / 170)))
    return (waves - waves.mean()) / waves.std()


def star(flux, x0, y0, fwhm=4.5):
    """Return a Moffat star."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 2.5) - 1)
    return flux * 1.5 / (np.pi * alpha2) * (1 + ((x - x0) ** 2 + (y - y0) ** 2) / alpha2) ** -2.5


def make(strength, number=6, dither=40.0, level=3000.0, seed=4, stars=30, unit="electron", header=True):
    """Return exposures with fringes of `strength` peak to peak over the sky, changing from one to the next."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    flux = np.geomspace(300, 1e6, stars)
    where = rng.uniform(-30, 470, (stars, 2))
    pattern, made = pattern_of(), Exposures([], [], [], [], pattern_of())
    for i in range(number):
        shift = dither * rng.normal(size=2)
        sky = level * rng.uniform(0.7, 1.4) * (1 + 0.02 * x / SHAPE[1] - 0.01 * y / SHAPE[0])
        light = sum((star(f, *(place + shift)) for f, place in zip(flux, where, strict=True)), np.zeros(SHAPE))
        amplitude = np.median(sky) * strength / 2 / 2**0.5 * np.exp(0.2 * rng.normal())
        data = rng.poisson(sky + light + amplitude * pattern) + rng.normal(0, NOISE, SHAPE)
        cards = {"FILENAME": f"im{i}.fits", "FILTER": "i", "EXPTIME": 100.0, "RDNOISE": NOISE, "DISPAXIS": 0}
        made.images.append(make_image(data, unit=unit, header=Header(cards), variance=np.maximum(data, 0) + NOISE**2))
        for name, value in (("skies", sky), ("stars", light), ("amplitudes", amplitude)):
            getattr(made, name).append(value)
    return made


@pytest.fixture(scope="session")
def exposures():
    """Make exposures, each kind once."""
    known = {}

    def get(strength, **kinds) -> Exposures:
        key = (strength, *sorted(kinds.items()))
        if key not in known:
            known[key] = make(strength, **kinds)
        return known[key]

    return get
