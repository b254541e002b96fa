"""A spectrograph with frames of 4 x 6 pixels; its headers say everything plainly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from alfosc_reduce import DataError, Instrument
from alfosc_reduce.images import make_image
from alfosc_reduce.instrument import FrameInfo

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData


class Toy(Instrument):
    """A toy."""

    name: ClassVar[str] = "toy"
    fullname: ClassVar[str] = "Toy spectrograph"

    def recognises(self, header: Header) -> bool:
        return header.get("INSTRUME") == "TOY"

    def describe(self, header: Header) -> FrameInfo:
        if "IMTYPE" not in header:
            raise DataError("the keyword IMTYPE is missing; restore the header")
        where = {name: str(header.get(name, "")) for name in ("readout", "grism", "slit", "filter", "lamp")}
        target = str(header["OBJECT"]) if header["IMTYPE"] not in ("bias", "flat") else ""
        where |= {"target": target, "setup": f"{where['grism']}_{where['slit']}"}
        return FrameInfo(
            header["IMTYPE"],
            str(header["OBJECT"]),
            float(header["EXPTIME"]),
            float(header["MJD"]),
            where,
            "1x1",
            "full",
        )

    def read(self, path: Path) -> CCDData:
        from astropy.io import fits

        data, header = fits.getdata(path, header=True)
        return make_image(data, unit="adu", header=header, variance=np.ones(data.shape))

    def recipes(self) -> dict[str, Path]:
        return {"spec": Path(__file__).with_name("spec.toml")}


def write_frame(path: Path, kind: str, target: str, mjd: float, **cards: Any) -> Path:
    """Write a raw frame; its pixels follow from its time."""
    from astropy.io import fits

    own = {"INSTRUME": "TOY", "IMTYPE": kind, "OBJECT": target, "EXPTIME": 10.0, "MJD": mjd}
    setup = {"READOUT": "full", "GRISM": "G4", "SLIT": "1.0", "FILTER": "Open", "LAMP": ""}
    header = fits.Header({key: value for key, value in (own | setup | cards).items() if value is not None})
    pixels = np.random.default_rng(int(mjd * 1e5)).integers(100, 200, (4, 6)).astype(np.int16)
    fits.writeto(path, pixels, header, overwrite=True)
    return path
