import numpy as np
import pytest
from alfosc_reduce_ccd.overscan import SubtractOverscan
from alfosc_reduce_ccd.overscan_sections import measure_overscan, overscans

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import flags_of, make_image

STEP = SubtractOverscan()


def test_level_and_noise_are_recovered_within_their_errors(detector):
    pulls, noises = [], []
    for drift in np.linspace(-50, 250, 25):
        header = STEP(detector.raw(drift=drift)).meta
        truth = detector.level + drift + detector.structure.mean()
        pulls.append((header["OVSCLEV"] - truth) / header["OVSCERR"])
        noises.append(header["OVSCNOIS"])
    # The parabola leaves a constant part of the steep first columns, the same in every frame.
    assert np.std(pulls) == pytest.approx(1, abs=0.35)
    assert np.mean(noises) == pytest.approx(detector.noise / detector.gain, rel=0.01)


def test_drift_and_slope_between_frames_are_removed(detector):
    frames = [STEP(detector.raw(drift=drift, slope=slope)).data for drift, slope in ((0, 0), (220, -15))]
    columns = [frame.mean(0) for frame in frames]
    difference = columns[1] - columns[0]
    error = detector.noise / detector.gain * np.sqrt(2 / detector.ny)
    assert abs(difference.mean()) < 2.5
    slope = np.polyfit(np.linspace(-0.5, 0.5, detector.nx), difference, 1)[0]
    assert abs(slope) < 6
    assert np.std(difference) < 1.5 * error


def test_frame_is_trimmed_and_header_says_so(detector):
    image = detector.raw()
    before = image.data.copy()
    result = STEP(image)
    assert result.shape == (detector.ny, detector.nx)
    assert not {"BIASSEC", "TRIMSEC"} & set(result.meta)
    assert result.meta["DETSEC"] == image.meta["DETSEC"]
    assert result.uncertainty is None and result.unit == "adu"
    assert np.array_equal(image.data, before) and "BIASSEC" in image.meta


def test_saturation_and_linearity_are_judged_on_raw_values(detector):
    image = detector.raw()
    image.data[10, 20], image.data[10, 21], image.data[10, 22] = 700000, 699999, 600000
    flags = flags_of(STEP(image))
    assert flags[10, 20] == Flag.SATURATED | Flag.NONLINEAR
    assert flags[10, 21] == Flag.NONLINEAR
    assert flags[10, 22] == 0 and np.count_nonzero(flags) == 2
    numbers = STEP.quality(STEP(image), image=image)
    assert (numbers["saturated_pixels"], numbers["nonlinear_pixels"]) == (1, 2)


def test_bright_trail_into_the_overscan_does_not_move_the_level(detector):
    clean, trail = detector.raw(), detector.raw()
    trail.data[:] = clean.data
    trail.data[detector.ny : detector.ny + 4, 60:75] += 3000
    a, b = STEP(clean), STEP(trail)
    assert b.meta["OVSCLEV"] == pytest.approx(a.meta["OVSCLEV"], abs=a.meta["OVSCERR"])
    assert np.abs(a.data - b.data).max() < 4


def test_two_sections_follow_both_axes(detector):
    image = detector.raw()
    rows = np.linspace(-30, 30, detector.ny)
    image.data[: detector.ny] += rows[:, None]
    prescan = np.random.default_rng(1).normal(detector.level, 32, (detector.ny + detector.overscan, 40))
    prescan[: detector.ny] += rows[:, None]
    wide = detector.raw(BIASSEC="[41:200,241:258]", BIASSEC2="[1:40,1:240]", TRIMSEC="[41:200,1:240]")
    wide.data = np.hstack([prescan, image.data]).astype(np.float32)
    wide.mask = wide.flags = None
    result = STEP(wide).data
    assert len(overscans(np.asarray(wide.data, float), wide.meta)) == 2
    profile = np.median(result[:, 20:], axis=1)
    assert abs(np.polyfit(np.linspace(-0.5, 0.5, len(profile)), profile, 1)[0]) < 4


def test_without_overscan_the_frame_passes_with_a_warning(detector, caplog):
    image = detector.raw(BIASSEC="")
    result = STEP(image)
    assert "no overscan" in caplog.text
    assert "OVSCLEV" not in result.meta
    assert np.median(result.data) == pytest.approx(detector.level, abs=200)


def test_not_finite_pixels_are_flagged(detector, caplog):
    image = detector.raw()
    image.data[5, 5], image.data[6, 6], image.data[245, 30] = np.nan, np.inf, np.nan
    result = STEP(image)
    flags = flags_of(result)
    assert flags[5, 5] & Flag.NOT_FINITE and flags[6, 6] & Flag.NOT_FINITE
    assert np.isfinite(result.data).all() and np.count_nonzero(flags) == 2
    assert "2 pixels hold no number (NaN); they are masked" in caplog.text


def test_a_frame_of_nothing_but_nan_is_told_so_when_it_was_read_as_zeros(detector):
    raw = detector.raw(name="ALDx")
    with pytest.raises(DataError, match=r"ALDx\.fits: no pixel holds a finite value; exclude this frame"):
        STEP(make_image(np.full(raw.shape, np.nan), unit="adu", header=raw.meta))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: np.zeros_like(d), "all pixels are 0"),
        (lambda d: np.full_like(d, np.nan), "no pixel holds a finite value"),
        (lambda d: np.vstack([d[:-18], np.full((18, d.shape[1]), 11600.0, np.float32)]), "holds no noise"),
        (lambda d: d[:200], "reaches beyond the frame"),
    ],
)
def test_dead_frames_are_refused_with_a_sentence(detector, spoil, words):
    image = detector.raw(name="ALDx")
    spoiled = image.copy()
    spoiled.mask = spoiled.flags = None
    spoiled.data = spoil(np.array(image.data))
    with pytest.raises(DataError, match=words):
        STEP(spoiled)


@pytest.mark.parametrize("text", ["[1:400]", "nonsense", "[5:2,1:10]", "[0:10,1:10]"])
def test_malformed_sections_are_named(detector, text):
    with pytest.raises(DataError, match="detector section"):
        STEP(detector.raw(TRIMSEC=text))


def test_a_section_two_pixels_wide_is_too_little():
    with pytest.raises(DataError, match="too few"):
        measure_overscan(np.ones((100, 2)), (slice(0, 100), slice(0, 2)))


def test_only_an_overscan_that_is_not_smooth_is_drawn(detector):
    image = detector.raw()
    image.data[:, 70:90] += 150
    ((name, figure),) = STEP.figures(STEP(image), image=image)
    assert name == "overscan" and "ADU" in figure.axes[0].get_title()


def test_figure_and_numbers(detector):
    image = detector.raw()
    result = STEP(image)
    assert not list(STEP.figures(result, image=image))
    assert STEP.quality(result, image=image)["overscan_level_adu"] == result.meta["OVSCLEV"]


def test_real_night_sits_on_its_overscan(testdata):
    from alfosc_reduce import get_instrument

    read = get_instrument("alfosc").read
    science = STEP(read(testdata / "alfosc-longslit" / "ALDc200205.fits.gz"))
    bias = STEP(read(testdata / "alfosc-longslit" / "ALDc210004.fits.gz"))
    assert science.meta["OVSCLEV"] - bias.meta["OVSCLEV"] == pytest.approx(181, abs=5)
    assert 32 < science.meta["OVSCNOIS"] < 35 and 31 < bias.meta["OVSCNOIS"] < 33
