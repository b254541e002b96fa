"""Products are written whole or not at all, and a damaged one is never trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from alfosc_reduce import DataError, ReductionError, load, save
from alfosc_reduce.images import make_image
from alfosc_reduce.products import type_of_file
from alfosc_reduce.testing import identical

IMAGE = make_image(np.ones((300, 400)), unit="adu", header=fits.Header({"OBJECT": "a"}), variance=1.0)


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    save(IMAGE, tmp_path / "a.fits")
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]
    assert type_of_file(tmp_path / "a.fits") == "CCDData"


def test_a_second_save_replaces_the_first(tmp_path: Path) -> None:
    save(IMAGE, tmp_path / "a.fits")
    save(make_image(np.zeros((2, 2)), unit="adu", header=fits.Header()), tmp_path / "a.fits")
    assert load(tmp_path / "a.fits").shape == (2, 2)


@pytest.mark.parametrize("moment", ["while writing", "while moving"])
def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    save(IMAGE, tmp_path / "a.fits")

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    if moment == "while writing":
        monkeypatch.setattr(fits.HDUList, "writeto", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReductionError, match=r"cannot write .*a.fits: No space left on device"):
        save(make_image(np.zeros((2, 2)), unit="adu", header=fits.Header()), tmp_path / "a.fits")
    monkeypatch.undo()
    assert identical(load(tmp_path / "a.fits"), IMAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from astropy.io.fits import Header
from alfosc_reduce import ReductionError, save
from alfosc_reduce.images import make_image
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    save(make_image(np.ones((300, 400)), unit="adu", header=Header(), variance=1.0), sys.argv[1])
except ReductionError as error:
    print(error)
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    save(IMAGE, tmp_path / "a.fits")
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.fits")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout and "a.fits" in done.stdout
    assert identical(load(tmp_path / "a.fits"), IMAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # permissions do not stop root

        def refuse(*args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("tempfile.mkstemp", refuse)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(ReductionError, match=r"cannot write .*a.fits: Permission denied"):
        save(IMAGE, tmp_path / "a.fits")


def test_others_may_read_what_a_new_file_of_this_person_lets_them(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    path = save(IMAGE, tmp_path / "product.fits")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ReductionError, match=r"cannot write .*No such file or directory"):
        save(IMAGE, tmp_path / "absent" / "a.fits")


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReductionError, match=r"type 'dict' cannot be saved"):
        save({"a": 1}, tmp_path / "a.fits")


@pytest.mark.parametrize("kept", [0, 100, 2880, 100_000, 400_000])
def test_a_truncated_product_is_refused(tmp_path: Path, kept: int) -> None:
    save(IMAGE, tmp_path / "a.fits")
    with (tmp_path / "a.fits").open("r+b") as stream:
        stream.truncate(kept)
    with pytest.raises(DataError, match=r"a\.fits"):
        load(tmp_path / "a.fits")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.fits"):
        load(tmp_path / "absent.fits")


def test_a_fits_file_of_somebody_else(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"no product of this package"):
        load(tmp_path / "a.fits")


def test_a_product_without_its_planes(tmp_path: Path) -> None:
    save(IMAGE, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        fits.HDUList(hdus[:1]).writeto(tmp_path / "b.fits")
    with pytest.raises(DataError, match=r"damaged product"):
        load(tmp_path / "b.fits")


def test_a_type_that_is_not_installed(tmp_path: Path) -> None:
    fits.PrimaryHDU(header=fits.Header({"PRODTYPE": "nowhere:Thing"})).writeto(tmp_path / "a.fits")
    with pytest.raises(DataError, match=r"'nowhere:Thing' need a package that is not installed"):
        load(tmp_path / "a.fits")


def test_memory_mapped_planes_stay_on_disk(tmp_path: Path) -> None:
    mapped = load(save(IMAGE, tmp_path / "a.fits"), memmap=True)
    assert isinstance(mapped, CCDData) and np.array_equal(mapped.data, IMAGE.data)
    base = mapped.data
    while base is not None and not isinstance(base, (np.memmap, mmap)):
        base = base.base
    assert base is not None
