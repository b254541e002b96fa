import numpy as np
import pytest
from alfosc_reduce_ccd.flat import CombineFlat
from alfosc_reduce_ccd.flatfield import DivideFlat
from alfosc_reduce_ccd.lamp import lamp_model, smooth_spectrum

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import flags_of, variance_of

STEP = CombineFlat()
NY, NX = 220, 700
KNOWN = int(Flag.NO_FLAT | Flag.BAD_PIXEL)


class Lamp:
    """A halogen lamp through a dusty slit on an uneven detector, with fringes and a cut-off."""

    def __init__(self, peak=25000.0, scattered=0.0, cut=80.0):
        self.rng = np.random.default_rng(11)
        y, x = np.mgrid[:NY, :NX]
        self.pixels = 1 + 0.006 * self.rng.normal(size=(NY, NX))
        self.fringes = 1 + 0.03 * np.clip((x - 450) / 250, 0, 1) * np.sin(2 * np.pi * (x + 0.05 * y) / 9)
        spectrum = peak * np.exp(-(((x - 480) / 260.0) ** 2)) / (1 + np.exp(-(x - cut) / 8))
        dust = sum(d * np.exp(-(((y - c) / 1.5) ** 2)) for c, d in ((30, 0.05), (90, 0.03), (160, 0.06), (200, 0.02)))
        self.slit = (1 - 0.1 * (y / NY - 0.4) ** 2) * (1 - dust)
        self.light = spectrum * self.slit + scattered * (1 + 0.1 * np.cos(y / 70) * np.cos(x / 150))

    @property
    def response(self):
        return self.pixels * self.fringes

    def frames(self, electrons, number=5):
        scale = np.linspace(0.95, 1.05, number)
        light = self.light * self.response
        return [
            electrons(self.rng.poisson(light * s) + self.rng.normal(0, 5.8, light.shape), FILENAME=f"flat{i}.fits")
            for i, s in enumerate(scale)
        ]


@pytest.fixture(scope="module")
def lamp():
    return Lamp()


@pytest.fixture
def frames(lamp, electrons):
    lamp.rng = np.random.default_rng(12)
    return lamp.frames(electrons)


def test_response_of_the_pixels_is_recovered_to_the_photon_noise(lamp, frames):
    result = STEP(frames)
    known = (flags_of(result) & KNOWN) == 0
    pull = (result.data - lamp.response)[known] / np.sqrt(variance_of(result)[known])
    assert known[:, 150:].mean() > 0.999
    assert abs(np.mean(pull)) < 0.1
    assert np.std(pull) == pytest.approx(1, abs=0.06)


def test_fringes_stay_and_the_slit_goes(lamp, frames):
    result = STEP(frames)
    # Averaged over 20 rows, within which the tilted fringes stay in phase.
    strips = [array[100:120, 600:680].mean(0) for array in (result.data, lamp.fringes)]
    assert np.corrcoef(*strips)[0, 1] > 0.99
    assert np.polyfit(strips[1], strips[0], 1)[0] == pytest.approx(1, abs=0.05)
    rows = result.data[:, 300:600].mean(1)
    assert np.abs(rows - 1).max() < 0.004


def test_no_light_means_one_and_a_flag(lamp, frames):
    result = STEP(frames)
    flags = flags_of(result)
    dark = (flags & Flag.NO_FLAT) != 0
    assert dark[:, :60].all() and not dark[:, 200:].any()
    assert (result.data[dark] == 1).all() and (variance_of(result)[dark] == 0).all()
    known = (flags & KNOWN) == 0
    assert result.data[known].min() > 0.5 and result.data[known].max() < 2


def test_scattered_light_is_told_by_the_shadows_of_the_slit(electrons):
    lamp = Lamp(scattered=1200.0, cut=150.0)
    frames = lamp.frames(electrons)
    model = lamp_model(np.mean([f.data for f in frames], axis=0), 50)
    truth = 1 - 1200.0 / np.median(lamp.light, axis=0)
    measured = model.lamp_fraction
    assert np.abs(measured - truth)[260:640].max() < 0.06
    assert measured[:80].max() < 0.15
    dark = (flags_of(STEP(frames)) & Flag.NO_FLAT) != 0
    assert dark[:, :180].all() and not dark[:, 300:600].any()


def test_dead_and_hot_pixels_are_flagged(frames, bad_pixel):
    for frame in frames:
        frame.data[50, 400] *= 0.2
        frame.data[60, 410] *= 3
        frame.flags[70, 420] = Flag.BAD_PIXEL
    result = STEP(frames)
    flags = flags_of(result)
    for place in ((50, 400), (60, 410), (70, 420)):
        assert flags[place] & bad_pixel and result.data[place] == 1
    assert np.count_nonzero(flags & bad_pixel) == 3


def test_a_lamp_that_was_off_is_left_out(frames, electrons, caplog):
    off = electrons(np.random.default_rng(1).normal(0, 5.8, (NY, NX)), FILENAME="off.fits")
    result = STEP([*frames, off])
    assert "off has only" in caplog.text
    assert (result.meta["NCOMBINE"], result.meta["NLEFTOUT"]) == (5, 1)
    with pytest.raises(DataError, match="was the lamp on"):
        STEP([off])


def test_cosmic_rays_in_a_flat_go(frames):
    clean = STEP(frames)
    frames[2].data[100, 450] += 40000
    result = STEP(frames)
    error = np.sqrt(variance_of(result)[100, 450])
    assert result.data[100, 450] == pytest.approx(clean.data[100, 450], abs=3 * error)


def test_a_slit_that_fills_part_of_the_frame(frames, lamp):
    for frame in frames:
        frame.data[:40] = frame.data[:40] * 0.001
    flags = flags_of(STEP(frames))
    assert (flags[:38] & Flag.NO_FLAT).all()
    assert not (flags[45:, 250:600] & Flag.NO_FLAT).any()


def test_one_flat_is_allowed_with_a_warning(frames, caplog):
    assert STEP(frames[:1]).meta["NCOMBINE"] == 1
    assert "only one frame" in caplog.text


def test_smoothing_does_not_ring_at_a_cut_off():
    x = np.arange(600)
    spectrum = 1000 * np.exp(x / 300) * np.where(x < 200, 0.01, 1)
    smooth = smooth_spectrum(spectrum, 50)
    away = np.abs(x - 200) > 30
    assert np.abs(smooth / spectrum - 1)[away].max() < 1e-3
    assert smooth_spectrum(np.ones(4), 50) == pytest.approx(np.ones(4))


def test_divide_flat_carries_the_error(lamp, frames, electrons):
    flat = STEP(frames)
    sky = 400.0
    rng = np.random.default_rng(2)
    image = electrons(rng.poisson(sky * lamp.response) + rng.normal(0, 5.8, (NY, NX)))
    before = image.data.copy()
    result = DivideFlat()(image, flat)
    known = (flags_of(result) & KNOWN) == 0
    noise = (sky * lamp.response + 5.8**2) / lamp.response**2 + sky**2 * variance_of(flat)
    pull = (result.data - sky)[known] / np.sqrt(noise[known])
    assert np.std(pull) == pytest.approx(1, abs=0.02)
    expected = variance_of(image) / flat.data**2 + result.data**2 * variance_of(flat) / flat.data**2
    assert np.allclose(variance_of(result), expected, rtol=1e-4)
    assert (flags_of(result)[:, :60] & Flag.NO_FLAT).all() and not result.mask[:, :60].any()
    assert np.array_equal(image.data, before)


def test_divide_flat_without_a_flat_or_with_another(frames, electrons, caplog):
    image = electrons(np.ones((50, 60)))
    result = DivideFlat()(image)
    assert "no flat" in caplog.text and np.array_equal(result.data, image.data)
    assert DivideFlat().quality(result, image=image)["flat_used"] is False
    with pytest.raises(DataError, match="60 x 50 pixels, the flat 700 x 220"):
        DivideFlat()(image, STEP(frames))
    with pytest.raises(DataError, match="0 or below"):
        DivideFlat()(image, electrons(np.zeros((50, 60))))


def test_figure_and_numbers(frames):
    result = STEP(frames)
    numbers = STEP.quality(result, frames=frames)
    assert numbers["frames"] == 5 and 0.005 < numbers["response_rms"] < 0.03
    assert [name for name, _ in STEP.figures(result, frames=frames)] == ["flat"]
