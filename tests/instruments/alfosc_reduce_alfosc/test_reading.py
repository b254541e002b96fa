"""Raw files into ADU: plain, packed, broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from alfosc_reduce_alfosc.raw import read_header
from alfosc_reduce_alfosc.sky import air_mass, site
from astropy.io import fits

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag

INSTRUMENT = Alfosc()
WINDOW = {"DETWIN1": "[851:900, 1:100]", "DETXBIN": 1, "DETYBIN": 2}
RNG = np.random.default_rng(1)
ADU = RNG.integers(-20, 700_000, size=(50, 50))


@pytest.mark.parametrize("name", ["raw.fits", "raw.fits.gz", "raw.fits.fz", "raw.gz", "raw.fts.gz"])
def test_every_way_of_packing_gives_the_same_pixels(write_raw, name: str) -> None:
    path = write_raw(name, ADU, **WINDOW)
    image = INSTRUMENT.read(path)
    assert np.array_equal(image.data, ADU)
    assert image.unit == "adu"
    assert np.array_equal(image.flags == Flag.NEGATIVE_WRAPPED, ADU < 0)
    assert not image.mask.any(), "mended pixels are usable"
    header = read_header(path)
    assert INSTRUMENT.describe(header).window == "[851:900,1:100]"
    assert "NAXIS1" not in header or header["NAXIS"] == 0


def test_a_compressed_file_has_the_header_of_a_plain_one(tmp_path: Path, make_header) -> None:
    extra = fits.Header({"CCDNAME": "CCD14", "ZERO0-3": -5600})
    for name, unit in (("plain.fits", fits.ImageHDU), ("packed.fits.fz", fits.CompImageHDU)):
        image = unit(ADU.astype(np.uint32), header=extra, name="im1")
        fits.HDUList([fits.PrimaryHDU(header=make_header(**WINDOW)), image]).writeto(tmp_path / name)
    plain, packed = (read_header(tmp_path / name) for name in ("plain.fits", "packed.fits.fz"))
    assert plain["ZERO0-3"] == packed["ZERO0-3"] == -5600
    assert set(packed) == set(plain)


def test_a_header_is_read_without_the_pixels(write_raw) -> None:
    path = write_raw("raw.fits.gz", ADU, **WINDOW)
    path.write_bytes(path.read_bytes()[:6000])
    assert read_header(path)["DETYBIN"] == 2
    with pytest.raises(DataError, match=r"raw\.fits\.gz.*truncated"):
        INSTRUMENT.read(path)


@pytest.mark.parametrize("name", ["raw.fits", "raw.fits.gz", "raw.fits.fz"])
@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.95])
def test_a_truncated_file_is_called_so(write_raw, name: str, kept: float) -> None:
    path = write_raw(name, ADU, **WINDOW)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * (len(content) - 2880 * (not name.endswith("gz"))))])
    with pytest.raises(DataError, match=r"raw.*(truncated|no FITS file|damaged|only a header)"):
        INSTRUMENT.read(path)


def test_text_is_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "notes.fits"
    path.write_text("seeing was 0.8\n")
    with pytest.raises(DataError, match=r"notes\.fits: no FITS file"):
        INSTRUMENT.read(path)
    with pytest.raises(DataError, match="no FITS file"):
        read_header(path)


def test_a_file_without_an_image_is_called_so(tmp_path: Path, make_header) -> None:
    path = tmp_path / "empty.fits"
    fits.PrimaryHDU(header=make_header()).writeto(path)
    with pytest.raises(DataError, match=r"empty\.fits: no image"):
        INSTRUMENT.read(path)


def test_a_frame_of_zeros_is_refused(write_raw) -> None:
    with pytest.raises(DataError, match=r"raw\.fits: all pixels are zero"):
        INSTRUMENT.read(write_raw("raw.fits", np.zeros((50, 50), int), **WINDOW))


def test_a_frame_of_another_size_than_its_window_is_refused(write_raw) -> None:
    with pytest.raises(DataError, match=r"50 x 50 pixels, but the window .* has 50 x 100"):
        INSTRUMENT.read(write_raw("raw.fits", ADU, **{**WINDOW, "DETYBIN": 1}))


def test_nan_is_flagged_and_let_through(tmp_path: Path, make_header) -> None:
    values = ADU.astype(np.float32)
    values[3, 4] = np.nan
    path = tmp_path / "float.fits"
    fits.PrimaryHDU(values, header=make_header(**WINDOW)).writeto(path)
    image = INSTRUMENT.read(path)
    assert image.flags[3, 4] == Flag.NOT_FINITE
    assert image.mask.sum() == 1
    assert image.data[3, 4] == 0


def test_wrapped_values_of_a_float_file_are_mended_too(tmp_path: Path, make_header) -> None:
    values = ADU.astype(np.float64) % 2.0**32
    path = tmp_path / "float.fits"
    fits.PrimaryHDU(values, header=make_header(**WINDOW)).writeto(path)
    image = INSTRUMENT.read(path)
    assert np.array_equal(image.data, ADU)
    assert np.array_equal(image.flags == Flag.NEGATIVE_WRAPPED, ADU < 0)


def test_the_normalised_header_of_a_vertical_slit(write_raw) -> None:
    changes = {**WINDOW, "DETXBIN": 2, "DETYBIN": 1, "ALAPRTNM": "Vert_1.3", "ALGRNM": "Grism_#17"}
    header = INSTRUMENT.read(write_raw("raw.fits", RNG.integers(1, 9, (100, 25)), **changes)).header
    assert (header["DISPAXIS"], header["DISPSIGN"], header["SLITWID"]) == (1, 1, 1.3)
    assert header["PIXSCALE"] == pytest.approx(0.2138)
    assert header["CCDSUM"] == "2 1"


def test_the_pixel_scale_follows_the_binning_along_the_slit(write_raw) -> None:
    changes = {"DETWIN1": "[801:900, 1:100]", "DETXBIN": 2, "DETYBIN": 4}
    header = INSTRUMENT.read(write_raw("raw.fits", RNG.integers(1, 9, (25, 50)), **changes)).header
    assert header["PIXSCALE"] == pytest.approx(2 * 0.2138)


def test_an_image_has_no_dispersion(write_raw) -> None:
    changes = {**WINDOW, "ALGRNM": "Open_(Lyot)", "ALAPRTNM": "Open", "FAFLTNM": "R_Bes 650_130"}
    header = INSTRUMENT.read(write_raw("raw.fits", ADU, **changes)).header
    assert header["DISPAXIS"] == 0
    assert "SLITWID" not in header
    assert header["PIXSCALE"] == pytest.approx(2 * 0.2138)


def test_the_air_mass_is_that_of_the_middle_of_the_exposure(write_raw) -> None:
    """Against astropy's own transformation, and falling for an object that rises."""
    from astropy.coordinates import AltAz, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    header = INSTRUMENT.read(write_raw("raw.fits", ADU, **WINDOW)).header
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        frame = AltAz(obstime=Time("2020-06-01T02:05:00"), location=site())
        secant = float(SkyCoord(240, 20, unit="deg").transform_to(frame).secz)
    assert header["AIRMASS"] == pytest.approx(secant * (1 - 0.0012 * (secant**2 - 1)), abs=1e-4)
    assert header["AIRMASS0"] == 1.2


@pytest.mark.parametrize("changes", [{"RA": None}, {"RA": "unknown"}, {"DEC": 123.0}])
def test_without_a_pointing_the_air_mass_is_the_header_s(write_raw, changes: dict[str, object]) -> None:
    image = INSTRUMENT.read(write_raw("raw.fits", ADU, **{**WINDOW, **changes}))
    assert image.header["AIRMASS"] == 1.2
    assert "RA" not in image.header
    with pytest.raises(DataError, match="no RA and DEC"):
        INSTRUMENT.pointing(image.header)


def test_sexagesimal_pointings_are_understood(make_header) -> None:
    pointing = INSTRUMENT.pointing(make_header(RA="10:00:00.0", DEC="-05:30:00"))
    assert (pointing.ra.deg, pointing.dec.deg) == pytest.approx((150.0, -5.5))


def test_air_mass_below_the_horizon_is_none() -> None:
    from datetime import datetime

    assert air_mass(240.0, -89.0, datetime(2020, 6, 1, 2)) is None


def test_headers_of_the_night_survive_gzip_members(tmp_path: Path, write_raw) -> None:
    """Files packed in two members, as some archives do, read like any other."""
    content = write_raw("raw.fits", ADU, **WINDOW).read_bytes()
    path = tmp_path / "two.fits.gz"
    path.write_bytes(gzip.compress(content[:4000]) + gzip.compress(content[4000:]))
    assert np.array_equal(INSTRUMENT.read(path).data, ADU)


def test_the_limits_follow_the_gain(write_raw) -> None:
    """Frames of 2017 were read with half as many ADU an electron: the wells hold the same electrons."""
    usual = INSTRUMENT.read(write_raw("new.fits", ADU, **WINDOW)).header
    early = INSTRUMENT.read(write_raw("old.fits", ADU, **WINDOW, GAIN=0.33, RDNOISE=4.2)).header
    assert (usual["SATURATE"], usual["LINMAX"]) == pytest.approx((700_000, 600_000))
    for limit in ("SATURATE", "LINMAX"):
        assert early[limit] * early["GAIN"] == pytest.approx(usual[limit] * usual["GAIN"])
    assert early["RDNOISE"] == 4.2
    with pytest.raises(DataError, match=r"bad\.fits: keyword GAIN = 0"):
        INSTRUMENT.read(write_raw("bad.fits", ADU, **WINDOW, GAIN=0.0))


def test_a_header_without_a_gain_gets_that_of_the_detector(write_raw) -> None:
    header = INSTRUMENT.read(write_raw("raw.fits", ADU, **WINDOW, GAIN=None, RDNOISE=None)).header
    assert (header["GAIN"], header["RDNOISE"]) == (0.16, 4.3)
