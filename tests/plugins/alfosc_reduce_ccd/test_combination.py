import tracemalloc

import numpy as np
import pytest
from alfosc_reduce_ccd.combination import combine, strips
from alfosc_reduce_ccd.planes import planes_of
from astropy.io import fits
from astropy.nddata import CCDData

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import make_image

SHAPE = (60, 80)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def planes(arrays, variance=None, flags=None, **cards):
    frames = [
        make_image(a, unit="adu", header=fits.Header({"FILENAME": f"f{i}"} | cards), variance=variance,
                   flags=None if flags is None else flags[i])
        for i, a in enumerate(arrays)
    ]  # fmt: skip
    return planes_of(frames, "test")


@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize("number", [3, 5, 10, 30])
def test_error_is_that_of_the_result(rng, number, method):
    stack = rng.normal(100, 30, (number, *SHAPE))
    result = combine(planes(stack), method=method, noise=np.full(number, 30.0))
    pull = (result.data - 100) / np.sqrt(result.variance)
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    # A median of few values is better than the limit of many, so its error is on the safe side.
    assert np.std(pull) == pytest.approx(1, abs=0.03 if method == "mean" else 0.08 if number > 3 else 0.12)


def test_error_from_scatter_alone(rng):
    result = combine(planes(rng.normal(100, 30, (30, *SHAPE))))
    assert np.median(result.variance) == pytest.approx(900 / 30, rel=0.05)
    # The median absolute deviation of 30 values is at times so small that good values are rejected.
    assert result.rejected_fraction < 1e-3


@pytest.mark.parametrize("number", [2, 3, 4, 5, 30])
def test_outliers_are_rejected_and_counted(rng, number):
    stack = rng.normal(100, 30, (number, *SHAPE))
    stack[0, 10, 10] = stack[-1, 20, 20] = 5000
    result = combine(planes(stack), noise=np.full(number, 30.0))
    assert result.rejected[10, 10] == 1 and result.count[10, 10] == number - 1
    assert abs(result.data[10, 10] - 100) < 4 * 30 and abs(result.data[20, 20] - 100) < 4 * 30
    assert result.variance[10, 10] == pytest.approx(900 / (number - 1))
    assert result.rejected.sum() <= 4


def test_clipping_does_not_bias(rng):
    result = combine(planes(rng.poisson(40, (30, 200, 200))))
    assert result.data.mean() == pytest.approx(40, abs=0.03)


def test_masked_pixels_are_left_out_unless_bad_everywhere(rng):
    stack = rng.normal(100, 5, (4, *SHAPE))
    flags = np.zeros((4, *SHAPE), np.int16)
    stack[1, 3, 3], flags[1, 3, 3] = 9000, Flag.SATURATED
    flags[:, 4, 4] = Flag.BAD_PIXEL
    flags[2, 5, 5] = Flag.NONLINEAR
    result = combine(planes(stack, variance=25.0, flags=flags))
    assert result.count[3, 3] == 3 and result.flags[3, 3] == 0 and result.data[3, 3] == pytest.approx(100, abs=15)
    assert result.flags[4, 4] == Flag.BAD_PIXEL and result.data[4, 4] == pytest.approx(100, abs=15)
    assert result.flags[5, 5] == Flag.NONLINEAR


def test_scaled_frames_are_weighted_right(rng):
    levels = np.array([0.5, 1.0, 2.0])
    truth = 10000.0
    stack = rng.poisson(truth * levels[:, None, None], (3, *SHAPE)).astype(float)
    frames = [make_image(a, unit="electron", header=fits.Header(), variance=a) for a in stack]
    result = combine(planes_of(frames, "test"), scales=levels, weights=levels)
    pull = (result.data - truth) / np.sqrt(result.variance)
    assert np.std(pull) == pytest.approx(1, abs=0.03)
    assert np.median(result.variance) == pytest.approx(truth / levels.sum(), rel=0.02)


def test_strips_do_not_change_the_result(rng, monkeypatch):
    stack = planes(rng.normal(0, 1, (6, *SHAPE)))
    whole = combine(stack)
    monkeypatch.setattr("alfosc_reduce_ccd.combination.strips", lambda shape, n: strips(shape, n, memory=30_000))
    parts = combine(stack)
    assert len(list(strips(SHAPE, 6, memory=30_000))) > 10
    for name in ("data", "variance", "scatter", "count", "rejected", "flags"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_memory_of_mapped_frames_is_bounded(tmp_path, rng):
    paths = []
    for i in range(12):
        path = tmp_path / f"{i}.fits"
        fits.PrimaryHDU(rng.normal(0, 5, (600, 1000)).astype(np.float32)).writeto(path)
        paths.append(path)

    class Lazy:
        def __len__(self):
            return len(paths)

        def __getitem__(self, i):
            with fits.open(paths[i], memmap=True) as hdus:
                return CCDData(hdus[0].data, unit="adu", meta=hdus[0].header)

    tracemalloc.start()
    result = combine(planes_of(Lazy(), "test"), noise=np.full(12, 5.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.std(result.data) == pytest.approx(5 / np.sqrt(12), rel=0.02)
    assert peak < 90e6


def test_mixed_readouts_are_named(rng):
    images = [make_image(np.ones(SHAPE), unit="adu", header=fits.Header({"FILENAME": f"f{i}", "GAIN": g}))
              for i, g in enumerate((0.16, 0.16, 0.33))]  # fmt: skip
    with pytest.raises(DataError, match=r"f0, f1 with .*gain 0.16; f2 with .*gain 0.33"):
        planes_of(images, "bias")
    with pytest.raises(DataError, match="no frames"):
        planes_of([], "bias")
    with pytest.raises(DataError, match="frames of one shape"):
        combine([])
