"""Where the sky falls on the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate import Readout
from alfosc_reduce_simulate.imaging.optics import CORNER, MIDDLE, SCALE, Optics
from alfosc_reduce_simulate.imaging.sphere import from_plane, moved, separation, to_plane
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

FULL = Readout()
DECLINATIONS = pytest.mark.parametrize("dec", [-30.0, 0.0, 28.0, 75.0, 89.9])


def optics(**changes) -> Optics:
    return Optics(
        **({"ra": 0.02, "dec": 28.0, "angle": -90.0, "distortion": 2.5, "flipped": False, "readout": FULL} | changes)
    )


@given(
    ra=st.floats(0, 360, exclude_max=True),
    dec=st.floats(-89.5, 89.5),
    angle=st.floats(-180, 180),
    distortion=st.floats(-8, 8),
    flipped=st.booleans(),
    binning=st.sampled_from([(1, 1), (2, 2), (1, 2)]),
)
def test_pixels_to_the_sky_and_back(ra, dec, angle, distortion, flipped, binning):
    mapping = optics(
        ra=ra,
        dec=dec,
        angle=angle,
        distortion=distortion,
        flipped=flipped,
        readout=Readout((301, 1800, 1, 2102), binning),
    )
    x, y = np.random.default_rng(1).uniform(-100, 1500, (2, 20))
    back = mapping.pixels(*mapping.sky(x, y))
    np.testing.assert_allclose(back, [x, y], atol=1e-6)


@DECLINATIONS
def test_without_distortion_it_is_a_tangential_map(dec):
    mapping = optics(dec=dec, distortion=0.0, angle=-77.0)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [mapping.ra, mapping.dec]
    wcs.wcs.crpix, wcs.wcs.cd = np.array(mapping.reference_pixel()) + 1, mapping.matrix() / 3600
    x, y = np.random.default_rng(2).uniform(0, 2100, (2, 50))
    theirs = wcs.pixel_to_world(x, y)
    ours = SkyCoord(*mapping.sky(x, y), unit="deg")
    assert theirs.separation(ours).max() < 1e-5 * u.arcsec


def test_north_is_up_and_east_is_left():
    mapping = optics()
    x0, y0 = mapping.pixels(mapping.ra, mapping.dec)
    north = mapping.pixels(*moved(mapping.ra, mapping.dec, 0.0, 10.0))
    east = mapping.pixels(*moved(mapping.ra, mapping.dec, 10.0, 0.0))
    assert north[0] == pytest.approx(x0, abs=1e-3) and north[1] - y0 == pytest.approx(10 / SCALE, rel=1e-4)
    assert x0 - east[0] == pytest.approx(10 / SCALE, rel=1e-4)
    assert (x0 + 1, y0 + 1) == pytest.approx(MIDDLE)
    mirrored = optics(flipped=True).pixels(*moved(mapping.ra, mapping.dec, 10.0, 0.0))
    assert mirrored[0] - x0 == pytest.approx(10 / SCALE, rel=1e-4)


def test_distortion_grows_with_the_cube_of_the_distance():
    straight, bent = optics(distortion=0.0), optics(distortion=3.0)
    for share in (0.5, 1.0):
        x, y = np.array(MIDDLE) - 1 + share * CORNER * np.array([0.6, 0.8])
        moved_x, moved_y = bent.pixels(*straight.sky(x, y))
        assert np.hypot(moved_x - x, moved_y - y) == pytest.approx(3.0 * share**3, rel=1e-6)


def test_binned_and_windowed_pixels_see_the_same_sky():
    part = optics(readout=Readout((501, 900, 301, 900), (2, 3)))
    np.testing.assert_allclose(part.sky(10.0, 20.0), optics().sky(500 + 20.5, 300 + 61.0), atol=1e-10)


@DECLINATIONS
def test_the_tangent_plane_is_that_of_astropy(dec):
    rng = np.random.default_rng(3)
    east, north = rng.uniform(-600, 600, (2, 30))
    ra, dec_ = from_plane(east, north, (359.99, dec))
    np.testing.assert_allclose(to_plane(ra, dec_, (359.99, dec)), [east, north], atol=1e-7)
    centre = SkyCoord(359.99, dec, unit="deg")
    there = SkyCoord(ra, dec_, unit="deg")
    np.testing.assert_allclose(separation(359.99, dec, ra, dec_), centre.separation(there).arcsec, atol=1e-7)


@DECLINATIONS
def test_proper_motions_are_those_of_astropy(dec):
    star = SkyCoord(
        0.001 * u.deg, dec * u.deg, pm_ra_cosdec=-900 * u.mas / u.yr, pm_dec=700 * u.mas / u.yr,
        obstime="J2016.0", distance=50 * u.pc,
    )  # fmt: skip
    later = star.apply_space_motion(dt=9.2 * u.yr)
    ours = moved(0.001, dec, -0.9 * 9.2, 0.7 * 9.2)
    assert separation(*ours, later.ra.deg, later.dec.deg) < 1e-3
