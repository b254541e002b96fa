"""A whole night of images on disk: raw files in one folder, the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.bands import band
from alfosc_reduce_simulate.imaging.frames import SimulatedImage, simulate_image
from alfosc_reduce_simulate.imaging.light import shared_sources
from alfosc_reduce_simulate.imaging.observations import image_exposures
from alfosc_reduce_simulate.imaging.psf import width
from alfosc_reduce_simulate.imaging.truth import ImagingTruth

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.table import QTable

    from alfosc_reduce_simulate.imaging.observations import ImagingNight

_FRAME_UNITS = {
    "exposure": "s", "mjd": "d", "level": "adu", "seeing": "arcsec", "seeing_field": "arcsec", "sky": "electron",
    "loss": "mag", "zero_point": "mag", "ra": "deg", "dec": "deg", "angle": "deg",
}  # fmt: skip
_IMAGE_UNITS = {"x": "pix", "y": "pix", "ra": "deg", "dec": "deg", "magnitude": "mag", "electrons": "electron"}
_OF_AN_IMAGE = ("airmass", "seeing", "seeing_field", "sky", "fringes", "loss", "zero_point", "ra", "dec", "angle")


def simulate_imaging_night(night: ImagingNight, folder: Path) -> ImagingTruth:
    """Simulate a night and write its raw files.

    Parameters
    ----------
    night
        What is observed.
    folder
        For the raw files; made if it does not exist. The truth is returned, not written.
    """
    from alfosc_reduce.registry import get_instrument

    site = get_instrument("alfosc").site()
    folder.mkdir(parents=True, exist_ok=True)
    frames, images = [], []
    for exposure in image_exposures(night):
        frame = simulate_image(night, exposure, site)
        frame.write(folder / exposure.name)
        frames.append(_frame_row(night, frame))
        images += [_image_rows(frame)] if frame.sources else []
    return _truth(night, frames, images)


def truth_of_image(night: ImagingNight, frame: SimulatedImage) -> ImagingTruth:
    """Return the truth of a single frame."""
    return _truth(night, [_frame_row(night, frame)], [_image_rows(frame)] if frame.sources else [])


def _truth(night: ImagingNight, frames: list[dict[str, Any]], images: list[QTable]) -> ImagingTruth:
    from astropy.table import vstack

    return ImagingTruth(
        frames=_frame_table(frames),
        sources=_sources(night),
        images=vstack(images, metadata_conflicts="silent") if images else _empty(),
        bands=_bands(night),
        gain=night.detector.gain,
        read_noise=night.detector.read_noise,
        response_scatter=night.detector.response_scatter,
        distortion=night.distortion,
        flipped=night.flipped,
        window=night.readout.window,
        binning=night.readout.binning,
    )


def _frame_row(night: ImagingNight, frame: SimulatedImage) -> dict[str, Any]:
    from astropy.time import Time

    exposure = frame.exposure
    row: dict[str, Any] = {
        "file": exposure.name,
        "kind": exposure.kind,
        "target": exposure.series.target if exposure.series else "",
        "band": exposure.band,
        "exposure": exposure.seconds,
        "mjd": float(Time(exposure.middle, scale="utc").mjd),
        "level": frame.level,
        "oddity": exposure.oddity,
    }
    return row | (_conditions(night, frame) if frame.sources else dict.fromkeys(_OF_AN_IMAGE, np.nan))


def _conditions(night: ImagingNight, frame: SimulatedImage) -> dict[str, float]:
    seen: Any = frame.conditions
    sources: Any = frame.sources
    ny, nx = night.readout.shape
    inside = (sources.x > 0) & (sources.x < nx) & (sources.y > 0) & (sources.y < ny)
    wide = width(seen.seeing, sources.x[inside], sources.y[inside], night.readout)
    values = {name: getattr(seen, name) for name in ("airmass", "seeing", "fringes", "loss", "zero_point")}
    values |= {"seeing_field": float(np.median(wide)) if wide.size else seen.seeing, "sky": sources.sky}
    return values | {name: getattr(seen.optics, name) for name in ("ra", "dec", "angle")}


def _image_rows(frame: SimulatedImage) -> QTable:
    from astropy import units as u
    from astropy.table import QTable

    found: Any = frame.sources
    series: Any = frame.exposure.series
    table = QTable()
    table["file"] = np.full(found.number.size, frame.exposure.name)
    table["target"] = np.full(found.number.size, series.target)
    table["source"] = found.number
    for name, unit in _IMAGE_UNITS.items():
        table[name] = getattr(found, name) * u.Unit(unit)
    return table


def _empty() -> QTable:
    from astropy.table import QTable

    return QTable({name: np.zeros(0) for name in ("file", "target", "source", *_IMAGE_UNITS)})


def _frame_table(rows: list[dict[str, Any]]) -> QTable:
    from astropy import units as u
    from astropy.table import QTable

    table = QTable()
    for name in rows[0]:
        column = np.array([row[name] for row in rows])
        table[name] = column * u.Unit(_FRAME_UNITS[name]) if name in _FRAME_UNITS else column
    return table


def _sources(night: ImagingNight) -> QTable:
    """Return the sources of all targets; a target observed in several bands is there once."""
    from astropy.table import vstack

    parts = []
    for target, field in {series.target: series.field for series in night.series}.items():
        part = shared_sources(field).copy()
        part.add_column(np.full(len(part), target), name="target", index=0)
        parts.append(part)
    return vstack(parts)


def _bands(night: ImagingNight) -> QTable:
    from astropy.table import QTable

    used = [band(name) for name in dict.fromkeys(series.band for series in night.series)]
    names = ("name", "system", "zero_point", "extinction", "colour_term", "blue", "red")
    table = QTable([[getattr(one, name) for one in used] for name in names], names=names)
    table.rename_column("name", "band")
    return table
