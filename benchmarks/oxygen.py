"""How the depth of the bands of O2 grows with air mass, from the physics of their lines.

    python benchmarks/oxygen.py

The lines of a band are placed and weighted as those of a rotating molecule at 250 K, broadened by Doppler effect and
pressure, and blurred to a slit's resolution. Printed are the equivalent width at air mass 1, and the power with which
the logarithm of the transmission at that resolution grows from air mass 1 to 2, weighted with depth. Band strengths are
those of HITRAN (Rothman et al. 2013), rounded; the column is that above 2380 m; the half width of lines by pressure,
the mean over the column, is the number to doubt, so there are two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMN = 0.2095 * 2.148e25 * 0.76
"""Molecules of O2 a square centimetre above the site at air mass 1."""
TEMPERATURE, BOLTZMANN, GROUND = 250.0, 0.695, 1.43768
"""Kelvin, 1/cm a Kelvin, and the rotational constant of the lower state in 1/cm."""
WIDTHS = (0.020, 0.028)
"""Half widths by pressure, 1/cm."""
RESOLUTIONS = (5.0, 15.0, 30.0)
"""Widths of the slit's image, Angstrom."""


class Band(NamedTuple):
    """Origin and rotational constant of the upper state (1/cm), and strength (cm a molecule)."""

    name: str
    origin: float
    upper: float
    strength: float


BANDS = (
    Band("A", 13120.9, 1.3914, 2.23e-22),
    Band("B", 14525.7, 1.3729, 1.5e-23),
    Band("gamma", 15902.4, 1.3545, 8.5e-25),
)


def lines(band: Band) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wave numbers and strengths: pairs in R and P, from levels with odd N."""
    n = np.arange(1, 61, 2, dtype=float)
    energy = GROUND * n * (n + 1)
    population = np.exp(-energy / (BOLTZMANN * TEMPERATURE))
    r, p = (band.origin + band.upper * up * (up + 1) - energy for up in (n + 1, n - 1))
    place = np.concatenate([r - 1, r + 1, p - 1, p + 1])
    strength = np.concatenate([population * (n + 1)] * 2 + [population * n] * 2)
    return place, band.strength * strength / strength.sum()


def optical_depth(band: Band, width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wave numbers and the optical depth at air mass 1."""
    from scipy.special import wofz

    place, strength = lines(band)
    wave = np.arange(place.min() - 30, place.max() + 30, 0.004)
    doppler = band.origin * 3.58e-7 * np.sqrt(TEMPERATURE / 32)
    depth = np.zeros_like(wave)
    for middle, strong in zip(place, strength, strict=True):
        near = slice(*np.searchsorted(wave, [middle - 12, middle + 12]))
        voigt = wofz(np.sqrt(np.log(2)) * (wave[near] - middle + 1j * width) / doppler).real
        depth[near] += strong * COLUMN * np.sqrt(np.log(2) / np.pi) / doppler * voigt
    return wave, depth


def seen(
    wave: NDArray[np.float64], through: NDArray[np.float64], resolution: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths (Angstrom) and the transmission blurred by slit and pixel."""
    from scipy.ndimage import uniform_filter1d

    step, wavelength = 0.01, 1e8 / wave[::-1]
    grid = np.arange(wavelength[0], wavelength[-1], step)
    sharp = np.interp(grid, wavelength, through[::-1])
    return grid, uniform_filter1d(uniform_filter1d(sharp, int(resolution / step)), int(resolution / 2 / step))


def main() -> int:
    """Print the table."""
    for band in BANDS:
        for width in WIDTHS:
            wave, depth = optical_depth(band, width)
            for resolution in RESOLUTIONS:
                grid, one = seen(wave, np.exp(-depth), resolution)
                _, two = seen(wave, np.exp(-2 * depth), resolution)
                deep = 1 - one > 0.3 * (1 - one).max()
                power = np.log2(np.log(two[deep]) / np.log(one[deep]))
                mean = np.average(power, weights=1 - one[deep])
                print(
                    f"{band.name:<5} half width {width:.3f}/cm, {resolution:2.0f} A: equivalent width "
                    f"{np.sum(1 - one) * (grid[1] - grid[0]):6.2f} A, lowest {one.min():.2f}, power {mean:.3f} "
                    f"+- {power.std():.3f} over the band"
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
