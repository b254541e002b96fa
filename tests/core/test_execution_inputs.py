"""Inputs are write-protected, whatever they are and however they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.table import QTable

from alfosc_reduce.images import make_image
from alfosc_reduce.labour import Loader, carry_out, load_input
from alfosc_reduce.orders import Order, ProductInput, RawInput
from alfosc_reduce.products import save
from alfosc_reduce.spectra import make_spectrum
from alfosc_reduce.store import Store

KEY, LATER = "ab" + "0" * 30, "cd" + "0" * 30


def image() -> Any:
    flags = np.zeros((4, 6), np.int16)
    flags[1, 1] = 1
    return make_image(np.ones((4, 6)), unit="electron", header=Header(), variance=np.ones((4, 6)), flags=flags)


def spectrum() -> Any:
    wave = np.linspace(4000, 5000, 9) * u.AA
    columns = {"SKY": np.ones(9) * u.electron}
    return make_spectrum(wave, np.ones(9) * u.electron, variance=np.ones(9), header=Header(), columns=columns)


def spectra() -> Any:
    from specutils import SpectrumList

    return SpectrumList([spectrum(), spectrum()])


def table() -> Any:
    return QTable({"a": np.arange(3.0), "b": np.arange(3.0) * u.AA})


def lines() -> Any:
    from alfosc_reduce_toys.steps import Lines

    return Lines(np.arange(4.0), "He")


def change(array: Any) -> None:
    array[...] = 7


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "pixels": (image, lambda i: change(i.data)),
    "pixels in place": (image, lambda i: i.data.__iadd__(1)),
    "a view of pixels": (image, lambda i: change(i.data[1:2])),
    "mask": (image, lambda i: change(i.mask)),
    "flags": (image, lambda i: change(i.flags)),
    "variance": (image, lambda i: change(i.uncertainty.array)),
    "flux": (spectrum, lambda s: change(s.flux.value)),
    "flux in place": (spectrum, lambda s: s.flux.__iadd__(1 * u.electron)),
    "spectral data": (spectrum, lambda s: change(s.data)),
    "wavelengths": (spectrum, lambda s: change(s.spectral_axis.value)),
    "variance of a spectrum": (spectrum, lambda s: change(s.uncertainty.array)),
    "columns of a spectrum": (spectrum, lambda s: change(s.meta["columns"]["SKY"].value)),
    "flags of a spectrum": (spectrum, lambda s: change(s.meta["flags"])),
    "second spectrum": (spectra, lambda s: change(s[1].data)),
    "column of a table": (table, lambda t: change(t["a"])),
    "quantity of a table": (table, lambda t: change(t["b"].value)),
    "array of a dataclass": (lines, lambda x: change(x.positions)),
}


@pytest.mark.parametrize("memmap", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_products_are_write_protected(toys: SimpleNamespace, tmp_path: Path, name: str, memmap: bool) -> None:
    make, spoil = CHANGES[name]
    store = Store(tmp_path)
    with store.making(KEY) as folder:
        save(make(), folder / "result.fits")
    loaded = load_input(store, ProductInput(KEY, "result", "x"), memmap=memmap)
    with pytest.raises(ValueError, match="read-only"):
        spoil(loaded)


def test_gathered_members_are_read_anew_each_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.making(KEY) as folder:
        save(image(), folder / "result.fits")
    members = Loader(store, [ProductInput(KEY, "result", "x")] * 3)
    assert len(members) == 3 and len(members[1:]) == 2 and members[0] is not members[0]
    assert [np.sum(m.data) for m in members] == [24, 24, 24] and members[-1].unit == "electron"
    with pytest.raises(IndexError):
        members[3]


def test_raw_frames_carry_what_a_person_called_them(toys: SimpleNamespace, tmp_path: Path) -> None:
    raw = toys.write_frame(tmp_path / "a.fits", "object", "M 1", 60000.0)
    loaded = load_input(Store(tmp_path), RawInput(str(raw), "toy", "standard", "Müller 1", "hash"))
    assert (loaded.meta["FRAMEKND"], loaded.meta["OBJECT"]) == ("standard", "Muller 1")
    with pytest.raises(ValueError, match="read-only"):
        change(loaded.data)


def pass_on(folder: Path) -> tuple[Path, Path]:
    """Store an image and carry out a toy that returns it as it is, as there is no bias; give both files."""
    store = Store(folder)
    with store.making(KEY) as place:
        save(image(), place / "result.fits")
        store.write_record(place, {"entity": {"outputs": {"result": "CCDData"}}})
    given = {"image": ProductInput(KEY, "result", "earlier"), "bias": None}
    facts = dict.fromkeys(("step", "owner", "version", "label", "coordinates", "reasons", "files"), "")
    outcome = carry_out(Order("later", LATER, "toy_subtract", {}, given, ("", ""), facts), str(folder))
    assert not outcome.error
    return store.product(KEY, "result"), store.product(LATER, "result")


def test_an_input_returned_as_it_is_is_not_written_again(toys: SimpleNamespace, tmp_path: Path) -> None:
    before, after = pass_on(tmp_path)
    assert after.samefile(before)


def test_where_files_cannot_have_two_names_it_is_written(
    toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    before, after = pass_on(tmp_path)
    assert not after.samefile(before)
    assert np.array_equal(load_input(Store(tmp_path), ProductInput(LATER, "result", "")).data, image().data)
