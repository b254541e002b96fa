"""One frame: expected electrons of every kind of exposure, its noise, and the raw file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce_simulate.cosmic_rays import cosmic_rays
from alfosc_reduce_simulate.detector import LIT, read_out
from alfosc_reduce_simulate.dispersion import Dispersion
from alfosc_reduce_simulate.headers import air_mass, headers, pointing
from alfosc_reduce_simulate.light import (
    Conditions,
    SourceLight,
    arc_light,
    flat_light,
    response_pattern,
    sky_light,
    source_light,
)
from alfosc_reduce_simulate.raw import write_raw
from alfosc_reduce_simulate.spectrograph import Spectrograph

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.coordinates import EarthLocation
    from astropy.io.fits import Header
    from numpy.typing import NDArray

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_simulate.observations import Exposure, Night


MECHANICS = 3.0
"""Unbinned pixels (standard deviation) by which a grism settles elsewhere from night to night."""


@dataclass(frozen=True)
class SimulatedFrame:
    """A raw frame and its truth.

    Attributes
    ----------
    exposure
        What was observed.
    primary, header
        Headers of the file and of its image.
    data
        Raw ADU, rows and columns of the read-out.
    level
        Bias level in ADU.
    conditions
        Air mass, seeing and velocity.
    sources
        Light of each source.
    cosmic_rays
        Raw electrons of cosmic rays.
    spectrograph
        The setting, flexure included.
    """

    exposure: Exposure
    primary: Header
    header: Header
    data: NDArray[np.uint32]
    level: float
    conditions: Conditions
    sources: tuple[SourceLight, ...]
    cosmic_rays: NDArray[np.float64] = field(repr=False)
    spectrograph: Spectrograph = field(repr=False)

    def write(self, path: Path) -> Path:
        """Write the raw file, a header without data and one image."""
        return write_raw(path, self.primary, self.header, self.data)


def spectrograph_of(night: Night, instrument: Instrument) -> Spectrograph:
    """Return the setting of a night; raises `DataError` for a grism that the instrument does not know."""
    from alfosc_reduce_alfosc.setups import find_slit
    from astropy.io.fits import Header

    slit = find_slit(night.slit)
    disperser = instrument.disperser(Header({"ALGRNM": night.grism, "ALAPRTNM": night.slit}))
    axis, sign = (2, -1) if slit.orientation == "Horizontal" else (1, 1)
    middle = sum(LIT[axis - 1]) / 2
    settled = MECHANICS * np.random.default_rng((night.seed, 0, 0)).standard_normal()
    origin = sign * ((disperser.centre or middle) - middle) + settled
    return Spectrograph(
        dispersion=Dispersion(disperser, origin),
        readout=night.readout,
        axis=axis,
        sign=sign,
        slit_width=slit.width,
        filters=(night.filter,),
    )


def simulate_frame(night: Night, exposure: Exposure, instrument: Instrument) -> SimulatedFrame:
    """Simulate one exposure of a night.

    Parameters
    ----------
    night, exposure
        From `exposures`; the same two give the same frame, bit for bit, whatever was simulated before.
    instrument
        Whose tables of grisms, lamps and extinction are used.
    """
    rng = np.random.default_rng(exposure.seed)
    setting = _setting(night, exposure, instrument)
    conditions = _conditions(night, exposure, instrument, rng)
    level = (
        night.detector.level + night.detector.drift * rng.standard_normal() - (200 if exposure.kind == "bias" else 0)
    )
    sources = _sources(night, exposure, setting, conditions)
    light = setting.raw(_expected(night, exposure, setting, instrument, sources)) * night.readout.illuminated()
    hits = cosmic_rays(night.readout, exposure.seconds, night.detector.cosmic_rays, rng)
    data = read_out(
        light + hits, detector=night.detector, readout=night.readout, exposure=exposure.seconds, level=level, rng=rng
    )
    primary, header = headers(night, exposure, instrument.site(), "Horizontal" if setting.axis == 2 else "Vertical")
    primary["DATAMIN"], primary["DATAMAX"] = int(data[0, 0]), int(data[1:].max())
    return SimulatedFrame(exposure, primary, header, data, level, conditions, sources, hits, setting)


def _expected(
    night: Night, exposure: Exposure, setting: Spectrograph, instrument: Instrument, sources: tuple[SourceLight, ...]
) -> NDArray[np.float64]:
    """Return the oriented electrons on fully exposed pixels."""
    if exposure.kind == "bias":
        return np.zeros((setting.slit.size - 1, setting.borders.size - 1))
    if exposure.kind == "flat":
        light = flat_light(night, exposure, setting)
    elif exposure.kind == "arc":
        light = arc_light(night, exposure, setting, instrument)
    else:
        light = sky_light(night, exposure, setting)
        for source in sources:
            light = light + source.image
    return light * response_pattern(setting, night.detector)


def _sources(
    night: Night, exposure: Exposure, setting: Spectrograph, conditions: Conditions
) -> tuple[SourceLight, ...]:
    if exposure.kind not in ("object", "standard") or exposure.target is None:
        return ()
    return tuple(source_light(night, exposure, setting, source, conditions) for source in exposure.target.sources)


def _setting(night: Night, exposure: Exposure, instrument: Instrument) -> Spectrograph:
    """Return the setting in one exposure: targets are shifted by flexure, and may be spared the second order."""
    setting = spectrograph_of(night, instrument)
    hours = (exposure.middle - datetime.fromisoformat(night.start)).total_seconds() / 3600
    drift = night.drift * hours if exposure.target else 0.0
    if exposure.kind not in ("object", "standard"):
        return replace(setting, dispersion=replace(setting.dispersion, shift=drift))
    shift, stretch = night.flexure
    dispersion = replace(setting.dispersion, shift=shift + drift, stretch=stretch)
    return replace(setting, dispersion=dispersion, second_order=night.second_order)


def _conditions(night: Night, exposure: Exposure, instrument: Instrument, rng: np.random.Generator) -> Conditions:
    site, target, table = instrument.site(), exposure.target, instrument.extinction()
    airmass = air_mass(target.ra, target.dec, exposure.middle, site) if target else 1.0
    return Conditions(
        airmass=airmass,
        seeing=night.seeing * airmass**0.6 * (1 + 0.04 * rng.standard_normal()),
        velocity=_velocity(exposure, site) if exposure.kind in ("object", "standard") else 0.0,
        extinction=(np.array(table["wavelength"], dtype=np.float64), np.array(table["extinction"], dtype=np.float64)),
    )


def _velocity(exposure: Exposure, site: EarthLocation) -> float:
    """Return what is added to a velocity measured at the telescope to make it barycentric, m/s."""
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    if exposure.target is None:
        return 0.0
    where = SkyCoord(*pointing(exposure, site), unit="deg")
    time = Time(exposure.middle, scale="utc", location=site)
    return float(where.radial_velocity_correction(kind="barycentric", obstime=time).to_value("m/s"))
