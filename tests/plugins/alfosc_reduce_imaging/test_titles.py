"""Titles of figures say each thing once."""

from __future__ import annotations

import pytest
from alfosc_reduce_imaging.titles import title_of


@pytest.mark.parametrize(
    ("meta", "title"),
    [
        ({"OBJECT": "M 67", "FRAME": "ALDc200001", "FILTER": "r_SDSS"}, "M 67  ALDc200001  r_SDSS"),
        ({"OBJECT": "M 67", "FRAME": "M_67_r_SDSS", "FILTER": "r_SDSS"}, "M 67  r_SDSS"),
        ({"OBJECT": "M 67", "FILENAME": "M_67_V.fits", "FILTER": "V"}, "M 67  V"),
        ({"FILENAME": "ccd.2.fits"}, "ccd.2"),
        ({}, ""),
    ],
)
def test_a_combined_image_is_not_named_twice(meta: dict[str, str], title: str) -> None:
    assert title_of(meta) == title
