import numpy as np
import pytest
from alfosc_reduce_imaging.flats.illumination import coordinates, fit_surface, surface
from alfosc_reduce_imaging.fringes.dithering import offset
from alfosc_reduce_imaging.fringes.fitting import fit_amplitude
from alfosc_reduce_imaging.fringes.subtraction import SubtractFringes
from alfosc_reduce_imaging.fringes.template import CombineFringes
from scipy.ndimage import uniform_filter

from alfosc_reduce import Flag
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, variance_of

COMBINE, SUBTRACT = CombineFringes(), SubtractFringes()


def residual(image, made, number, size=12):
    """Return what is neither sky nor star, smoothed, where stars are faint, and the noise that this should have.

    A surface of second degree is left to the background: of the sky and of fringes it is the same.
    """
    away = image.data - made.skies[number] - made.stars[number]
    blank = made.stars[number] < 3
    v, u = (coordinates(np.arange(n), n) for n in away.shape)
    away = away - surface(fit_surface(np.where(blank, away, np.nan)), v, u)
    share = uniform_filter(blank.astype(float), size)
    mean = uniform_filter(np.where(blank, away, 0), size) / np.maximum(share, 1e-9)
    return mean[share > 0.8], np.sqrt(np.median(made.skies[number]) + 34) / size


def noises(made, size=12):
    """Return the noise of the sky of each exposure in boxes."""
    return [np.sqrt(np.median(sky) + 34) / size for sky in made.skies]


def aperture(image, made, number, x, y, radius=10):
    """Return the excess over the true flux in an aperture, and its error."""
    yy, xx = np.mgrid[: image.shape[0], : image.shape[1]]
    inside = np.hypot(xx - x, yy - y) < radius
    error = np.sqrt(variance_of(image)[inside].sum())
    return (image.data - made.skies[number] - made.stars[number])[inside].sum(), error


def test_fringes_of_five_per_cent_are_gone(exposures):
    made = exposures(0.05)
    pattern = COMBINE(made.images)
    assert pattern.meta["FRINGED"] and np.corrcoef(pattern.data.ravel(), made.pattern.ravel())[0, 1] > 0.995
    for i, image in enumerate(made.images):
        after = SUBTRACT(image, pattern)
        (left, noise), (was, _) = residual(after, made, i), residual(image, made, i)
        assert np.std(was) > 5 * noise
        assert np.sqrt(max(np.var(left) - noise**2, 0)) < 0.06 * np.sqrt(np.var(was) - noise**2)
        assert after.meta["FRNGAMP"] == pytest.approx(made.amplitudes[i], rel=0.06)
        assert after.meta["FRNGRES"] < 0.03 * after.meta["FRNGAMP"]


def test_amplitudes_follow_each_exposure(exposures):
    made = exposures(0.05)
    pattern = COMBINE(made.images)
    found = [SUBTRACT(image, pattern).meta["FRNGAMP"] for image in made.images]
    ratio = np.array(found) / made.amplitudes
    over_sky = np.array(found) / [np.median(sky) for sky in made.skies]
    assert np.std(ratio) / np.mean(ratio) < 0.01 < np.std(over_sky) / np.mean(over_sky)


def test_fluxes_of_stars_and_noise_are_right_afterwards(exposures):
    made = exposures(0.05)
    pattern = COMBINE(made.images)
    rng, pulls = np.random.default_rng(1), []
    for i, image in enumerate(made.images):
        after = SUBTRACT(image, pattern)
        y, x = np.nonzero((made.stars[i] > 500) & (made.stars[i] == uniform_maximum(made.stars[i])))
        for px, py in [*zip(x, y, strict=True), *rng.uniform(20, 400, (12, 2))]:
            if 15 < px < 425 and 15 < py < 405:
                excess, error = aperture(after, made, i, px, py)
                pulls.append(excess / error)
        blank = made.stars[i] < 1
        pull = ((after.data - made.skies[i] - made.stars[i]) / np.sqrt(variance_of(after)))[blank]
        assert np.std(pull) == pytest.approx(1, abs=0.03)
    assert abs(np.mean(pulls)) < 3.5 / np.sqrt(len(pulls)) and np.std(pulls) < 1.35


def uniform_maximum(image):
    from scipy.ndimage import maximum_filter

    return maximum_filter(image, 15)


def test_without_fringes_nothing_is_subtracted(exposures, caplog):
    caplog.set_level("INFO")
    made = exposures(0.0)
    pattern = COMBINE(made.images)
    assert not pattern.meta["FRINGED"] and "no significant fringes" in caplog.text
    assert not pattern.data.any() and not flags_of(pattern).any()
    after = SUBTRACT(made.images[0], pattern)
    assert after is made.images[0]
    assert SUBTRACT.quality(after, image=after, fringes=pattern)["fringes_subtracted"] is False
    assert not list(COMBINE.figures(pattern, images=made.images))


@pytest.mark.parametrize(("kind", "pointings"), [({"number": 2}, 2), ({"dither": 0.0, "number": 4}, 1)])
def test_too_few_pointings_make_no_pattern(exposures, caplog, kind, pointings):
    pattern = COMBINE(exposures(0.05, **kind).images)
    assert not pattern.meta["FRINGED"] and f"only {pointings} different pointings" in caplog.text


def test_three_exposures_are_enough(exposures):
    made = exposures(0.05, number=3)
    pattern = COMBINE(made.images)
    (left, noise), (was, _) = (residual(im, made, 1) for im in (SUBTRACT(made.images[1], pattern), made.images[1]))
    assert np.sqrt(max(np.var(left) - noise**2, 0)) < 0.1 * np.std(was)


def test_the_pattern_of_other_exposures_serves_as_well(exposures):
    made, others = exposures(0.05, number=3, seed=77), exposures(0.05)
    pattern = COMBINE(others.images)
    after = SUBTRACT(made.images[0], pattern)
    left, noise = residual(after, made, 0)
    # Noise of the six exposures behind the pattern, smoothed alike.
    of_pattern = made.amplitudes[0] * np.mean([n / a for n, a in zip(noises(others), others.amplitudes, strict=True)])
    assert np.std(left) < 1.1 * np.hypot(noise, of_pattern / 6**0.5)
    pull = (after.data - made.skies[0] - made.stars[0]) / np.sqrt(variance_of(after))
    assert np.std(pull[made.stars[0] < 1]) == pytest.approx(1, abs=0.02)


def test_a_fringeless_image_keeps_its_pixels(exposures):
    pattern, plain = COMBINE(exposures(0.05).images), exposures(0.0)
    after = SUBTRACT(plain.images[0], pattern)
    assert abs(after.meta["FRNGAMP"]) < 4 * after.meta["FRNGERR"]
    left, noise = residual(after, plain, 0)
    assert np.std(left) < 1.1 * noise


def test_no_pattern_and_one_of_another_size(exposures):
    image = exposures(0.05).images[0]
    assert np.array_equal(SUBTRACT(image).data, image.data)
    pattern = COMBINE(exposures(0.05).images)
    with pytest.raises(DataError, match="same window and binning"):
        SUBTRACT(image[:100, :100], pattern)


def test_filters_are_not_mixed_and_no_light_is_said(exposures):
    import copy

    images = copy.deepcopy(exposures(0.05, number=3).images)
    for image in images:
        image.data[:] = 0
    with pytest.raises(DataError, match="any sky"):
        COMBINE(images)
    images[0].meta["FILTER"] = "z"
    with pytest.raises(DataError, match="several filters"):
        COMBINE(images)


def test_flags_of_the_field_and_of_gaps(exposures):
    import copy

    images = copy.deepcopy(exposures(0.05).images)
    for image in images:
        image.flags[:40, :40] |= Flag.OUTSIDE_FIELD
        image.flags[200:206, 210:216] |= Flag.BAD_PIXEL
        image.mask = (image.flags & int(Flag.OUTSIDE_FIELD | Flag.BAD_PIXEL)) != 0
    pattern = COMBINE(images)
    flags = flags_of(pattern)
    assert (flags[:40, :40] == Flag.OUTSIDE_FIELD).all() and np.count_nonzero(flags) < 1600 + 60
    assert np.isfinite(pattern.data).all() and not pattern.data[:40, :40].any()


def test_an_amplitude_is_not_diluted_by_the_noise_of_the_pattern():
    rng = np.random.default_rng(2)
    truth = np.sin(np.arange(200)[:, None] / 5 + np.arange(190)[None, :] / 9)
    noisy, light = truth + rng.normal(0, 0.5, truth.shape), 7.0 * truth + rng.normal(0, 3.0, truth.shape)
    light[50, 50:60] = 500.0
    plain, corrected = fit_amplitude(light, noisy), fit_amplitude(light, noisy, np.full(truth.shape, 0.25))
    assert plain.value < 5.5
    assert corrected.value == pytest.approx(7.0, abs=4 * corrected.error) and corrected.error < 0.1
    clean = fit_amplitude(light, truth)
    assert clean.value == pytest.approx(7.0, abs=4 * clean.error)


@pytest.mark.parametrize("shift", [(0, 0), (5, -3), (-11, 2)])
def test_offsets_from_peaks(shift):
    rng = np.random.default_rng(3)
    one = np.zeros((80, 90), bool)
    one[rng.integers(15, 65, 12), rng.integers(15, 75, 12)] = True
    assert offset(one, np.roll(one, shift, (0, 1))) == shift


def test_numbers_and_figures(exposures):
    made = exposures(0.05)
    pattern = COMBINE(made.images)
    after = SUBTRACT(made.images[0], pattern)
    numbers = COMBINE.quality(pattern, images=made.images)
    assert numbers["fringed"] and numbers["frames"] == 6 and numbers["significance"] > 30
    assert numbers["fringes_over_sky"] == pytest.approx(0.05 / 2 / 2**0.5, rel=0.2)
    assert SUBTRACT.quality(after, image=made.images[0], fringes=pattern)["fringes_subtracted"]
    assert [name for name, _ in COMBINE.figures(pattern, images=made.images)] == ["fringes"]
    assert [name for name, _ in SUBTRACT.figures(after, image=made.images[0])] == ["fringes"]


def test_blue_images_are_not_searched(exposures, caplog):
    import copy

    caplog.set_level("INFO")
    images = copy.deepcopy(exposures(0.05, number=3).images)
    for image in images:
        image.meta["BAND"] = "B"
    pattern = COMBINE(images)
    assert not pattern.meta["FRINGED"] and "there are none in B" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
