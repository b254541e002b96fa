"""The point spread function: its light, its change over the field, what a profile misses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.detection import at_own_width
from alfosc_reduce_imaging.stars.frame import frame_of
from alfosc_reduce_imaging.stars.noise import Noise, photon_noise, separated_noise
from alfosc_reduce_imaging.stars.psf import Psf, field_terms, spline_basis, table_nodes
from alfosc_reduce_imaging.stars.psf_building import StarStamps, build_psf, normal_matrix, refined
from alfosc_reduce_imaging.stars.psf_record import CARD, card_of, psf_in, psf_of, record_of
from alfosc_reduce_imaging.stars.psf_seeing import seeing_of
from alfosc_reduce_imaging.stars.stamps import stamps_at
from astropy.io import fits

SHAPE = (500, 500)


def moffat_psf(fwhm: float = 4.0, beta: float = 3.0, table: Any = None) -> Psf:
    profile = np.zeros((6, 4))
    profile[0] = np.log(fwhm / 2), 0.05, 0.02, np.log(beta)
    nodes, step = table_nodes(fwhm)
    return Psf(profile, np.zeros((3, nodes, nodes)) if table is None else table, step, SHAPE, 9)


def stars_of(field: Any, fwhm: float, bright: float) -> StarStamps:
    frame = frame_of(field.image())
    chosen = np.flatnonzero(field.flux > bright)
    x, y = field.x[chosen], field.y[chosen]
    whole = np.rint(x).astype(int), np.rint(y).astype(int)
    radius = int(np.ceil(4 * fwhm))
    light, sky = (stamps_at(plane, *whole, radius, 1) for plane in (frame.light.data, frame.noise.sky))
    return StarStamps(light, sky, stamps_at(frame.light.good, *whole, radius, False), x, y, whole, 1.0)


def test_the_light_is_one_wings_included() -> None:
    rng = np.random.default_rng(1)
    nodes, _ = table_nodes(4.0)
    table = np.zeros((3, nodes, nodes))
    table[0] = rng.normal(0, 1e-3, (nodes, nodes))
    psf = moffat_psf(table=table)
    share = psf.enclosed(np.array([4.0, 12.0, 60.0]), np.array([250.3]), np.array([249.6]))[0]
    assert share[0] < share[1] < share[2] < 1
    # Beyond sixty pixels a Moffat profile of exponent 3 has 0.003 per cent.
    assert share[2] == pytest.approx(1, abs=4e-4)


def test_splines_add_up_to_one() -> None:
    offset = np.linspace(-4, 4, 41)
    assert np.allclose(spline_basis(offset, 15, 0.8).sum(-1), 1)


@pytest.mark.parametrize(("fwhm", "beta"), [(2.6, 3.0), (4.5, 2.6), (7.0, 3.5)])
def test_the_profile_on_the_pixels_is_recovered(sky_field: Any, star_light: Any, fwhm: float, beta: float) -> None:
    field = sky_field(shape=(600, 600), number=49, fwhm=fwhm, beta=beta, flux=(2e4, 2e5), sky=100.0)
    psf = build_psf(stars_of(field, fwhm, 3e4), fwhm, (600, 600))
    assert psf is not None
    x, y = 300.3, 299.7
    ix, iy, truth = star_light(x, y, fwhm, beta, 0.0, 0.0, 15)
    model = psf.stamps(np.array([x]), np.array([y]), 15, (np.array([ix]), np.array([iy])))[0]
    near = np.hypot(*np.mgrid[-15:16, -15:16]) < 1.5 * fwhm
    # What a fit of this model makes of a star of light 1.
    fitted = (model * truth)[near].sum() / np.square(model[near]).sum()
    assert fitted == pytest.approx(1, abs=0.006)
    assert np.abs(model - truth).max() < 0.03 * truth.max()


def test_a_width_that_changes_over_the_field_is_followed(sky_field: Any) -> None:
    field = sky_field(shape=(700, 700), number=81, widening=0.16, flux=(3e4, 2e5), sky=100.0)
    psf = build_psf(stars_of(field, 4.5, 3e4), 4.5, (700, 700))
    assert psf is not None
    share = psf.enclosed(np.array([4.5]), np.array([30.0, 670.0]), np.array([350.0, 350.0]))[:, 0]
    expected = [1 - (1 + (4.5 / (w / 2)) ** 2 * (2 ** (1 / 3) - 1)) ** -2 for w in (4.17, 4.83)]
    assert share == pytest.approx(expected, abs=0.01)


def test_what_is_no_moffat_profile_goes_into_the_table() -> None:
    rng = np.random.default_rng(3)
    n, half, flux = 40, 16, 1e5
    span = np.arange(-half, half + 1)
    x, y = rng.uniform(100, 400, (2, n))
    whole = np.rint(x).astype(int), np.rint(y).astype(int)
    dx = span[None, None, :] + (whole[0] - x)[:, None, None]
    dy = span[None, :, None] + (whole[1] - y)[:, None, None]
    shape = 0.8 * np.exp(-(dx**2 + dy**2) / 6) / (6 * np.pi) + 0.2 * np.exp(-((dx - 1) ** 2 + dy**2) / 24) / (
        24 * np.pi
    )
    light = rng.poisson(flux * shape + 50.0) - 50.0
    stars = StarStamps(
        light.astype(np.float32), np.full(light.shape, 50, np.float32), np.ones(light.shape, bool), x, y, whole, 1.0
    )
    psf = build_psf(stars, 4.2, SHAPE)
    assert psf is not None
    bare = Psf(psf.profile, np.zeros((3, 0, 0)), 1.0, SHAPE, n)
    core, chi2 = np.hypot(dx, dy) < 7, []
    for model in (psf, bare):
        fluxes, placed = refined(stars, model)
        left = light - fluxes[:, None, None] * model.stamps(placed.x, placed.y, half, whole)
        chi2.append((np.square(left) / (flux * shape + 50))[core].mean())
    assert chi2[0] < 1.05
    assert chi2[1] > 2


def test_no_star_gives_none() -> None:
    empty = np.zeros((0, 21, 21), np.float32)
    nothing, whole = np.zeros(0), (np.zeros(0, int), np.zeros(0, int))
    assert build_psf(StarStamps(empty, empty, empty > 0, nothing, nothing, whole, 1.0), 4.0, SHAPE) is None


def test_it_travels_as_plain_values() -> None:
    import json

    nodes, _ = table_nodes(4.0)
    table = np.random.default_rng(2).normal(0, 1e-3, (3, nodes, nodes))
    psf = moffat_psf(table=table)
    again = psf_of(json.loads(json.dumps(record_of(psf))))
    place = np.array([100.2]), np.array([300.4])
    assert np.allclose(psf.stamps(*place, 10), again.stamps(*place, 10), rtol=1e-3, atol=1e-7)
    bare = Psf(psf.profile, np.zeros((3, 0, 0)), 1.0, SHAPE, 1)
    assert psf_of(record_of(bare)).table.size == 0


def test_the_normal_matrix_is_that_of_the_full_design() -> None:
    rng = np.random.default_rng(4)
    dx, dy = rng.uniform(-0.5, 0.5, (2, 3, 1)) + np.arange(-4, 5)
    across, along = spline_basis(dx, 7, 1.3), spline_basis(dy, 7, 1.3)
    weight, terms = rng.uniform(1, 2, (3, 9, 9)), rng.normal(size=(3, 2))
    design = np.einsum("nt,nyi,nxj->nyxtij", terms, along, across).reshape(3 * 81, 2 * 49)
    full = design.T @ (design * weight.reshape(-1, 1))
    assert np.allclose(normal_matrix(terms, along, across, weight), full)


def test_the_field_goes_from_minus_one_to_one() -> None:
    found = field_terms(np.array([0.0, 499.0]), np.array([0.0, 499.0]), SHAPE)
    assert found.tolist() == [[1, -1, -1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]


def test_the_noise_of_the_light_is_told_from_the_variance(sky_field: Any) -> None:
    field = sky_field(number=60, flux=(1e4, 2e5))
    light, sky = (field.data - field.sky), np.full(field.data.shape, field.noise**2, np.float32)
    good = np.ones(light.shape, bool)
    assert photon_noise(light, field.variance, sky, good) == pytest.approx(1, abs=0.03)
    assert photon_noise(light / 50, field.variance / 2500, sky / 2500, good) == pytest.approx(0.02, rel=0.03)
    assert photon_noise(light, sky, sky, good) == 0
    assert photon_noise(light, field.variance, sky, ~good) == 0


def test_the_noise_of_the_sky_does_not_know_of_its_own_fluctuations(sky_field: Any) -> None:
    field = sky_field(number=0)
    blank = np.ones(field.data.shape, bool)
    noise = separated_noise(
        field.data - field.sky, field.variance, blank, blank, np.ones(blank.shape, np.float32), None
    )
    assert abs(np.corrcoef(noise.sky.ravel(), field.data.ravel())[0, 1]) < 0.1
    assert np.median(noise.sky) == pytest.approx(field.noise**2, rel=0.01)


def test_correlated_noise_grows_with_the_area() -> None:
    noise = Noise(np.ones((2, 2), np.float32), 1.0, correlation=1.4, length=2.0)
    factor = noise.factor(np.array([1.0, 20.0, 1e6]))
    assert factor[0] == pytest.approx(1)
    assert 1 < factor[1] < factor[2] < 1.4
    assert factor[2] == pytest.approx(1.4, abs=0.01)
    assert Noise(noise.sky, 1.0).factor(100.0) == 1


def test_a_card_of_a_header_holds_a_point_spread_function() -> None:
    header, nodes = fits.Header(), table_nodes(4.0)[0]
    psf = moffat_psf(table=np.random.default_rng(2).normal(0, 1e-4, (3, nodes, nodes)))
    header[CARD] = card_of(psf)
    again = psf_in(fits.Header.fromstring(header.tostring()), SHAPE)
    assert again is not None and again.number == psf.number
    x, y = np.array([50.2, 333.7]), np.array([80.4, 222.1])
    light = psf.stamps(x, y, 12)
    assert np.abs(again.stamps(x, y, 12) - light).max() < 1e-4 * light.max()
    assert psf_in(header, (SHAPE[0] - 1, SHAPE[1])) is None and psf_in(fits.Header(), SHAPE) is None


@pytest.mark.parametrize("value", ["moffat", 3.5, "[1, 2]", '{"shape": [500, 500]}', ""])
def test_what_others_mean_by_that_card_does_not_matter(value: Any) -> None:
    assert psf_in({CARD: value}, SHAPE) is None


def test_the_seeing_of_a_point_spread_function_is_that_of_its_stars(sky_field: Any) -> None:
    field = sky_field(shape=SHAPE, number=50, fwhm=4.0, flux=(5e4, 3e5), ellipticity=0.1, theta=30.0)
    stars = at_own_width(frame_of(field.image()).light, 5.0)
    psf = build_psf(stars_of(field, 4.0, 5e4), 4.0, SHAPE)
    assert psf is not None
    measured, seeing = stars.seeing, seeing_of(psf)
    assert (seeing.fwhm, seeing.size) == (
        pytest.approx(measured.fwhm, rel=0.02),
        pytest.approx(measured.size, rel=0.02),
    )
    assert seeing.beta == pytest.approx(measured.beta, rel=0.1) and seeing.number == psf.number
    assert seeing.ellipticity == pytest.approx(measured.ellipticity, abs=0.01)
    assert seeing.theta == pytest.approx(measured.theta, abs=3)
