from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.astrometry.header import header_with
from alfosc_reduce_imaging.astrometry.polynomials import Frame, powers
from alfosc_reduce_imaging.astrometry.sky_map import SkyMap, grid_of
from astropy.io import fits
from astropy.wcs import WCS

SHAPE = (2048, 2000)


def a_map(degree: int, size: float, *, ra: float = 359.99, dec: float = 28.0, seed: int = 1) -> SkyMap:
    """Return a map with random distortion of about `size` pixels at the corners."""
    rng = np.random.default_rng(seed)
    coefficients = np.zeros((len(powers(degree)), 2))
    frame = Frame(999.5, 1023.5, 1431.0)
    coefficients[1], coefficients[2] = np.array([-0.21, 0.02]) * frame.unit, np.array([0.02, 0.21]) * frame.unit
    coefficients[3:] = rng.uniform(-1, 1, (len(coefficients) - 3, 2)) * size * 0.21 / max(1, degree - 1)
    return SkyMap(ra, dec, frame, coefficients, degree)


def wcs_of(sky_map: SkyMap) -> WCS:
    return WCS(header_with(fits.Header(), sky_map, SHAPE, {}))


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("ra", "dec"), [(359.99, 0.0), (20.0, 75.0), (0.01, -89.9)])
def test_cards_mean_the_same_to_astropy(degree: int, ra: float, dec: float) -> None:
    sky_map = a_map(degree, 4.0, ra=ra, dec=dec)
    x, y = grid_of(SHAPE, 7)
    expected, found = sky_map.sky(x, y), wcs_of(sky_map).all_pix2world(x, y, 0)
    east = (found[0] - expected[0] + 180) % 360 - 180
    assert np.abs(east * np.cos(np.radians(dec))).max() * 3600 < 1e-5
    assert np.abs(found[1] - expected[1]).max() * 3600 < 1e-5


@pytest.mark.parametrize(("degree", "size"), [(2, 2.0), (3, 3.0), (3, 20.0), (4, 10.0), (5, 10.0)])
def test_inverse_polynomial_leads_back_to_the_pixel(degree: int, size: float) -> None:
    sky_map = a_map(degree, size)
    wcs = wcs_of(sky_map)
    x, y = grid_of(SHAPE, 23)
    plain = sky_map.undistorted(sky_map.directions(x, y))
    back = wcs.sip_foc2pix(plain + 1 - wcs.wcs.crpix, 1)
    assert np.hypot(back[:, 0] - 1 - x, back[:, 1] - 1 - y).max() < 1e-3


def test_scale_and_rotation_are_told() -> None:
    angle = np.radians(25.0)
    frame = Frame(500.0, 500.0, 700.0)
    coefficients: Any = np.zeros((3, 2))
    coefficients[1] = np.array([-np.cos(angle), np.sin(angle)]) * 0.3 * frame.unit
    coefficients[2] = np.array([np.sin(angle), np.cos(angle)]) * 0.3 * frame.unit
    sky_map = SkyMap(10.0, 20.0, frame, coefficients, 1)
    assert (sky_map.scale, sky_map.rotation) == (pytest.approx(0.3), pytest.approx(25.0))
    assert sky_map.name() == "TAN"


def test_old_maps_leave_no_trace() -> None:
    old = fits.Header({
        "CTYPE1": "RA---ZPN", "CDELT1": 1.0, "CROTA2": 3.0, "PC1_1": 1.0, "PV2_1": 1.0, "PV2_3": 42.0, "LTM1_1": 1.0,
        "LTV1": -16.0, "WAT0_001": "system=image", "WAT1_001": "wtype=tan", "WCSDIM": 2, "RADECSYS": "FK5",
        "EQUINOX": 1950.0, "A_ORDER": 2, "A_2_0": 1.0, "AP_ORDER": 2, "LONPOLE": 180.0, "WCSRMS": 9.0,
        "AIRMASS": 1.2, "OBJECT": "M 1", "ASTRORMS": "0.2",
    })  # fmt: skip
    before = old.copy()
    header = header_with(old, a_map(1, 0.0), SHAPE, {"WCSRMS": (0.01, "rms")})
    assert old == before
    for keyword in ("CDELT1", "CROTA2", "PC1_1", "PV2_1", "LTM1_1", "LTV1", "WAT0_001", "WCSDIM", "RADECSYS", "A_2_0"):
        assert keyword not in header
    assert (header["RADESYS"], header["EQUINOX"], header["CTYPE1"]) == ("ICRS", 2000.0, "RA---TAN")
    assert (header["AIRMASS"], header["OBJECT"], header["WCSRMS"]) == (1.2, "M 1", 0.01)
    assert header["PIXSCALE"] == pytest.approx(np.hypot(0.21, 0.02), abs=1e-6)
