import numpy as np
import pytest
from alfosc_reduce_ccd.bias import CombineBias
from alfosc_reduce_ccd.correction import CorrectFrame
from alfosc_reduce_ccd.dark import CombineDark
from alfosc_reduce_ccd.overscan import SubtractOverscan
from alfosc_reduce_ccd.products import DetectorNoise

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import flags_of, variance_of

STEP, OVERSCAN = CorrectFrame(), SubtractOverscan()


@pytest.fixture
def bias(detector):
    return CombineBias()([OVERSCAN(detector.raw(name=f"b{i}")) for i in range(20)])


@pytest.fixture
def noise(detector):
    return DetectorNoise(
        gain=detector.gain, gain_error=0.001, read_noise=5.0, read_noise_error=0.1, measured_gain=detector.gain,
        measured_gain_error=0.001, measured_read_noise=5.0, measured_read_noise_error=0.1, header_gain=0.16,
        header_read_noise=4.3, gain_source="measured", read_noise_source="measured", bias_frames=2, flat_frames=2,
    )  # fmt: skip


def light_of(detector):
    y, x = np.mgrid[: detector.ny, : detector.nx]
    return 20 + 3 * y + 0.1 * x


def test_electrons_and_their_noise(detector, bias, noise):
    light = light_of(detector)
    result = STEP(OVERSCAN(detector.raw(light, drift=220, slope=-15)), bias, None, noise)
    truth = light.T[:, ::-1]
    good = np.s_[14:]  # the steep first columns of the read-out are now the first rows
    pull = (result.data - truth)[good] / np.sqrt(truth[good] + detector.noise**2 * (1 + 1 / 20))
    assert np.std(pull) == pytest.approx(1, abs=0.02)
    assert abs(np.median((result.data - truth)[good])) < 0.3
    expected = np.maximum(result.data, 0) + result.meta["RDNOISE"] ** 2 * (1 + 1 / 20)
    assert np.median(variance_of(result)[good] / expected[good]) == pytest.approx(1, abs=0.005)


def test_header_of_what_was_used(detector, bias, noise):
    header = STEP(OVERSCAN(detector.raw()), bias, None, noise).meta
    assert header["GAIN"] == detector.gain and header["GAINHDR"] == 0.16 and header["RDNHDR"] == 4.3
    assert header["RDNOISE"] == pytest.approx(detector.noise, rel=0.05)
    assert header["DRKNOISE"] == pytest.approx(header["RDNOISE"] * np.sqrt(1 + 1 / 20), rel=0.005)
    assert header["SATURATE"] == pytest.approx((700000 - header["OVSCLEV"]) * detector.gain, abs=1)
    assert (header["DISPAXIS"], header["DISPSIGN"]) == (1, 1)


@pytest.mark.parametrize(
    ("axis", "sign", "expected"),
    [
        (2, -1, (479.5, -2.0, 851.0, 1.0)),
        (2, 1, (1.5, 2.0, 851.0, 1.0)),
        (1, 1, (851.0, 1.0, 1.5, 2.0)),
        (1, -1, (1010.0, -1.0, 1.5, 2.0)),
        (0, 1, (851.0, 1.0, 1.5, 2.0)),
    ],
)
def test_wavelength_rises_with_x_whatever_the_read_out(detector, axis, sign, expected):
    image = OVERSCAN(detector.raw(DISPAXIS=axis, DISPSIGN=sign))
    image.data[7, 3] += 1e6
    result = STEP(image)
    row, column = np.unravel_index(np.argmax(result.data), result.shape)
    header = result.meta
    assert tuple(header[k] for k in ("DISPPIX0", "DISPSTEP", "SLITPIX0", "SLITSTEP")) == expected
    # The same detector pixel, by the header of the oriented frame: raw pixel (3, 7) binned 1x2 is (854, 15.5).
    along = header["DISPPIX0"] + column * header["DISPSTEP"]
    across = header["SLITPIX0"] + row * header["SLITSTEP"]
    assert (across, along) == (854, 15.5) if axis == 2 else (along, across) == (854, 15.5)


def test_dark_is_scaled_with_the_time(detector, bias, noise):
    darks = [
        OVERSCAN(detector.raw(np.full((detector.ny, detector.nx), 60.0), name=f"d{i}", EXPTIME=600.0)) for i in range(5)
    ]
    dark = CombineDark()(darks, bias)
    image = OVERSCAN(detector.raw(np.full((detector.ny, detector.nx), 30.0), EXPTIME=300.0))
    result = STEP(image, bias, dark, noise)
    assert np.median(result.data[14:]) == pytest.approx(0, abs=0.5)
    assert np.median(variance_of(result)) > np.median(variance_of(STEP(image, bias, None, noise))) - 30
    image.meta["EXPTIME"] = "long"
    with pytest.raises(DataError, match="EXPTIME is 'long'"):
        STEP(image, bias, dark, noise)


def test_flags_of_the_calibrations_come_along(detector, bias, noise):
    image = OVERSCAN(detector.raw())
    image.flags[5, 30] = Flag.SATURATED
    bias.flags[9, 40] |= Flag.BAD_PIXEL
    flags = flags_of(STEP(image, bias, None, noise))
    assert flags[30, detector.ny - 1 - 5] == Flag.SATURATED
    assert flags[40, detector.ny - 1 - 9] & Flag.BAD_PIXEL


def test_without_bias_or_detector(detector, caplog):
    result = STEP(OVERSCAN(detector.raw()))
    assert "no master bias" in caplog.text
    assert result.meta["GAIN"] == 0.16
    assert result.meta["RDNOISE"] == pytest.approx(detector.noise / detector.gain * 0.16, rel=0.05)


def test_read_noise_where_there_is_no_overscan(detector, noise):
    image = OVERSCAN(detector.raw(BIASSEC=""))
    assert STEP(image, None, None, noise).meta["RDNOISE"] == 5.0
    assert STEP(image).meta["RDNOISE"] == 4.3
    del image.meta["RDNOISE"]
    with pytest.raises(DataError, match="the read noise is None"):
        STEP(image)
    del image.meta["GAIN"]
    with pytest.raises(DataError, match="the gain is None"):
        STEP(image)


@pytest.mark.parametrize(("keyword", "value"), [("CCDSUM", "1 1"), ("DETSEC", "[1:160,1:480]")])
def test_a_bias_of_another_read_out_is_refused(detector, bias, keyword, value):
    image = OVERSCAN(detector.raw(name="ALDc1"))
    other = bias.copy()
    other.meta[keyword] = value
    with pytest.raises(DataError, match=f"ALDc1: {keyword} is .* master bias"):
        STEP(image, other)
    image.mask = image.flags = None
    image.data = image.data[:100]
    with pytest.raises(DataError, match="160 x 100 pixels, the master bias 160 x 240"):
        STEP(image, bias)


def test_nonsense_orientation_is_refused(detector):
    with pytest.raises(DataError, match="DISPAXIS = 3"):
        STEP(OVERSCAN(detector.raw(DISPAXIS=3)))
    with pytest.raises(DataError, match="CCDSUM"):
        STEP(OVERSCAN(detector.raw(CCDSUM="none")))


def test_inputs_stay(detector, bias, noise):
    image = OVERSCAN(detector.raw())
    before = image.data.copy(), image.meta.copy(), bias.data.copy()
    result = STEP(image, bias, None, noise)
    assert np.array_equal(before[0], image.data) and before[1] == image.meta and np.array_equal(before[2], bias.data)
    assert STEP.quality(result)["gain"] == detector.gain
    assert not list(STEP.figures(result, image=image))
