import numpy as np
import pytest
from alfosc_reduce_ccd.background import smooth_light
from alfosc_reduce_ccd.cosmic_rays import RejectCosmicRays
from scipy.ndimage import binary_dilation
from scipy.special import expit

from alfosc_reduce import Flag
from alfosc_reduce.images import flags_of, variance_of

STEP = RejectCosmicRays()
NY, NX, NOISE = 220, 600, 5.8
LINES = ((80, 900.0), (200, 150.0), (330, 400.0), (338, 250.0), (450, 600.0), (520, 2000.0))


def sky():
    y, x = np.mgrid[:NY, :NX]
    light = 25 + 20 * x / NX
    for centre, height in LINES:
        offset = x - centre - 0.3 * (y / NY - 0.5)
        light = light + height * expit((1.14 - np.abs(offset)) / 0.25)
    return light


def star(peak, row=100.0, fwhm=3.8):
    y, x = np.mgrid[:NY, :NX]
    trace = row + 2.5 * (x / NX - 0.5)
    profile = (1 + ((y - trace) / (0.5 * fwhm) / 0.9) ** 2) ** -2.5
    spectrum = np.exp(-(((x - 300) / 350) ** 2))
    for centre, depth, width in ((150, 0.6, 5), (260, 0.5, 6), (420, 0.8, 2.5), (425, 0.6, 2.5)):
        spectrum = spectrum * (1 - depth * np.exp(-(((x - centre) / width) ** 2)))
    return peak * spectrum * profile


def hits(rng, number):
    """Tracks of one to eight pixels, each pixel with its charge."""
    charge = np.zeros((NY, NX))
    for _ in range(number):
        y, x, angle = rng.uniform(0, NY), rng.uniform(0, NX), rng.uniform(0, np.pi)
        energy = rng.lognormal(5.5, 0.9)
        for step in np.arange(rng.integers(1, 9)):
            i, j = int(y + step * np.sin(angle)), int(x + step * np.cos(angle))
            if 0 <= i < NY and 0 <= j < NX:
                charge[i, j] += energy
    return charge


def exposure(rng, light, charge=0.0):
    return rng.poisson(light) + rng.normal(0, NOISE, light.shape) + charge


@pytest.mark.parametrize("peak", [0.0, 80.0, 8000.0])
def test_cosmic_rays_are_found_and_little_else(electrons, peak):
    rng = np.random.default_rng(42)
    light = sky() + star(peak)
    charge = hits(rng, 150)
    found = (flags_of(STEP(electrons(exposure(rng, light, charge)))) & Flag.COSMIC_RAY) != 0
    # On a bright star, what the model of the star may be wrong by counts as noise.
    sigma = np.sqrt(light + NOISE**2 + (0.02 * light) ** 2)
    strong = charge > 5 * sigma
    assert strong.sum() > 300
    assert found[strong].mean() >= 0.99
    false = found & ~binary_dilation(charge > 0, np.ones((3, 3)))
    assert false.mean() < 1e-4


@pytest.mark.parametrize("peak", [0.0, 80.0, 8000.0, 100000.0])
def test_sky_lines_and_stars_lose_nothing(electrons, peak):
    rng = np.random.default_rng(43)
    found = flags_of(STEP(electrons(exposure(rng, sky() + star(peak))))) & Flag.COSMIC_RAY
    assert np.count_nonzero(found) <= 3


def test_emission_line_of_an_object_stays(electrons):
    rng = np.random.default_rng(44)
    y, x = np.mgrid[:NY, :NX]
    line = 1500 * np.exp(-(((y - 100) / 1.7) ** 2) / 2) * expit((1.14 - np.abs(x - 250)) / 0.25)
    found = flags_of(STEP(electrons(exposure(rng, sky() + star(60.0) + line)))) & Flag.COSMIC_RAY
    assert np.count_nonzero(found[90:110, 240:260]) == 0


def test_hits_on_the_border_are_found(electrons):
    rng = np.random.default_rng(45)
    charge = np.zeros((NY, NX))
    charge[0, 100:110], charge[NY - 1, 300], charge[50, 0], charge[60, NX - 1] = 500, 800, 800, 800
    found = flags_of(STEP(electrons(exposure(rng, sky(), charge)))) & Flag.COSMIC_RAY
    assert found[0, 100:110].all() and found[NY - 1, 300] and found[50, 0] and found[60, NX - 1]


def test_hits_beside_a_masked_column_are_found(electrons):
    rng = np.random.default_rng(5)
    data = rng.poisson(sky()) + rng.normal(0, NOISE, (NY, NX))
    flags = np.zeros((NY, NX), np.int16)
    data[60], flags[60] = data[60] + 280, Flag.BAD_PIXEL
    data[59, 50] += 24000
    data[61, 120] += 900
    found = flags_of(STEP(electrons(data, flags=flags))) & Flag.COSMIC_RAY
    assert found[59, 50] and found[61, 120] and not found[60].any()


def test_model_of_the_light_ignores_cosmic_rays_and_follows_lines():
    rng = np.random.default_rng(46)
    light = sky() + star(8000.0)
    data = exposure(rng, light, hits(rng, 150))
    model = smooth_light(data, np.ones(data.shape, bool), NOISE)
    pull = (data - model) / np.sqrt(light + NOISE**2)
    assert np.abs(np.median(pull[90:110], axis=0)).max() < 2.5
    assert 1.4826 * np.median(np.abs(pull - np.median(pull))) == pytest.approx(1, abs=0.04)


def test_data_stay_and_flags_add_up(electrons):
    rng = np.random.default_rng(47)
    flags = np.zeros((NY, NX), np.int16)
    flags[:, 30], flags[10, 10] = Flag.BAD_PIXEL, Flag.NO_FLAT
    data = exposure(rng, sky(), hits(rng, 20))
    data[:, 30] = 60000
    image = electrons(data, flags=flags)
    result = STEP(image)
    assert np.array_equal(result.data, image.data) and np.array_equal(variance_of(result), variance_of(image))
    assert np.array_equal(flags_of(result) & ~np.int16(Flag.COSMIC_RAY), flags)
    assert not (flags_of(result)[:, 30] & Flag.COSMIC_RAY).any()
    assert (flags_of(image) & Flag.COSMIC_RAY == 0).all()
    numbers = STEP.quality(result, image=image)
    assert 20 < numbers["cosmic_ray_pixels"] < 300
    assert [name for name, _ in STEP.figures(result, image=image)] == ["cosmic_rays"]


def test_a_frame_of_noise_is_doubted(electrons, caplog):
    rng = np.random.default_rng(48)
    data = exposure(rng, sky())
    data[rng.random(data.shape) < 0.08] += 900
    STEP(electrons(data))
    assert "look at the frame" in caplog.text


def test_a_short_frame_and_one_wholly_masked(electrons):
    rng = np.random.default_rng(49)
    small = STEP(electrons(rng.normal(50, 9, (20, 30))))
    assert np.count_nonzero(flags_of(small)) <= 1
    masked = STEP(electrons(np.zeros((80, 90)), flags=np.full((80, 90), Flag.BAD_PIXEL)))
    assert (flags_of(masked) == Flag.BAD_PIXEL).all()


def test_real_standard_loses_nothing_on_its_core(testdata):
    from alfosc_reduce_ccd.bias import CombineBias
    from alfosc_reduce_ccd.correction import CorrectFrame
    from alfosc_reduce_ccd.overscan import SubtractOverscan

    from alfosc_reduce import get_instrument

    read, folder, overscan = get_instrument("alfosc").read, testdata / "alfosc-longslit", SubtractOverscan()
    bias = CombineBias()([overscan(read(folder / f"ALDc2100{n:02}.fits.gz")) for n in range(4, 10)])
    for number, row, most in ((200086, 111, 30), (205, 106, 600)):
        path = folder / (f"ALDc{number}.fits.gz" if number > 1000 else f"ALDc200{number}.fits.gz")
        result = STEP(CorrectFrame()(overscan(read(path)), bias))
        hit = (flags_of(result) & Flag.COSMIC_RAY) != 0
        assert hit.sum() < most
        if number == 200086:
            assert not hit[row - 5 : row + 6].any()
        else:
            assert hit.sum() > 250
