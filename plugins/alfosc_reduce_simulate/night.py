"""A whole night on disk: raw files in one folder, the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.frames import SimulatedFrame, simulate_frame, spectrograph_of
from alfosc_reduce_simulate.observations import Night, exposures
from alfosc_reduce_simulate.spectrograph import PIXEL_SCALE
from alfosc_reduce_simulate.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.table import QTable

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce_simulate.spectrograph import Spectrograph


def simulate_night(night: Night, folder: Path, instrument: Instrument | None = None) -> Truth:
    """Simulate a night and write its raw files.

    Parameters
    ----------
    night
        What is observed, and with what.
    folder
        For the raw files; made if it does not exist. The truth is returned, not written.
    instrument
        Whose tables are used; ALFOSC's by default.

    Raises
    ------
    DataError
        If the instrument does not know the grism.
    """
    from alfosc_reduce.registry import get_instrument

    instrument = instrument or get_instrument("alfosc")
    folder.mkdir(parents=True, exist_ok=True)
    frames, sources = [], []
    for exposure in exposures(night):
        frame = simulate_frame(night, exposure, instrument)
        frame.write(folder / exposure.name)
        frames.append(_frame_row(frame))
        sources += [_source_row(exposure.name, i, light) for i, light in enumerate(frame.sources)]
    return _truth(night, spectrograph_of(night, instrument), frames, sources)


def truth_of(night: Night, frame: SimulatedFrame) -> Truth:
    """Return the truth of a single frame."""
    sources = [_source_row(frame.exposure.name, i, light) for i, light in enumerate(frame.sources)]
    return _truth(night, frame.spectrograph, [_frame_row(frame)], sources)


def _truth(night: Night, setting: Spectrograph, frames: list[Any], sources: list[Any]) -> Truth:
    edges, step = night.readout.edges(setting.axis), night.readout.binning[setting.axis - 1]
    first = (edges[0] if setting.sign > 0 else edges[-1]) + setting.sign * step / 2
    return Truth(
        frames=_table(frames, {"exposure": "s", "seeing": "arcsec", "level": "adu", "velocity": "m/s"}),
        spectra=_table(sources, {"wavelength": "Angstrom", "electrons": "electron", "sky": "electron",
                                 "flux": "erg / (s cm2 Angstrom)"}),
        first=float(first),
        step=float(setting.sign * step),
        slit_first=float(night.readout.edges(3 - setting.axis)[:2].mean()),
        slit_step=float(night.readout.binning[2 - setting.axis]),
        gain=night.detector.gain,
        read_noise=night.detector.read_noise,
        response_scatter=night.detector.response_scatter,
        axis=setting.axis,
        sign=setting.sign,
        pixel_scale=PIXEL_SCALE * night.readout.binning[2 - setting.axis],
    )  # fmt: skip


def _frame_row(frame: SimulatedFrame) -> dict[str, Any]:
    exposure, dispersion = frame.exposure, frame.spectrograph.dispersion
    return {
        "file": exposure.name,
        "kind": exposure.kind,
        "target": exposure.target.name if exposure.target else "",
        "exposure": exposure.seconds,
        "airmass": frame.conditions.airmass,
        "seeing": frame.conditions.seeing,
        "level": frame.level,
        "velocity": frame.conditions.velocity,
        "shift": dispersion.shift,
        "stretch": dispersion.stretch,
    }


def _source_row(name: str, number: int, light: Any) -> dict[str, Any]:
    columns = ("wavelength", "electrons", "sky", "flux", "throughput", "trace")
    return {"file": name, "source": number} | {column: getattr(light, column) for column in columns}


def _table(rows: list[dict[str, Any]], units: dict[str, str]) -> QTable:
    from astropy import units as u
    from astropy.table import QTable

    table = QTable()
    for name in rows[0] if rows else ():
        column = np.array([row[name] for row in rows])
        table[name] = column * u.Unit(units[name]) if name in units else column
    return table
