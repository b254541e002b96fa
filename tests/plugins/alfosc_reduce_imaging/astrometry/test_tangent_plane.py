from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_imaging.astrometry.tangent_plane import angles_of, axes_at, deproject, project
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st


@given(ra=st.floats(0, 360), dec=st.floats(-90, 90), x=st.floats(-5000, 5000), y=st.floats(-5000, 5000))
def test_plane_and_back_is_where_it_was(ra: float, dec: float, x: float, y: float) -> None:
    axes = axes_at(ra, dec)
    back = project(deproject(np.array([[x, y]]), axes), axes)
    assert back == pytest.approx(np.array([[x, y]]), abs=1e-7)


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 0.0), (0.001, 28.0), (359.999, -60.0), (40.0, 75.0), (10.0, 89.9)])
def test_projection_is_that_of_the_standard(ra: float, dec: float) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [ra, dec], [1 / 3600, 1 / 3600]
    x, y = np.random.default_rng(1).uniform(-900, 900, (2, 50))
    expected = wcs.all_pix2world(x, y, 1)
    found = angles_of(deproject(np.stack([x, y], axis=1), axes_at(ra, dec)))
    east = (found[0] - expected[0] + 180) % 360 - 180
    assert np.abs(east * np.cos(np.radians(expected[1]))).max() < 1e-11
    assert np.abs(found[1] - expected[1]).max() < 1e-11


def test_what_lies_behind_is_not_on_the_plane() -> None:
    assert np.isnan(project(np.array([[-1.0, 0, 0], [0, 1.0, 0]]), axes_at(0, 0))).all()


def test_east_and_north_point_the_right_way() -> None:
    axes = axes_at(100.0, 40.0)
    ra, dec = angles_of(deproject(np.array([[10.0, 0.0], [0.0, 10.0]]), axes))
    assert ra[0] > 100
    assert dec[1] == pytest.approx(40 + 10 / 3600, abs=1e-8)
