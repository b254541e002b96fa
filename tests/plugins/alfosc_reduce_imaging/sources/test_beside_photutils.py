"""Kron ellipses and fits of the point spread function against those of photutils."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.apertures import Scene
from alfosc_reduce_imaging.sources.measurement import Measured, photometry, prepare
from alfosc_reduce_imaging.stars.frame import frame_of
from alfosc_reduce_imaging.stars.psf import Psf

FINER = 4


@pytest.fixture(scope="module")
def seen(sky_field: Any) -> tuple[Any, Measured, Scene]:
    """Return a field of stars of any brightness, what is measured on it, and the image as it was measured."""
    field = sky_field(shape=(500, 500), number=100, flux=(5e3, 2e5), seed=12)
    frame = frame_of(field.image())
    ready = prepare(frame, 5.0, 5, None)
    return field, photometry(frame, ready), ready.scene


def finely(psf: Psf, half: int) -> np.ndarray:
    """Return a point spread function in the middle of the image in quarters of a pixel."""
    side = 2 * half + 1
    fine = np.zeros((side * FINER, side * FINER))
    for i in range(FINER):
        for j in range(FINER):
            whole = (np.array([250]), np.array([250]))
            fine[i::FINER, j::FINER] = psf.stamps(250 - j / FINER + np.zeros(1), 250 - i / FINER + np.zeros(1), half,
                                                  whole)[0]  # fmt: skip
    return fine[: 1 - FINER, : 1 - FINER]


def test_kron_fluxes_are_those_of_photutils(seen: Any) -> None:
    from photutils.segmentation import SegmentationImage, SourceCatalog

    _, ours, scene = seen
    error = np.sqrt(scene.noise.sky + scene.noise.photon * np.maximum(scene.light, 0))
    theirs = SourceCatalog(scene.light, SegmentationImage(scene.labels), error=error)
    strong = ours.kron.flux > 30 * ours.kron.error
    assert strong.sum() > 50
    ratio = ours.kron.flux[strong] / np.asarray(theirs.kron_flux)[strong]
    assert np.median(ratio) == pytest.approx(1, abs=2e-3)
    assert np.std(ratio) < 5e-3
    assert np.median(ours.kron.error[strong] / np.asarray(theirs.kron_flux_err)[strong]) == pytest.approx(1, abs=0.05)


def test_fits_are_those_of_photutils_with_the_same_point_spread_function_and_noise(seen: Any) -> None:
    from astropy.table import Table
    from photutils.psf import ImagePSF, PSFPhotometry

    field, ours, scene = seen
    fit = ours.psf_fluxes
    # Theirs has one point spread function for all places.
    near = np.flatnonzero((np.hypot(ours.x - 250, ours.y - 250) < 140) & (fit.flux > 30 * fit.error))
    assert len(near) > 12
    model = PSFPhotometry(ImagePSF(finely(ours.psf, 16), oversampling=FINER), 13, aperture_radius=5)
    error = np.sqrt(scene.noise.sky + field.light)
    start = Table({"x": ours.x[near], "y": ours.y[near]})
    theirs = model(np.asarray(scene.light, float), error=error, init_params=start)
    assert np.median(fit.flux[near] / np.asarray(theirs["flux_fit"])) == pytest.approx(1, abs=1e-3)
    assert np.median(np.abs(fit.flux[near] - np.asarray(theirs["flux_fit"])) / fit.error[near]) < 0.25
    off = np.hypot(fit.x[near] - np.asarray(theirs["x_fit"]), fit.y[near] - np.asarray(theirs["y_fit"]))
    assert np.median(off / np.hypot(fit.x_error, fit.y_error)[near]) < 0.25
    # Their pixels lie in a square, ours in a circle.
    assert np.median(fit.error[near] / np.asarray(theirs["flux_err"])) == pytest.approx(1, abs=0.05)
