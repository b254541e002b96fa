"""Full frames of stars and galaxies whose truth is known, for benchmarks that measure sources.

`isolated` has stars on a grid, which do not touch; `holed` the same with bad columns and pixels; `night` is the
combined image of a simulated night (stars, galaxies, resampled pixels with correlated noise); `busy` and `crowded` have
2500 and 9000 stars anywhere. But for the night, the sky has a gradient and a bump, and stars are 6 per cent wider in
the corners.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from alfosc_reduce.images import make_image

SHAPE, SKY, READ_NOISE = (2102, 2148), 300.0, 6.0
BETA, OVER = 3.0, 3


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and what is in it.

    Positions in pixels and fluxes (up to a constant on a night) of all sources; `star` is false for galaxies and what
    moves or varies; `sky` is the true background, where it is known; `strength` is the flux over the error that an
    optimal fit of a star would have.
    """

    name: str
    image: Any
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    star: np.ndarray
    strength: np.ndarray
    sky: np.ndarray | None


def moffat(dx: float, dy: float, fwhm: float, half: int) -> np.ndarray:
    """Return a star of light 1, averaged over its pixels."""
    side = 2 * half + 1
    fine = (np.arange(side * OVER) + 0.5) / OVER - 0.5 - half
    core = (fwhm / 2) ** 2 / (2 ** (1 / BETA) - 1)
    light = (1 + ((fine - dx) ** 2 + (fine[:, None] - dy) ** 2) / core) ** -BETA * (BETA - 1) / (np.pi * core)
    return light.reshape(side, OVER, side, OVER).mean((1, 3))


def widened(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return by what factor stars are wider at places."""
    return 1 + 0.03 * ((2 * x / shape[1] - 1) ** 2 + (2 * y / shape[0] - 1) ** 2)


def add_stars(light: np.ndarray, x: np.ndarray, y: np.ndarray, flux: np.ndarray, fwhm: float) -> None:
    """Add stars to an image, bright ones with longer wings."""
    width = fwhm * widened(x, y, light.shape)
    for i in range(len(x)):
        half = int(np.clip(8 * fwhm * (flux[i] / 1e4) ** 0.25, 5 * fwhm, 20 * fwhm))
        ix, iy = round(x[i]), round(y[i])
        stamp = flux[i] * moffat(x[i] - ix, y[i] - iy, width[i], half)
        top, left = max(0, half - iy), max(0, half - ix)
        target = light[max(0, iy - half) : iy + half + 1, max(0, ix - half) : ix + half + 1]
        target += stamp[top : top + target.shape[0], left : left + target.shape[1]]


def sky_of(shape: tuple[int, int]) -> np.ndarray:
    """Return a sky with a gradient and a wide bump, some per cent of it."""
    v, u = (np.linspace(-1, 1, size) for size in shape)
    bump = np.exp(-((u - 0.3) ** 2 + (v[:, None] + 0.2) ** 2) / 0.3)
    return SKY * (1 + 0.03 * u + 0.02 * v[:, None] + 0.03 * bump)


def fluxes(rng: np.random.Generator, number: int, faintest: float, brightest: float = 3e5) -> np.ndarray:
    """Return fluxes, brighter ones less common."""
    return faintest * (1 - rng.uniform(size=number) * (1 - (brightest / faintest) ** -0.6)) ** (-1 / 0.6)


def strength_of(flux: np.ndarray, fwhm: float, noise: float, photon: float) -> np.ndarray:
    """Return the flux of stars over the error of the best fit to them."""
    return flux / np.sqrt(4 * np.pi * (fwhm / 2.3548) ** 2 * noise**2 + photon * flux)


def pictured(name: str, x: np.ndarray, y: np.ndarray, flux: np.ndarray, fwhm: float, rng: np.random.Generator
             ) -> Scene:  # fmt: skip
    """Return a scene of stars with the noise of photons and read-out; the variance is made from the counts."""
    sky = sky_of(SHAPE)
    light = sky.copy()
    add_stars(light, x, y, flux, fwhm)
    data = rng.poisson(light) + rng.normal(0, READ_NOISE, SHAPE)
    header = fits.Header({"EXPTIME": 100.0, "PIXSCALE": 0.2138, "FILENAME": f"{name}.fits"})
    image = make_image(data, unit="electron", header=header, variance=np.maximum(data, 0) + READ_NOISE**2)
    strength = strength_of(flux, np.hypot(fwhm, 0.68), np.sqrt(SKY + READ_NOISE**2), 1.0)
    return Scene(name, image, x, y, flux, np.ones(len(x), bool), strength, sky)


def isolated(seed: int = 0, fwhm: float = 4.5, number: int = 900) -> Scene:
    """Return stars on a grid, each up to six pixels off its place."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(number)))
    grid = np.meshgrid((np.arange(side) + 0.5) * SHAPE[1] / side, (np.arange(side) + 0.5) * SHAPE[0] / side)
    x, y = (one.ravel()[:number] + rng.uniform(-6, 6, number) for one in grid)
    return pictured("isolated", x, y, fluxes(rng, number, 1000), fwhm, rng)


def holed(seed: int = 0, fwhm: float = 4.5) -> Scene:
    """Return isolated stars with a bad column in forty and a bad pixel in five hundred, which hold nonsense."""
    from alfosc_reduce.flags import Flag

    scene = isolated(seed, fwhm)
    rng = np.random.default_rng((seed, 1))
    bad = (rng.uniform(size=SHAPE) < 0.002) | (rng.uniform(size=SHAPE[1]) < 0.025)
    data = np.where(bad, 5000, np.asarray(scene.image.data))
    variance = np.maximum(data, 0) + READ_NOISE**2
    flags = np.where(bad, int(Flag.BAD_PIXEL), 0)
    image = make_image(data, unit="electron", header=scene.image.meta, variance=variance, flags=flags)
    return replace(scene, name="holed", image=image)


def busy(seed: int = 0, fwhm: float = 4.5) -> Scene:
    """Return as many stars anywhere as the crowded one of the simulated nights has."""
    return crowded(seed, fwhm, 2500)


def crowded(seed: int = 0, fwhm: float = 4.5, number: int = 9000) -> Scene:
    """Return stars anywhere, a third of them too faint to be seen."""
    rng = np.random.default_rng(seed)
    x, y = (rng.uniform(5, size - 5, number) for size in SHAPE[::-1])
    return pictured("crowded", x, y, fluxes(rng, number, 400), fwhm, rng)


def night(folder: Path) -> Scene:
    """Return the combined image of the simulated night `dec28`, which is made and reduced if it is not there."""
    import simulated_images as nights
    from alfosc_reduce_simulate.imaging.judgement import isolated as alone
    from alfosc_reduce_simulate.imaging.judgement import seen_by_all, true_sources

    from alfosc_reduce import load
    from alfosc_reduce.images import header_wcs, variance_of

    if not (folder / "reduced").is_dir():
        nights.make(nights.night_of(**nights.CASES["dec28"]), folder)
        nights.run(folder)
    truth = load(folder / "truth.fits")
    true = true_sources(truth, "Simulated field", "r")
    image = load(next(path for path in sorted((folder / "reduced").glob("*/*_r_SDSS.fits"))))
    x, y = header_wcs(image.meta).all_world2pix(true["ra"].value, true["dec"].value, 0)
    flux = np.asarray(true["electrons"], float)
    calibrated = 10 ** (-0.4 * (np.asarray(true["magnitude"]) - float(image.meta["MAGZP"])))
    flux *= np.median(calibrated / flux)
    everywhere = np.isin(true["source"], seen_by_all(truth, "Simulated field", "r"))
    fwhm = float(image.meta["SEEING"]) / float(image.meta["PIXSCALE"])
    noise = float(np.sqrt(np.nanmedian(variance_of(image)))) * float(image.meta["NOISECOR"])
    strength = strength_of(flux, fwhm, noise, 1 / float(image.meta["EXPTIME"]))
    return Scene("night", image, x, y, flux, alone(true) & everywhere, strength, None)
