"""Cones and what is kept of them: the same at the poles, across 0h and at the equator."""

from __future__ import annotations

import os
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_catalogs.cache import Shelf, cache_folder
from alfosc_reduce_catalogs.cone import Cone, cone_of, widened
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

right_ascensions = st.one_of(st.floats(0, 359.9999999), st.sampled_from([0.0, 1e-7, 359.9999999]))
declinations = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 75.0, 89.99999]))
places = st.tuples(right_ascensions, declinations)
radii = st.floats(1e-3, 5)


@settings(deadline=None, derandomize=True)
@given(places, places)
def test_distance_is_that_on_the_sphere(one: tuple[float, float], other: tuple[float, float]) -> None:
    a, b = (SkyCoord(*place, unit="deg") for place in (one, other))
    assert Cone(*one, 1).distance(Cone(*other, 1)) == pytest.approx(a.separation(b).deg, abs=1e-6)


@settings(deadline=None, derandomize=True)
@given(places, radii)
def test_what_is_asked_holds_what_is_wanted(place: tuple[float, float], radius: float) -> None:
    cone = Cone(*place, radius)
    asked = widened(cone)
    assert asked.holds(cone) and 0 <= asked.ra < 360 and asked.radius < radius + 0.026
    assert widened(asked).holds(asked)


@settings(deadline=None, derandomize=True)
@given(places, radii, st.floats(0, 360), st.floats(0, 1), st.floats(0, 1), st.floats(0, 360), st.floats(0, 1))
def test_a_cone_inside_another_has_no_point_outside(
    place: tuple[float, float], radius: float, east: float, off: float, share: float, angle: float, out: float
) -> None:
    """A small cone somewhere in a large one, and a point somewhere in the small one."""
    large = Cone(*place, radius)
    centre = SkyCoord(*place, unit="deg").directional_offset_by(east * u.deg, off * radius * u.deg)
    small = Cone(float(centre.ra.deg), float(centre.dec.deg), share * radius)
    point = centre.directional_offset_by(angle * u.deg, out * small.radius * u.deg)
    if large.holds(small):
        assert large.distance(Cone(float(point.ra.deg), float(point.dec.deg), 0)) <= radius + 1e-9
    else:
        assert large.distance(small) + small.radius > radius


@settings(deadline=None, derandomize=True)
@given(place=places, radius=radii)
def test_an_answer_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[float, float], radius: float
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    cone = Cone(*place, radius)
    asked = widened(cone)
    shelf.put(asked, b"answer", complete=True)
    found = shelf.find(cone, asked)
    assert found is not None and found.read_bytes() == b"answer" and len(list(shelf.folder.iterdir())) == 1
    assert shelf.find(Cone(cone.ra, cone.dec, radius + 0.03), widened(Cone(cone.ra, cone.dec, radius + 0.03))) is None
    os.unlink(found)  # noqa: PTH108
    shelf.put(asked, b"cut", complete=False)
    assert shelf.find(cone, asked) is not None and shelf.find(cone, widened(asked)) is None


def test_the_smallest_that_will_do(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for radius in (3.0, 1.0, 2.0, 0.2):
        shelf.put(Cone(0.05, 80, radius), str(radius).encode(), complete=True)
    (tmp_path / "lock").touch()
    (tmp_path / "notes.txt").touch()
    found = shelf.find(Cone(359.95, 80, 0.5), Cone(359.95, 80, 0.525))
    assert found is not None and found.read_bytes() == b"1.0"


def test_where_answers_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == Path(os.environ["ALFOSC_REDUCE_CACHE"]) / "catalogs"
    monkeypatch.delenv("ALFOSC_REDUCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "alfosc-reduce" / "catalogs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "alfosc-reduce" / "catalogs"


def test_cone_of_a_position_in_another_frame() -> None:
    galactic = SkyCoord(0, 0, unit="deg", frame="galactic")
    cone = cone_of(galactic, 30 * u.arcmin)
    assert cone.radius == 0.5 and np.allclose([cone.ra, cone.dec], [266.40499, -28.93617], atol=1e-4)
