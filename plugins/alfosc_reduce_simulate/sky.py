"""The night sky: its light in emission, what it absorbs, and the atmosphere's extinction."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.spectrograph import AREA, PIXEL_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.spectrograph import Spectrograph

RAYLEIGH = 1e6 / (4 * np.pi) / 206264.806**2
"""Photons a second, square centimetre and square arc second."""
HC = 1.98644586e-8
"""Planck's constant times the speed of light, erg Angstrom."""
_RAYLEIGH_OF = {"OI": 0.18, "NI": 0.6, "NaI": 0.3, "OH": 0.35, "O2": 0.35}
"""Rayleigh for one unit of the listed strengths."""
_TOWNS = ((4359.565, 6.0), (5462.258, 8.0))
_CONTINUUM = ((3000, 2.2), (3600, 3.4), (4200, 4.6), (5000, 5.2), (6000, 6.0), (7500, 5.5), (9000, 6.0), (11000, 8.0))
_BANDS = (
    (6869.0, 6.0, 0.30), (6880.0, 18.0, 0.12), (7596.0, 8.0, 0.85), (7609.0, 10.0, 0.75), (7634.0, 18.0, 0.45),
    (7186.0, 25.0, 0.10), (7240.0, 30.0, 0.08), (8150.0, 45.0, 0.08), (8230.0, 40.0, 0.12), (8970.0, 45.0, 0.15),
    (9130.0, 60.0, 0.18), (9360.0, 70.0, 0.55), (9480.0, 60.0, 0.40), (9620.0, 70.0, 0.15), (11250.0, 150.0, 0.9),
)  # fmt: skip


def sky_cells(spectrograph: Spectrograph, exposure: float, brightness: float = 1.0) -> NDArray[np.float64]:
    """Return the electrons of the sky in the cells of the spectrograph's grid, for one unbinned pixel of slit.

    Parameters
    ----------
    spectrograph
        The setting.
    exposure
        In seconds.
    brightness
        Relative to a dark night.
    """
    solid = spectrograph.slit_width * PIXEL_SCALE
    scale = brightness * exposure * AREA * solid
    wavelength, strength = sky_lines()
    cells = spectrograph.disperse(lambda w: scale * sky_continuum(w) * w / HC)
    return cells + spectrograph.disperse_lines(wavelength, scale * RAYLEIGH * strength)


def sky_continuum(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the continuum of a dark sky in erg / (s cm2 Angstrom arcsec2), about 22 mag in V."""
    points = np.array(_CONTINUUM)
    brightness: NDArray[np.float64] = 1e-18 * np.interp(wavelength, points[:, 0], points[:, 1])
    return brightness


@lru_cache(maxsize=1)
def sky_lines() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return vacuum wavelengths in Angstrom and strengths in Rayleigh of the emission lines of the sky.

    The lines are those by which spectra are reduced, as bright as on a dark night on La Palma (Benn & Ellison 1998, La
    Palma Technical Note 115; good to a factor of two), and mercury of the towns.
    """
    from alfosc_reduce_longslit.night_sky.lines import sky_lines as listed

    lines = listed()
    brightness = np.array(
        [_RAYLEIGH_OF.get(str(system).partition(" ")[0], _RAYLEIGH_OF["OH"]) for system in lines.system]
    )
    wavelength = np.concatenate([lines.wavelength, [line for line, _ in _TOWNS]])
    strength = np.concatenate([lines.strength * brightness, [light for _, light in _TOWNS]])
    order = np.argsort(wavelength)
    return wavelength[order], strength[order]


def telluric(wavelength: NDArray[np.float64], airmass: float) -> NDArray[np.float64]:
    """Return the transmission of the bands of O2 and H2O: a few smooth bands (position, width, depth at air mass 1)."""
    depth = np.zeros_like(wavelength)
    for centre, width, strength in _BANDS:
        near = np.abs(wavelength - centre) < 6 * width
        depth[near] -= np.log1p(-strength) * np.exp(-0.5 * ((wavelength[near] - centre) / width) ** 2)
    transmitted: NDArray[np.float64] = np.exp(-depth * airmass**0.55)
    return transmitted


def extinction(
    wavelength: NDArray[np.float64], table: tuple[NDArray[np.float64], NDArray[np.float64]], airmass: float
) -> NDArray[np.float64]:
    """Return the transmission of the atmosphere outside the bands, from a table of wavelengths and mag an air mass."""
    transmitted: NDArray[np.float64] = 10 ** (-0.4 * airmass * np.interp(wavelength, *table))
    return transmitted
