from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.astrometry.fit import Stars, fit_map, fit_of_terms, floor_of, robust_floor
from alfosc_reduce_imaging.astrometry.polynomials import Frame, combined_terms, powers, terms
from alfosc_reduce_imaging.astrometry.sky_map import SkyMap, grid_of

FRAME = Frame(499.5, 449.5, 672.0)
SHAPE = (900, 1000)


def a_map(
    *, cubic: float = 0.0, quadratic: float = 0.0, ra: float = 20.0, dec: float = 60.0, odd: float = 0.0
) -> SkyMap:
    """Return a map of 0.4 arcsec a pixel; distortions in arc seconds at the corner."""
    coefficients = np.zeros((10, 2))
    coefficients[1], coefficients[2] = np.array([-0.39, 0.05]) * FRAME.unit, np.array([0.05, 0.39]) * FRAME.unit
    place = powers(3).index
    for power, axis in (((3, 0), 0), ((1, 2), 0), ((2, 1), 1), ((0, 3), 1)):
        coefficients[place(power), axis] = cubic
    coefficients[place((2, 0)), 0] = quadratic
    coefficients[place((0, 3)), 0] += odd
    return SkyMap(ra, dec, FRAME, coefficients, 3)


def stars_of(
    sky_map: SkyMap, number: int, *, seed: int = 1, error: float | Any = 0.01, given: float | None = None
) -> Stars:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, SHAPE[1], number), rng.uniform(0, SHAPE[0], number)
    directions = sky_map.directions(x, y)
    sigma = np.broadcast_to(error, number)
    x, y = x + rng.normal(0, 1, number) * sigma / 0.4, y + rng.normal(0, 1, number) * sigma / 0.4
    return Stars(x, y, directions, np.full(number, given**2) if given is not None else sigma**2 + 0.0)


def error_of(found: SkyMap, true: SkyMap) -> Any:
    x, y = grid_of(SHAPE, 11)
    return np.linalg.norm(found.directions(x, y) - true.directions(x, y), axis=1) * 206264.8


@pytest.mark.parametrize(("ra", "dec"), [(20.0, 0.0), (0.0, 28.0), (100.0, 75.0), (0.0, 89.99), (200.0, -90.0)])
def test_map_without_noise_is_recovered_everywhere(ra: float, dec: float) -> None:
    true = a_map(cubic=1.0, ra=ra, dec=dec)
    fit = fit_map(stars_of(true, 60, error=1e-9), FRAME, (ra + 0.01, dec - 0.01 if dec > 0 else dec + 0.01))
    assert error_of(fit.sky_map, true).max() < 1e-6


def test_plain_field_stays_plain() -> None:
    degrees = [
        fit_map(stars_of(a_map(), n, seed=s), FRAME, (20, 60)).sky_map.degree for s in range(10) for n in (15, 60)
    ]
    assert np.mean(np.array(degrees) == 1) >= 0.8


@pytest.mark.parametrize("kind", [{"cubic": 0.5}, {"cubic": 0.5, "quadratic": 0.3}, {"odd": 0.5}])
def test_distortion_is_found(kind: dict[str, float]) -> None:
    true = a_map(**kind)
    fit = fit_map(stars_of(true, 100), FRAME, (20, 60))
    assert fit.sky_map.degree >= 3
    assert error_of(fit.sky_map, true).max() < 0.03
    assert np.sqrt(np.mean(error_of(fit.sky_map, true) ** 2)) < 0.006


def test_error_of_the_map_tells_how_far_off_it_is() -> None:
    pulls = []
    for seed in range(60):
        fit = fit_map(stars_of(a_map(), 30, seed=seed), FRAME, (20, 60), 1)
        x, y = grid_of(SHAPE, 11)
        pulls.append(error_of(fit.sky_map, a_map()) / fit.error(x, y) / np.sqrt(2))
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.12)


def test_left_out_residuals_are_those_of_fits_without_the_star() -> None:
    stars = stars_of(a_map(cubic=0.4), 25)
    combined = combined_terms(3, "radial")
    fit = fit_of_terms(stars, FRAME, (20, 60), combined, 3)
    assert fit.kept.all()
    weight = 1 / (stars.variance + fit.floor**2)
    design = terms(*FRAME(stars.x, stars.y), 3) @ combined
    plane = terms(*FRAME(stars.x, stars.y), 3) @ fit.sky_map.coefficients - fit.residuals
    for i in (0, 7, 19):
        others = np.delete(np.arange(25), i)
        root = np.sqrt(weight[others])[:, None]
        without = np.linalg.lstsq(design[others] * root, plane[others] * root, rcond=None)[0]
        assert fit.left_out[i] == pytest.approx(design[i] @ without - plane[i], abs=1e-6)


def test_outliers_are_left_out() -> None:
    stars = stars_of(a_map(), 40)
    stars.x[:6] += np.array([1, -1, 2, 0.7, -3, 1.5])
    fit = fit_map(stars, FRAME, (20, 60))
    assert not fit.kept[:6].any()
    assert fit.kept[6:].mean() > 0.95
    assert error_of(fit.sky_map, a_map()).max() < 0.02


def test_precise_stars_count_more() -> None:
    sigma = np.where(np.arange(60) < 20, 0.002, 0.2)
    worst = [error_of(fit_map(stars_of(a_map(), 60, error=sigma, seed=s), FRAME, (20, 60), 1).sky_map, a_map()).max()
             for s in range(10)]  # fmt: skip
    assert np.median(worst) < 0.004


def test_floor_makes_up_for_errors_that_are_too_small() -> None:
    floors = [fit_map(stars_of(a_map(), 80, error=0.02, given=0.002, seed=s), FRAME, (20, 60), 1).floor
              for s in range(10)]  # fmt: skip
    assert np.mean(floors) == pytest.approx(0.02, rel=0.1)
    honest = [fit_map(stars_of(a_map(), 80, error=0.02, seed=s), FRAME, (20, 60), 1).floor for s in range(10)]
    assert np.mean(honest) < 0.008


def test_floor_is_found_whatever_the_other_errors() -> None:
    rng = np.random.default_rng(4)
    variance = rng.uniform(0, 2, 5001)
    missed = rng.exponential(2, 5001) * (variance + 9.0)
    for found in (floor_of, robust_floor):
        assert found(missed, variance) == pytest.approx(3.0, rel=0.05)
        assert found(0.1 * missed, 100 * variance) == 0.0


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("number", [3, 4, 5])
def test_few_stars_hold_shift_scale_and_rotation(number: int, mirrored: bool) -> None:
    true = a_map()
    if mirrored:
        true.coefficients[1] *= -1
    fit = fit_map(stars_of(true, number, error=1e-6), FRAME, (20, 60))
    assert error_of(fit.sky_map, true).max() < 1e-3
    matrix = fit.sky_map.matrix
    assert abs(matrix[0] @ matrix[1]) < 1e-9


def test_stars_in_one_place_hold_nothing() -> None:
    true = a_map()
    x = np.full(10, 500.0)
    stars = Stars(x, x, true.directions(x, x), np.full(10, 1e-4))
    with pytest.raises(np.linalg.LinAlgError):
        fit_map(stars, FRAME, (20, 60))
