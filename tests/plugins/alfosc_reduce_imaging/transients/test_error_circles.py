"""Error circles: how they are written, and what lies in them."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.sky_positions import separation, unit_vectors
from alfosc_reduce_imaging.transients.error_circles import (
    ArcminCircle,
    ArcsecCircle,
    ErrorCircle,
    classes,
    distances,
    outline,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError


def test_ways_to_write_a_circle() -> None:
    bat, xrt = TypeAdapter(ArcminCircle), TypeAdapter(ArcsecCircle)
    assert bat.validate_python("187.5 -1.25 3") == ErrorCircle(187.5, -1.25, 180.0)
    assert bat.validate_python("12:30:00 -01:15:00 3") == ErrorCircle(187.5, -1.25, 180.0)
    assert xrt.validate_python([187.5, "-0:30", 4]) == ErrorCircle(187.5, -0.5, 4.0)
    for wrong in ("187.5 -1.25", "370 0 1", "10 95 1", "10 10 0", "10 10 x", "1 2 3 4", "10:70:00 2 3", 5):
        with pytest.raises(ValidationError, match="RA DEC RADIUS"):
            bat.validate_python(wrong)


@given(st.floats(0, 359.9), st.floats(-90, 90), st.floats(0.01, 100))
def test_circles_are_written_as_they_are_read(ra: float, dec: float, radius: float) -> None:
    adapter = TypeAdapter(ArcminCircle)
    circle = ErrorCircle(ra, dec, radius * 60)
    again = adapter.validate_python(adapter.dump_python(circle))
    assert (again.ra, again.dec) == (ra, dec) and again.radius == pytest.approx(circle.radius)


@pytest.mark.parametrize("dec", [0.0, 75.0, 89.99, -90.0])
def test_the_outline_lies_on_the_circle(dec: float) -> None:
    circle = ErrorCircle(359.999, dec, 200.0)
    ra, declination = outline(circle)
    assert separation(unit_vectors(ra, declination), unit_vectors(circle.ra, circle.dec)) == pytest.approx(
        200.0, rel=1e-6
    )


def test_significance() -> None:
    circle = ErrorCircle(10.0, 75.0, 166.0)
    apart, sigma = distances(circle, unit_vectors([10.0], [75.0 + 200 / 3600]), np.array([0.0]))
    assert apart[0] == pytest.approx(200.0) and sigma[0] == pytest.approx(2.0)
    assert distances(circle, unit_vectors([10.0], [75.1]), np.array([100.0]))[1][0] == pytest.approx(
        360 / np.hypot(100, 100)
    )


def test_classes() -> None:
    near, far = np.array([0.5, 0.5, 5.0]), np.array([0.5, 5.0, 5.0])
    assert list(classes(near, far, 1.66)) == [2, 1, 0]
    assert list(classes(near, None, 1.66)) == [1, 1, 0]
    assert list(classes(None, far, 1.66)) == [2, 0, 0]
    assert list(classes(np.array([5.0]), np.array([0.1]), 1.66)) == [1]
