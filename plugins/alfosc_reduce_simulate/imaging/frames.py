"""One frame of a night of images: its conditions, its light, its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_simulate.cosmic_rays import cosmic_rays
from alfosc_reduce_simulate.detector import dark_current, digitise, photon_noise
from alfosc_reduce_simulate.headers import air_mass
from alfosc_reduce_simulate.imaging.artefacts import bleed
from alfosc_reduce_simulate.imaging.bands import band
from alfosc_reduce_simulate.imaging.conditions import ImageConditions
from alfosc_reduce_simulate.imaging.headers import image_headers
from alfosc_reduce_simulate.imaging.light import SourceImages, picture, twilight
from alfosc_reduce_simulate.imaging.optics import Optics
from alfosc_reduce_simulate.imaging.sphere import moved
from alfosc_reduce_simulate.raw import write_raw

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.coordinates import EarthLocation
    from astropy.io.fits import Header
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.imaging.observations import ImageExposure, ImagingNight

FLAT_LEVELS = (260_000.0, 200_000.0, 290_000.0, 230_000.0, 160_000.0)
"""ADU of twilight flats, one after the other."""
_DITHERS = np.array(
    [[0, 0], [1, 0.35], [-0.7, 1], [-1, -0.6], [0.45, -1], [1, 1.2], [-1.3, 0.2], [0.1, -1.6], [1.6, -0.4]]
)


@dataclass(frozen=True)
class SimulatedImage:
    """A raw frame and its truth.

    Attributes
    ----------
    exposure
        What was observed.
    primary, header
        Headers of the file and of its image.
    data
        Raw ADU.
    level
        Bias level in ADU.
    conditions, sources
        Of an image; None for calibrations.
    """

    exposure: ImageExposure
    primary: Header
    header: Header
    data: NDArray[np.uint32]
    level: float
    conditions: ImageConditions | None
    sources: SourceImages | None

    def write(self, path: Path) -> Path:
        """Write the raw file, a header without data and one image."""
        return write_raw(path, self.primary, self.header, self.data)


def simulate_image(night: ImagingNight, exposure: ImageExposure, site: EarthLocation) -> SimulatedImage:
    """Simulate one exposure of a night.

    Parameters
    ----------
    night, exposure
        From `image_exposures`; the same two give the same frame, bit for bit, whatever was simulated before.
    site
        Where the telescope stands.
    """
    rng = np.random.default_rng(exposure.seed)
    seen = conditions_of(night, exposure, site, rng) if exposure.kind == "image" else None
    level = _level(night, exposure, rng)
    light, sources = _light(night, exposure, seen, rng)
    data = _expose(night, exposure, light, level, rng)
    primary, header = image_headers(night, exposure, seen.optics if seen else None, site)
    primary["DATAMIN"], primary["DATAMAX"] = int(data[0, 0]), int(data[1:].max())
    return SimulatedImage(exposure, primary, header, data, level, seen, sources)


def conditions_of(
    night: ImagingNight, exposure: ImageExposure, site: EarthLocation, rng: np.random.Generator
) -> ImageConditions:
    """Draw the conditions of an image; raises `DataError` if the field is not up."""
    optics = _optics(night, exposure, rng)
    seen = band(exposure.band)
    airmass = air_mass(optics.ra, optics.dec, exposure.middle, site)
    if not 1 <= airmass < 8:
        raise DataError(
            f"simulate: {exposure.series.target if exposure.series else 'the field'} at {optics.ra:.1f} "
            f"{optics.dec:+.1f} is not up at {exposure.middle:%Y-%m-%d %H:%M}; choose another start of the night"
        )
    loss = night.loss * rng.uniform()
    return ImageConditions(
        airmass=airmass,
        seeing=night.seeing * airmass**0.6 * float(np.exp(night.seeing_scatter * rng.standard_normal())),
        loss=loss,
        brightness=night.brightness * float(np.exp(night.sky_scatter * rng.standard_normal())),
        fringes=seen.fringes * float(np.exp(night.fringe_scatter * rng.standard_normal())),
        zero_point=seen.zero_point - seen.extinction * airmass - loss,
        optics=optics,
    )


def _optics(night: ImagingNight, exposure: ImageExposure, rng: np.random.Generator) -> Optics:
    """Return where a frame of a series points: its dither, good to some pixels, and a field rotation of its own."""
    series: Any = exposure.series
    step = series.dither * (_DITHERS[exposure.number % len(_DITHERS)] + rng.normal(0, 0.03, 2))
    ra, dec = moved(series.field.ra, series.field.dec, *step)
    angle = series.angle + night.turn * rng.standard_normal()
    return Optics(float(ra), float(dec), angle, night.distortion, night.flipped, night.readout)


def _level(night: ImagingNight, exposure: ImageExposure, rng: np.random.Generator) -> float:
    apart = 200 if exposure.kind == "bias" else 0
    return night.detector.level + night.detector.drift * float(rng.standard_normal()) - apart


def _light(
    night: ImagingNight, exposure: ImageExposure, seen: ImageConditions | None, rng: np.random.Generator
) -> tuple[NDArray[np.float32] | None, SourceImages | None]:
    """Return the expected electrons of all that is not dark, and what is true of the sources."""
    if exposure.kind == "imaging_flat":
        level = FLAT_LEVELS[exposure.number % len(FLAT_LEVELS)] * night.detector.gain
        return twilight(night, exposure, level, rng), None
    return picture(night, exposure, seen, rng) if seen else (None, None)


def _expose(
    night: ImagingNight,
    exposure: ImageExposure,
    light: NDArray[np.float32] | None,
    level: float,
    rng: np.random.Generator,
) -> NDArray[np.uint32]:
    """Return the raw frame of expected electrons."""
    detector, readout = night.detector, night.readout
    if light is None:
        collected = np.zeros(readout.shape, np.float32)
    else:
        light += np.float32(exposure.seconds) * dark_current(detector, readout).astype(np.float32)
        light += cosmic_rays(readout, exposure.seconds, detector.cosmic_rays, rng).astype(np.float32)
        collected = photon_noise(light, rng)
        bleed(collected, detector.full_well * detector.gain)
    return digitise(collected, detector=detector, readout=readout, level=level, rng=rng)
