"""How the slit lies on the sky."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from astropy.io.fits import Header


@pytest.mark.parametrize(
    ("slit", "side", "field", "angle"),
    [
        ("Slit_1.0", "Horizontal", 80.05, 80.05),
        ("Slit_1.0", "Horizontal", -60.0, 120.0),
        ("Vert_1.3", "Vertical", 0.0, 90.0),
        ("Vert_1.3", "Vertical", 100.0, 10.0),
    ],
)
def test_along_the_field_rotation_or_across_it(
    make_header: Callable[..., Header], slit: str, side: str, field: float, angle: float
) -> None:
    header = make_header(ALAPRTNM=slit, ALAPRORI=side, FIELD=field)
    assert Alfosc().slit_angle(header) == pytest.approx(angle)


def test_not_known(make_header: Callable[..., Header]) -> None:
    assert Alfosc().slit_angle(make_header()) is None
    assert Alfosc().slit_angle(make_header(FIELD="N/A")) is None
    assert Alfosc().slit_angle(make_header(ALAPRTNM="Open", FIELD=3.0)) is None


@pytest.mark.parametrize(("field", "angle"), [(80.0, 260.0), (-60.0, 120.0), (-90.0, 90.0)])
def test_columns_rise_opposite_to_the_field_rotation(make_header, field, angle):
    header = make_header(ALAPRTNM="Slit_1.0", ALAPRORI="Horizontal", FIELD=field)
    pixel, found = Alfosc().slit_on_sky(header)
    assert found == pytest.approx(angle) and 1070 < pixel < 1095
    assert abs((found - Alfosc().slit_angle(header) + 90) % 180 - 90) < 1e-6


def test_slits_that_were_not_measured_are_not_placed_on_the_sky(make_header):
    assert Alfosc().slit_on_sky(make_header(ALAPRTNM="Slit_1.0", FIELD="N/A")) is None
    assert Alfosc().slit_on_sky(make_header(ALAPRTNM="Open", FIELD=3.0)) is None
