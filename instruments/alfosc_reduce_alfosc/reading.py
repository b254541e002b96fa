"""From a raw file to ``CCDData`` in ADU with the normalised header that steps rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image
from alfosc_reduce_alfosc.description import Description, describe
from alfosc_reduce_alfosc.keywords import frame_name, mid_exposure, number, text
from alfosc_reduce_alfosc.raw import read_raw
from alfosc_reduce_alfosc.readout import Readout, section_text
from alfosc_reduce_alfosc.sky import direction, mid_air_mass
from alfosc_reduce_alfosc.sky_map import is_celestial, keywords_of_map, sky_map

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.io.fits import Header
    from astropy.nddata import CCDData

NAME = "alfosc"
"""The entry-point name of the instrument, as written in ``INSTRUME``."""

_PICTURES = {"image", "imaging_flat", "acquisition", "focus"}


def read(path: Path) -> CCDData:
    """Read a raw frame; see `Alfosc.read`."""
    raw = read_raw(path)
    raw.header.setdefault("FILENAME", path.name)
    found = describe(raw.header)
    if raw.data.shape != found.readout.shape:
        raise DataError(
            f"{path.name}: {raw.data.shape[1]} x {raw.data.shape[0]} pixels, but the window "
            f"{found.readout.window_text} binned {found.readout.binning_text} has "
            f"{found.readout.shape[1]} x {found.readout.shape[0]}; correct DETWIN1, DETXBIN, DETYBIN"
        )
    if not raw.data.any():
        raise DataError(f"{path.name}: all pixels are zero; the read-out failed, leave the frame out")
    flags = np.where(raw.wrapped, np.int16(Flag.NEGATIVE_WRAPPED), np.int16(0))
    return make_image(raw.data, unit="adu", header=normalised(raw.header, found), flags=flags)


def normalised(header: Header, found: Description | None = None) -> Header:
    """Return a raw header with the keywords that the core's `Instrument` promises to steps.

    Parameters
    ----------
    header
        Raw and merged; not changed.
    found
        What `describe` found in it, if that was done before.
    """
    found = found or describe(header)
    result = header.copy()
    for keyword in ("NAXIS", "BIASSEC", "BIASSEC2", "BIASSEC3", "TRIMSEC", "DETSEC"):
        result.remove(keyword, ignore_missing=True)
    for part in (_frame(header, found), _sections(found.readout), _detector(header, found.readout), _beam(found)):
        for keyword, value in part.items():
            result[keyword] = value
    _set_pointing(result, header)
    if found.info.kind in _PICTURES:
        _set_map(result, header, found)
    return result


def _frame(header: Header, found: Description) -> dict[str, tuple[object, str]]:
    info = found.info
    return {
        "INSTRUME": (NAME, "instrument"),
        "FRAMEKND": (info.kind, "kind of frame"),
        "OBJECT": (info.object, "what was observed"),
        "EXPTIME": (info.exposure, "[s] exposure time"),
        "DATE-AVG": (mid_exposure(header).isoformat(timespec="milliseconds"), "middle of the exposure, UTC"),
        "MJD-AVG": (round(info.time, 9), "[d] middle of the exposure, UTC"),
    }


def _sections(chip: Readout) -> dict[str, tuple[object, str]]:
    trim = chip.trim()
    overscans = [section_text(section) for section in chip.overscans()]
    cards: dict[str, tuple[object, str]] = {
        "BIASSEC": (overscans[0] if overscans else "", "overscan without light"),
        "TRIMSEC": (section_text(trim), "exposed part"),
        "DETSEC": (section_text(chip.detector_section(trim) if trim else None), "the same in unbinned pixels"),
        "CCDSUM": ("{} {}".format(*chip.binning), "binning"),
    }
    for place, section in enumerate(overscans[1:], start=2):
        cards[f"BIASSEC{place}"] = (section, "further overscan without light")
    return cards


def _detector(header: Header, chip: Readout) -> dict[str, tuple[object, str]]:
    """Return gain, noise and limits; the limits are those of the wells in electrons, so the ADU follow the gain."""
    detector = chip.detector
    gain = number(header, "GAIN", detector.gain)
    if gain <= 0:
        raise DataError(f"{frame_name(header)}: keyword GAIN = {gain:g} is no gain; correct it")
    stretch = detector.gain / gain
    return {
        "GAIN": (gain, "[electron/adu] gain of the raw header"),
        "RDNOISE": (number(header, "RDNOISE", detector.read_noise), "[electron] read noise of the raw header"),
        "SATURATE": (detector.saturation * stretch, "[adu] raw values above are saturated"),
        "LINMAX": (detector.linear_limit * stretch, "[adu] raw values above are not linear"),
    }


def _beam(found: Description) -> dict[str, tuple[object, str]]:
    coordinates, slit = found.info.coordinates, found.setup.slit
    axis, sign = dispersion_of(found)
    along_slit = found.readout.binning[0 if axis == 2 else 1]
    cards: dict[str, tuple[object, str]] = {
        "DISPAXIS": (axis, "axis of the dispersion, 0: image"),
        "DISPSIGN": (sign, "1: wavelength rises with the pixel"),
        "PIXSCALE": (found.readout.detector.scale * along_slit, "[arcsec] a pixel along the slit"),
        "GRISM": (coordinates["grism"], "grism"),
        "SLIT": (slit.name, "slit"),
        "FILTER": (coordinates["filter"], "filters"),
        "LAMP": (coordinates["lamp"], "lamps"),
    }
    if slit.width > 0:
        cards["SLITWID"] = (slit.width, "[arcsec] true slit width")
    return cards


def dispersion_of(found: Description) -> tuple[int, int]:
    """Return the raw axis of the dispersion (0 for an image) and the sign of the wavelength along it.

    Behind a horizontal slit the wavelength falls along y, behind a vertical one it rises along x.
    """
    if found.info.kind not in {"flat", "arc", "object", "standard"}:
        return 0, 1
    return (1, 1) if found.setup.slit.orientation == "Vertical" else (2, -1)


def _set_pointing(result: Header, header: Header) -> None:
    """Write pointing and air mass, or take away what is no pointing; the header's air mass stays as ``AIRMASS0``."""
    pointing, start = direction(header), text(header, "AIRMASS", "")
    for keyword in ("RA", "DEC", "AIRMASS"):
        result.remove(keyword, ignore_missing=True)
    if pointing is not None:
        result["RA"] = (pointing[0], "[deg] pointing, ICRS")
        result["DEC"] = (pointing[1], "[deg] pointing, ICRS")
    middle = mid_air_mass(header)
    if middle is not None:
        result["AIRMASS"] = (round(middle, 6), "air mass at the middle of the exposure")
    if start:
        result["AIRMASS0"] = (header["AIRMASS"], "air mass of the raw header (start)")


def _set_map(result: Header, header: Header, found: Description) -> None:
    """Write the photometric band, and where the pixels lie on the sky: as the raw header says, else from pointing."""
    bands = [str(element.facts.get("band", "")) for element in found.setup.filters]
    if len(bands) == 1 and bands[0]:
        result["BAND"] = (bands[0], "photometric band")
    if is_celestial(header):
        return
    for keyword in keywords_of_map(result):
        result.remove(keyword)
    for keyword, value in sky_map(header, found.readout).items():
        result[keyword] = value
