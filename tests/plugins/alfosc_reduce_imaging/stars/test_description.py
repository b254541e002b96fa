"""What tables say of a frame, and how an image without variance is met."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.description import description, pixel_scale, wcs_cards
from alfosc_reduce_imaging.stars.frame import frame_of, photons_of
from astropy.io import fits


def test_the_scale_comes_from_the_keyword_or_the_wcs() -> None:
    assert pixel_scale(fits.Header({"PIXSCALE": 0.2138})) == 0.2138
    turned = fits.Header({"CTYPE1": "RA---TAN", "CD1_1": 4e-5, "CD1_2": 3e-5, "CD2_1": -3e-5, "CD2_2": 4e-5})
    assert pixel_scale(turned) == pytest.approx(0.18)
    assert pixel_scale(fits.Header({"CTYPE1": "RA---TAN", "CDELT1": -1e-4, "CDELT2": 1e-4})) == pytest.approx(0.36)
    assert np.isnan(pixel_scale(fits.Header()))


def test_only_the_cards_of_the_wcs_are_taken() -> None:
    header = fits.Header({"CTYPE1": "RA---TAN", "CRVAL1": 1.0, "CDATE": "no", "A_ORDER": 2, "A_0_2": 1e-6, "PCOUNT": 0})
    assert set(wcs_cards(header)) == {"CTYPE1", "CRVAL1", "A_ORDER", "A_0_2"}
    assert wcs_cards(fits.Header({"CRVAL1": 1.0})) == {}


def test_names_and_numbers_of_the_frame(sky_field: Any) -> None:
    told = description(sky_field(number=1).image(header={"FILENAME": "ALxy020.fits.gz"}))
    assert told["FRAME"] == "ALxy020"
    assert told["EXPTIME"] == 100.0
    assert (told["NX"], told["NY"]) == (400, 400)
    assert "BAND" not in told


@pytest.mark.parametrize(
    ("unit", "header", "photon", "words"),
    [
        ("electron", {}, 1.0, "no variance"),
        ("electron / s", {}, 0.01, "no variance"),
        ("adu", {"GAIN": 2.0}, 0.5, "gain of 2"),
        ("adu / s", {"GAIN": 2.0}, 0.005, "gain of 2"),
        ("adu", {}, 0.0, "Set GAIN"),
    ],
)
def test_without_variance_the_noise_is_that_of_the_background(
    sky_field: Any, caplog: pytest.LogCaptureFixture, unit: str, header: dict[str, Any], photon: float, words: str
) -> None:
    image = sky_field(number=10).image(unit, header=header, variance=False)
    with caplog.at_level(logging.WARNING):
        frame = frame_of(image)
    assert caplog.text.count("no variance") == 1
    assert words in caplog.text
    assert frame.noise.photon == pytest.approx(photon)
    scale = 100.0 if unit.endswith("s") else 1.0
    assert np.median(frame.noise.sky) == pytest.approx(325 / scale**2, rel=0.02)
    assert photons_of(image) == pytest.approx(photon)
