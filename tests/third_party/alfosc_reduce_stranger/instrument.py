"""A spectrograph that nobody has: only what an instrument must have."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from alfosc_reduce import DataError, Instrument
from alfosc_reduce.images import make_image
from alfosc_reduce.instrument import FrameInfo

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.io.fits import Header
    from astropy.nddata import CCDData

_KINDS = {"ZERO": "bias", "LAMP": "flat", "SKY": "object"}


class Stranger(Instrument):
    """A spectrograph with an upright slit and no overscan."""

    name: ClassVar[str] = "stranger"
    fullname: ClassVar[str] = "The Stranger's Spectrograph"

    def recognises(self, header: Header) -> bool:
        """Say whether the header names this instrument."""
        return str(header.get("INSTRUME", "")).strip() == "STRANGER"

    def describe(self, header: Header) -> FrameInfo:
        """Classify a frame by its ``OBSTYPE``."""
        for key in ("OBSTYPE", "EXPTIME", "MJD-OBS"):
            if key not in header:
                raise DataError(f"the keyword {key} is missing from the header; a frame of this camera has it")
        target = str(header.get("OBJECT", "")).strip()
        kind = _KINDS.get(str(header["OBSTYPE"]).strip(), "unknown")
        where = {"readout": "full", "grism": "G1", "slit": "1.0", "filter": "Open", "target": target, "setup": "G1"}
        return FrameInfo(
            kind, target, float(header["EXPTIME"]), float(header["MJD-OBS"]), coordinates=where, binning="1x1"
        )

    def read(self, path: Path) -> CCDData:
        """Read a raw file into ADU."""
        from astropy.io import fits

        data, header = fits.getdata(path, header=True)
        info = self.describe(header)
        ny, nx = data.shape
        header.update(
            INSTRUME="stranger", FRAMEKND=info.kind, BIASSEC="", TRIMSEC=f"[1:{nx},1:{ny}]", DETSEC=f"[1:{nx},1:{ny}]",
            CCDSUM="1 1", GAIN=1.0, RDNOISE=3.0, SATURATE=60000.0, LINMAX=50000.0, DISPAXIS=1, DISPSIGN=1, PIXSCALE=0.5,
            GRISM="G1", SLIT="1.0", FILTER="Open", LAMP="", SLITWID=1.0,
        )  # fmt: skip
        header["MJD-AVG"] = info.time
        return make_image(data, unit="adu", header=header)
