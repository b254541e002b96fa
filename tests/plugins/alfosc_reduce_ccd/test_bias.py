import numpy as np
import pytest
from alfosc_reduce_ccd.bias import CombineBias
from alfosc_reduce_ccd.overscan import SubtractOverscan

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import flags_of, variance_of

STEP, OVERSCAN = CombineBias(), SubtractOverscan()


@pytest.fixture
def frames(detector):
    return [OVERSCAN(detector.raw(drift=drift, name=f"b{i}")) for i, drift in enumerate(np.linspace(0, 40, 20))]


def test_structure_is_recovered_to_its_error(detector, frames):
    result = STEP(frames)
    structure = detector.structure[None] - detector.structure[None].mean()
    good = np.s_[:, 12:]
    residual = (result.data - structure)[good]
    residual = residual - np.median(residual, axis=0)  # the overscan's parabola is free along x
    pull = residual / np.sqrt(variance_of(result)[good])
    assert np.std(pull) == pytest.approx(1, abs=0.03)
    assert np.sqrt(np.median(variance_of(result))) == pytest.approx(
        detector.noise / detector.gain / np.sqrt(20), rel=0.03
    )
    assert STEP.quality(result)["rejected_fraction"] < 1e-4


def test_steep_columns_hot_and_noisy_pixels_are_flagged(detector, frames, bad_pixel):
    rng = np.random.default_rng(3)
    for frame in frames:
        frame.data[:, 77] += 2000
        frame.data[:, 60] += 240
        frame.data[100, 50] += rng.choice([0, 600])
    flags = flags_of(STEP(frames))
    for column in (0, 60, 77):
        assert (flags[:, column] & bad_pixel).all()
    assert flags[100, 50] & bad_pixel
    assert np.count_nonzero(np.delete(flags[:, 10:77], 50, axis=1)) <= 3


def test_a_hot_column_that_begins_at_some_row_is_flagged_from_there_on(frames, bad_pixel):
    first = int(0.8 * frames[0].shape[0])
    for frame in frames:
        frame.data[first:, 60] += 240
    flags = flags_of(STEP(frames))
    assert (flags[first:, 60] & bad_pixel).all()
    assert not (flags[: first - 80, 60] & bad_pixel).any()


def test_a_hot_column_that_noise_hides_in_every_frame_is_flagged(detector, frames, bad_pixel):
    for frame in frames:
        frame.data[:, 60] += 1.5 * detector.noise / detector.gain
    flags = flags_of(STEP(frames))
    assert (flags[:, 60] & bad_pixel).all()
    assert np.count_nonzero(np.delete(flags[:, 12:], 48, axis=1)) <= 3


def test_a_frame_with_a_light_leak_is_left_out_and_named(detector, frames, caplog):
    leak = OVERSCAN(detector.raw(np.full((detector.ny, detector.nx), 80.0), name="leak"))
    result = STEP([*frames, leak])
    assert "leak" in caplog.text and "left out" in caplog.text
    assert (result.meta["NCOMBINE"], result.meta["NLEFTOUT"]) == (20, 1)
    assert np.array_equal(result.data, STEP(frames).data)


def test_an_empty_frame_is_left_out(detector, frames, caplog):
    dead = frames[0].copy()
    dead.data = np.zeros_like(dead.data)
    dead.meta["FILENAME"] = "dead"
    assert STEP([dead, *frames[1:]]).meta["NLEFTOUT"] == 1
    assert "dead holds no signal" in caplog.text
    with pytest.raises(DataError, match="none of the 1 frames"):
        STEP([dead])


def test_one_frame_is_allowed_with_a_warning(frames, detector, caplog):
    result = STEP(frames[:1])
    assert "only one frame" in caplog.text
    assert np.sqrt(np.median(variance_of(result))) == pytest.approx(detector.noise / detector.gain, rel=0.03)


def test_a_cosmic_ray_in_one_of_two_frames_goes(frames):
    frames[0].data[50, 50] += 4000
    assert STEP(frames[:2]).data[50, 50] == pytest.approx(frames[1].data[50, 50])


def test_inputs_stay_and_bits_repeat(frames):
    before = [frame.data.copy() for frame in frames]
    first, second = STEP(frames), STEP(frames)
    assert np.array_equal(first.data, second.data) and np.array_equal(variance_of(first), variance_of(second))
    assert all(np.array_equal(a, b.data) for a, b in zip(before, frames, strict=True))


def test_figure(frames):
    ((name, figure),) = STEP.figures(STEP(frames), frames=frames)
    assert name == "bias" and "20 frames" in figure.axes[0].get_title()
    levels = next(axes for axes in figure.axes if axes.get_ylabel() == "overscan (ADU)")
    assert np.ptp(levels.lines[0].get_ydata()) == pytest.approx(40, abs=4) and "drift" in levels.get_title()


def test_real_night(testdata):
    from alfosc_reduce import get_instrument

    read = get_instrument("alfosc").read
    paths = sorted((testdata / "alfosc-longslit").glob("ALDc2100*.fits.gz"))[:10]
    result = STEP([OVERSCAN(read(path)) for path in paths])
    assert result.meta["NCOMBINE"] == 10
    assert np.sqrt(np.median(variance_of(result))) == pytest.approx(31.9 / np.sqrt(10), rel=0.03)
    bad = (flags_of(result) & Flag.BAD_PIXEL) != 0
    assert bad[:, :3].all(), "the first columns after read-out"
    assert np.mean(bad[:, 4:]) < 1e-3
