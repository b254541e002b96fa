"""The spectrograph: from light that enters the slit to expected electrons on the pixels of a frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.detector import LIT, Readout
from alfosc_reduce_simulate.dispersion import SECOND_ORDER, Dispersion, straight
from alfosc_reduce_simulate.smearing import Grid, LineSpread, catch, covering, line_cells, smear

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

PIXEL_SCALE = 0.2138
"""Arc seconds an unbinned pixel."""
MAGNIFICATION = 0.975
"""The slit on the detector is this much narrower along the dispersion: 1.0 arcsec is 4.56 pixels on the real arcs."""
AREA = 4.5e4
"""Collecting area of the telescope in square centimetres."""
_SHORTEST = 2000.0
"""Angstrom; no light of shorter wavelengths reaches the ground."""
_MEASURED = (3500.0, 5500.0)
"""Angstrom between which the strength of the second order follows the instrument's terms; beyond it is held."""
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Spectrograph:
    """One setting of the instrument, and where its light falls on a frame.

    Attributes
    ----------
    dispersion
        The relation of wavelength and place.
    readout
        The frame.
    axis
        Raw FITS axis (1 or 2) along which the light is dispersed.
    sign
        +1 if wavelength rises with the raw pixel, else -1.
    slit_width
        True width in arc seconds.
    filters
        Names of the filters in the beam.
    second_order
        Let blue light appear a second time, in the red.
    """

    dispersion: Dispersion
    readout: Readout
    axis: int
    sign: int
    slit_width: float
    filters: tuple[str, ...] = ()
    second_order: bool = True

    @cached_property
    def spread(self) -> LineSpread:
        """Return the image of the slit."""
        return LineSpread(self.slit_width / PIXEL_SCALE * MAGNIFICATION)

    @cached_property
    def borders(self) -> NDArray[np.float64]:
        """Return `p` of the borders of the oriented pixels along the dispersion, rising, shape (np + 1,)."""
        edges = self.sign * (self.readout.edges(self.axis) - sum(LIT[self.axis - 1]) / 2)
        return np.sort(edges)

    @cached_property
    def slit(self) -> NDArray[np.float64]:
        """Return `s` of the borders of the oriented pixels along the slit, rising, shape (ns + 1,)."""
        other = 3 - self.axis
        return self.readout.edges(other) - sum(LIT[other - 1]) / 2

    @cached_property
    def slit_centres(self) -> NDArray[np.float64]:
        """Return `s` of the middles of the oriented pixels along the slit, shape (ns,)."""
        centres: NDArray[np.float64] = (self.slit[:-1] + self.slit[1:]) / 2
        return centres

    @cached_property
    def grid(self) -> Grid:
        """Return fine cells that cover the frame, tilt and second order included."""
        return covering(self.borders[0], self.borders[-1], 30.0 + self.spread.reach)

    @cached_property
    def straightened(self) -> NDArray[np.float64]:
        """Return `r` of the borders of every oriented pixel, shape (ns, np + 1)."""
        return straight(self.borders, self.slit_centres[:, None])

    def wavelengths(self, s: ArrayLike) -> NDArray[np.float64]:
        """Return the vacuum wavelength in Angstrom at the middles of the oriented pixels at `s`, a number or (np,)."""
        middles = (self.borders[:-1] + self.borders[1:]) / 2
        return self.dispersion.wavelength(straight(middles, s))

    def efficiency(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return electrons a photon: telescope, optics, filters, grism's blaze and detector."""
        wavelength = np.asarray(wavelength, dtype=np.float64)
        total = optics(wavelength) * blaze(wavelength, *self.dispersion.disperser.wavelengths)
        for name in self.filters:
            total = total * filter_transmission(name, wavelength)
        return total

    def second_order_efficiency(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return electrons a photon in second order: 39 % of the first at 3889 Angstrom; 0 without a known onset."""
        wavelength = np.asarray(wavelength, dtype=np.float64)
        if not self.second_order or self.dispersion.disperser.second_order is None:
            return np.zeros_like(wavelength)
        return 0.39 * self.efficiency(wavelength) * np.exp(-0.5 * ((wavelength - 3889) / 450) ** 2)

    def disperse(self, density: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return electrons in the cells of `grid` for a smooth spectrum.

        Parameters
        ----------
        density
            Photons an Angstrom (in the exposure, on the telescope) at vacuum wavelengths; may be 0.
        """
        wavelength = self.dispersion.wavelength(self.grid.nodes)
        middle, width = (wavelength[1:] + wavelength[:-1]) / 2, np.diff(wavelength)
        cells = density(middle) * self.efficiency(middle) * width
        if self.second_order:
            cells = cells + self._second_order(density, middle) * width
        return smear(cells, self.spread)

    def _second_order(
        self, density: Callable[[NDArray[np.float64]], NDArray[np.float64]], wavelength: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return electrons in second order an Angstrom of where they show, for a smooth spectrum."""
        fine = np.arange(_SHORTEST, wavelength[-1] / 1.5, 5.0)
        place, strength = fine * SECOND_ORDER, self.second_order_efficiency(fine)
        if self.dispersion.disperser.second_order_place:
            place, strength = self._measured_second_order(fine)
        blue = np.interp(wavelength, place, fine)
        light = density(blue) * np.interp(wavelength, place, strength, left=0, right=0)
        return np.asarray(light * np.interp(wavelength, place, np.gradient(fine, place)))

    def _measured_second_order(self, blue: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where second-order light shows (Angstrom) and electrons a photon, by the terms of the instrument."""
        disperser = self.dispersion.disperser
        series = np.polynomial.polynomial.polyval
        place = blue * series((blue - 4000) / 1000, disperser.second_order_place)
        ratio = np.exp(series((np.clip(blue, *_MEASURED) - 4000) / 1000, disperser.second_order_strength))
        known = disperser.second_order is not None
        return place, np.asarray(known * ratio * self.efficiency(blue))

    def disperse_lines(self, wavelength: NDArray[np.float64], photons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return electrons in the cells of `grid` for emission lines of given photons, second order included."""
        place = self.dispersion.place(wavelength)
        cells = line_cells(self.grid, place, photons * self.efficiency(wavelength), self.spread)
        second = photons * self.second_order_efficiency(wavelength)
        if not second.any():
            return cells
        again = self.dispersion.place(wavelength * SECOND_ORDER)
        return cells + line_cells(self.grid, again, second, self.spread)

    def fill(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the oriented image of an evenly filled slit, cells given for one unbinned pixel of slit."""
        return catch(cells, self.grid, self.straightened) * np.diff(self.slit)[:, None]

    def raw(self, oriented: NDArray[Any]) -> NDArray[Any]:
        """Turn an oriented image (slit, dispersion) into raw rows and columns."""
        image = oriented[:, :: self.sign]
        return image.T if self.axis == 2 else image

    def orient(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Turn a raw image into an oriented one: the inverse of `raw`."""
        image = raw.T if self.axis == 2 else raw
        return image[:, :: self.sign]


def optics(wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the efficiency of telescope, camera and detector without grism."""
    table = _optics()
    value: NDArray[np.float64] = np.interp(wavelength, table[0], table[1], left=0, right=0)
    return value


@lru_cache(maxsize=1)
def _optics() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from astropy.table import Table
    from scipy.interpolate import PchipInterpolator

    table = Table.read(_DATA / "optics.ecsv")
    fine = np.arange(table["wavelength"][0], table["wavelength"][-1], 5.0)
    return fine, PchipInterpolator(table["wavelength"], table["efficiency"])(fine)


def blaze(wavelength: NDArray[np.float64], first: float, last: float) -> NDArray[np.float64]:
    """Return the relative efficiency of a grism used from `first` to `last` Angstrom, its peak in the blue half."""
    peak = first + 0.4 * (last - first)
    width = max(np.log(last / first), 0.25) * 0.42
    value: NDArray[np.float64] = np.exp(-0.5 * (np.log(np.maximum(wavelength, 500.0) / peak) / width) ** 2)
    return value


def filter_transmission(name: str, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transmission of a filter: a cut for ``... nnn_LP``, a band for ``... nnn_ww`` (nanometres), else 1."""
    cut = re.search(r"(\d{3,4})_LP", name)
    band = re.search(r"(\d{3,4})_(\d+)\s*$", name)
    if cut:
        return 0.92 / (1 + np.exp(-np.clip((wavelength - 10 * float(cut[1])) / 28, -50, 50)))
    if band:
        centre, width = 10 * float(band[1]), 10 * float(band[2])
        return 0.9 * np.exp(-((np.abs(wavelength - centre) / (0.56 * width)) ** 6))
    return np.ones_like(wavelength)
