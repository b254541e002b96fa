import numpy as np
import pytest
from alfosc_reduce_ccd.bias import CombineBias
from alfosc_reduce_ccd.dark import CombineDark
from alfosc_reduce_ccd.overscan import SubtractOverscan

from alfosc_reduce import DataError
from alfosc_reduce.images import flags_of, variance_of

STEP, OVERSCAN = CombineDark(), SubtractOverscan()
RATE = 0.05


@pytest.fixture
def bias(detector):
    return CombineBias()([OVERSCAN(detector.raw(name=f"b{i}")) for i in range(10)])


@pytest.fixture
def darks(detector):
    rate = np.full((detector.ny, detector.nx), RATE)
    rate[60, 90] = 4.0
    times = (300.0, 600.0, 600.0, 900.0)
    return [OVERSCAN(detector.raw(rate * t, name=f"d{i}", EXPTIME=t)) for i, t in enumerate(times)]


def test_rate_is_recovered_to_its_error(detector, darks, bias):
    result = STEP(darks, bias)
    truth = RATE / detector.gain
    good = np.s_[:, 12:]
    rate = result.data[good]
    assert rate.mean() == pytest.approx(truth, abs=0.02 * truth)
    assert result.unit == "adu / s"
    # Read noise dominates; the photon noise of some 30 electrons adds as much again and is not in the variance of ADU.
    pull = (rate - np.median(rate)) / np.sqrt(variance_of(result)[good])
    assert 0.9 < np.std(np.clip(pull, -5, 5)) < 1.6


def test_hot_pixels_are_flagged_and_few_others(darks, bias, bad_pixel):
    flags = flags_of(STEP(darks, bias))
    assert flags[60, 90] & bad_pixel
    assert np.count_nonzero(flags[:, 12:] & bad_pixel) <= 3


def test_cosmic_rays_go(darks, bias):
    clean = STEP(darks, bias)
    darks[1].data[30, 40] += 30000
    assert STEP(darks, bias).data[30, 40] == pytest.approx(clean.data[30, 40], abs=0.2)


def test_without_bias_and_with_one_frame(darks, caplog):
    result = STEP(darks[:1])
    assert "only one frame" in caplog.text and result.meta["NCOMBINE"] == 1
    assert STEP.quality(result)["frames"] == 1
    assert [name for name, _ in STEP.figures(result)] == ["dark"]


def test_bad_input_is_refused(darks, bias):
    darks[0].meta["EXPTIME"] = 0.0
    with pytest.raises(DataError, match=r"exposure time 0\.0"):
        STEP(darks, bias)
    bias.meta["CCDSUM"] = "1 1"
    with pytest.raises(DataError, match="different read-outs"):
        STEP(darks[1:], bias)
