"""Calibration light: arc lamps and the halogen lamp, with scattered light and the fringes of the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.smearing import STEP
from alfosc_reduce_simulate.spectrograph import blaze, filter_transmission, optics

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.spectrograph import Spectrograph

ARC_SCALE = 0.06
"""Electrons a second with grism 4, WG345 and a 1 arcsec slit, an unbinned pixel of slit, for a line of strength 1."""
FAINTEST_EFFICIENCY = 0.01
"""Below this efficiency of grism 4 strengths say too little of a lamp."""
ARC_GLOW = 90.0
"""Electrons a second of continuum and scattered light of the arcs, an unbinned pixel."""
HALOGEN_PEAK = 2.5e3
"""Electrons a second in an unbinned pixel at the brightest wavelength of the halogen lamp."""
HALOGEN_TEMPERATURE = 2350.0
"""Colour temperature in kelvin, from the real flats over the efficiency."""
SCATTERED = 0.05
"""Scattered light of the flats, of the peak."""
HALF_SLIT = 745.0
"""Unbinned pixels from the middle of the slit to its ends: 5.3 arc minutes in all."""
SLIT_EDGE = 1.5
"""Unbinned pixels over which the light falls at the ends (scale of a logistic curve)."""


def arc_cells(spectrograph: Spectrograph, lines: QTable, exposure: float) -> NDArray[np.float64]:
    """Return the electrons of an arc in the cells of the grid, for one unbinned pixel of slit.

    Parameters
    ----------
    spectrograph
        The setting.
    lines
        From `Instrument.lamp_lines`: ``wavelength`` (vacuum) and ``strength``, counts of real arcs with grism 4.
    exposure
        In seconds.
    """
    wavelength = np.asarray(lines["wavelength"], dtype=np.float64)
    counts = ARC_SCALE * spectrograph.slit_width * exposure * np.asarray(lines["strength"], dtype=np.float64)
    photons = counts / np.maximum(grism_4_efficiency(wavelength), FAINTEST_EFFICIENCY)
    glow = halogen_cells(spectrograph, 1.0, scattered=0.5)
    background = ARC_GLOW * exposure * STEP * glow / max(float(glow.max()), 1e-300)
    return spectrograph.disperse_lines(wavelength, photons) + background


def grism_4_efficiency(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return electrons a photon with grism 4 and WG345, with which the strengths of lamp lines were measured."""
    return optics(wavelength) * blaze(wavelength, 3200.0, 9600.0) * filter_transmission("WG345 356_LP", wavelength)


def halogen_cells(spectrograph: Spectrograph, exposure: float, scattered: float = SCATTERED) -> NDArray[np.float64]:
    """Return the electrons of the halogen lamp in the cells of the grid, for one unbinned pixel of slit."""
    cells = spectrograph.disperse(halogen_photons)
    cells = cells / max(float(cells.max()), 1e-300)
    place = np.linspace(-1, 1, cells.size)
    cells = cells + scattered * (0.8 + 0.2 * np.cos(1.5 * (place - 0.2)))
    electrons: NDArray[np.float64] = cells * HALOGEN_PEAK * exposure * STEP
    return electrons


def halogen_photons(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return photons an Angstrom of a black body of the lamp's temperature, in arbitrary units."""
    micron = np.maximum(wavelength, 500.0) * 1e-4
    photons: NDArray[np.float64] = micron**-4 / np.expm1(14387.77 / (micron * HALOGEN_TEMPERATURE))
    return photons


def illumination(s: NDArray[np.float64], *, lamp: bool) -> NDArray[np.float64]:
    """Return the light along the slit, 1 in the middle, its ends apart; the lamp differs from the sky.

    Parameters
    ----------
    s
        Unbinned pixels from the middle of the detector.
    lamp
        True for the calibration lamps: a slope, a curve, and two dips of 5 % that the sky does not show.
    """
    if not lamp:
        return np.asarray(1 - 1.5e-8 * s**2)
    dips = sum(0.05 * np.exp(-0.5 * ((s - place) / 3.0) ** 2) for place in (-62.0, 96.0))
    light: NDArray[np.float64] = (1 - 5e-5 * s - 4e-8 * s**2) * (1 - dips)
    return light


def slit_ends(s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light that the ends of the slit let through: 1 on it, 0 beyond.

    Parameters
    ----------
    s
        Unbinned pixels from the middle of the slit.
    """
    passed: NDArray[np.float64] = 1 / (1 + np.exp(np.minimum((np.abs(s) - HALF_SLIT) / SLIT_EDGE, 700)))
    return passed


def fringes(wavelength: NDArray[np.float64], p: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative response by interference: 1.5 % peak to peak at 8000, 4 % at 9000, 10 % at 10000 Angstrom.

    Parameters
    ----------
    wavelength, p, s
        Vacuum Angstrom, and unbinned pixels along dispersion and slit, of one shape.
    """
    half = 0.5 * np.exp(
        np.interp(wavelength, [6500, 7000, 8000, 9000, 10000], np.log([1e-5, 0.003, 0.015, 0.04, 0.10]))
    )
    half = np.where(wavelength < 6500, 0, half)
    thickness = 15e4 * (1 + 0.012 * np.sin(p / 310 + 0.5) * np.cos(s / 270) + 2e-5 * s)
    response: NDArray[np.float64] = 1 + half * np.cos(2 * np.pi * 2 * 3.65 * thickness / wavelength)
    return response
