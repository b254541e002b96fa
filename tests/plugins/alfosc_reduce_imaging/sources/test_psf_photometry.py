"""Fits of the point spread function to many sources at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.psf_photometry import fit_psf, solve_blocks
from alfosc_reduce_imaging.stars.noise import Noise
from alfosc_reduce_imaging.stars.psf import Psf


def model_of(field: Any) -> Psf:
    profile = np.zeros((6, 4))
    # The pixel makes a star wider by its own width.
    profile[0] = np.log(np.hypot(field.fwhm, 0.68) / 2), 0, 0, np.log(field.beta)
    return Psf(profile, np.zeros((3, 0, 0)), 1.0, field.data.shape, 1)


def fit(field: Any, x: np.ndarray, y: np.ndarray, good: np.ndarray | None = None, free: bool = True) -> Any:
    known = np.ones(field.data.shape, bool) if good is None else good
    noise = Noise(np.full(field.data.shape, field.noise**2, np.float32), 1.0)
    light = (field.data - field.sky).astype(np.float32)
    return fit_psf(light, known, noise, model_of(field), x, y, np.full(len(x), free))


def test_isolated_stars_have_right_fluxes_centres_and_errors(sky_field: Any) -> None:
    rng = np.random.default_rng(1)
    fields = [sky_field(shape=(600, 600), number=144, fwhm=6.0, flux=(5e3, 5e4), seed=seed) for seed in (1, 2)]
    pulls = []
    for field in fields:
        found = fit(field, field.x + rng.normal(0, 0.3, 144), field.y + rng.normal(0, 0.3, 144))
        assert found.settled.all()
        pulls.append([(found.flux - field.flux) / found.error, (found.x - field.x) / found.x_error,
                      (found.y - field.y) / found.y_error])  # fmt: skip
        assert np.median(found.chi2) == pytest.approx(1, abs=0.1)
    for pull in np.concatenate(pulls, axis=1):
        assert np.std(pull) == pytest.approx(1, abs=0.1)
        assert abs(np.mean(pull)) < 0.35


def test_close_pairs_are_told_apart(sky_field: Any) -> None:
    gx, gy = np.meshgrid(np.arange(40, 560, 60.0), np.arange(40, 560, 60.0))
    x, y = np.concatenate([gx.ravel(), gx.ravel() + 5.0]), np.concatenate([gy.ravel(), gy.ravel() + 2.0])
    flux = np.repeat([3e4, 1e4], gx.size)
    field = sky_field(shape=(600, 600), positions=(x, y), fwhm=5.0, flux=flux)
    found = fit(field, x + 0.2, y - 0.2)
    for part in (slice(0, gx.size), slice(gx.size, None)):
        pull = ((found.flux - flux) / found.error)[part]
        assert np.std(pull) == pytest.approx(1, abs=0.2)
        assert abs(np.mean(found.flux[part] / flux[part]) - 1) < 0.01
    alone = fit(field, x[:81], y[:81])
    assert np.mean(alone.flux / flux[:81]) > 1.05


def test_masked_pixels_cost_precision_not_light(sky_field: Any) -> None:
    field = sky_field(number=49, flux=2e4)
    good = np.ones(field.data.shape, bool)
    good[:, np.unique(np.rint(field.x).astype(int) + 1)] = False
    field.data[~good] = 1e6
    found = fit(field, field.x, field.y, good)
    pull = (found.flux - field.flux) / found.error
    assert np.std(pull) == pytest.approx(1, abs=0.25)
    assert abs(np.mean(pull)) < 0.5
    assert (found.known < 0.95).any()


def test_nothing_known_is_said(sky_field: Any) -> None:
    field = sky_field(number=4)
    found = fit(field, field.x, field.y, np.zeros(field.data.shape, bool))
    assert not found.settled.any()
    assert not np.isfinite(found.error).any()


def test_a_place_without_a_source_has_no_flux(sky_field: Any) -> None:
    field = sky_field(number=0)
    x, y = np.random.default_rng(3).uniform(20, 380, (2, 300))
    found = fit(field, x, y, free=False)
    assert np.std(found.flux / found.error) == pytest.approx(1, abs=0.12)
    assert abs(np.mean(found.flux / found.error)) < 0.2
    assert np.array_equal(found.x, x)


def test_blocks_are_solved_as_the_whole() -> None:
    from scipy.sparse import block_diag

    rng = np.random.default_rng(2)
    parts = [part @ part.T + np.eye(len(part)) for part in (rng.normal(size=(n, n)) for n in (1, 3, 2, 3, 1))]
    normal, right = block_diag(parts).tocsr(), rng.normal(size=10)
    solution, error = solve_blocks(normal, right)
    assert np.allclose(solution, np.linalg.solve(normal.toarray(), right), rtol=1e-6)
    assert np.allclose(error, np.sqrt(np.diag(np.linalg.inv(normal.toarray()))), rtol=1e-6)
