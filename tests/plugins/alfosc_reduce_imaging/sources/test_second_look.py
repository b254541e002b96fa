"""Wide stars that cover much of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.apertures import Scene
from alfosc_reduce_imaging.sources.measuring import MeasureSources
from alfosc_reduce_imaging.sources.second_look import is_needed
from alfosc_reduce_imaging.stars.noise import Noise


@pytest.mark.parametrize(
    ("fwhm", "share", "needed"), [(8, 0.1, True), (4, 0.1, False), (8, 0.01, False), (8, 0.6, False)]
)
def test_only_fields_that_need_it_are_looked_at_twice(fwhm: float, share: float, needed: bool) -> None:
    labels = (np.arange(10_000) < 10_000 * share).astype(np.int32).reshape(100, 100)
    plane = np.ones(labels.shape, np.float32)
    assert is_needed(Scene(plane, plane > 0, labels, Noise(plane, 1.0)), fwhm) is needed


def test_wings_of_wide_stars_are_no_background(sky_field: Any) -> None:
    field = sky_field(shape=(800, 800), number=100, fwhm=8.0, flux=(5e3, 2e5), seed=2)
    sources = MeasureSources()(field.image()).sources
    found, true = field.matched(sources["x"].value, sources["y"].value)
    assert len(set(true)) >= 98
    for kind in ("aper", "psf"):
        flux, error = (sources[f"flux_{kind}{end}"].value[found] for end in ("", "_error"))
        good = field.flux[true] > 20 * error
        weight = np.square(field.flux[true] / error)[good]
        assert abs(np.average((flux / field.flux[true])[good], weights=weight) - 1) < 0.005
        faint = good & (field.flux[true] < 100 * error)
        assert np.std(((flux - field.flux[true]) / error)[faint]) == pytest.approx(1, abs=0.25)
