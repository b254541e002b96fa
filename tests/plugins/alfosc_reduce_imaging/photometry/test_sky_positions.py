"""Positions on the sphere."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.sky_positions import at_epoch, julian_year, match, separation, unit_vectors
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 360), st.floats(-89.9, 89.9), st.floats(0.001, 5000), st.floats(0, 360))
def test_separations_are_right_everywhere(ra: float, dec: float, arcsec: float, angle: float) -> None:
    start = SkyCoord(ra, dec, unit="deg")
    end = start.directional_offset_by(angle * u.deg, arcsec * u.arcsec)
    found = separation(unit_vectors(ra, dec), unit_vectors(end.ra.deg, end.dec.deg))[0]
    assert found == pytest.approx(arcsec, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("dec", [0.0, 75.0, -89.0])
def test_proper_motion_agrees_with_astropy(dec: float) -> None:
    table = QTable({"ra": [359.9999] * u.deg, "dec": [dec] * u.deg, "epoch": [2016.0]})
    table["pmra"], table["pmdec"] = [800.0] * u.mas / u.yr, [-500.0] * u.mas / u.yr
    star = SkyCoord(table["ra"], table["dec"], pm_ra_cosdec=table["pmra"], pm_dec=table["pmdec"],
                    distance=[10] * u.pc, obstime=Time(2016.0, format="jyear"))  # fmt: skip
    moved = star.apply_space_motion(new_obstime=Time(2025.0, format="jyear"))
    assert separation(at_epoch(table, 2025.0), unit_vectors(moved.ra.deg, moved.dec.deg))[0] < 0.002
    assert separation(at_epoch(table, None), unit_vectors(359.9999, dec))[0] < 1e-6


def test_unknown_motions_count_as_none() -> None:
    table = QTable({"ra": [10.0] * u.deg, "dec": [5.0] * u.deg, "epoch": [np.nan], "pmra": [np.nan] * u.mas / u.yr})
    assert np.isfinite(at_epoch(table, 2025.0)).all()


def test_matches_are_one_to_one() -> None:
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 0.1, 300), rng.uniform(80, 80.01, 300)
    first = unit_vectors(ra, dec)
    order = rng.permutation(300)[:250]
    second = unit_vectors(ra[order] + 1e-6, dec[order])
    pairs = match(first, second, 1.0)
    assert len(set(pairs.first)) == len(pairs.first) and len(set(pairs.second)) == len(pairs.second)
    assert (order[pairs.second] == pairs.first).mean() > 0.97 and len(pairs.first) > 240
    assert (pairs.separation <= 1.0).all()


def test_nothing_matches_nothing() -> None:
    none = np.zeros((0, 3))
    some = unit_vectors([1.0, np.nan], [2.0, 3.0])
    assert len(match(none, some, 1.0).first) == 0
    assert len(match(some, some, 1.0).first) == 1


def test_julian_years() -> None:
    assert julian_year(Time(2020.5, format="jyear").mjd) == pytest.approx(2020.5, abs=1e-6)
