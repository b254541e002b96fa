"""Headers and raw files of ALFOSC frames, without real data."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

FULL = "[1:2148, 1:2102]"


@pytest.fixture
def make_header() -> Callable[..., fits.Header]:
    """A merged header of a spectrum of a science target; keyword arguments override, None removes (``_`` for ``-``)."""

    def make(**changes: object) -> fits.Header:
        header = fits.Header()
        header.update(
            {
                "INSTRUME": "ALFOSC_FASU", "FILENAME": "ALTe010001.fits", "IMAGETYP": "OBJECT", "IMAGECAT": "SCIENCE",
                "OBS_MODE": "SPECTROSCOPY", "OBJECT": "SN2020xyz", "TCSTGT": "SN2020xyz", "EXPTIME": 600.0,
                "DATE-OBS": "2020-06-01T02:00:00.000", "DATE-AVG": "2020-06-01T02:05:00.000", "RA": 240.0, "DEC": 20.0,
                "AIRMASS": 1.2, "ALGRNM": "Grism_#4", "ALAPRTNM": "Slit_1.0", "ALAPRORI": "Horizontal",
                "FAFLTNM": "Open", "FAFLTID": 1001, "FBFLTNM": "Open", "FBFLTID": 1002, "ALFLTNM": "Open",
                "ALFLTID": 1005, "CLAMP1": 0, "CLAMPNM1": " He", "CLAMP2": 0, "CLAMPNM2": " Ne", "CLAMP3": 0,
                "CLAMPNM3": " Halogen", "CLAMP4": 0, "CLAMPNM4": " ThAr Holl", "CMIRROR": 0, "SHSTAT": "OPEN",
                "DETWIN1": FULL, "DETXBIN": 1, "DETYBIN": 1, "FPIX": 200, "GAIN": 0.16, "RDNOISE": 4.3,
                "CCDNAME": "CCD14", "XOVERSC": "50", "YOVERSC": "50",
            }
        )  # fmt: skip
        for keyword, value in changes.items():
            name = keyword.replace("_", "-") if keyword.startswith("DATE") else keyword
            if value is None:
                header.remove(name)
            else:
                header[name] = value
        return header

    return make


@pytest.fixture
def write_raw(tmp_path: Path, make_header: Callable[..., fits.Header]) -> Callable[..., Path]:
    """Write ADU as the telescope does: an empty primary unit, and 32-bit unsigned integers in the extension ``im1``."""

    def write(name: str, adu: NDArray[np.generic], **changes: object) -> Path:
        stored = adu.astype(np.int64) % 2**32
        primary = fits.PrimaryHDU(header=make_header(FILENAME=name.split(".")[0] + ".fits", **changes))
        image = fits.ImageHDU(stored.astype(np.uint32), name="im1")
        path = tmp_path / name
        if name.endswith(".fz"):
            image = fits.CompImageHDU(stored.astype(np.uint32), name="im1", compression_type="RICE_1")
        plain = tmp_path / f"{name}.plain"
        fits.HDUList([primary, image]).writeto(plain)
        content = plain.read_bytes()
        plain.unlink()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write
