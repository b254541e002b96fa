import numpy as np
import pytest
from alfosc_reduce_ccd.detector import MeasureDetector
from alfosc_reduce_ccd.noise import block_statistics, gain_of, read_noise
from alfosc_reduce_ccd.overscan import SubtractOverscan

from alfosc_reduce import DataError

OVERSCAN = SubtractOverscan()


def lamp(ny, nx):
    y, x = np.mgrid[:ny, :nx]
    spectrum = 300 + 18000 * np.exp(-(((y - 140) / 60.0) ** 2))
    return spectrum * (1 + 0.1 * x / nx) * (1 + 0.02 * np.sin(y / 3.0))


@pytest.fixture
def bias(detector):
    return [OVERSCAN(detector.raw(drift=d, name=f"b{d:.0f}")) for d in np.linspace(0, 30, 8)]


@pytest.fixture
def flats(detector):
    light = lamp(detector.ny, detector.nx)
    colour = np.linspace(-1, 1, detector.ny)[:, None]
    return [OVERSCAN(detector.raw(light * (1 + d) * (1 + 2 * d * colour), name=f"f{i}")) for i, d in
            enumerate((0, 0.01, 0.02, -0.02, 0.03))]  # fmt: skip


def test_read_noise_is_recovered(detector, bias):
    found = read_noise([np.asarray(frame.data) for frame in bias])
    assert found.value == pytest.approx(detector.noise / detector.gain, abs=4 * found.error)
    assert found.error < 0.01 * found.value


def test_gain_is_unbiased_and_its_error_honest(detector):
    light = lamp(detector.ny, detector.nx)
    rng = detector.rng
    pulls = []
    for _ in range(30):
        zero = [rng.normal(0, detector.noise / detector.gain, light.shape) for _ in range(2)]
        noise = read_noise(zero)
        flats = [(rng.poisson(light * s) + rng.normal(0, detector.noise, light.shape)) / detector.gain
                 for s in (1, 1.03, 0.97)]  # fmt: skip
        found = gain_of(block_statistics(flats, 0.0), noise)
        pulls.append((found.value - detector.gain) / found.error)
    assert abs(np.mean(pulls)) < 0.6
    assert 0.6 < np.std(pulls) < 1.4


def test_flats_of_changing_level_give_the_same_gain():
    rng = np.random.default_rng(11)
    light = lamp(240, 160)
    noise = read_noise([rng.normal(0, 5.0, light.shape) for _ in range(2)])
    levels = (0.5, 1.4, 0.7, 1.6, 0.8)
    flats = [(rng.poisson(light * level) + rng.normal(0, 0.9, light.shape)) / 0.18 for level in levels]
    found = gain_of(block_statistics(flats, 0.0), noise)
    # Without account of the levels it would be 4 per cent high.
    assert found.value == pytest.approx(0.18, abs=4 * found.error) and found.error < 0.0012


def test_twilight_flats_are_taken_together_whatever_their_exposure(detector, bias, flats):
    for seconds, flat in enumerate(flats, start=2):
        flat.meta.update(FRAMEKND="imaging_flat", EXPTIME=float(seconds))
    found = MeasureDetector()(bias, flats)
    assert found.gain_source == "measured"
    assert found.gain == pytest.approx(detector.gain, rel=0.03)


def test_charge_that_spreads_does_not_bias_the_gain():
    rng = np.random.default_rng(5)
    light = lamp(240, 160)
    variance = light * (1 - 1.5e-6 * light)
    flats = [(light + rng.normal(0, np.sqrt(variance))) / 0.18 for _ in range(10)]
    noise = read_noise([rng.normal(0, 5, light.shape) for _ in range(2)])
    found = gain_of(block_statistics(flats, 0.0), noise)
    assert found.value == pytest.approx(0.18, abs=4 * found.error) and found.error < 0.002


def test_cosmic_rays_in_flats_do_not_bias_the_gain(detector, flats, bias):
    clean = gain_of(block_statistics([f.data for f in flats], 0.0), read_noise([b.data for b in bias]))
    rng = np.random.default_rng(9)
    for frame in flats:
        frame.data.ravel()[rng.integers(0, frame.data.size, 40)] += 20000
    hit = gain_of(block_statistics([f.data for f in flats], 0.0), read_noise([b.data for b in bias]))
    assert hit.value == pytest.approx(clean.value, abs=2 * clean.error)


def test_step_measures_both_and_compares_with_the_header(detector, bias, flats, caplog):
    step = MeasureDetector()
    result = step(bias, flats)
    assert result.gain == pytest.approx(detector.gain, abs=4 * result.gain_error) and result.gain_error < 0.003
    assert result.read_noise == pytest.approx(detector.noise, rel=0.02)
    assert (result.gain_source, result.read_noise_source) == ("measured", "measured")
    assert "the measured gain is 0.1" in caplog.text and "header says 0.16" in caplog.text
    numbers = step.quality(result, bias=bias, flats=flats)
    assert numbers["header_gain"] == 0.16 and numbers["measured_gain"] == result.gain
    ((name, figure),) = step.figures(result, bias=bias, flats=flats)
    assert name == "detector" and "measured" in figure.axes[0].get_title()


def test_header_values_when_asked_for(bias, flats):
    result = MeasureDetector(source="header")(bias, flats)
    assert (result.gain, result.gain_error, result.read_noise) == (0.16, 0, 4.3)
    assert result.gain_source == "header" and result.measured_gain == pytest.approx(0.18, rel=0.03)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_flats_fall_back_on_the_header_gain(bias, flats, count, caplog):
    result = MeasureDetector()(bias, flats[:count] or None)
    assert (result.gain, result.gain_source, result.read_noise_source) == (0.16, "header", "measured")
    assert np.isnan(result.measured_gain) and "without two flats of one setup" in caplog.text
    assert MeasureDetector().quality(result)["measured_gain"] is None


def test_one_bias_falls_back_on_the_header(bias, flats, caplog):
    result = MeasureDetector()(bias[:1], flats)
    assert (result.read_noise, result.read_noise_source, result.gain_source) == (4.3, "header", "header")
    assert "one bias frame is too few" in caplog.text


def test_dark_flats_fall_back_on_the_header(detector, bias, caplog):
    result = MeasureDetector()(bias, [OVERSCAN(detector.raw(name=f"d{i}")) for i in range(3)])
    assert result.gain_source == "header" and "brighter flats" in caplog.text


def test_flats_of_several_setups_are_measured_apart(detector, bias):
    light = lamp(detector.ny, detector.nx)
    flats = [OVERSCAN(detector.raw(light[::step], name=f"{grism}{i}", GRISM=grism)) for grism, step in
             (("Grism_#4", 1), ("Grism_#7", -1)) for i in range(3)]  # fmt: skip
    result = MeasureDetector()(bias, flats)
    assert result.gain == pytest.approx(detector.gain, abs=4 * result.gain_error) and result.gain_error < 0.003


def test_neither_measured_nor_in_the_header(bias):
    for frame in bias:
        del frame.meta["GAIN"]
    with pytest.raises(DataError, match="neither measured nor in the header"):
        MeasureDetector()(bias)


def test_mixed_readouts_are_refused(detector, bias, flats):
    flats[1].meta["CCDSUM"] = "2 2"
    with pytest.raises(DataError, match="different read-outs"):
        MeasureDetector()(bias, flats)
    with pytest.raises(DataError, match="takes two bias frames"):
        read_noise([np.zeros((50, 50))])


def test_product_survives_the_store(bias, flats, tmp_path):
    from alfosc_reduce import load, save

    result = MeasureDetector()(bias, flats)
    save(result, tmp_path / "detector.fits")
    assert load(tmp_path / "detector.fits") == result


def test_real_night(testdata, caplog):
    from alfosc_reduce import get_instrument

    read = get_instrument("alfosc").read
    folder = testdata / "alfosc-longslit"
    bias = [OVERSCAN(read(folder / f"ALDc2100{n:02}.fits.gz")) for n in range(4, 12)]
    flats = [OVERSCAN(read(folder / f"ALDc200{n}.fits.gz")) for n in range(337, 342)]
    result = MeasureDetector()(bias, flats)
    assert result.gain == pytest.approx(0.178, abs=0.002) and result.gain_error < 0.001
    assert result.read_noise == pytest.approx(5.67, abs=0.1)
    assert "header says 0.16" in caplog.text


@pytest.mark.parametrize("levels", [(60000, 40000, 25000, 15000, 9000), (60000, 25000, 9000), (30000, 12000)])
def test_twilight_with_stars_in_it_tells_the_gain(levels):
    rng = np.random.default_rng(12)
    y, x = np.mgrid[:480, :480]
    noise = read_noise([rng.normal(0, 5.8 / 0.18, (200, 200)) for _ in range(4)])
    flats = []
    for level in levels:
        light = level * (1 + 0.01 * x / 480)
        for flux in np.geomspace(1e4, 2e6, 12):
            r2 = (y - rng.uniform(0, 480)) ** 2 + (x - rng.uniform(0, 480)) ** 2
            light = light + flux * 0.1034 / np.pi * (1 + 0.1034 * r2) ** -2.5
        flats.append((rng.poisson(light) + rng.normal(0, 5.8, y.shape)) / 0.18)
    found = gain_of(block_statistics(flats, 0.0), noise)
    assert found.value == pytest.approx(0.18, rel=0.012) and found.error < 0.0015
