from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.astrometry.stars import detected_of, known_of
from alfosc_reduce_imaging.astrometry.tangent_plane import angles_of
from astropy.io import fits
from astropy.table import QTable

HEADER = fits.Header({"MJD-AVG": 51544.5 + 25 * 365.25, "BAND": "r", "FILENAME": "a"})


def reference(**columns: object) -> QTable:
    """Return two stars at epoch 2015, the second moving by 1 and -2 arcsec a year."""
    table = QTable({"ra": [10.0, 359.9999] * u.deg, "dec": [20.0, 75.0] * u.deg})
    table["pmra"], table["pmdec"] = [0.0, 1000.0] * u.mas / u.yr, [0.0, -2000.0] * u.mas / u.yr
    table["epoch"] = [2015.0, 2015.0]
    for name, values in columns.items():
        table[name] = values
    return table


def test_stars_move_to_the_date_of_the_image_on_the_sphere() -> None:
    ra, dec = angles_of(known_of(reference(), HEADER).directions)
    assert (ra[0], dec[0]) == pytest.approx((10.0, 20.0), abs=1e-10)
    assert dec[1] == pytest.approx(75.0 - 20 / 3600, abs=1e-6)
    assert (ra[1] - 359.9999) % 360 == pytest.approx(10 / 3600 / np.cos(np.radians(75.0)), rel=1e-3)


def test_errors_grow_with_the_error_of_the_motion() -> None:
    still, moving = np.full(2, 3.0) * u.mas, np.array([0.0, 0.4]) * u.mas / u.yr
    table = reference(ra_error=still, dec_error=still, pmra_error=moving, pmdec_error=moving)
    known = known_of(table, HEADER)
    assert 1000 * np.sqrt(known.variance) == pytest.approx([3.0, 5.0])


def test_star_of_unknown_motion_and_galaxy_count_less() -> None:
    known = known_of(reference(pm_known=[True, False]), HEADER)
    assert 1000 * np.sqrt(known.variance) == pytest.approx([0.0, 70.0])
    known = known_of(reference(extended=[False, True]), HEADER)
    assert 1000 * np.sqrt(known.variance) == pytest.approx([0.0, 100.0])


def test_catalogue_is_sorted_in_the_band_of_the_image() -> None:
    known = known_of(reference(mag_G=[10.0, 12.0], mag_r=[14.0, 13.0]), HEADER)
    assert known.flux[1] > known.flux[0]
    gaps = known_of(reference(mag_G=[10.0, 12.0], mag_r=[np.nan, np.nan]), HEADER)
    assert gaps.flux[0] > gaps.flux[1]
    assert not known_of(reference(), HEADER).flux.any()


def test_image_without_a_date_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ra, dec = angles_of(known_of(reference(), fits.Header({"FILENAME": "b"})).directions)
    assert (ra[1], dec[1]) == pytest.approx((359.9999, 75.0), abs=1e-9)
    assert "no date" in caplog.text


def test_saturated_and_blended_sources_count_less() -> None:
    table = QTable({"x": np.arange(4.0), "y": np.zeros(4), "x_error": np.full(4, 0.01), "y_error": np.full(4, 0.01),
                    "fwhm": np.full(4, 4.0), "flux": np.ones(4), "source_flags": [0, 2, 4, 6]})  # fmt: skip
    error = np.sqrt(detected_of(table).variance)
    assert error == pytest.approx([0.01, 1.0, 0.2, 1.0], rel=0.01)


def test_table_of_bare_positions_will_do() -> None:
    detected = detected_of(QTable({"x": [1.0, 2.0] * u.pix, "y": [3.0, 4.0] * u.pix}))
    assert np.array_equal(detected.x, [1.0, 2.0])
    assert not detected.variance.any()


def test_error_that_is_not_known_is_large() -> None:
    table = QTable({"x": [1.0, 2.0], "y": [3.0, 4.0], "x_error": [0.01, np.nan], "y_error": [0.01, 0.01]})
    first, second = np.sqrt(detected_of(table).variance)
    assert second > 50 * first
