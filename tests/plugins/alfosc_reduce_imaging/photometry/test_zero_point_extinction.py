"""Extinction coefficients from zero points at different air masses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.zero_point_extinction import MeasureExtinction, extinction
from astropy.table import QTable

from alfosc_reduce import DataError, load, save


def tables(airmass: Any, zero_point: Any, band: str = "r", **meta: Any) -> list[QTable]:
    return [
        QTable({"id": [1]}, meta={"AIRMASS": float(x), "MAGZP": float(z), "MAGZPERR": 0.004, "MAGBAND": band} | meta)
        for x, z in zip(airmass, zero_point, strict=True)
    ]


def test_the_coefficients_of_a_night_come_back(tmp_path: Any) -> None:
    rng = np.random.default_rng(1)
    airmass = np.linspace(1.02, 1.9, 9)
    given = []
    for band, zero, k in (("B", 25.8, 0.22), ("r", 25.9, 0.09)):
        given += tables(airmass, zero - k * airmass + rng.normal(0, 0.004, 9), band)
    result = MeasureExtinction()(given)
    assert list(result["band"]) == ["B", "r"] and list(result["images"]) == [9, 9]
    for row, k, zero in zip(result, (0.22, 0.09), (25.8, 25.9), strict=True):
        assert abs(row["extinction"].value - k) < 3 * row["extinction_error"].value < 0.03
        assert abs(row["zero_point"].value - zero) < 3 * row["zero_point_error"].value < 0.05
    assert MeasureExtinction().quality(result)["extinction_B"] == result["extinction"][0].value
    assert [name for name, _ in MeasureExtinction().figures(result)] == ["extinction"]
    assert load(save(result, tmp_path / "k.fits"))["extinction"][1] == result["extinction"][1]


def test_errors_are_honest_and_clouds_are_left_out() -> None:
    """Stars are fainter low in the sky, and zero points there less sure."""
    rng, pulls, outside = np.random.default_rng(2), [], []
    for _ in range(300):
        airmass = rng.uniform(1, 2, 12)
        error = np.where(airmass > 1.5, 0.01, 0.003)
        zero_point = 25 - 0.12 * airmass + rng.normal(0, error)
        zero_point[0] -= 0.4
        found = extinction(airmass, zero_point, error)
        pulls.append((found.extinction - 0.12) / found.extinction_error)
        outside.append((found.zero_point - 25) / found.zero_point_error)
    for pull in (pulls, outside):
        assert abs(np.mean(pull)) < 0.15 and np.std(pull) == pytest.approx(1, abs=0.15)


def test_thin_clouds_are_told_and_are_in_the_errors() -> None:
    rng, pulls, scatter = np.random.default_rng(3), [], []
    for _ in range(200):
        airmass = rng.uniform(1, 2, 30)
        found = extinction(airmass, 25 - 0.12 * airmass + rng.normal(0, 0.02, 30), np.full(30, 0.004))
        pulls.append((found.extinction - 0.12) / found.extinction_error)
        scatter.append(found.scatter)
    assert np.mean(scatter) == pytest.approx(0.02, rel=0.1)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_colour_terms_of_some_images_do_not_mix() -> None:
    """One image without a colour term: all count as for the typical star."""
    airmass = np.array([1.0, 1.3, 1.6, 1.9])
    with_term = tables(airmass[:3], 25 - 0.1 * airmass[:3] - 0.05 * 0.8, COLTERM=0.05, COLTYP=0.8)
    result = MeasureExtinction()([*with_term, *tables(airmass[3:], 25 - 0.1 * airmass[3:])])
    assert result["extinction"][0].value == pytest.approx(0.1, abs=1e-4)
    alike = tables(airmass, 25 - 0.1 * airmass, COLTERM=0.05, COLTYP=0.8)
    alike[2].meta["COLTYP"] = 1.4
    assert MeasureExtinction()(alike)["extinction"][0].value == pytest.approx(0.1, abs=1e-4)


def test_refusals_say_what_to_do() -> None:
    near = np.array([1.1, 1.2, 1.3])
    with pytest.raises(DataError, match=r"r has 3 images at air masses from 1.10 to 1.30; it takes 3 .* over 0.3"):
        MeasureExtinction()(tables(near, 25 - 0.1 * near))
    with pytest.raises(DataError, match="r has 2 images"):
        MeasureExtinction()(tables([1.0, 2.0], [25, 24.9]))
    with pytest.raises(DataError, match="table 1 has no MAGZP, AIRMASS, MAGBAND in its meta; give tables of sources"):
        MeasureExtinction()([QTable({"id": [1]})])
    far = np.array([1.0, 1.5, 2.0])
    result = MeasureExtinction()([*tables(near, 25 - 0.1 * near, "B"), *tables(far, 25 - 0.1 * far)])
    assert list(result["band"]) == ["r"] and result.meta["REFUSED"][0].startswith("B has 3 images")
