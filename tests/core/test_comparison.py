"""Fingerprints notice every change; comparison says which."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable
from specutils import SpectrumList

from alfosc_reduce.corruption import CORRUPTIONS, corrupted, planes_of
from alfosc_reduce.images import make_image
from alfosc_reduce.spectra import make_spectrum
from alfosc_reduce.testing import differences, digest, identical


@dataclass(frozen=True)
class Curve:
    values: np.ndarray
    table: QTable
    name: str


def an_image() -> CCDData:
    header = Header({"OBJECT": "star", "EXPTIME": 2.0})
    header.add_history("born")
    return make_image(np.arange(12.0).reshape(3, 4), unit="electron", header=header, variance=4.0)


def a_spectrum() -> Any:
    sky = np.ones(5) * u.electron
    wave = np.arange(4000.0, 4005) * u.AA
    return make_spectrum(wave, 2 * sky, variance=np.ones(5), header=Header({"A": 1}), columns={"SKY": sky})


def everything() -> dict[str, Any]:
    table = QTable({"x": [1.0, 2.0] * u.AA, "name": ["a", "b"]}, meta={"source": "here"})
    curve = Curve(np.arange(3.0), table.copy(), "curve")
    return {"image": an_image(), "spectra": SpectrumList([a_spectrum()]), "table": table, "curve": curve, "empty": []}


def stretch(x: dict[str, Any]) -> None:
    x["image"] = CCDData(x["image"], uncertainty=StdDevUncertainty(x["image"].uncertainty.array))


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a value": lambda x: x["image"].data.__setitem__((0, 0), 1e-30),
    "a variance": lambda x: x["image"].uncertainty.array.__setitem__((1, 1), 4.5),
    "the kind of uncertainty": stretch,
    "a flag": lambda x: x["image"].flags.__setitem__((2, 2), 8),
    "a mask": lambda x: x["image"].mask.__setitem__((2, 2), True),
    "a unit": lambda x: x.__setitem__("image", make_image(x["image"].data, unit="adu", header=x["image"].meta)),
    "a card": lambda x: x["image"].meta.__setitem__("EXPTIME", 3.0),
    "a line of history": lambda x: x["image"].meta.add_history("grown"),
    "a flux": lambda x: x["spectra"][0].flux.__setitem__(0, 3 * u.electron),
    "a column": lambda x: x["spectra"][0].meta["columns"]["SKY"].__setitem__(0, 3 * u.electron),
    "a member": lambda x: x["spectra"].append(a_spectrum()),
    "a cell": lambda x: x["table"]["name"].__setitem__(0, "c"),
    "the unit of a column": lambda x: x["table"].__setitem__("x", np.array([1.0, 2.0]) * u.nm),
    "the meta of a table": lambda x: x["table"].meta.__setitem__("source", "there"),
    "a field": lambda x: x["curve"].values.__setitem__(0, -0.5),
    "a nested table": lambda x: x["curve"].table["x"].__setitem__(0, 7 * u.AA),
}


def test_copies_are_identical() -> None:
    assert digest(everything()) == digest(everything()) == digest(copy.deepcopy(everything()))
    assert identical(everything(), everything())


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(change: str) -> None:
    changed = everything()
    CHANGES[change](changed)
    assert digest(changed) != digest(everything())
    assert differences(changed, everything())


def test_differences_say_where() -> None:
    changed = everything()
    changed["image"].data[0, :2] = 7
    assert differences(everything(), changed) == ["product.image.data: 2 of 12 values differ"]


def test_equal_numbers_of_another_type_are_not_identical() -> None:
    assert not identical(np.ones(3, np.float32), np.ones(3))
    assert not identical(np.ones(3), np.ones((3, 1)))


def test_nan_equals_nan_and_rounding_can_be_allowed() -> None:
    assert identical(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
    assert not identical(np.array([1.0]), np.array([1.0 + 1e-14]))
    assert differences(np.array([1.0]), np.array([1.0 + 1e-14]), rtol=1e-12) == []


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corrupted_products_are_still_products(kind: str) -> None:
    for product in (an_image(), a_spectrum(), [an_image(), an_image()], SpectrumList([a_spectrum()])):
        planes = planes_of(corrupted(copy.deepcopy(product), kind))
        if kind != "empty":
            assert len(planes) == len(planes_of(product))
        for plane in planes:
            values = np.asarray(plane.data)
            assert values.size == 0 if kind == "empty" else np.all(np.isnan(values) if kind == "nan" else values == 0)
