"""Expected electrons of each kind of exposure, before any noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.detector import pixel_response
from alfosc_reduce_simulate.dispersion import straight
from alfosc_reduce_simulate.lamps import arc_cells, fringes, halogen_cells, illumination, slit_ends
from alfosc_reduce_simulate.sky import HC, extinction, sky_cells, telluric
from alfosc_reduce_simulate.smearing import catch, smear
from alfosc_reduce_simulate.sources import Seeing, cumulative
from alfosc_reduce_simulate.spectrograph import AREA, PIXEL_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_simulate.detector import Detector
    from alfosc_reduce_simulate.observations import Exposure, Night, Source
    from alfosc_reduce_simulate.spectrograph import Spectrograph

_C = 299_792_458.0
_REACH = 250.0


@dataclass(frozen=True)
class Conditions:
    """Of one exposure.

    Attributes
    ----------
    airmass
        At the middle of the exposure.
    seeing
        Full width at half maximum in arc seconds at 5000 Angstrom.
    velocity
        What is added to a velocity measured at the telescope to make it barycentric, m/s.
    extinction
        Wavelengths in Angstrom, and mag an air mass.
    """

    airmass: float
    seeing: float
    velocity: float
    extinction: tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class SourceLight:
    """One source on one frame: image and truth along the oriented pixels (see `Truth`)."""

    image: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    electrons: NDArray[np.float64]
    sky: NDArray[np.float64]
    flux: NDArray[np.float64]
    throughput: NDArray[np.float64]
    trace: NDArray[np.float64]


def flat_light(night: Night, exposure: Exposure, setting: Spectrograph) -> NDArray[np.float64]:
    """Return the oriented electrons of a halogen flat, without the response of the pixels."""
    return _filled_slit(night, setting, halogen_cells(setting, exposure.seconds), lamp=True)


def arc_light(night: Night, exposure: Exposure, setting: Spectrograph, instrument: Instrument) -> NDArray[np.float64]:
    """Return the oriented electrons of an arc, without the response of the pixels."""
    cells = arc_cells(setting, instrument.lamp_lines(night.lamps), exposure.seconds)
    return _filled_slit(night, setting, cells, lamp=True)


def sky_light(night: Night, exposure: Exposure, setting: Spectrograph) -> NDArray[np.float64]:
    """Return the oriented electrons of the night sky, without the response of the pixels."""
    cells = sky_cells(setting, exposure.seconds, night.brightness)
    return _filled_slit(night, setting, cells, lamp=False)


def _filled_slit(night: Night, setting: Spectrograph, cells: NDArray[np.float64], *, lamp: bool) -> NDArray[np.float64]:
    """Return the oriented image of the slit; its ends run as traces do, a little aslant."""
    middles = (setting.borders[1:] + setting.borders[:-1]) / 2
    s = setting.slit_centres[:, None]
    light = setting.fill(cells) * illumination(s, lamp=lamp)
    light *= slit_ends(s - _bend(night, middles))
    return light


def _bend(night: Night, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many unbinned pixels light from one place on the slit wanders along it, at places `p`."""
    slope, curvature = night.trace
    bend: NDArray[np.float64] = slope * p + curvature * (p / 1000) ** 2
    return bend


def source_light(
    night: Night, exposure: Exposure, setting: Spectrograph, source: Source, conditions: Conditions
) -> SourceLight:
    """Return the light of one source on a frame of its target, without the response of the pixels.

    Its image along the slit is the seeing's, summed across the slit; along the dispersion the slit's.
    """
    centre = _trace(night, exposure, setting, source)
    seeing = Seeing(conditions.seeing)
    borders = straight(setting.borders, centre)
    cells = setting.disperse(lambda w: photons(source, setting.slit_width, seeing, conditions, w) * exposure.seconds)
    middle = (centre[1:] + centre[:-1]) / 2
    along = middle - _bend(night, (setting.borders[1:] + setting.borders[:-1]) / 2)
    wavelength = setting.wavelengths(middle)
    step = float(setting.slit[1] - setting.slit[0])
    sky = catch(sky_cells(setting, exposure.seconds, night.brightness), setting.grid, borders) * step
    return SourceLight(
        image=_image(setting, cells, middle, along, seeing.core(wavelength)),
        wavelength=wavelength,
        electrons=catch(cells, setting.grid, borders),
        sky=sky * illumination(middle, lamp=False) * slit_ends(along),
        flux=_mean_flux(setting, source, conditions, borders),
        throughput=seeing.slit_throughput(setting.slit_width, wavelength, source.offset),
        trace=(middle - setting.slit[0]) / step - 0.5,
    )


def photons(
    source: Source, slit_width: float, seeing: Seeing, conditions: Conditions, wavelength: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return photons a second and Angstrom behind the slit at topocentric wavelengths, whole telescope."""
    above = source.spectrum(wavelength * (1 + conditions.velocity / _C)) * wavelength / HC * AREA
    air = extinction(wavelength, conditions.extinction, conditions.airmass) * telluric(wavelength, conditions.airmass)
    through: NDArray[np.float64] = above * air * seeing.slit_throughput(slit_width, wavelength, source.offset)
    return through


def response_pattern(setting: Spectrograph, detector: Detector) -> NDArray[np.float64]:
    """Return the oriented response of the pixels, fringes included; kept for the next frame of the same setting."""
    return _pattern(setting, detector)


@lru_cache(maxsize=4)
def _pattern(setting: Spectrograph, detector: Detector) -> NDArray[np.float64]:
    pixels = setting.orient(pixel_response(detector, setting.readout)).astype(np.float64)
    nodes = setting.dispersion.wavelength(setting.grid.nodes)
    middles = (setting.borders[1:] + setting.borders[:-1]) / 2
    red = np.flatnonzero(np.interp(middles, setting.grid.nodes, nodes) > 6400)
    s = setting.slit_centres[:, None]
    wavelength = np.interp(straight(middles[red], s), setting.grid.nodes, nodes)
    pixels[:, red] *= fringes(wavelength, middles[red], s)
    pixels.setflags(write=False)
    return pixels


def _trace(night: Night, exposure: Exposure, setting: Spectrograph, source: Source) -> NDArray[np.float64]:
    """Return `s` of a source at the borders of the pixels along the dispersion."""
    target = exposure.target
    nod = target.nod * exposure.number if target else 0.0
    middle = (setting.slit[0] + setting.slit[-1]) / 2 + (source.position + nod) / PIXEL_SCALE
    centre: NDArray[np.float64] = middle + _bend(night, setting.borders)
    return centre


def _image(
    setting: Spectrograph,
    cells: NDArray[np.float64],
    middle: NDArray[np.float64],
    along: NDArray[np.float64],
    core: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the image of a source at rows `middle` whose places on the slit are `along`; its ends cut the wings."""
    image = np.zeros((setting.slit.size - 1, setting.borders.size - 1))
    near = np.flatnonzero(np.abs(setting.slit_centres - np.median(middle)) < _REACH)
    if near.size == 0:
        return image
    rows = slice(near[0], near[-1] + 1)
    edges = setting.slit[near[0] : near[-1] + 2, None]
    profile = np.diff(cumulative((edges - middle) * PIXEL_SCALE / core), axis=0)
    ends = slit_ends(setting.slit_centres[rows, None] + along - middle)
    image[rows] = catch(cells, setting.grid, setting.straightened[rows]) * profile * ends
    return image


def _mean_flux(
    setting: Spectrograph, source: Source, conditions: Conditions, borders: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the flux above the atmosphere, seen through the slit's image, averaged over each pixel."""
    wavelength = setting.dispersion.wavelength(setting.grid.nodes)
    middle, width = (wavelength[1:] + wavelength[:-1]) / 2, np.diff(wavelength)
    cells = smear(source.spectrum(middle * (1 + conditions.velocity / _C)) * width, setting.spread)
    mean: NDArray[np.float64] = catch(cells, setting.grid, borders) / np.diff(setting.dispersion.wavelength(borders))
    return mean
