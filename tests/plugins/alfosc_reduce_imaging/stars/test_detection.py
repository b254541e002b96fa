"""Stars of a frame and its seeing."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.detection import find_stars, first_of_each
from alfosc_reduce_imaging.stars.finding import FindStars
from alfosc_reduce_imaging.stars.moments import Moments
from alfosc_reduce_imaging.stars.seeing import fit_moffat, measure_seeing
from alfosc_reduce_imaging.stars.variation import width_variation

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag


def found_in(field: Any, **options: Any) -> Any:
    good = field.data < 1e5
    return find_stars(field.data, field.variance, good, flags=np.where(good, 0, int(Flag.SATURATED)), **options)


def width_on_pixels(star_light: Any, fwhm: float, beta: float) -> float:
    """FWHM of the Moffat profile that fits what falls on the pixels."""
    _, _, stamp = star_light(0.0, 0.0, fwhm, beta, 0.0, 0.0, int(2.2 * fwhm) + 1)
    zero, size = np.zeros(1), (fwhm / 2.3548) ** 2
    return fit_moffat(1e6 * stamp[None], np.ones((1, *stamp.shape)), zero, zero, [size, 0.0, size])[0]


@pytest.mark.parametrize(("fwhm", "beta"), [(2.5, 3.0), (3.3, 2.5), (4.5, 3.0), (6.0, 4.5), (8.0, 3.0)])
def test_the_seeing_is_within_three_per_cent(sky_field: Any, star_light: Any, fwhm: float, beta: float) -> None:
    field = sky_field(number=49, fwhm=fwhm, beta=beta, flux=(3e3, 2e5), shape=(500, 500))
    seeing = found_in(field).seeing
    truth = width_on_pixels(star_light, fwhm, beta)
    assert truth < 1.06 * fwhm
    assert abs(seeing.fwhm / truth - 1) < 0.015
    assert abs(seeing.fwhm / np.hypot(fwhm, 0.7) - 1) < 0.03
    assert seeing.number >= 10


def test_shape_and_angle_of_the_mean_star(sky_field: Any) -> None:
    seeing = found_in(sky_field(ellipticity=0.2, theta=35.0, flux=(5e3, 1e5))).seeing
    assert abs(seeing.ellipticity - 0.19) < 0.02
    assert abs(seeing.theta - 35) < 3


def test_round_stars_are_round_however_faint(sky_field: Any) -> None:
    assert found_in(sky_field(flux=(3e3, 6e3))).seeing.ellipticity < 0.02


def test_bright_stars_are_found_once_and_where_they_are(sky_field: Any) -> None:
    field = sky_field(shape=(600, 600), number=100, flux=(2.5e3, 1e5))
    stars = found_in(field)
    found, true = field.matched(stars.x, stars.y)
    assert len(found) == len(stars) == 100
    assert len(set(true)) == 100
    pull = (stars.x - field.x[true]) / stars.x_error
    assert abs(np.std(pull) - 1) < 0.2
    ratio = stars.flux[found] / field.flux[true]
    bright = field.flux[true] > 2e4
    assert np.std(ratio[bright]) / np.mean(ratio[bright]) < 0.02


def test_pure_noise_has_no_stars() -> None:
    for seed in range(4):
        data = np.random.default_rng(seed).normal(200, 15, (700, 700))
        assert len(find_stars(data, None, np.ones(data.shape, bool))) <= 1


def test_cosmic_rays_galaxies_and_saturated_stars_do_not_tell_the_seeing(sky_field: Any, star_light: Any) -> None:
    field = sky_field(shape=(600, 600), number=36, flux=(4e3, 5e6), seed=3)
    rng = np.random.default_rng(1)
    data = field.data.copy()
    data[rng.integers(0, 600, 60), rng.integers(0, 600, 60)] += 4000
    y, x = np.mgrid[:600, :600]
    for place in rng.uniform(40, 560, (15, 2)):
        size = rng.uniform(5, 12)
        data += 4e4 / (2 * np.pi * size**2) * np.exp(-np.hypot(x - place[0], y - place[1]) / size)
    good = data < 1e5
    seeing = find_stars(data, None, good, flags=np.where(good, 0, int(Flag.SATURATED))).seeing
    assert abs(seeing.fwhm / width_on_pixels(star_light, 4.5, 3.0) - 1) < 0.02


def test_flagged_cosmic_rays_are_not_detected() -> None:
    rng = np.random.default_rng(2)
    data = rng.normal(200, 15, (300, 300))
    flags = np.zeros(data.shape, np.int16)
    place = rng.integers(5, 295, (2, 40))
    data[place[0], place[1]] += 5000
    flags[place[0], place[1]] = int(Flag.COSMIC_RAY)
    assert len(find_stars(data, None, flags == 0, flags=flags)) == 0


def test_a_trailed_frame_is_honest(sky_field: Any) -> None:
    from scipy.signal import fftconvolve

    field = sky_field(shape=(700, 700), number=25, flux=(3e4, 3e5))
    step = np.linspace(-15, 15, 300)
    trail = np.histogram2d(20 + 0.5 * step, 20 + 0.866 * step, bins=41, range=[[-0.5, 40.5]] * 2)[0] / 300
    data = np.random.default_rng(1).poisson(np.maximum(fftconvolve(field.light, trail, "same"), 0) + 300.0)
    seeing = find_stars(data, data, np.ones(data.shape, bool)).seeing
    assert seeing.ellipticity > 0.6
    assert abs(seeing.theta - 30) < 4
    assert seeing.fwhm > 6


def test_a_frame_out_of_focus_is_honest(sky_field: Any) -> None:
    from scipy.signal import fftconvolve

    field = sky_field(shape=(800, 800), number=25, flux=(1e5, 5e5))
    radius = np.hypot(*np.mgrid[-20:21, -20:21])
    ring = ((radius < 16) & (radius > 6)).astype(float)
    data = np.random.default_rng(1).poisson(np.maximum(fftconvolve(field.light, ring / ring.sum(), "same"), 0) + 300.0)
    stars = find_stars(data, data, np.ones(data.shape, bool))
    assert stars.seeing.fwhm > 18
    _, true = field.matched(stars.x, stars.y, 3.0)
    assert len(set(true)) >= 23


def test_wide_stars_are_measured_where_they_are(sky_field: Any) -> None:
    field = sky_field(shape=(700, 700), number=16, fwhm=16.0, flux=(1e5, 3e5))
    stars = found_in(field)
    found, true = field.matched(stars.x, stars.y, 1.5)
    assert len(found) == 16
    assert abs(np.mean(stars.x[found] - field.x[true])) < 0.15
    assert abs(stars.seeing.fwhm / 16 - 1) < 0.03


def test_detections_that_end_up_in_one_place_are_one() -> None:
    x, y = np.array([1.0, 1.2, 5.0, 5.1, 9.0]), np.zeros(5)
    assert first_of_each(x, y, 0.5).tolist() == [0, 2, 4]
    assert len(first_of_each(np.zeros(0), np.zeros(0), 1.0)) == 0


def test_the_step_tells_the_frame(sky_field: Any) -> None:
    image = sky_field(number=30).image(header={"CTYPE1": "RA---TAN", "CRVAL1": 10.0, "PIXSCALE": 0.2})
    table = FindStars()(image)
    meta = table.meta
    assert meta["FRAME"] == "ALxx01"
    assert meta["WCS"]["CRVAL1"] == 10.0
    assert meta["SEEING"] == pytest.approx(0.2 * meta["SEEINGPX"])
    assert abs(meta["SKY"] - 300) < 1
    assert meta["NSTARS"] == len(table)
    assert str(table["flux"].unit) == "electron"
    assert np.all(np.diff(table["significance"]) <= 0)
    star = table[table["star"]]
    assert np.median(star["fwhm"].value) == pytest.approx(meta["SEEINGPX"], rel=0.03)


def test_a_blank_frame_is_an_empty_table_with_a_sentence(sky_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        table = FindStars()(sky_field(number=0).image())
    assert len(table) == 0
    assert not np.isfinite(table.meta["SEEING"])
    assert "no star" in caplog.text
    assert FindStars().quality(table)["seeing_arcsec"] is None


def test_light_without_an_end_is_no_star() -> None:
    """What was left of cosmic rays in a blank frame passed for stars 92000 pixels wide."""
    number = 6
    stamps = np.full((number, 21, 21), 50.0)
    none, wide = np.zeros(number), np.full(number, 30.0)
    shapes = {name: wide if name in ("xx", "yy") else none for name in Moments.__dataclass_fields__}
    moments = Moments(**(shapes | {"settled": np.ones(number, bool)}))
    sure = np.ones(number, bool), np.full(number, 50.0)
    is_star, seeing = measure_seeing(stamps, np.ones_like(stamps), moments, *sure)
    assert not is_star.any() and seeing.number == 0 and not np.isfinite(seeing.fwhm)


def test_a_frame_without_a_usable_pixel_is_refused(sky_field: Any) -> None:
    image = sky_field(number=5).image(flags=np.full((400, 400), int(Flag.OUTSIDE_FIELD)))
    with pytest.raises(DataError, match="no usable pixel"):
        FindStars()(image)


def test_only_saturated_stars_tell_no_seeing(sky_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        table = FindStars()(sky_field(number=9, flux=(2e7, 4e7)).image())
    assert not table["star"].any()
    assert (table["flags"] & int(Flag.SATURATED)).any()
    assert "none is fit" in caplog.text


def test_the_unit_does_not_matter(sky_field: Any) -> None:
    field = sky_field(number=30)
    one, other = (FindStars()(field.image(unit)) for unit in ("electron", "electron / s"))
    assert np.allclose(one["x"].value, other["x"].value, atol=2e-3)
    assert one.meta["SEEINGPX"] == pytest.approx(other.meta["SEEINGPX"], rel=2e-3)


def test_seeing_that_changes_over_the_field(sky_field: Any) -> None:
    table = FindStars()(sky_field(shape=(600, 600), number=80, widening=0.1, flux=(2e4, 1e5)).image())
    quality = FindStars().quality(table)
    assert abs(quality["seeing_variation_percent"] - 10) < 2.5


def test_few_stars_tell_no_change() -> None:
    few = np.ones(3)
    assert np.isnan(width_variation(few, few, few, (10, 10)).share)
