"""All real frames of the shipped night, and strangers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from alfosc_reduce_alfosc.raw import read_header
from astropy.io import fits

INSTRUMENT = Alfosc()
KINDS = {
    "200086": "standard",
    "200087": "standard",
    "200088": "arc",
    "200205": "object",
    "200206": "object",
    "200207": "arc",
}
TARGETS = {"2000": "HD84937", "2002": "GQ125005+280041", "2003": "", "2100": ""}


def expected_kind(path: Path) -> str:
    number = path.name[4:10]
    return KINDS.get(number, "flat" if number.startswith("2003") else "bias")


def test_all_frames_of_the_night_are_classified(testdata: Path) -> None:
    paths = sorted((testdata / "alfosc-longslit").glob("*.fits.gz"))
    assert len(paths) == 41
    counts: Counter[str] = Counter()
    for path in paths:
        header = read_header(path)
        assert INSTRUMENT.recognises(header)
        info = INSTRUMENT.describe(header)
        assert info.kind == expected_kind(path), path.name
        assert info.coordinates["target"] == TARGETS[path.name[4:8]], path.name
        assert info.coordinates["readout"] == "[851:1250,1:2102] 1x2 200"
        assert info.remarks == ()
        counts[info.kind] += 1
    assert counts == {"bias": 30, "flat": 5, "arc": 2, "object": 2, "standard": 2}


def test_the_spectra_of_the_night_share_one_setup(testdata: Path) -> None:
    for number in ("200086", "200088", "200205", "200337"):
        info = INSTRUMENT.describe(read_header(testdata / "alfosc-longslit" / f"ALDc{number}.fits.gz"))
        assert info.coordinates["setup"] == "Grism_4_Slit_1.0_WG345"
        assert info.coordinates["lamp"] == {"200088": "He+Ne", "200337": "Halogen"}.get(number, "")


def test_a_real_frame_comes_with_the_promised_header(testdata: Path) -> None:
    image = INSTRUMENT.read(testdata / "alfosc-longslit" / "ALDc200086.fits.gz")
    header = image.header
    assert image.shape == (1051, 400)
    assert (header["TRIMSEC"], header["BIASSEC"]) == ("[1:400,1:1031]", "[1:400,1034:1051]")
    assert header["DETSEC"] == "[851:1250,1:2062]"
    assert (header["DISPAXIS"], header["DISPSIGN"], header["SLITWID"]) == (2, -1, 1.0)
    assert header["PIXSCALE"] == pytest.approx(0.2138)
    assert header["AIRMASS"] == pytest.approx(header["AIRMASS0"], abs=0.003)
    assert image.data[0, 0] < 0, "the wrapped corner pixel is mended"
    assert INSTRUMENT.standard(header).name == "HD84937"


def test_the_overscan_of_real_flats_sees_no_light(testdata: Path) -> None:
    """The last rows counted as exposed hold light, the first counted as overscan none: within its own noise."""
    flats = [INSTRUMENT.read(testdata / "alfosc-longslit" / f"ALDc20033{n}.fits.gz").data for n in (7, 8, 9)]
    rows = np.median(np.mean(flats, axis=0), axis=1)
    overscan, exposed = rows[1033:], rows[:1031]
    assert exposed[-1] - np.median(overscan) > 9000
    assert abs(overscan[0] - np.median(overscan[1:])) < 4 * np.std(overscan[1:])
    assert np.ptp(overscan) < 15


def test_unbinned_bias_frames_are_bias_frames_of_another_readout(testdata: Path) -> None:
    paths = sorted((testdata / "alfosc-bias-1x1").glob("*.fits.gz"))
    infos = [INSTRUMENT.describe(read_header(path)) for path in paths]
    assert [info.kind for info in infos] == ["bias"] * 6
    assert {info.coordinates["readout"] for info in infos} == {"[851:1250,1:2102] 1x1 200"}
    assert INSTRUMENT.read(paths[0]).header["BIASSEC"] == "[1:400,2067:2102]"


@pytest.mark.parametrize("folder", ["efosc2", "kast"])
def test_frames_of_other_instruments_are_not_ours(testdata: Path, folder: str) -> None:
    paths = sorted((testdata / folder).glob("*.fits.gz"))
    assert paths
    assert not any(INSTRUMENT.recognises(read_header(path)) for path in paths)


def test_real_pixels_are_those_that_astropy_reads(testdata: Path) -> None:
    path = testdata / "alfosc-longslit" / "ALDc210010.fits.gz"
    expected = fits.getdata(path).astype(np.float64)
    expected[expected > 2**31] -= 2**32
    assert np.array_equal(INSTRUMENT.read(path).data, expected)
