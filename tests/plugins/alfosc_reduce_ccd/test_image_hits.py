import numpy as np
import pytest
from alfosc_reduce_ccd.cosmic_rays import RejectCosmicRays
from alfosc_reduce_ccd.sharpness import bounds_of, width_of
from alfosc_reduce_simulate.cosmic_rays import _point, _track
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from alfosc_reduce import Flag
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of

STEP = RejectCosmicRays()
SHAPE, NOISE = (420, 440), 5.8


def moffat(light, flux, y0, x0, fwhm, beta=3.0, over=5):
    """Add a star, its light integrated over pixels."""
    reach = int(6 * fwhm) + 8
    (y1, y2), (x1, x2) = (
        (max(0, int(c) - reach), min(n, int(c) + reach + 1)) for c, n in ((y0, light.shape[0]), (x0, light.shape[1]))
    )
    if y2 <= y1 or x2 <= x1:
        return
    y, x = ((np.arange(a * over, b * over) + 0.5) / over - 0.5 for a, b in ((y1, y2), (x1, x2)))
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    profile = (1 + ((x[None] - x0) ** 2 + (y[:, None] - y0) ** 2) / alpha2) ** -beta
    profile *= flux * (beta - 1) / (np.pi * alpha2 * over**2)
    light[y1:y2, x1:x2] += profile.reshape(y2 - y1, over, x2 - x1, over).sum((1, 3))


def field(rng, fwhm, stars=150, brightest=2e6, spread=0.04, beta=3.0):
    """Return the light of stars whose width changes over the field."""
    light = np.zeros(SHAPE)
    for flux in np.geomspace(300, brightest, stars):
        y, x = rng.uniform(0, SHAPE[0]), rng.uniform(0, SHAPE[1])
        moffat(light, flux, y, x, fwhm * (1 + spread * (2 * x / SHAPE[1] - 1)), beta)
    return light


def hits(rng, number):
    """Return the charge of cosmic rays."""
    charge = np.zeros(SHAPE)
    for _ in range(number):
        x, y, free = _point(rng) if rng.uniform() < 0.35 else _track(rng)
        row = np.floor(rng.uniform(0, SHAPE[0]) + y).astype(int)
        column = np.floor(rng.uniform(0, SHAPE[1]) + x).astype(int)
        inside = (row >= 0) & (row < SHAPE[0]) & (column >= 0) & (column < SHAPE[1])
        np.add.at(charge, (row[inside], column[inside]), free[inside])
    return charge


def observed(rng, light, charge=0.0):
    return rng.poisson(light) + rng.normal(0, NOISE, SHAPE) + charge


def found_in(electrons, data, flags=None, **cards):
    cards = {"DISPAXIS": 0, "PIXSCALE": 0.2138} | cards
    result = STEP(electrons(data, flags=flags, **cards))
    return (flags_of(result) & int(Flag.COSMIC_RAY)) != 0, result


def around(hit):
    """Return hits and the eight pixels around each."""
    return binary_dilation(hit, np.ones((3, 3)))


@pytest.mark.parametrize(
    ("fwhm", "scale", "least"), [(2.8, 0.2138, 0.985), (4.7, 0.2138, 0.985), (9.0, 0.2138, 0.98), (1.4, 0.4276, 0.85)]
)
@pytest.mark.parametrize("sky", [60.0, 2000.0])
def test_cosmic_rays_are_found_and_no_star(electrons, fwhm, scale, least, sky):
    rng = np.random.default_rng(30)
    stars, charge = field(rng, fwhm), hits(rng, 90)
    light = sky + stars
    found, result = found_in(electrons, observed(rng, light, charge), PIXSCALE=scale)
    noise = np.sqrt(light + NOISE**2)
    bright = charge > 6 * np.sqrt(sky + NOISE**2)
    # Under a star a cosmic ray is not seen unless it is brighter than what is there.
    assert found[bright & (stars < noise)].mean() >= least
    touched = around(charge > 0.5 * noise)
    assert np.count_nonzero(found & ~touched) <= 1
    assert not (found & ~touched & (stars > 3 * noise)).any()
    assert result.meta["CRFWHM"] == pytest.approx(min(fwhm, 6), rel=0.25)


def test_the_sharpest_stars_without_any_cosmic_ray(electrons):
    rng = np.random.default_rng(31)
    for fwhm, scale, beta in ((2.4, 0.2138, 2.5), (1.4, 0.4276, 2.5), (1.4, 0.4276, 4.5)):
        light = 100 + field(rng, fwhm, stars=700, brightest=1e6, spread=0.06, beta=beta)
        found, _ = found_in(electrons, observed(rng, light), PIXSCALE=scale)
        assert np.count_nonzero(found) <= 1, (fwhm, np.argwhere(found)[:5])


def test_saturated_stars_and_charge_that_bleeds(electrons):
    rng = np.random.default_rng(32)
    light = np.full(SHAPE, 300.0)
    for flux, y, x in ((2e7, 200, 100), (5e6, 300, 320), (4e5, 100, 300)):
        moffat(light, flux, y, x, 4.0)
    data = observed(rng, light)
    full = data > 110000
    for column in np.unique(np.nonzero(full)[1]):
        rows = np.nonzero(full[:, column])[0]
        data[rows[0] - 12 : rows[-1] + 13, column] = 110000 + rng.normal(0, 50, len(rows) * 0 + rows[-1] - rows[0] + 25)
        data[rows[0] - 14 : rows[0] - 12, column] = 40000
    flags = np.where(data >= 109700, int(Flag.SATURATED), 0)
    assert np.count_nonzero(found_in(electrons, data, flags)[0]) == 0
    # A stranger's image without flags, with the level in its header.
    assert np.count_nonzero(found_in(electrons, data, SATURATE=109700.0)[0]) == 0


def test_few_stars_and_many_hits(electrons):
    rng = np.random.default_rng(33)
    stars, charge = field(rng, 3.5, stars=4, brightest=3e5), hits(rng, 300)
    found, result = found_in(electrons, observed(rng, 200 + stars, charge))
    bright = (charge > 6 * np.sqrt(200 + NOISE**2)) & (stars < 15)
    assert found[bright].mean() > 0.97
    assert not found[(stars > 100) & (charge < 1)].any()
    assert result.meta["CRFWHM"] >= 0.45 / 0.2138 - 0.01


def test_galaxies_and_gradients_stay(electrons):
    rng = np.random.default_rng(34)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = 500.0 + x + field(rng, 4.0, stars=40)
    for y0, x0, size, peak in ((100, 100, 25, 3000), (300, 250, 8, 20000), (220, 350, 60, 1000)):
        light += peak * np.exp(-np.hypot(y - y0, (x - x0) / 0.6) / size)
    charge = hits(rng, 60)
    data = observed(rng, light, charge)
    found, _ = found_in(electrons, data)
    assert not (found & ~around(charge > 1)).any()
    assert found[charge > 12 * np.sqrt(light)].mean() > 0.95


def test_hits_at_edges_and_beside_bad_columns(electrons):
    rng = np.random.default_rng(35)
    data, flags = observed(rng, np.full(SHAPE, 200.0)), np.zeros(SHAPE, np.int16)
    data[:, 60], flags[:, 60] = 60000, Flag.BAD_PIXEL
    flags[:, :30] = Flag.OUTSIDE_FIELD
    for y, x in ((0, 200), (SHAPE[0] - 1, 5 + 200), (150, SHAPE[1] - 1), (80, 59), (90, 61), (300, 30)):
        data[y, x] += 4000
    found, result = found_in(electrons, data, flags)
    assert found[80, 59] and found[90, 61] and np.count_nonzero(found) <= 7
    assert found[150, SHAPE[1] - 1] and found[0, 200] and found[SHAPE[0] - 1, 205]
    assert np.array_equal(flags_of(result) & ~np.int16(Flag.COSMIC_RAY), flags)


def test_images_of_strangers_in_counts_and_rates(electrons):
    from astropy import units as u

    rng = np.random.default_rng(36)
    stars, charge = field(rng, 3.0), hits(rng, 60)
    data, bright = observed(rng, 400 + stars, charge), charge > 130
    for unit, factor, cards in ((u.adu, 1 / 0.18, {"GAIN": 0.18}), (u.electron / u.s, 1 / 50, {"EXPTIME": 50.0})):
        image = electrons(data * factor, DISPAXIS=0, **cards)
        image.unit, image.uncertainty = unit, None
        image.meta.remove("RDNOISE")
        found = (flags_of(STEP(image)) & int(Flag.COSMIC_RAY)) != 0
        assert found[bright & (stars < 20)].mean() > 0.97
        assert not found[(stars > 300) & (charge < 1)].any()


def test_empty_images_and_no_sky_at_all(electrons):
    assert not found_in(electrons, np.zeros(SHAPE))[0].any()
    masked, _ = found_in(electrons, np.zeros(SHAPE), np.full(SHAPE, Flag.BAD_PIXEL))
    assert not masked.any()
    with pytest.raises(DataError, match="too small"):
        STEP(electrons(np.zeros((3, 3)), DISPAXIS=0))
    assert found_in(electrons, np.random.default_rng(1).normal(100, 5, (20, 30)))[0].sum() <= 1


def test_numbers_and_figure(electrons):
    rng = np.random.default_rng(37)
    _, result = found_in(electrons, observed(rng, 300 + field(rng, 4.0), hits(rng, 50)))
    numbers = STEP.quality(result)
    assert 50 < numbers["cosmic_ray_pixels"] < 500 and 3.5 < numbers["star_width_pixels"] < 4.5
    assert [name for name, _ in STEP.figures(result)] == ["cosmic_rays"]


@given(st.floats(1.0, 6.0), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(1.0, 1.5), st.data())
@settings(max_examples=60, deadline=None)
def test_no_sum_of_stars_exceeds_the_bounds(fwhm, dy, dx, wider, data):
    light = np.zeros((25, 25))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(1, 100)))
        gaussian(light, place[2], 12 + dy + place[0], 12 + dx + place[1], fwhm * wider)
    for bound in bounds_of(fwhm):
        around = sum(np.roll(light, offset, (0, 1)) for offset in bound.offsets)
        assert (light - bound.weight * around)[3:-3, 3:-3].max() <= 0.004 * light.max()


@pytest.mark.parametrize("fwhm", [1.0049, 1.0977, 1.1999, 2.005])
def test_bounds_hold_between_the_widths_they_are_made_for(fwhm):
    light = np.zeros((25, 25))
    gaussian(light, 1.0, 12, 12, fwhm)
    for bound in bounds_of(fwhm):
        around = sum(np.roll(light, offset, (0, 1)) for offset in bound.offsets)
        assert (light - bound.weight * around)[3:-3, 3:-3].max() < 0.001 * light.max()


def gaussian(light, flux, y0, x0, fwhm):
    from scipy.special import ndtr

    sigma = fwhm / 2.3548
    share = [
        ndtr((np.arange(n) + 0.5 - c) / sigma) - ndtr((np.arange(n) - 0.5 - c) / sigma)
        for n, c in zip(light.shape, (y0, x0), strict=True)
    ]
    light += flux * np.outer(*share)


def test_widths_are_measured_or_not_known():
    assert width_of(np.array([2.0, 2.1]), [np.ones(2)] * 4) is None
    rng = np.random.default_rng(38)
    for fwhm in (1.4, 2.5, 4.0):
        fours, pairs = [], []
        for _ in range(60):
            star = np.zeros((15, 15))
            gaussian(star, 1.0, *(7 + rng.uniform(-0.5, 0.5, 2)), fwhm)
            share = {(y, x): star[7 + y, 7 + x] / star[7, 7] for y in (-1, 0, 1) for x in (-1, 0, 1)}
            two = [share[y, x] + share[-y, -x] for y, x in ((0, 1), (1, 0), (1, 1), (1, -1))]
            fours.append(two[0] + two[1])
            pairs.append(two)
        assert width_of(np.array(fours), list(np.array(pairs).T)) == pytest.approx(fwhm, rel=0.06)


@pytest.mark.filterwarnings("ignore:The following header keyword is invalid")
def test_real_images_of_a_stranger_lose_no_star(testdata):
    from astropy import units as u
    from astropy.io import fits
    from astropy.nddata import CCDData
    from scipy.ndimage import maximum_filter

    found = []
    for band in "BV":
        with fits.open(testdata / "andicam" / f"SN2019so_20190201_{band}.fits.gz") as hdus:
            data = np.array(hdus[0].data, np.float32)
        result = STEP(CCDData(data, unit=u.adu))
        assert result.meta["CRFWHM"] == pytest.approx(2.65, abs=0.15)
        found.append((data - np.median(data), (flags_of(result) & int(Flag.COSMIC_RAY)) != 0))
    (blue, hit), (visual, _) = found
    # What both bands show is no cosmic ray; the lowest rows are no image of the sky. They differ by a pixel.
    there = (blue == maximum_filter(blue, 9)) & (blue > 100) & (maximum_filter(visual, 5) > 60)
    there[:40] = there[:, :10] = False
    assert 15 < np.count_nonzero(there) < 200 and not (there & hit).any()
    assert 50 < np.count_nonzero(hit[40:, 10:]) < 500
