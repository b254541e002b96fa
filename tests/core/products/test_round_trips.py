"""Whatever a step may return comes back from its file the same."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Header
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from alfosc_reduce import load, save
from alfosc_reduce.errors import ReductionError
from alfosc_reduce.flags import mask_of
from alfosc_reduce.images import make_image
from alfosc_reduce.spectra import make_spectrum
from alfosc_reduce.testing import differences

finite = st.floats(-(2.0**99), 2.0**99, width=32)
shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
words = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=30).map(str.strip)
decimals = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)  # a card holds 16 digits
# Astropy ends the value of a card at an apostrophe that a slash follows.
headers = st.dictionaries(
    st.from_regex(r"\A[XYZ][A-Z0-9]{1,6}\Z"),
    words.filter(lambda text: not re.search("' */", text)) | st.booleans() | st.integers(-(2**40), 2**40) | decimals,
    max_size=4,
)
UNITS = ["adu", "electron", "electron / s", "", "erg / (s cm2 Angstrom)", "adu / s", "Angstrom"]


def returned(product: Any, **options: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return load(save(product, Path(folder) / "a.fits"), **options)


@settings(max_examples=60, deadline=None)
@given(st.data(), shapes, st.sampled_from(UNITS), headers, st.booleans())
def test_images(data: st.DataObject, shape: tuple[int, int], unit: str, cards: dict[str, Any], noisy: bool) -> None:
    image = make_image(
        data.draw(hnp.arrays(np.float32, shape, elements=finite)),
        unit=unit,
        header=Header(cards),
        variance=data.draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 2.0**99, width=32))) if noisy else None,
        flags=data.draw(hnp.arrays(np.int16, shape, elements=st.integers(0, 2**14 - 1))),
    )
    assert differences(image, returned(image)) == []


@pytest.mark.parametrize("memmap", [False, True])
@pytest.mark.parametrize("kind", [VarianceUncertainty, StdDevUncertainty, InverseVariance])
def test_strangers_images_keep_mask_and_kind_of_uncertainty(kind: type, memmap: bool, tmp_path: Path) -> None:
    image = CCDData(
        np.arange(6.0).reshape(2, 3), unit="electron", uncertainty=kind(np.full((2, 3), 2.0)),
        mask=np.array([[True, False, False], [False, False, True]]), meta=Header({"OBJECT": "a"}),
    )  # fmt: skip
    again = load(save(image, tmp_path / "a.fits"), memmap=memmap)
    assert type(again.uncertainty) is kind and np.array_equal(again.mask, image.mask) and again.flags is None
    assert np.array_equal(again.data, image.data) and again.unit == image.unit and again.meta["OBJECT"] == "a"


def test_memory_mapped_images_are_the_same_but_for_byte_order(tmp_path: Path) -> None:
    flags = np.array([[0, 8], [2, 0]], np.int16)
    image = make_image([[1, 2], [3, 4]], unit="electron", header=Header({"A": 1}), variance=2.0, flags=flags)
    again = load(save(image, tmp_path / "a.fits"), memmap=True)
    assert differences(image, again) == []
    assert np.array_equal(mask_of(again.flags), again.mask)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 30), st.sampled_from(UNITS[:-1]), headers)
def test_spectra(data: st.DataObject, size: int, unit: str, cards: dict[str, Any]) -> None:
    numbers = hnp.arrays(np.float64, size, elements=st.floats(-1e30, 1e30))
    spectrum = make_spectrum(
        np.linspace(3500, 9000, size) * u.AA,
        data.draw(numbers) * u.Unit(unit),
        variance=data.draw(hnp.arrays(np.float64, size, elements=st.floats(1e-60, 1e30))),
        header=Header({"AIRORVAC": "VACUUM", **cards}),
        flags=data.draw(hnp.arrays(np.int16, size, elements=st.sampled_from([0, 4, 16, 512, 1024]))),
        columns={"SKY": data.draw(numbers) * u.Unit(unit)},
    )
    assert differences(spectrum, returned(spectrum), rtol=1e-12) == []


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 5), st.sampled_from(UNITS))
def test_tables(data: st.DataObject, size: int, unit: str) -> None:
    table = QTable(
        {
            "name": np.array(data.draw(st.lists(words, min_size=size, max_size=size)), dtype="U40"),
            "x": data.draw(hnp.arrays(np.float64, size, elements=finite)) * u.Unit(unit),
            "used": data.draw(hnp.arrays(bool, size)),
            "n": data.draw(hnp.arrays(np.int64, size)),
        },
        meta={"source": data.draw(words), "degree": 3, "limits": [1.5, 2.5]},
    )
    again = returned(table)
    assert again.colnames == table.colnames and again.meta == table.meta
    assert list(again["name"]) == list(table["name"])
    for name in ("x", "used", "n"):
        assert np.array_equal(again[name], table[name]) and type(again[name]) is type(table[name])


def test_an_apostrophe_before_a_slash_does_not_end_the_meta_of_a_table() -> None:
    table = QTable({"x": [1.0]}, meta={"source": "it's 1'/pixel", "UCD": {"x": "pos'/"}})
    assert returned(table).meta == table.meta


def test_nan_and_empty_text_in_tables_are_values() -> None:
    table = QTable({"x": [1.0, np.nan] * u.AA, "y": [np.nan, 2.0], "name": ["", "b"]})
    assert differences(table, returned(table)) == []


@dataclass(frozen=True)
class Thing:
    """A product of a stranger."""

    curve: NDArray[np.float64]
    good: NDArray[np.bool_]
    width: u.Quantity
    points: QTable
    domain: tuple[float, float]
    nested: tuple[tuple[int, int], tuple[int, int]]
    text: str
    number: float
    nothing: str | None = None


@pytest.mark.parametrize("size", [0, 1, 7])
def test_dataclasses(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alfosc_reduce.products.dataclass_hdus._class_of", lambda kind: Thing)
    thing = Thing(
        np.linspace(0, 1, size), np.arange(size) % 2 == 0, np.arange(3.0) * u.pix, QTable({"x": np.arange(2.0) * u.AA}),
        (0.0, 400.0), ((1, 2), (3, 4)), "ä text with 'quotes' and a\nnew line", 0.1,
    )  # fmt: skip
    assert differences(thing, load(save(thing, tmp_path / "a.fits"))) == []


@dataclass(frozen=True)
class Unsavable:
    """Holds what no file holds."""

    call: object


def test_a_field_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReductionError, match=r"Unsavable\.call is a function"):
        save(Unsavable(lambda: 3), tmp_path / "a.fits")


def test_what_columns_mean_is_said_to_other_programs(tmp_path: Path) -> None:
    table = QTable({"ra": [1.0] * u.deg, "name": ["a"], "dec": [2.0] * u.deg})
    table.meta["UCD"] = {"ra": "pos.eq.ra", "dec": "pos.eq.dec"}
    path = save(table, tmp_path / "t.fits")
    header = fits.getheader(path, 1)
    assert header["TUCD1"] == "pos.eq.ra" and header["TUCD3"] == "pos.eq.dec" and "TUCD2" not in header
    assert load(path).meta["UCD"] == table.meta["UCD"]
