"""What kind of frame a header describes.

What stood in the beam decides before what the frame was called: a bias says ``OBS_MODE = IMAGING``, and a spectrum of a
standard is an ``OBJECT`` like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alfosc_reduce_alfosc.keywords import exposure_time, text

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from alfosc_reduce_alfosc.setups import Setup

SHORTEST = 0.01
"""Exposures up to this many seconds with a closed shutter are bias frames: the shutter cannot be faster."""

_ARC_LAMPS = {"He", "Ne", "HeNe", "Ar", "ThAr", "Xe"}


def kind_of(header: Header, setup: Setup) -> str:
    """Return the kind of a frame; spectra of standards are still ``object`` here.

    Parameters
    ----------
    header
        Merged header.
    setup
        What stood in the beam.
    """
    typed = text(header, "IMAGETYP", "").upper()
    dark = _without_light(header, typed)
    if dark:
        return dark
    if _is_focus(header, setup, typed):
        return "focus"
    return _spectrum(setup, typed) if setup.disperses else _picture(header, setup, typed)


def lamp_remark(kind: str, setup: Setup) -> str:
    """Return a remark for an arc or flat without a lamp in the header, else nothing."""
    if kind == "arc" and not _ARC_LAMPS & set(setup.lamps):
        return "typed as an arc, but no arc lamp is on"
    if kind == "flat" and not setup.lamps:
        return "a spectral flat without a lamp: dome or sky"
    return ""


def _without_light(header: Header, typed: str) -> str:
    closed = text(header, "SHSTAT", "").upper().startswith("CLOSE")
    if "BIAS" in typed or ("ZERO" in typed):
        return "bias"
    if "DARK" in typed:
        return "dark"
    if closed:
        return "bias" if exposure_time(header) <= SHORTEST else "dark"
    return ""


def _is_focus(header: Header, setup: Setup, typed: str) -> bool:
    words = (typed, text(header, "IMAGECAT", "").upper(), setup.grism.name.upper())
    return any("FOCUS" in word for word in words) or text(header, "OBJECT", "").upper().startswith("FOCUS")


def _spectrum(setup: Setup, typed: str) -> str:
    if _ARC_LAMPS & set(setup.lamps) or "WAVE" in typed or "ARC" in typed:
        return "arc"
    if "Halogen" in setup.lamps or "FLAT" in typed:
        return "flat"
    return "object"


def _picture(header: Header, setup: Setup, typed: str) -> str:
    if not setup.slit.is_open:
        return "slit_image"
    if "WAVE" in typed or _ARC_LAMPS & set(setup.lamps):
        return "unknown"
    if "FLAT" in typed or "Halogen" in setup.lamps:
        return "imaging_flat"
    called = f"{typed} {text(header, 'IMAGECAT', '')} {text(header, 'OBJECT', '')}".upper()
    if "ACQ" in called:
        return "acquisition"
    return "image" if setup.grism.is_open else "unknown"
